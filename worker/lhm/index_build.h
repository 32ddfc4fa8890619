#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/result.h"
#include "worker/lhm/deferred_indexes.h"
#include "worker/lhm/engine.h"

namespace shift::lhm {

// Adds what of plan.deferred the shadow lacks, online, while the triggers go on. The ALTER needs
// the shadow for itself for a moment at its begin and end: who wrote the table in a transaction
// that is still open is waited for, writes queue behind that wait for 1 s at most, and then the
// build is lost and tried again. So it begins when no old transaction is open, and a large table
// gets one index after the other, that no more than one is lost. Source: MariaDB 10.11 and
// MySQL 9.7, tried: a transaction that is open when the build ends makes it fail with 1205 after
// lock_wait_timeout; one that ended before has no effect.
class IndexBuild {
  public:
    // What goes on beside the build: looked after every 100 ms while an ALTER is at work, and ended
    // (more than once) when a stop is asked for or the database lock is lost, for the table is not
    // ours any more.
    struct Beside {
        std::function<void()> look_after;
        std::function<void()> end;
    };
    IndexBuild(Workshop& workshop, Sessions& sessions, const Plan& plan, const Options& options,
               const Checkpoint& checkpoint, Beside beside)
        : workshop_(workshop),
          sessions_(sessions),
          plan_(plan),
          options_(options),
          checkpoint_(checkpoint),
          beside_(std::move(beside)) {}

    // nullopt: all are there. Errors: trouble that passes; the copy is kept.
    Result<std::optional<Ending>> run();

  private:
    using Time = std::chrono::steady_clock::time_point;

    Result<std::vector<DeferredIndex>> missing();
    void wait_for_old_transactions();
    // One ALTER to its end, or to a stop's or lost lock's KILL.
    Status build(const std::vector<DeferredIndex>& indexes);
    // Looks at the ALTER in the process list; `tells`: as progress, too. False when it waits for
    // its lock, or that cannot be told.
    bool watch(std::uint64_t thread_id, bool tells);
    Result<std::optional<Ending>> after_failure(const Error& error, std::size_t tried);

    Workshop& workshop_;
    Sessions& sessions_;
    const Plan& plan_;
    const Options& options_;
    const Checkpoint& checkpoint_;
    const Beside beside_;
    bool told_ = false;
    bool one_at_a_time_ = false;
    int log_overflows_ = 0;
    int lock_waits_ = 0;  // in a row
    std::optional<Time> waits_since_;
    std::string words_;                    // the server's, of the last failure
    std::chrono::milliseconds waited_{0};  // for the lock, as the process list shows it
};

}  // namespace shift::lhm
