#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "common/stop_request.h"
#include "worker/lhm/listener.h"
#include "worker/lhm/options.h"
#include "worker/lhm/sessions.h"
#include "worker/mysql/replica_lag.h"

namespace shift::lhm {

// Holds every connection of the engine back while there is a reason: replicas behind, load, a
// query, a URL or a file that says so. Asks on a thread and a session of its own once per interval;
// what cannot be asked is a reason to wait, not to go on.
class Throttle {
  public:
    Throttle(const ThrottleOptions& options, Sessions& sessions, Listener& listener,
             const Clock& clock);
    ~Throttle();
    Throttle(const Throttle&) = delete;
    Throttle& operator=(const Throttle&) = delete;

    // Blocks while there is a reason or the load is critical, or until `stop`. Any thread.
    void wait(const StopRequest& stop);
    // After a chunk: the fixed pause.
    void rest(StopRequest& stop);
    std::string reason() const;  // "" = none
    std::string code() const;    // of the first reason: replica-lag load paused
    // A critical load was seen: the migration is to stop, with everything kept.
    std::optional<std::string> critical() const;

  private:
    void run();
    bool look();  // true: the replicas have not been asked yet
    std::string look_at_server();
    Result<std::string> ask(Connection& connection);
    Result<std::optional<double>> status_value(Connection& connection, const std::string& name);
    Result<std::string> ask_limits(Connection& connection);
    std::string ask_url() const;
    void publish(std::string reason, std::string code, bool is_early);

    const ThrottleOptions& options_;
    Sessions& sessions_;
    Listener& listener_;
    std::unique_ptr<ReplicaLag> lag_;
    std::optional<Connection> session_;  // of the thread alone

    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::string reason_;
    std::string code_;
    std::optional<std::string> critical_;
    bool has_looked_ = false;
    bool is_stopping_ = false;
    std::chrono::steady_clock::time_point told_{};
    std::string told_reason_;

    std::thread thread_;  // last: it uses everything above
};

}  // namespace shift::lhm
