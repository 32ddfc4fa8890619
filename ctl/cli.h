#pragma once

namespace shift::ctl {

// The whole of shift-supervisorctl: reads the command line, runs one verb, gives the exit code
// (common/exit_code.h). Answers go to stdout, complaints to stderr.
int run_cli(int argc, const char* const* argv);

}  // namespace shift::ctl
