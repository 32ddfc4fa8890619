#pragma once

#include <string>

#include "tests/integration/support/invariants.h"
#include "tests/integration/support/scenario.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {

// A migration of app.t with a final insert, held in the middle of its copy, under traffic, with
// everything to see whether it ended well.
class HeldCopy {
  public:
    static constexpr int kRows = 400;
    static Change change();

    // `start`: with a running daemon.
    explicit HeldCopy(ScenarioOptions options = {}, bool start = true);

    // Files the change and brings it to where its copy stands still.
    void copy();
    // "worker_pid" or "engine_pid" as the daemon shows it now; 0 = none.
    pid_t pid_of(const char* which);
    std::string journal_error() { return string_or(s.supervisor().status(), "journal_error", ""); }
    // Opens the gate; everything must come to its right end.
    void finish();

    Scenario s;
    CopyGate gate{s};
    Invariants invariants{s};  // looked at in all waits of `s`
    Writers writers{s.server(), "app", "t", 1, base_seed()};
    MigrationId id = 0;
    pid_t worker = 0;  // of copy()
};

}  // namespace shift::testing
