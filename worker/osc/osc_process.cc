#include "worker/osc/osc_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/job.h"
#include "common/test_points.h"

namespace shift {
namespace {

// A table with hundreds of columns makes pt-osc print its triggers in one line.
constexpr std::size_t kLineBytesMax = std::size_t{64} * 1024;
constexpr std::size_t kReadBytes = std::size_t{64} * 1024;

// Owns the two posix_spawn objects.
class SpawnSetup {
  public:
    SpawnSetup() {
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawnattr_init(&attributes);
    }
    SpawnSetup(const SpawnSetup&) = delete;
    SpawnSetup& operator=(const SpawnSetup&) = delete;
    ~SpawnSetup() {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
};

// The worker blocks SIGTERM and ignores SIGPIPE; the engine must start with neither.
void use_default_signals(SpawnSetup& setup) {
    sigset_t none;
    sigemptyset(&none);
    sigset_t defaults;
    sigemptyset(&defaults);
    for (const int signo : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT, SIGUSR1, SIGUSR2}) {
        sigaddset(&defaults, signo);
    }
    (void)::posix_spawnattr_setsigmask(&setup.attributes, &none);
    (void)::posix_spawnattr_setsigdefault(&setup.attributes, &defaults);
    (void)::posix_spawnattr_setflags(&setup.attributes,
                                     POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> raw;
    for (std::string& word : words) {
        raw.push_back(word.data());
    }
    raw.push_back(nullptr);
    return raw;
}

}  // namespace

std::string ExitStatus::text() const {
    return fmt::format("{} {}", signaled ? "signal" : "exit", number);
}

Result<std::unique_ptr<OscProcess>> OscProcess::start(const OscSpawn& spawn) {
    std::unique_ptr<OscProcess> process(new OscProcess);
    SpawnSetup setup;
    use_default_signals(setup);
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    (void)::posix_spawn_file_actions_addopen(&setup.actions, 0, "/dev/null", O_RDONLY, 0);
    (void)::posix_spawn_file_actions_addopen(&setup.actions, 1, spawn.stdout_path.c_str(), flags,
                                             0640);
    (void)::posix_spawn_file_actions_addopen(&setup.actions, 2, spawn.stderr_path.c_str(), flags,
                                             0640);
    if (spawn.engine_lock_fd >= 0) {
        (void)::posix_spawn_file_actions_adddup2(&setup.actions, spawn.engine_lock_fd,
                                                 kWorkerLockFd);
    }
    std::vector<std::string> words = {"shift-worker", "--exec-engine",
                                      fmt::format("{}", ::getpid()), "--"};
    words.insert(words.end(), spawn.argv.begin(), spawn.argv.end());
    std::vector<std::string> environment = spawn.environment;
    std::vector<char*> argv = pointers(words);
    std::vector<char*> envp = pointers(environment);
    pid_t pid = 0;
    crash_point("engine-spawn");
    const int failed = ::posix_spawn(&pid, "/proc/self/exe", &setup.actions, &setup.attributes,
                                     argv.data(), envp.data());
    if (failed != 0) {
        return Error{Errc::kIo,
                     fmt::format("spawn {}: {}", spawn.argv.front(), std::strerror(failed)),
                     failed};
    }
    crash_point("engine-spawned");
    if (planted_bug("two-engines") &&
        std::find(spawn.argv.begin(), spawn.argv.end(), "--execute") != spawn.argv.end()) {
        pid_t second = 0;
        (void)::posix_spawn(&second, "/proc/self/exe", &setup.actions, &setup.attributes,
                            argv.data(), envp.data());
        (void)::kill(second, SIGSTOP);  // there for as long as anybody looks, and in nobody's way
    }
    process->pid_ = pid;
    process->identity_ = identify_process(pid);
    for (const auto& [stream, path] :
         {std::pair<std::string_view, const std::string&>("stdout", spawn.stdout_path),
          {"stderr", spawn.stderr_path}}) {
        UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!fd) {
            return Error{Errc::kIo, fmt::format("open {}: {}", path, std::strerror(errno)), errno};
        }
        process->tails_.push_back(Tail{stream, std::move(fd), 0, LineFramer(kLineBytesMax)});
    }
    return process;
}

OscProcess::~OscProcess() {
    if (pid_ > 0 && !exit_) {
        (void)::kill(pid_, SIGKILL);
        (void)::waitpid(pid_, nullptr, 0);
    }
}

void OscProcess::read_output(const LineSink& take, bool final) {
    std::string buffer(kReadBytes, '\0');
    for (Tail& tail : tails_) {
        for (;;) {
            const ssize_t got = ::pread(tail.fd.get(), buffer.data(), buffer.size(),
                                        static_cast<off_t>(tail.offset));
            if (got <= 0) {
                break;
            }
            tail.offset += static_cast<std::uint64_t>(got);
            for (const std::string& line :
                 tail.framer.push(std::string_view(buffer.data(), static_cast<std::size_t>(got)))) {
                take(tail.stream, line);
            }
        }
        if (final) {
            if (const std::string rest = tail.framer.take_rest(); !rest.empty()) {
                take(tail.stream, rest);
            }
        }
    }
}

std::optional<ExitStatus> OscProcess::poll_exit() {
    if (exit_) {
        return exit_;
    }
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) {
        exit_ = WIFSIGNALED(status) ? ExitStatus{true, WTERMSIG(status)}
                                    : ExitStatus{false, WEXITSTATUS(status)};
    }
    return exit_;
}

// The process is our unreaped child, so its pid cannot have been reused.
void OscProcess::signal(int signo) {
    if (!exit_) {
        (void)::kill(pid_, signo);
    }
}

}  // namespace shift
