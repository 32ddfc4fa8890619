#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/line_framer.h"
#include "common/process_identity.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace shift {

struct ExitStatus {
    bool signaled = false;
    int number = 0;  // exit code or signal
    bool is_clean() const { return !signaled && number == 0; }
    std::string text() const;  // "exit 3", "signal 9"
};

struct OscSpawn {
    std::vector<std::string> argv;
    std::vector<std::string> environment;
    std::string stdout_path;
    std::string stderr_path;
    int engine_lock_fd = -1;  // inherited as descriptor 3
};

// One running pt-online-schema-change. Its output goes to files, not pipes: a dead worker must not
// become a full pipe, and a tool whose output nobody reads copies on to the end.
// Lifetime: destroying it while the process runs kills the process and waits for it.
class OscProcess {
  public:
    // REQUIRES: the main thread; the kernel's parent-death signal fires when the spawning *thread*
    // ends. Errors: kIo.
    static Result<std::unique_ptr<OscProcess>> start(const OscSpawn& spawn);
    OscProcess(const OscProcess&) = delete;
    OscProcess& operator=(const OscProcess&) = delete;
    ~OscProcess();

    const ProcessIdentity& identity() const { return identity_; }
    // Calls `take(stream, line)` for every new complete line; with `final`, also for a last one
    // without newline. `stream` is "stdout" or "stderr".
    using LineSink = std::function<void(std::string_view stream, std::string_view line)>;
    void read_output(const LineSink& take, bool final);
    // nullopt while it runs.
    std::optional<ExitStatus> poll_exit();
    void signal(int signo);

  private:
    struct Tail {
        std::string_view stream;
        UniqueFd fd;
        std::uint64_t offset;
        LineFramer framer;
    };
    OscProcess() = default;

    pid_t pid_ = 0;
    ProcessIdentity identity_;
    std::optional<ExitStatus> exit_;
    std::vector<Tail> tails_;
};

}  // namespace shift
