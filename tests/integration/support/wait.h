#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace shift::testing {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Deadlines are generous, so that a test never depends on the speed of the machine; a passing test
// never waits for one. SHIFT_DEADLINE_FACTOR stretches them further (sanitizers, slow machines).
inline constexpr seconds kDeadline{60};

std::chrono::milliseconds stretched(std::chrono::milliseconds deadline);

// Polls `done` until it is true. False after the (stretched) deadline.
bool poll_until(const std::function<bool()>& done, milliseconds deadline = kDeadline);

// Asks `done` for the whole (stretched) time; false as soon as it is false. For "nothing happens"
// claims; keep the time short.
bool stays_true(const std::function<bool()>& holds, milliseconds time);

// SHIFT_FULL=1: the sizes of the long suites instead of those of CI.
bool full_run();
// `ci` or `full`.
int sized(int ci, int full);

// A seed for this run: SHIFT_SEED when set (replay), else a fresh one. Printed by the caller.
std::uint64_t base_seed();

}  // namespace shift::testing
