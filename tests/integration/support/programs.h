#pragma once

#include <string>

namespace shift::testing {

// Path of one of our programs: "shift-supervisord", "shift-worker", "shift-supervisorctl",
// "shift-api", "shift-lhm". From the folder SHIFT_BIN_DIR when set (installed packages), else from
// the build tree.
std::string program(const std::string& name);

// The real pt-online-schema-change (PT_OSC, else from PATH). Tests fail without it.
std::string pt_osc();

}  // namespace shift::testing
