// Happy path of spawn(): directory, credentials and job.json (fsynced), worker.lock taken by us,
// uv_spawn with the locked descriptor as the worker's descriptor 3, our own copy closed. There is
// no moment in which a living worker does not hold its lock. Failure before uv_spawn: nothing runs
// and the directory is left for people to read.

#include "supervisor/process/uv_workers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "common/attempt_folder.h"
#include "common/file.h"
#include "common/mysql_option_file.h"
#include "common/state_file.h"
#include "common/test_points.h"
#include "common/text.h"
#include "supervisor/process/old_files.h"

namespace shift {
namespace {

constexpr std::size_t kStateBytesMax = 4 * 1024 * 1024;
constexpr std::size_t kPolledEventsMax = 10'000;
// How late the death of a worker that said nothing may be noticed, when it is no child of ours.
constexpr std::uint64_t kLookAgainMs = 500;
// Events of a worker that was quiet for long are looked for after this part of that time again, at
// the latest after kLookAgainMs: hundreds of copies that tell something every few seconds.
constexpr std::uint64_t kQuietPart = 10;

std::string absolute(const std::string& path) {
    if (path.empty() || path.front() == '/') {
        return path;
    }
    char* cwd = ::getcwd(nullptr, 0);
    const std::string result = std::string(cwd == nullptr ? "." : cwd) + "/" + path;
    std::free(cwd);
    return result;
}

// Ours, with the attempt's folder for temporary files: what a worker or its engine leaves there
// goes with the attempt, and the unit needs no writable /tmp.
std::vector<std::string> worker_environment(const std::string& dir) {
    std::vector<std::string> variables;
    for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
        if (!std::string_view(*variable).starts_with("TMPDIR=")) {
            variables.emplace_back(*variable);
        }
    }
    variables.push_back("TMPDIR=" + dir);
    return variables;
}

}  // namespace

// A stop request on its way to a worker: connect, one line, wait for the greeting and the answer,
// close. Owned by its pipe: freed in the close callback, after libuv ended what was pending.
struct UvWorkers::StopRequest {
    UvWorkers* owner;
    uv_pipe_t pipe{};
    uv_connect_t connect{};
    uv_write_t write{};
    std::string line;
    char buffer[512];
    int lines_heard = 0;

    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&pipe); }
    void finish() {
        auto* handle = reinterpret_cast<uv_handle_t*>(&pipe);
        if (uv_is_closing(handle) != 0) {
            return;
        }
        owner->stop_requests_.erase(this);
        uv_close(handle,
                 [](uv_handle_t* closed) { delete static_cast<StopRequest*>(closed->data); });
    }
    void send() {
        uv_buf_t bytes = uv_buf_init(line.data(), static_cast<unsigned>(line.size()));
        write.data = this;
        const auto written = [](uv_write_t* done, int status) {
            if (status < 0) {
                static_cast<StopRequest*>(done->data)->finish();
            }
        };
        if (uv_write(&write, stream(), &bytes, 1, written) != 0) {
            finish();
            return;
        }
        uv_read_start(
            stream(),
            [](uv_handle_t* handle, std::size_t, uv_buf_t* room) {
                auto* self = static_cast<StopRequest*>(handle->data);
                *room = uv_buf_init(self->buffer, sizeof self->buffer);
            },
            [](uv_stream_t* handle, ssize_t got, const uv_buf_t* heard) {
                auto* self = static_cast<StopRequest*>(handle->data);
                if (got > 0) {
                    self->lines_heard +=
                        static_cast<int>(std::count(heard->base, heard->base + got, '\n'));
                }
                if (got < 0 || self->lines_heard >= 2) {  // greeting and answer
                    self->finish();
                }
            });
    }
};

UvWorkers::UvWorkers(uv_loop_t& loop, const Config& config, std::string worker_path,
                     const Logger& log)
    : loop_(loop),
      config_(config),
      worker_path_(std::move(worker_path)),
      log_(log),
      background_(loop) {}

UvWorkers::~UvWorkers() {
    while (!stop_requests_.empty()) {
        (*stop_requests_.begin())->finish();
    }
    for (uv_process_t* process : children_) {
        uv_close(reinterpret_cast<uv_handle_t*>(process),
                 [](uv_handle_t* handle) { delete reinterpret_cast<uv_process_t*>(handle); });
    }
}

