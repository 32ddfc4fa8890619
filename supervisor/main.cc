// Wiring only: builds the parts, hands them down, runs the loop, takes them down in reverse.

#include <curl/curl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <uv.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "common/config.h"
#include "common/exit_code.h"
#include "common/file.h"
#include "common/log.h"
#include "common/worker_program.h"
#include "supervisor/control/control_server.h"
#include "supervisor/journal/sqlite_journal.h"
#include "supervisor/loop/service_notifier.h"
#include "supervisor/loop/uv_owned.h"
#include "supervisor/metrics/metrics_server.h"
#include "supervisor/process/uv_workers.h"
#include "supervisor/supervisor.h"
#include "supervisor/upstream/curl_upstream.h"

namespace shift {
namespace {

struct Options {
    std::string config_path;
    std::string state_dir;
    bool check_config = false;
};

int complain(ExitCode code, const std::string& message) {
    std::fprintf(stderr, "shift-supervisord: %s\n", message.c_str());
    return code;
}

int exit_code_of(const Error& error) {
    switch (error.code) {
        case Errc::kInvalidArgument:
        case Errc::kNotFound:
            return kExitConfig;
        case Errc::kConflict:
            return kExitTryAgain;
        case Errc::kUnavailable:
            return kExitUnavailable;
        case Errc::kDeadline:
        case Errc::kIo:
            return kExitJournal;
        case Errc::kInternal:
            return kExitInternal;
    }
    return kExitInternal;
}

// A worker's socket must fit into sun_path (107 bytes), whatever number its attempt has.
Status check_socket_length(const Config& config) {
    constexpr std::size_t kSocketPathMax = 107;
    const std::string longest = config.state_dir + "/attempts/1000000000/worker.sock";
    if (longest.size() > kSocketPathMax) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("state_dir {} is too long for the workers' sockets: choose one "
                                 "of at most {} bytes with --state-dir or state_dir",
                                 config.state_dir,
                                 kSocketPathMax - (longest.size() - config.state_dir.size()))};
    }
    return Ok{};
}

Result<Config> load(const Options& options) {
    const std::string path =
        options.config_path.empty() ? default_config_path() : options.config_path;
    ASSIGN_OR_RETURN(Config config, load_config(path));
    if (!options.state_dir.empty()) {
        const bool default_socket = config.control_socket == config.state_dir + "/control.sock";
        config.state_dir = options.state_dir;
        if (default_socket) {
            config.control_socket = config.state_dir + "/control.sock";
        }
    }
    RETURN_IF_ERROR(check_socket_length(config));
    return config;
}

// Everything the daemon's name is bound to: the lock lives as long as the process.
Result<UniqueFd> own_state_dir(const Config& config) {
    RETURN_IF_ERROR(make_directories(config.log_dir, 0750));
    RETURN_IF_ERROR(make_directories(config.state_dir, 0750));
    RETURN_IF_ERROR(make_directories(config.state_dir + "/attempts", 0700));
    auto lock = lock_file(config.state_dir + "/supervisor.lock");
    if (!lock.ok() && lock.error().code == Errc::kConflict) {
        return Error{Errc::kConflict,
                     fmt::format("another shift-supervisord works in {}; stop it first or use "
                                 "--state-dir",
                                 config.state_dir)};
    }
    return lock;
}

class Daemon {
  public:
    Daemon(uv_loop_t& loop, Options options, const Config& config, std::string worker_path,
           Logger& log, ServiceNotifier& notifier)
        : loop_(loop),
          options_(std::move(options)),
          log_(log),
          notifier_(notifier),
          upstream_(loop, config),
          workers_(loop, config, std::move(worker_path), log),
          supervisor_(clock_, config, log, upstream_, workers_, [path = config.state_dir] {
              auto journal = SqliteJournal::open(path + "/journal.db");
              return journal.ok() ? Result<std::unique_ptr<Journal>>(std::move(*journal))
                                  : Result<std::unique_ptr<Journal>>(journal.error());
          }) {}

    int run() {
        if (Status status = supervisor_.recover(); !status.ok()) {
            return complain(static_cast<ExitCode>(exit_code_of(status.error())),
                            status.error().message);
        }
        auto control = ControlServer::listen(
            loop_, supervisor_.config().control_socket, control_groups(),
            [this](const ControlRequest& request, const ControlCaller& caller) {
                return supervisor_.command(request.command, request.args, caller);
            },
            log_);
        if (!control.ok()) {
            return complain(static_cast<ExitCode>(exit_code_of(control.error())),
                            control.error().message);
        }
        control_ = std::move(*control);
        if (Status status = start_metrics(); !status.ok()) {
            return complain(static_cast<ExitCode>(exit_code_of(status.error())),
                            status.error().message);
        }
        const UvSignal term(loop_, SIGTERM, [this] { stop(kExitOk); });
        const UvSignal interrupt(loop_, SIGINT, [this] { stop(kExitOk); });
        const UvSignal hangup(loop_, SIGHUP, [this] { reload(); });
        const UvTicker ticker(loop_, Supervisor::kTickMs, [this] {
            supervisor_.tick();
            if (supervisor_.wants_exit()) {
                stop(kExitJournal);
            }
            notifier_.turned(clock_.now());
        });
        const UvTicker teller(loop_, kStatusMs,
                              [this] { notifier_.status(supervisor_.summary()); });
        notifier_.ready();
        log_.info("ready", {{"socket", supervisor_.config().control_socket},
                            {"api", supervisor_.config().rest_api},
                            {"run_host", supervisor_.config().run_host},
                            {"state_dir", supervisor_.config().state_dir}});
        uv_run(&loop_, UV_RUN_DEFAULT);
        log_.info("stopped", {{"text", "workers go on; they are adopted at the next start"}});
        return exit_code_;
    }

