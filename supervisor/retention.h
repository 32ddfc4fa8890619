#pragma once

#include <deque>

#include "supervisor/process/workers.h"
#include "supervisor/registry.h"

namespace shift {

// Lets go of what is old: journal_retention_days for finished migrations in the journal (four times
// that for those handed on and never seen again), attempts_retention_days for attempt directories
// and the log_dir folders of finished migrations. A pass begins at the start and every hour and
// does a little every tick, so that no turn of the loop is long.
class Retention {
  public:
    Retention(Registry& registry, Workers& workers) : registry_(registry), workers_(workers) {}

    void tick();
    // Forgets a pass under way; after a (re)load of the registry.
    void reset();

  private:
    void begin();
    void forget_one();
    void discard_files_of_finished(const std::vector<MigrationId>& ids);

    Registry& registry_;
    Workers& workers_;
    SteadyTime due_{};
    bool is_pruning_ = false;
    std::deque<MigrationId> expired_;
    int forgotten_ = 0;
};

}  // namespace shift