AttemptFiles UvWorkers::files_of(std::int64_t attempt) const {
    return AttemptFiles(attempt_folder(absolute(config_.state_dir), attempt));
}

std::string UvWorkers::log_path(MigrationId id) const {
    return fmt::format("{}id-{}/ptosc-output.log", absolute(config_.log_dir), id);
}
std::string UvWorkers::state_path(MigrationId id) const {
    return fmt::format("{}id-{}/statefile.txt", absolute(config_.log_dir), id);
}

Status UvWorkers::prepare_directory(const AttemptFiles& files, Job job,
                                    const std::string& api_state) {
    RETURN_IF_ERROR(make_directories(files.dir, 0700));
    job.files_dir = fmt::format("{}id-{}/", absolute(config_.log_dir), job.migration);
    RETURN_IF_ERROR(make_directories(job.files_dir, 0750));
    job.cache_dir = absolute(config_.state_dir) + "/cache";
    job.mysql_defaults_file = absolute(config_.mysql_defaults_file);
    if (!config_.mysql_user.empty()) {
        RETURN_IF_ERROR(write_file_atomic(files.credentials(), mysql_option_file(config_), 0600));
        job.mysql_defaults_file = files.credentials();
    }
    const bool own_for_pt_osc =
        !config_.mysql_defaults_file.empty() && path_exists(config_.mysql_defaults_file);
    job.pt_osc_defaults_file =
        own_for_pt_osc ? absolute(config_.mysql_defaults_file) : job.mysql_defaults_file;
    if (!api_state.empty()) {
        RETURN_IF_ERROR(write_file_atomic(files.api_state_file(), api_state, 0600));
    }
    return write_file_atomic(
        files.job(), to_json(job).dump(2, ' ', false, Json::error_handler_t::replace), 0600);
}

Result<pid_t> UvWorkers::start(const AttemptFiles& files, int lock_fd) {
    const UniqueFd log(
        ::open(files.worker_log().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!log) {
        return Error{Errc::kIo, fmt::format("open {}: {}", files.worker_log(), strerror(errno)),
                     errno};
    }
    std::string program = worker_path_;
    std::string option = "--attempt-dir";
    std::string dir = files.dir;
    char* args[] = {program.data(), option.data(), dir.data(), nullptr};
    uv_stdio_container_t stdio[4] = {};
    stdio[0].flags = UV_IGNORE;  // libuv opens /dev/null
    stdio[1].flags = UV_INHERIT_FD;
    stdio[1].data.fd = log.get();
    stdio[2] = stdio[1];
    stdio[kWorkerLockFd].flags = UV_INHERIT_FD;
    stdio[kWorkerLockFd].data.fd = lock_fd;
    uv_process_options_t options{};
    options.file = program.c_str();
    options.args = args;
    options.cwd = dir.c_str();
    std::vector<std::string> variables = worker_environment(dir);
    std::vector<char*> environment;
    for (std::string& variable : variables) {
        environment.push_back(variable.data());
    }
    environment.push_back(nullptr);
    options.env = environment.data();
    options.flags = UV_PROCESS_DETACHED;  // its own session: it outlives us and our terminal
    options.stdio_count = 4;
    options.stdio = stdio;
    options.exit_cb = [](uv_process_t* process, std::int64_t status, int signo) {
        auto* self = static_cast<UvWorkers*>(process->data);
        self->deaths_[process->pid] = signo != 0
                                          ? fmt::format("signal {}, {}", signo, ::strsignal(signo))
                                          : fmt::format("exit status {}", status);
        self->children_.erase(process);  // reaped; its end is read from locks and events
        for (auto& [attempt, followed] : self->followed_) {
            followed.alive_until_ms = followed.quiet_until_ms = 0;
        }
        uv_close(reinterpret_cast<uv_handle_t*>(process),
                 [](uv_handle_t* handle) { delete reinterpret_cast<uv_process_t*>(handle); });
    };
    auto* process = new uv_process_t{};
    process->data = this;
    if (const int rc = uv_spawn(&loop_, process, &options); rc < 0) {
        // Also after a failed exec the handle belongs to the loop until closed (libuv PR 5055).
        uv_close(reinterpret_cast<uv_handle_t*>(process),
                 [](uv_handle_t* handle) { delete reinterpret_cast<uv_process_t*>(handle); });
        return Error{Errc::kUnavailable, fmt::format("spawn {}: {}", program, uv_strerror(rc)), rc};
    }
    children_.insert(process);
    return process->pid;
}

Result<ProcessIdentity> UvWorkers::spawn(const Job& job, const std::string& api_state_file) {
    const AttemptFiles files = files_of(job.attempt);
    crash_point("spawn");
    RETURN_IF_ERROR(prepare_directory(files, job, api_state_file));
    crash_point("spawn-prepared");
    ASSIGN_OR_RETURN(const UniqueFd lock, lock_file(files.worker_lock()));
    crash_point("spawn-locked");
    ASSIGN_OR_RETURN(const pid_t pid, start(files, lock.get()));
    crash_point("spawned");
    if (planted_bug("run-twice")) {
        (void)start(files, lock.get()).ok();
    }
    return identify_process(pid);
}

UvWorkers::Followed& UvWorkers::follow(const AttemptRecord& attempt) {
    const auto found = followed_.find(attempt.id);
    if (found != followed_.end()) {
        return found->second;
    }
    Followed fresh{EventReader(files_of(attempt.id).events(), attempt.last_seq), std::nullopt, 0};
    return followed_.emplace(attempt.id, std::move(fresh)).first->second;
}

// After its outcome a worker is about to end: then every look is one.
Workers::Life UvWorkers::look(const AttemptRecord& attempt) {
    Followed& followed = follow(attempt);
    const std::uint64_t now_ms = uv_now(&loop_);
    if (!attempt.outcome && now_ms < followed.alive_until_ms) {
        return Life::kAlive;
    }
    const AttemptFiles files = files_of(attempt.id);
    const auto life = look_at_attempt(files);
    if (!life.ok()) {
        log_.error("lock_unreadable", {{"path", files.dir}, {"error", life.error().message}});
        return Life::kAlive;  // unknown counts as held: never two on one table
    }
    followed.alive_until_ms = *life == Life::kAlive ? now_ms + kLookAgainMs : 0;
    if (*life != Life::kAlive) {
        followed.quiet_until_ms = 0;  // its last words are read now
    }
    return *life;
}

std::optional<UvWorkers::Stamp> UvWorkers::stamp_of(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        return std::nullopt;
    }
    constexpr std::int64_t kSecond = 1'000'000'000;
    return Stamp{info.st_ino, static_cast<std::uint64_t>(info.st_size),
                 info.st_mtim.tv_sec * kSecond + info.st_mtim.tv_nsec};
}

