#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/counts.h"
#include "tests/sim/trace.h"

namespace shift::sim {

struct Options {
    std::uint64_t seed = 1;
    int steps = 2'500;    // events before the faults end
    int supervisors = 0;  // 0 = drawn from the seed, 1 to 3
    Trace::Sink trace = {};
};

struct Report {
    std::vector<std::string> violations;
    std::uint64_t hash = 0;  // of everything that happened
    Counts counts;
};

// One run: supervisors, people and trouble for `steps` events, then no trouble any more until
// everything has come to its end. Depends on nothing but the options.
Report run(const Options& options);

}  // namespace shift::sim
