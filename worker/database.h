#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "common/result.h"
#include "worker/mysql/connection.h"
#include "worker/mysql/inspect.h"
#include "worker/reporter.h"
#include "worker/stop_request.h"

namespace shift {

// The target server as one attempt sees it: a session for looking, which is reopened when it is
// gone, and the session that holds the database lock, which never is: losing it means losing the
// lock, and the caller must take the lock again and look before it goes on.
// Every session is told to the supervisor (`connected` event) before it is used, so that a later
// attempt can find its statements.
class Database {
  public:
    Database(MysqlTarget target, std::chrono::seconds ddl_timeout, Reporter& reporter)
        : target_(std::move(target)), ddl_timeout_(ddl_timeout), reporter_(reporter) {}

    // Connects for looking. Errors: as errc_of_mysql().
    Status open();
    Result<Connection*> look();
    // A statement that reads a whole table may take as long.
    static constexpr std::chrono::hours kCountTimeout{24};
    // A further session. `role` is for people who read the events.
    Result<Connection> connect(const std::string& role, std::chrono::seconds read_timeout);

    // Takes the lock of `database`.`table` for good on a session of its own.
    // Errors: kConflict naming the holder's thread and host; as errc_of_mysql().
    // Blocks: about a second.
    Status lock(const std::string& database, const std::string& table);
    bool holds_lock() const { return locked_ && !locked_->lost(); }
    // The session every irreversible statement is sent on.
    // Errors: kUnavailable - the lock is not held (any more).
    Result<Connection*> locked();
    // To be called at least every 20 s: without pings the server ends idle sessions (wait_timeout)
    // so that the lock of a vanished host lapses. Errors: the lock was lost.
    Status keep_alive();

    // KILLs the statement (or with `session` the session) of a thread, from the looking session.
    Status kill_thread(std::uint64_t thread_id, bool session);

    // KILL QUERY on a session of its own; the one method another thread may call.
    Status kill_own_statement(std::uint64_t thread_id) const;

    const ServerIdentity& server() const { return server_; }
    const std::string& user() const { return user_; }
    bool is_own_thread(std::uint64_t thread_id) const;
    const std::vector<std::uint64_t>& own_threads() const { return own_threads_; }

  private:
    Result<Connection> open_session(const std::string& role, const ConnectOptions& options);

    MysqlTarget target_;
    std::chrono::seconds ddl_timeout_;
    Reporter& reporter_;
    ServerIdentity server_;
    std::string user_;
    std::optional<Connection> look_;
    std::optional<Connection> locked_;
    std::vector<std::uint64_t> own_threads_;
};

// How long a statement that meets lock waits (1 s each) is tried before the step is given back.
inline constexpr std::chrono::seconds kLockPatience{60};

// Runs `attempt` again after a pause while it fails with a lock wait, for kLockPatience or until
// `is_enough` says so; `on_wait` is called after each such failure. Returns the last answer.
Status patiently(StopRequest& stop, const std::function<bool()>& is_enough,
                 const std::function<Status()>& attempt,
                 const std::function<void()>& on_wait = nullptr);

}  // namespace shift
