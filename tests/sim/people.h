#pragma once

#include <vector>

#include "tests/sim/world.h"

namespace shift::sim {

// People and their scheduler: file migrations, approve, start, enqueue, pause, resume, rename,
// cancel and delete them, at random moments, as far as the API lets them.
class People {
  public:
    explicit People(World& world) : world_(world) {}

    void begin();
    // From now on they only move things on.
    void settle();
    // Nothing more will be filed.
    bool are_done() const { return to_file_ == 0; }

  private:
    void plan();
    void file();
    void act();
    void act_on(MigrationId id);
    void ask(const std::string& action, MigrationId id, Json extra = Json::object());
    void schedule();
    void decide();
    void retry();
    void take_over();

    World& world_;
    int to_file_ = 0;
    bool settling_ = false;
    std::vector<MigrationId> filed_;
};

}  // namespace shift::sim
