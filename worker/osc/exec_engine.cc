#include "worker/osc/exec_engine.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "common/exit_code.h"

namespace shift {

int exec_engine(pid_t parent, std::vector<char*> argv) {
    if (argv.empty()) {
        return kExitUsage;
    }
    (void)::prctl(PR_SET_PDEATHSIG, SIGTERM);
    // The parent may have died before the line above; then nobody would ever signal us.
    if (::getppid() != parent) {
        std::fprintf(stderr, "shift-worker: the worker is gone, not starting %s\n", argv[0]);
        return kExitTryAgain;
    }
    (void)::close_range(4, ~0U, 0);
    const char* program = argv[0];
    argv.push_back(nullptr);
    ::execv(program, argv.data());
    std::fprintf(stderr, "shift-worker: exec %s: %s\n", program, std::strerror(errno));
    return 127;
}

}  // namespace shift
