#pragma once

#include <atomic>

#include "common/result.h"
#include "worker/mysql/connection.h"

namespace shift::lhm {

// How many connections copy and compare on one database server, those of all migrations together
// and whichever host they run on. The server counts them itself: each needs one of its named locks,
// a slot, and a slot ends with the session that holds it, whatever died. The first connection of a
// migration works without one all the same, so none stands still.
//
// Who is short of slots says how many it has (another named lock), and who has two more than that
// gives one back: migrations that want the same get the same, give or take one.
// (Several named locks per session: MariaDB 10.0.2, MySQL 5.7.)
class HostBudget {
  public:
    // `slots`: of the server; 0 = as many connections as each migration wants.
    explicit HostBudget(int slots) : slots_(slots) {}

    bool is_limited() const { return slots_ > 0; }
    // Takes and gives back, in the locks of this session; always the same one, or a new one after
    // it was lost. `wanted`: connections that have work. Never waits for a lock; some round trips.
    Status look(Connection& session, int wanted);
    // Of ours, those that may work; any thread.
    int hands() const { return hands_; }

  private:
    const int slots_;
    std::atomic<int> hands_{1};
};

}  // namespace shift::lhm
