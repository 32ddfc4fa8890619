#pragma once

#include <string>

namespace shift::testing {

// Path of one of our programs: "shift-supervisord", "shift-worker", "shift-supervisorctl",
// "shift-api", "shift-lhm". From the folder SHIFT_BIN_DIR when set (installed packages), else from
// the build tree.
std::string program(const std::string& name);

// The real pt-online-schema-change (PT_OSC, else from PATH). Tests fail without it.
std::string pt_osc();

// Writes a script into `folder` that runs the real tool with chunks of `chunk_rows` rows and a
// pause after each (seconds): a copy that can be watched and interrupted. While the file
// `folder`/gate exists, it stops after the next chunk and waits, as in a long throttling. Its path.
std::string small_step_pt_osc(const std::string& folder, int chunk_rows, double pause_s,
                              const std::string& tool = pt_osc());

}  // namespace shift::testing