  private:
    static constexpr std::uint64_t kStatusMs = 1000;

    void stop(int code) {
        notifier_.stopping();
        exit_code_ = code;
        uv_stop(&loop_);
    }

    Status start_metrics() {
        const std::string& address = supervisor_.config().metrics_listen;
        if (address.empty()) {
            return Ok{};
        }
        ASSIGN_OR_RETURN(metrics_, MetricsServer::listen(loop_, address,
                                                         [this] { return supervisor_.metrics(); }));
        log_.info("metrics", {{"listen", address}, {"port", metrics_->port()}});
        if (!metrics_->is_loopback()) {
            log_.warn("metrics_open", {{"listen", address},
                                       {"text", "whoever reaches this address reads the metrics"}});
        }
        return Ok{};
    }

    void reload() {
        notifier_.reloading(clock_.now());
        take_over_configuration();
        notifier_.ready();
    }

    void take_over_configuration() {
        auto fresh = load(options_);
        if (!fresh.ok()) {
            log_.error("reload_failed", {{"error", fresh.error().message},
                                         {"text", "the running configuration stays"}});
            return;
        }
        for (const std::string& key : supervisor_.reconfigure(*fresh)) {
            log_.warn("reload_ignored", {{"key", key}, {"text", "takes a restart"}});
        }
        log_.set_threshold(parse_log_level(supervisor_.config().log_level));
        upstream_.reconfigure(supervisor_.config());
        workers_.reconfigure(supervisor_.config());
        control_->set_groups(control_groups());
        log_.info("reloaded");
    }

    ControlServer::Groups control_groups() const {
        return {supervisor_.config().control_read_group, supervisor_.config().control_write_group};
    }

    uv_loop_t& loop_;
    Options options_;
    Logger& log_;
    ServiceNotifier& notifier_;
    SystemClock clock_;
    CurlUpstream upstream_;
    UvWorkers workers_;
    Supervisor supervisor_;
    std::unique_ptr<ControlServer> control_;
    std::unique_ptr<MetricsServer> metrics_;
    int exit_code_ = kExitOk;
};

int serve(const Options& options, const Config& config) {
    Logger log(parse_log_level(config.log_level));
    ServiceNotifier notifier = ServiceNotifier::take_from_environment();
    auto worker_path = find_worker(config);
    if (!worker_path.ok()) {
        return complain(kExitConfig, worker_path.error().message);
    }
    auto lock = own_state_dir(config);
    if (!lock.ok()) {
        return complain(static_cast<ExitCode>(exit_code_of(lock.error())), lock.error().message);
    }
    ::signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    uv_loop_t loop;
    uv_loop_init(&loop);
    int code = kExitInternal;
    {
        Daemon daemon(loop, options, config, std::move(*worker_path), log, notifier);
        code = daemon.run();
    }
    uv_run(&loop, UV_RUN_DEFAULT);  // close callbacks free what the parts owned
    CHECK(uv_loop_close(&loop) == 0, "a handle is still open at the end");
    curl_global_cleanup();
    return code;
}

int run_main(int argc, char** argv) {
    CLI::App app("Runs schema migrations of the shift API unattended and never loses one.",
                 "shift-supervisord");
    Options options;
    app.add_option("--config", options.config_path,
                   "configuration file (default: config/<ENVIRONMENT>-config.yaml here, else "
                   "<ENVIRONMENT>-config.yaml in /etc/shift-supervisor; ENVIRONMENT unset = "
                   "development, in /etc what the packaged service runs with)")
        ->type_name("FILE");
    app.add_option("--state-dir", options.state_dir,
                   "journal and attempts (default: state_dir of the configuration, else "
                   "supervisor-state inside log_dir)")
        ->type_name("DIR");
    app.add_flag("--check-config", options.check_config, "check the configuration and exit");
    app.set_version_flag("--version", "shift-supervisord " SHIFT_VERSION);
    // The original's start-up lines carry this flag of its logging library; we log there anyway.
    bool logtostderr = false;
    app.add_flag("-l,--logtostderr", logtostderr)->group("");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kExitOk : kExitUsage;
    }
    auto config = load(options);
    if (!config.ok()) {
        return complain(kExitConfig, config.error().message);
    }
    if (options.check_config) {
        auto worker = find_worker(*config);
        if (!worker.ok()) {
            return complain(kExitConfig, worker.error().message);
        }
        fmt::print("configuration ok: api {}, run_host {}, state_dir {}\n", config->rest_api,
                   config->run_host, config->state_dir);
        const auto engine = describe_engine(*worker, *config);
        if (engine.ok()) {
            fmt::print("pt-osc: {} {}: {}\n", string_or(*engine, "path", "?"),
                       string_or(*engine, "version", ""), string_or(*engine, "meaning", ""));
        } else {
            fmt::print("pt-osc: not known: {}\n", engine.error().message);
        }
        return kExitOk;
    }
    return serve(options, *config);
}

}  // namespace
}  // namespace shift

int main(int argc, char** argv) {
    ::umask(027);
    return shift::run_main(argc, argv);
}
