#pragma once

#include <cstdint>

#include "tests/sim/random.h"

namespace shift::sim {

// How often what was met: so that a figure in the documentation is a figure of a run.
struct Counts {
    std::int64_t daemon_deaths = 0;
    std::int64_t reboots = 0;
    std::int64_t worker_deaths = 0;
    std::int64_t calls = 0;
    std::int64_t calls_disturbed = 0;
    std::int64_t attempts = 0;
    std::int64_t transitions = 0;
    std::int64_t migrations = 0;
    std::int64_t journal_failures = 0;
    Millis simulated{0};

    void add(const Counts& other);
};

}  // namespace shift::sim
