#include <fcntl.h>
#include <fmt/format.h>
#include <mysql.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "common/config.h"
#include "common/exit_code.h"
#include "common/job.h"
#include "worker/doctor/server_check.h"
#include "worker/doctor/table_hold.h"
#include "worker/osc/exec_engine.h"
#include "worker/osc/osc_command.h"
#include "worker/osc/osc_tool.h"
#include "worker/worker.h"

namespace {

constexpr const char* kUsage =
    "usage: shift-worker --attempt-dir DIR\n"
    "\n"
    "Runs one step of one migration as DIR/job.json describes it. Started by shift-supervisord,\n"
    "which passes the locked DIR/worker.lock as descriptor 3. What happened is in\n"
    "DIR/events.jsonl; DIR/worker.sock takes commands; SIGTERM stops and keeps state.\n"
    "\n"
    "  --attempt-dir DIR   the attempt to run\n"
    "  --check --config FILE HOST:PORT[/DATABASE,...]...\n"
    "                      what doctor wants to know of these servers, as JSON lines\n"
    "  --who-holds --config FILE HOST:PORT DATABASE TABLE [--kill THREAD]\n"
    "                      whether any host's worker is on a table, as JSON; ends its session\n"
    "  --help              this text\n"
    "  --version           the version\n";

int usage_error(const char* what) {
    std::fprintf(stderr, "shift-worker: %s\n%s", what, kUsage);
    return shift::kExitUsage;
}

int exec_engine_mode(int argc, char** argv) {
    if (argc < 5 || std::string_view(argv[3]) != "--") {
        return usage_error("--exec-engine PARENT -- PROGRAM is for the worker itself");
    }
    const auto parent = static_cast<pid_t>(std::strtol(argv[2], nullptr, 10));
    return shift::exec_engine(parent, std::vector<char*>(argv + 4, argv + argc));
}

// One JSON object about a pt-online-schema-change, for `doctor` and --check-config.
int describe_engine_mode(const std::string& program, const std::string& wanted) {
    const char* path = std::getenv("PATH");
    shift::OscTool tool;
    const auto binary = shift::find_program(program, path == nullptr ? "/usr/bin:/bin" : path);
    if (binary.ok()) {
        std::string scratch = "/tmp/shift-worker-XXXXXX";
        if (::mkdtemp(scratch.data()) == nullptr) {
            std::fprintf(stderr, "shift-worker: %s: %s\n", scratch.c_str(), std::strerror(errno));
            return shift::kExitInternal;
        }
        const auto found = shift::detect_osc_tool(*binary, scratch, "");
        (void)::rmdir(scratch.c_str());
        if (found.ok()) {
            tool = *found;
        } else {
            tool.trouble = found.error().message;
        }
    } else {
        tool.trouble = binary.error().message;
    }
    const shift::OscFlavour flavour = tool.flavour(wanted);
    shift::Json json = shift::to_json(tool);
    json["flavour"] = shift::flavour_name(flavour);
    json["meaning"] = shift::flavour_meaning(flavour);
    std::puts(shift::to_line(json).c_str());
    return shift::kExitOk;
}

// Findings about database servers, one JSON object a line, for `doctor`.
int check_mode(int argc, char** argv) {
    if (argc < 4 || std::string_view(argv[2]) != "--config") {
        return usage_error("--check --config FILE HOST:PORT[/DATABASE,...]...");
    }
    const auto config = shift::load_config(argv[3]);
    if (!config.ok()) {
        std::fprintf(stderr, "shift-worker: %s\n", config.error().message.c_str());
        return shift::kExitConfig;
    }
    std::vector<shift::ServerToCheck> servers;
    for (int i = 4; i < argc; ++i) {
        const auto server = shift::parse_server_to_check(argv[i]);
        if (!server.ok()) {
            return usage_error(server.error().message.c_str());
        }
        servers.push_back(*server);
    }
    if (mysql_library_init(0, nullptr, nullptr) != 0) {
        return shift::kExitInternal;
    }
    const shift::Status done =
        shift::check_servers(*config, servers, [](const shift::Json& finding) {
            std::puts(shift::to_line(finding).c_str());
            std::fflush(stdout);
        });
    mysql_library_end();
    if (!done.ok()) {
        std::fprintf(stderr, "shift-worker: %s\n", done.error().message.c_str());
        return shift::kExitFailed;
    }
    return shift::kExitOk;
}

// Who works on a table, for `takeover`.
int who_holds_mode(int argc, char** argv) {
    constexpr int kWords = 7;
    const bool kills = argc == kWords + 2 && std::string_view(argv[kWords]) == "--kill";
    if ((argc != kWords && !kills) || std::string_view(argv[2]) != "--config") {
        return usage_error("--who-holds --config FILE HOST:PORT DATABASE TABLE [--kill THREAD]");
    }
    const auto config = shift::load_config(argv[3]);
    const auto server = shift::parse_server_to_check(argv[4]);
    if (!config.ok() || !server.ok()) {
        std::fprintf(stderr, "shift-worker: %s\n",
                     (config.ok() ? server.error() : config.error()).message.c_str());
        return config.ok() ? shift::kExitUsage : shift::kExitConfig;
    }
    shift::TableHoldQuery query{server->host, server->port, argv[5], argv[6]};
    query.kill = kills ? std::strtoull(argv[kWords + 1], nullptr, 10) : 0;
    if (mysql_library_init(0, nullptr, nullptr) != 0) {
        return shift::kExitInternal;
    }
    const auto answer = shift::who_holds_table(*config, query);
    mysql_library_end();
    if (!answer.ok()) {
        std::fprintf(stderr, "shift-worker: %s\n", answer.error().message.c_str());
        return shift::kExitFailed;
    }
    std::puts(shift::to_line(*answer).c_str());
    return shift::kExitOk;
}

// Descriptor 3 is the lock that says we live: kept open for good, never given to a child. Started
// by hand there is none, and descriptor 3 must not become something else. Whatever else came along
// is closed: a connection that a worker holds as well never ends for its other side.
void keep_worker_lock_only() {
    (void)::close_range(shift::kWorkerLockFd + 1, ~0U, 0);
    if (::fcntl(shift::kWorkerLockFd, F_SETFD, FD_CLOEXEC) == 0) {
        return;
    }
    const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fd != shift::kWorkerLockFd) {
        (void)::dup3(fd, shift::kWorkerLockFd, O_CLOEXEC);
        (void)::close(fd);
    }
}

