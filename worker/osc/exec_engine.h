#pragma once

#include <sys/types.h>

#include <vector>

namespace shift {

// The hidden mode `shift-worker --exec-engine PARENT -- PROGRAM ARGS...`: between spawn and exec of
// the engine. Asks the kernel for SIGTERM when the worker's main thread ends, leaves at once when
// it has ended already, closes everything but stdin, stdout, stderr and descriptor 3 (engine.lock),
// and becomes the engine. Returns only on failure, with the exit code.
int exec_engine(pid_t parent, std::vector<char*> argv);

}  // namespace shift
