#pragma once

#include "common/stop_request.h"
#include "worker/lhm/cli/arguments.h"

namespace shift::lhm {

// Runs one command line to its end; the exit code (common/exit_code.h). `program` is how it was
// called, for the commands that are printed.
int run_command(const Arguments& arguments, const std::string& program, StopRequest& stop);

}  // namespace shift::lhm
