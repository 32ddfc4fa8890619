#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "common/result.h"
#include "common/stop_request.h"
#include "worker/lhm/listener.h"
#include "worker/lhm/options.h"
#include "worker/mysql/database.h"

namespace shift::lhm {

// Sessions of the engine on one and the same server. A proxy or a DNS name may lead a reconnect to
// another one, whose tables are not those that the triggers keep in step. Thread-safe.
// Error::native of what Sessions::open() says when another server answers: no try helps before a
// person has looked.
inline constexpr int kWrongServer = -1;

// What a run ends with when Sessions::may_have_lost_commits().
Error lost_commits_error();

class Sessions {
  public:
    Sessions(Database& database, const RetryOptions& retry, StopRequest& stop, Listener& listener)
        : database_(database), retry_(retry), stop_(stop), listener_(listener) {}

    // From here on only this server will do, and sessions are in this database.
    void expect(const ServerIdentity& server, const std::string& database);

    // One try, with the engine's settings. Errors: kConflict - another server answered, or this one
    // takes no writes any more; as errc_of_mysql().
    Result<Connection> open(const std::string& role, std::chrono::seconds read_timeout);
    // After a connection was lost: tries once a second for RetryOptions::reconnect_max. Outage and
    // return are remarked once, however many sessions it hit.
    // Errors: as open(); kUnavailable - the time is up, or a stop was asked for.
    Result<Connection> reopen(const std::string& role, std::chrono::seconds read_timeout,
                              const Error& lost);
    // The lock's session, in the same way; one that lives is kept.
    Status relock(const std::string& database, const std::string& table);
    // How often the server was lost.
    int outages() const { return outages_; }

    // The server was restarted since and may have lost what it had committed.
    bool may_have_lost_commits() const { return lost_commits_; }
    void forget_lost_commits() { lost_commits_ = false; }
    Database& database() { return database_; }

  private:
    Status check(Connection& connection);
    void note_outage(const Error& lost);
    void note_return();
    template <typename Open>
    auto patiently(const Error& lost, const Open& open);

    Database& database_;
    const RetryOptions& retry_;
    StopRequest& stop_;
    Listener& listener_;
    std::atomic<bool> lost_commits_{false};
    std::atomic<int> outages_{0};
    std::mutex mutex_;  // guards what follows
    std::optional<ServerIdentity> expected_;
    std::string default_database_;
    bool is_out_ = false;
};

}  // namespace shift::lhm
