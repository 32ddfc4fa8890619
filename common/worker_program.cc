#include "common/worker_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/clock.h"
#include "common/text.h"
#include "common/unique_fd.h"

extern char** environ;

namespace shift {
namespace {

constexpr std::chrono::seconds kDescribeDeadline{30};
constexpr std::chrono::seconds kHoldDeadline{60};
constexpr std::chrono::seconds kCheckDeadline{120};
constexpr std::size_t kOutputBytesMax = std::size_t{1024} * 1024;

bool is_executable(const std::string& path) {
    return ::access(path.c_str(), X_OK) == 0;
}

std::string own_folder() {
    std::error_code error;
    return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

// stdout of a short run; what it says on stderr goes to ours.
Result<std::string> output_of(std::vector<std::string> words, std::chrono::seconds limit) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return Error{Errc::kUnavailable, std::string("pipe: ") + std::strerror(errno), errno};
    }
    UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    (void)::posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
    std::vector<char*> argv;
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    pid_t pid = 0;
    const int failed = ::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        return Error{Errc::kUnavailable,
                     fmt::format("spawn {}: {}", words[0], std::strerror(failed)), failed};
    }
    writer.reset();
    std::string text;
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd polled{reader.get(), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&polled, 1, static_cast<int>(left.count())) == 0) {
            (void)::kill(pid, SIGKILL);
            break;
        }
        char buffer[4096];
        const ssize_t got = ::read(reader.get(), buffer, sizeof buffer);
        if (got == 0 || (got < 0 && errno != EINTR) || text.size() > kOutputBytesMax) {
            break;
        }
        text.append(buffer, got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    int status = 0;
    (void)::waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return Error{Errc::kUnavailable, words[0] + " did not answer"};
    }
    return text;
}

}  // namespace

Result<std::string> find_worker(const Config& config) {
    if (!config.worker_path.empty()) {
        if (is_executable(config.worker_path)) {
            return std::filesystem::absolute(config.worker_path).string();
        }
        return Error{Errc::kNotFound,
                     fmt::format("worker_path: {} is not an executable file", config.worker_path)};
    }
    const std::string folder = own_folder();
    const std::vector<std::string> places = {folder + "/shift-worker",
                                             folder + "/../worker/shift-worker",
                                             SHIFT_LIBEXEC_DIR "/shift-worker"};
    for (const std::string& place : places) {
        if (is_executable(place)) {
            return place;
        }
    }
    return Error{Errc::kNotFound, fmt::format("shift-worker is neither {} nor {} nor {}; set "
                                              "worker_path in the configuration",
                                              places[0], places[1], places[2])};
}

Result<Json> describe_engine(const std::string& worker, const Config& config) {
    ASSIGN_OR_RETURN(const std::string text, output_of({worker, "--describe-engine",
                                                        config.pt_osc_path, config.pt_osc_flavour},
                                                       kDescribeDeadline));
    ASSIGN_OR_RETURN(Json json, parse_json(text));
    if (!json.is_object()) {
        return Error{Errc::kUnavailable, worker + " answered no object"};
    }
    return json;
}

Result<std::vector<Json>> check_servers_with(const std::string& worker,
                                             const std::string& config_path,
                                             const std::vector<std::string>& servers) {
    std::vector<std::string> words = {worker, "--check", "--config", config_path};
    words.insert(words.end(), servers.begin(), servers.end());
    ASSIGN_OR_RETURN(const std::string text, output_of(std::move(words), kCheckDeadline));
    std::vector<Json> findings;
    for (const std::string& line : split(text, '\n')) {
        if (auto finding = parse_json(line); finding.ok() && finding->is_object()) {
            findings.push_back(*std::move(finding));
        }
    }
    return findings;
}

Result<Json> who_holds_with(const std::string& worker, const std::string& config_path,
                            const std::string& server, const std::string& database,
                            const std::string& table, std::uint64_t kill) {
    std::vector<std::string> words = {worker, "--who-holds", "--config", config_path,
                                      server, database,      table};
    if (kill != 0) {
        words.insert(words.end(), {"--kill", std::to_string(kill)});
    }
    ASSIGN_OR_RETURN(const std::string text, output_of(std::move(words), kHoldDeadline));
    return parse_json(text);
}

}  // namespace shift
