#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/integration/support/wait.h"

namespace shift::testing {

struct SpawnOptions {
    std::vector<std::string> argv = {};           // argv[0] is looked up in PATH
    std::map<std::string, std::string> env = {};  // added to ours
    std::string output = {};                      // stdout and stderr are appended here
    std::string separate_stdout = {};             // when not empty: stdout goes here instead
    bool die_with_parent = true;                  // SIGKILL when the test ends, however it ends
};

// How a child ended.
struct ExitStatus {
    int code = -1;  // exit code, or -1
    int signo = 0;  // ending signal, or 0
};

// One child process, killed and reaped with the object.
class ChildProcess {
  public:
    ChildProcess() = default;
    explicit ChildProcess(const SpawnOptions& options) { start(options); }
    ~ChildProcess() { kill9(); }
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    ChildProcess(ChildProcess&& other) noexcept;
    ChildProcess& operator=(ChildProcess&& other) noexcept;

    // Throws std::runtime_error when the program cannot be started.
    void start(const SpawnOptions& options);

    pid_t pid() const { return pid_; }
    // Reaps when it has ended.
    bool running();
    void signal(int signo) const;
    void kill9();
    // SIGTERM, and SIGKILL when that takes longer than `deadline`. How it ended.
    std::optional<ExitStatus> terminate(milliseconds deadline = kDeadline);
    // nullopt: still running after the deadline.
    std::optional<ExitStatus> wait(milliseconds deadline = kDeadline);

  private:
    pid_t pid_ = 0;
    std::optional<ExitStatus> status_;
};

// Runs to the end; output as text. For short tools.
struct ToolResult {
    ExitStatus status;
    std::string out;
    std::string err;
};
ToolResult run_tool(const std::vector<std::string>& argv,
                    const std::map<std::string, std::string>& env = {},
                    milliseconds deadline = kDeadline);

// Pids of all processes whose command line or working directory mentions `text`.
std::vector<pid_t> processes_mentioning(const std::string& text);
// /proc/PID/cmdline with spaces for NULs; "" when it is gone.
std::string command_line(pid_t pid);

// A port of 127.0.0.1 that nobody listens on right now.
int free_port();

}  // namespace shift::testing
