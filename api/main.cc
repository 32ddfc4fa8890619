#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "api/config.h"
#include "api/mysql_target.h"
#include "api/server.h"
#include "api/service.h"
#include "api/store.h"
#include "common/clock.h"
#include "common/exit_code.h"
#include "common/file.h"
#include "common/log.h"

namespace shift::api {
namespace {

struct Options {
    std::string config_path;
    std::optional<std::string> listen;
    std::optional<int> port;
    std::optional<std::string> store;
    std::string port_file;
    bool check_config = false;
};

int complain(const Error& error, int code) {
    fmt::print(stderr, "shift-api: {}\n", error.message);
    return code;
}

// Calls the scheduler every interval until it goes.
class SchedulerThread {
  public:
    SchedulerThread(Service& service, std::chrono::milliseconds interval)
        : thread_([this, &service, interval] { run(service, interval); }) {}
    ~SchedulerThread() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        thread_.join();
    }
    SchedulerThread(const SchedulerThread&) = delete;
    SchedulerThread& operator=(const SchedulerThread&) = delete;

  private:
    void run(Service& service, std::chrono::milliseconds interval) {
        std::unique_lock lock(mutex_);
        while (!wake_.wait_for(lock, interval, [this] { return stopping_; })) {
            lock.unlock();
            service.run_scheduler();
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::thread thread_;
};

// Blocks the stop signals in this thread and all it will start, so that wait() gets them.
class StopSignals {
  public:
    StopSignals() {
        sigemptyset(&set_);
        sigaddset(&set_, SIGTERM);
        sigaddset(&set_, SIGINT);
        pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    }
    void wait() const {
        int signal = 0;
        while (sigwait(&set_, &signal) != 0) {
        }
    }

  private:
    sigset_t set_{};
};

int serve(Server& server, const StopSignals& signals, const Logger& log) {
    bool good = false;
    std::thread listener([&] {
        good = server.serve();
        ::kill(::getpid(), SIGTERM);  // wakes the waiting thread when the socket has failed
    });
    signals.wait();
    log.info("stopping");
    server.stop();
    listener.join();
    return good ? kExitOk : kExitInternal;
}

int run(const ApiConfig& config, const std::string& port_file) {
    const StopSignals signals;
    const Logger log;
    const SystemClock clock;
    auto store = Store::open(config.store, clock);
    if (!store.ok()) {
        return complain(store.error(), kExitJournal);
    }
    MysqlTargets targets(clock, config.environment == "development");
    Service service(config, **store, targets, clock, log);
    Server server(service, log);
    const auto port = server.bind(config.listen, config.port);
    if (!port.ok()) {
        return complain(port.error(), kExitFailed);
    }
    if (!port_file.empty()) {
        const Status written = write_file_atomic(port_file, fmt::format("{}\n", *port), 0644);
        if (!written.ok()) {
            return complain(written.error(), kExitJournal);
        }
    }
    log.info("listening", {{"address", config.listen},
                           {"port", *port},
                           {"store", config.store},
                           {"environment", config.environment},
                           {"clusters", config.clusters.size()}});
    const SchedulerThread scheduler(service, config.scheduler_interval);
    return serve(server, signals, log);
}

int start(const Options& options) {
    auto config = load_config(options.config_path);
    if (!config.ok()) {
        return complain(config.error(), kExitConfig);
    }
    config->listen = options.listen.value_or(config->listen);
    config->port = options.port.value_or(config->port);
    config->store = options.store.value_or(config->store);
    if (config->store.empty()) {
        return complain({Errc::kInvalidArgument,
                         options.config_path + ": store: the path of the database is missing"},
                        kExitConfig);
    }
    if (options.check_config) {
        fmt::print("{}: good, {} clusters\n", options.config_path, config->clusters.size());
        return kExitOk;
    }
    return run(*config, options.port_file);
}

int main_of(int argc, char** argv) {
    CLI::App app("The embedded shift API server: keeps migrations and hands them to runners.");
    app.name("shift-api");
    Options options;
    app.add_option("--config", options.config_path, "configuration file (YAML)")->required();
    app.add_option("--listen", options.listen, "address to listen on, instead of the file's");
    app.add_option("--port", options.port, "port to listen on; 0 takes a free one")
        ->check(CLI::Range(0, 65535));
    app.add_option("--store", options.store, "path of the database, instead of the file's");
    app.add_option("--port-file", options.port_file, "write the port there once it is bound");
    app.add_flag("--check-config", options.check_config, "read the configuration and exit");
    app.set_version_flag("--version", "shift-api " SHIFT_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? kExitOk : kExitUsage;
    }
    return start(options);
}

}  // namespace
}  // namespace shift::api

int main(int argc, char** argv) {
    return shift::api::main_of(argc, argv);
}
