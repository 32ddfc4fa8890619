#include "tests/integration/support/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "common/unique_fd.h"
#include "tests/integration/support/sockets.h"
#include "tests/integration/support/temp_dir.h"

extern char** environ;

namespace shift::testing {

namespace {

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> out;
    out.reserve(strings.size() + 1);
    for (std::string& one : strings) {
        out.push_back(one.data());
    }
    out.push_back(nullptr);
    return out;
}

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& added) {
    std::vector<std::string> out;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text = *entry;
        if (!added.contains(text.substr(0, text.find('=')))) {
            out.push_back(text);
        }
    }
    for (const auto& [name, value] : added) {
        out.push_back(name + "=" + value);
    }
    return out;
}

ExitStatus decode(int raw) {
    ExitStatus status;
    if (WIFEXITED(raw)) {
        status.code = WEXITSTATUS(raw);
    } else if (WIFSIGNALED(raw)) {
        status.signo = WTERMSIG(raw);
    }
    return status;
}

}  // namespace

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), status_(std::exchange(other.status_, std::nullopt)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
    if (this != &other) {
        kill9();
        pid_ = std::exchange(other.pid_, 0);
        status_ = std::exchange(other.status_, std::nullopt);
    }
    return *this;
}

void ChildProcess::start(const SpawnOptions& options) {
    kill9();
    std::vector<std::string> args = options.argv;
    if (options.die_with_parent) {
        // util-linux; the setting survives the exec of the real program.
        args.insert(args.begin(), {"setpriv", "--pdeathsig", "KILL", "--"});
    }
    std::vector<std::string> env = merged_environment(options.env);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    const std::string output = options.output.empty() ? "/dev/null" : options.output;
    const int flags = O_WRONLY | O_CREAT | O_APPEND;
    posix_spawn_file_actions_addopen(&actions, 2, output.c_str(), flags, 0644);
    if (options.separate_stdout.empty()) {
        posix_spawn_file_actions_adddup2(&actions, 2, 1);
    } else {
        posix_spawn_file_actions_addopen(&actions, 1, options.separate_stdout.c_str(), flags, 0644);
    }
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    pid_t pid = 0;
    const int rc = ::posix_spawnp(&pid, args[0].c_str(), &actions, &attributes,
                                  pointers(args).data(), pointers(env).data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0) {
        throw std::runtime_error("cannot start " + options.argv[0] + ": " + std::strerror(rc));
    }
    pid_ = pid;
    status_.reset();
}

bool ChildProcess::running() {
    if (pid_ == 0 || status_) {
        return false;
    }
    int raw = 0;
    const pid_t got = ::waitpid(pid_, &raw, WNOHANG);
    if (got == pid_) {
        status_ = decode(raw);
    }
    return !status_;
}

void ChildProcess::signal(int signo) const {
    if (pid_ != 0 && !status_) {
        ::kill(pid_, signo);
    }
}

void ChildProcess::kill9() {
    if (pid_ != 0 && running()) {
        ::kill(pid_, SIGKILL);
        int raw = 0;
        if (::waitpid(pid_, &raw, 0) == pid_) {
            status_ = decode(raw);
        }
    }
}

std::optional<ExitStatus> ChildProcess::terminate(milliseconds deadline) {
    signal(SIGTERM);
    std::optional<ExitStatus> status = wait(deadline);
    if (!status) {
        kill9();
    }
    return status;
}

std::optional<ExitStatus> ChildProcess::wait(milliseconds deadline) {
    if (!poll_until([this] { return !running(); }, deadline)) {
        return std::nullopt;
    }
    return status_;
}

ToolResult run_tool(const std::vector<std::string>& argv,
                    const std::map<std::string, std::string>& env, milliseconds deadline) {
    const TempDir dir;
    SpawnOptions options;
    options.argv = argv;
    options.env = env;
    options.output = dir / "err";
    options.separate_stdout = dir / "out";
    ChildProcess child(options);
    ToolResult result;
    if (const auto status = child.wait(deadline)) {
        result.status = *status;
    } else {
        child.kill9();
        result.status.signo = SIGKILL;
    }
    result.out = slurp(dir / "out");
    result.err = slurp(dir / "err");
    return result;
}

std::string command_line(pid_t pid) {
    std::string text = slurp("/proc/" + std::to_string(pid) + "/cmdline");
    for (char& c : text) {
        if (c == '\0') {
            c = ' ';
        }
    }
    return text;
}

std::vector<pid_t> processes_mentioning(const std::string& text) {
    std::vector<pid_t> found;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
        const std::string name = entry.path().filename();
        pid_t pid = 0;
        const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (parsed.ec != std::errc{} || pid == ::getpid()) {
            continue;
        }
        const auto cwd = std::filesystem::read_symlink(entry.path() / "cwd", error);
        if (command_line(pid).find(text) != std::string::npos ||
            cwd.string().find(text) != std::string::npos) {
            found.push_back(pid);
        }
    }
    return found;
}

int free_port() {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(0);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw std::runtime_error("no free port");
    }
    return port_of(fd.get());
}

}  // namespace shift::testing