int run(const char* dir) {
    keep_worker_lock_only();
    // The socket is bound by a relative name, so we must be there.
    if (::chdir(dir) != 0) {
        std::fprintf(stderr, "shift-worker: %s: %s\n", dir, std::strerror(errno));
        return shift::kExitUsage;
    }
    char* absolute = ::getcwd(nullptr, 0);
    const std::string attempt_dir = absolute == nullptr ? dir : absolute;
    std::free(absolute);
    // Blocked before any thread starts: the command thread takes them from a signalfd.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    (void)::sigprocmask(SIG_BLOCK, &set, nullptr);
    (void)::signal(SIGPIPE, SIG_IGN);
    (void)::signal(SIGHUP, SIG_IGN);
    if (mysql_library_init(0, nullptr, nullptr) != 0) {
        std::fprintf(stderr, "shift-worker: mysql_library_init failed\n");
        return shift::kExitInternal;
    }
    const int code = shift::run_attempt(attempt_dir);
    mysql_library_end();
    return code;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view first = argc > 1 ? argv[1] : "";
    if (first == "--exec-engine") {
        return exec_engine_mode(argc, argv);
    }
    if (first == "--describe-engine" && argc == 4) {
        return describe_engine_mode(argv[2], argv[3]);
    }
    if (first == "--check") {
        return check_mode(argc, argv);
    }
    if (first == "--who-holds") {
        return who_holds_mode(argc, argv);
    }
    if (first == "--help") {
        std::fputs(kUsage, stdout);
        return shift::kExitOk;
    }
    if (first == "--version") {
        std::puts("shift-worker " SHIFT_VERSION);
        return shift::kExitOk;
    }
    if (first.starts_with("--attempt-dir=") && argc == 2) {
        return run(argv[1] + std::strlen("--attempt-dir="));
    }
    if (first != "--attempt-dir" || argc != 3) {
        return usage_error(argc < 2 ? "nothing to do" : "unknown arguments");
    }
    return run(argv[2]);
}
