#pragma once

#include <string>

namespace shift::testing {

// Path of one of our programs: "shift-supervisord", "shift-supervisord-next" (tests/next),
// "shift-worker", "shift-supervisorctl", "shift-api", "shift-lhm". From the folder SHIFT_BIN_DIR
// when set (installed packages), else from the build tree.
std::string program(const std::string& name);

// Kept between runs (SHIFT_TEST_CACHE, else in /tmp): the fresh data folder servers start from, and
// what the installed pt-osc said of itself.
std::string cache_folder();

// The real pt-online-schema-change (PT_OSC, else from PATH). Tests fail without it.
std::string pt_osc();

// Debian's libfaketime, for LD_PRELOAD. Tests fail without it.
std::string libfaketime();

// Writes a script into `folder` that runs the real tool with chunks of `chunk_rows` rows and a
// pause after each (seconds): a copy that can be watched and interrupted. While the file
// `folder`/gate exists, it stops after the next chunk and waits, as in a long throttling. Its path.
std::string small_step_pt_osc(const std::string& folder, int chunk_rows, double pause_s,
                              const std::string& tool = pt_osc());

// The tool of the script in `folder` says from now on that it knows no --plugin.
void forget_plugins(const std::string& folder);

// The same with the stand-in for Square's patched tool (tests/stand_ins/), without pauses.
std::string small_step_square_pt_osc(const std::string& folder, int chunk_rows);

// Writes a script into `folder` that runs the real tool with chunks of 200 rows and stops it at the
// point named in the file `folder`/stop-at: it writes the name to `folder`/reached and stands still
// until it is killed (TERM lets it go on as the tool would). Points, in order:
//   create created alter altered trigger1 trigger2 trigger3 triggers   statements about to be sent
//   and just done, and all triggers noted by the tool
//   noted0              the first chunk is about to be sent
//   chunk1 chunk2 ...   committed, and nobody has noted it yet
//   noted1 noted2 ...   noted; the next chunk is about to be sent
//   last                there is no further chunk
//   exit                everything is said; the process is about to end
// Its path.
std::string stoppable_pt_osc(const std::string& folder);

}  // namespace shift::testing
