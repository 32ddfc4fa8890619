#pragma once

#include <string_view>

namespace shift {

// Moments and mistakes that tests ask for. Only in builds with tests (-DSHIFT_TEST_POINTS=1): a
// packaged program contains none of this.
//
// A crash point is a boundary between an intent, its effect and its fact. With SHIFT_CRASH_DIR=DIR
// in the environment every point passed is appended to DIR/hits ("PID STATUS NAME", the status as
// DIR/status says it: the test's, of the migration), and the process kills itself (SIGKILL) at the
// point that DIR/armed names in its second line: "NAME COUNT" or "NAME COUNT @STATUS", the COUNT-th
// time that any process passes it (in that status) since DIR/hits had as many bytes as the first
// line says. That line is taken out first and the next one is armed, so one line is one death,
// whichever process dies, and no process gets past a point before the next one is armed.
// `name` is a literal: docs and tests find all points by it. `detail` tells calls of one place
// apart (a statement's verb, an event's kind); the full name is "name/detail".
//
// A planted bug is a guard that a test switches off to see that somebody notices: named in
// SHIFT_PLANT (separated by commas) or by plant_bug().
#if SHIFT_TEST_POINTS
void crash_point(const char* name, std::string_view detail = {});
bool planted_bug(std::string_view name);
void plant_bug(std::string_view name, bool planted);
#else
inline void crash_point(const char*, std::string_view = {}) {}
constexpr bool planted_bug(std::string_view) {
    return false;
}
#endif

}  // namespace shift
