#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/log.h"
#include "worker/mysql/connection.h"
#include "worker/mysql/replicas.h"

namespace shift {

// Watches the lag of the primary's replicas while a copy runs, on a thread and on sessions of its
// own: connecting to a dead machine takes seconds, which the copy's loop must not lose.
//
// Replicas are looked for at once and every minute; they are asked every second, one after the
// other. One that was found stays watched, for a replica whose IO thread stops also vanishes from
// where replicas are found. Only those of a `dsn` table go when their row goes.
// A lag that is not known is too high. The exception is a server that was found on the primary and
// never was a replica (a reader of the binary log): it is told once and let be.
class ReplicaLag {
  public:
    struct Options {
        MysqlTarget primary;  // its option file also opens the replicas
        WatchMethod method;
        std::chrono::seconds lag_max{1};
    };
    using Remark = std::function<void(const std::string& text, LogLevel level)>;  // thread-safe
    // Starts watching. `clock` outlives this.
    ReplicaLag(Options options, Remark remark, const Clock& clock);
    // Blocks: until the answer that is waited for, 5 s at most unless a name server hangs; call
    // stop() early.
    ~ReplicaLag();
    ReplicaLag(const ReplicaLag&) = delete;
    ReplicaLag& operator=(const ReplicaLag&) = delete;

    // Asks nothing new from here on. Any thread; returns at once.
    void stop();
    // Why the copy must wait, for people; "" = it need not. Any thread.
    std::string held_because() const;
    // Every replica was asked once: before that nothing is known.
    bool has_asked() const;

  private:
    struct Replica {
        ReplicaAddress address;
        std::optional<Connection> session;
        bool was_replica = false;
        std::string reason;
    };

    void run();
    bool sleep(std::chrono::milliseconds time);
    bool is_stopping() const;

    bool discover();
    Result<std::vector<ReplicaAddress>> find();
    Result<std::vector<ReplicaAddress>> find_in_table(const ReplicaTable& table);
    Result<std::vector<ReplicaAddress>> find_registered(Connection& primary);
    void watch(const std::vector<ReplicaAddress>& found);

    std::string ask(Replica& replica);
    Result<ReplicaReading> read(Replica& replica);
    void publish();
    void remark_once(const std::string& text, LogLevel level);

    const Options options_;
    const Remark remark_;
    const Clock& clock_;

    // Of the thread alone.
    std::list<Replica> replicas_;
    std::string source_server_id_;
    std::string find_trouble_;
    bool has_found_ = false;
    std::set<std::string> said_;

    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable stopped_;
    bool is_stopping_ = false;
    bool has_asked_ = false;
    std::string held_;

    std::thread thread_;  // last: it uses everything above
};

}  // namespace shift