std::vector<Json> UvWorkers::new_events(const AttemptRecord& attempt) {
    Followed& followed = follow(attempt);
    const bool is_in_step = followed.reader.last_seq() == attempt.last_seq;
    const std::uint64_t now_ms = uv_now(&loop_);
    std::vector<Json> events;
    if (is_in_step && !attempt.outcome && now_ms < followed.quiet_until_ms) {
        return events;
    }
    const std::string path = files_of(attempt.id).events();
    if (!is_in_step) {
        followed.reader = EventReader(path, attempt.last_seq);
        followed.read_to_end.reset();
    }
    const auto stamp = stamp_of(path);
    if (stamp && stamp == followed.read_to_end) {
        const std::uint64_t quiet_ms = now_ms - followed.said_ms;
        followed.quiet_until_ms = now_ms + std::min(quiet_ms / kQuietPart, kLookAgainMs);
        return events;
    }
    followed.said_ms = now_ms;
    followed.read_to_end.reset();
    while (events.size() < kPolledEventsMax) {
        const auto damaged = followed.reader.damaged_lines();
        auto batch = followed.reader.poll();
        if (!batch.ok()) {
            log_.error("events_unreadable",
                       {{"attempt", attempt.id}, {"error", batch.error().message}});
            break;
        }
        if (followed.reader.damaged_lines() > damaged) {
            log_.error("events_damaged", {{"attempt", attempt.id},
                                          {"lines", followed.reader.damaged_lines() - damaged}});
        }
        if (batch->empty()) {
            followed.read_to_end = stamp;  // of before: what came meanwhile is a change
            break;
        }
        std::move(batch->begin(), batch->end(), std::back_inserter(events));
    }
    return events;
}

void UvWorkers::ask_to_stop(const AttemptRecord& attempt, const std::string& reason) {
    crash_point("worker-ask", reason);
    auto* request = new StopRequest{.owner = this, .line = {}, .buffer = {}};
    request->line = to_line({{"command", "stop"}, {"reason", reason}}) + "\n";
    uv_pipe_init(&loop_, &request->pipe, 0);
    request->pipe.data = request;
    request->connect.data = request;
    stop_requests_.insert(request);
    uv_pipe_connect(&request->connect, &request->pipe, files_of(attempt.id).socket().c_str(),
                    [](uv_connect_t* connect, int status) {
                        auto* self = static_cast<StopRequest*>(connect->data);
                        // No socket yet: asked again in a moment, and in the end by SIGTERM.
                        status < 0 ? self->finish() : self->send();
                    });
}

void UvWorkers::signal(const ProcessIdentity& process, int signo) {
    if (process.pid > 0) {
        crash_point("worker-signal");
        (void)signal_process(process, signo);
    }
}

std::string UvWorkers::death_of(const AttemptRecord& attempt) const {
    const auto found = deaths_.find(attempt.worker.pid);
    return found == deaths_.end() ? "" : found->second;
}

void UvWorkers::close(const AttemptRecord& attempt) {
    followed_.erase(attempt.id);
    deaths_.erase(attempt.worker.pid);
    const AttemptFiles files = files_of(attempt.id);
    if (!path_exists(files.dir)) {
        return;
    }
    crash_point("attempt-close");
    if (auto status = write_file_atomic(files.closed(), "", 0600); !status.ok()) {
        log_.warn("close_attempt", {{"attempt", attempt.id}, {"error", status.error().message}});
    }
    for (const std::string& path : {files.credentials(), files.socket(), files.reserve()}) {
        (void)remove_file(path);
    }
}

std::int64_t UvWorkers::highest_attempt() {
    const auto numbers = list_attempts(absolute(config_.state_dir));
    return numbers.ok() && !numbers->empty() ? numbers->back() : 0;
}

std::uint64_t UvWorkers::log_size(MigrationId id) {
    return file_size(log_path(id)).value_or(0);
}

std::string UvWorkers::state_file(MigrationId id) {
    auto text = read_file(state_path(id), kStateBytesMax);
    // A torn or empty file is "none": the original uploaded 0-byte files over good copies.
    return text.ok() && parse_state_file(*text).ok() ? std::move(*text) : std::string();
}

Result<std::string> UvWorkers::contents_of(const OwedCall& call) {
    const std::string path = string_or(call.body, "path", "");
    if (call.kind == CallKind::kWriteState) {
        return read_file(path, kStateBytesMax);
    }
    const auto from = static_cast<std::uint64_t>(int_or(call.body, "from", 0));
    const auto to = static_cast<std::uint64_t>(int_or(call.body, "to", 0));
    return read_file_range(path, from, to > from ? to - from : 0);
}

std::uint64_t UvWorkers::resident_bytes(const ProcessIdentity& process) const {
    if (process.pid <= 0 || !is_alive(process)) {
        return 0;
    }
    // Source: proc(5), statm: the second number, in pages.
    const auto text = read_file(fmt::format("/proc/{}/statm", process.pid), 4096);
    const std::vector<std::string> words = split(text.ok() ? *text : "", ' ');
    std::uint64_t pages = 0;
    if (words.size() > 1) {
        (void)std::from_chars(words[1].data(), words[1].data() + words[1].size(), pages);
    }
    return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void UvWorkers::discard_old_attempts(WallTime before) {
    background_.run([state_dir = absolute(config_.state_dir), before] {
        remove_old_attempts(state_dir, before);
    });
}

void UvWorkers::find_old_files(WallTime before,
                               std::function<void(const std::vector<MigrationId>&)> found) {
    // Both closures own it: the first fills it on its thread, the second reads it afterwards.
    auto ids = std::make_shared<std::vector<MigrationId>>();
    background_.run(
        [log_dir = absolute(config_.log_dir), before, ids] {
            remove_files_put_aside(log_dir);
            *ids = find_old_migration_files(log_dir, before);
        },
        [ids, found = std::move(found)] { found(*ids); });
}

void UvWorkers::discard_files(MigrationId id) {
    const std::string log_dir = absolute(config_.log_dir);
    put_files_aside(log_dir, id);
    background_.run([log_dir] { remove_files_put_aside(log_dir); });
}

bool UvWorkers::stop_file_exists() {
    return !config_.stop_file_path.empty() && path_exists(config_.stop_file_path);
}

}  // namespace shift
