#include "worker/mysql/database.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "common/test_points.h"
#include "worker/mysql/errors.h"
#include "worker/mysql/lock.h"

namespace shift {
namespace {

constexpr std::chrono::seconds kLookPingEvery{20};  // wait_timeout is 120 s
// Losing the lock's session means losing the lock: worth noticing soon.
constexpr std::chrono::seconds kLockPingEvery{2};
constexpr std::chrono::seconds kLookTimeout{60};
constexpr std::chrono::seconds kKillAfterDdl{60};  // the KILL at ddl_timeout comes first
constexpr std::chrono::milliseconds kLockPause{1000};

bool is_idle(const Connection& connection, std::chrono::seconds limit) {
    return std::chrono::steady_clock::now() - connection.last_used() >= limit;
}

}  // namespace

Result<Connection> Database::open_session(const std::string& role, const ConnectOptions& options) {
    ASSIGN_OR_RETURN(Connection connection, Connection::open(target_, options));
    Connected session;
    session.thread_id = connection.thread_id();
    session.role = role;
    ASSIGN_OR_RETURN(session.server, identify_server(connection));
    ASSIGN_OR_RETURN(const auto user,
                     connection.query_value("SELECT SUBSTRING_INDEX(USER(), '@', 1)"));
    session.user = user.value_or("");
    {
        const std::lock_guard lock(mutex_);
        server_ = session.server;
        user_ = session.user;
        own_threads_.push_back(session.thread_id);
    }
    on_connected_(session);
    return connection;
}

Status Database::open() {
    ConnectOptions options;
    options.read_timeout = kLookTimeout;
    ASSIGN_OR_RETURN(Connection connection, open_session("look", options));
    look_.emplace(std::move(connection));
    return Ok{};
}

Result<Connection*> Database::look() {
    if (look_ && is_idle(*look_, kLookPingEvery)) {
        (void)look_->ping().ok();  // a session that is gone says so and is replaced below
    }
    if (!look_ || look_->lost()) {
        look_.reset();
        RETURN_IF_ERROR(open());
    }
    return &*look_;
}

Result<Connection> Database::connect(const std::string& role, std::chrono::seconds read_timeout) {
    ConnectOptions options;
    options.read_timeout = read_timeout;
    return open_session(role, options);
}

Status Database::lock(const std::string& database, const std::string& table) {
    if (holds_lock() && locked_->ping().ok()) {
        return Ok{};
    }
    locked_.reset();
    ConnectOptions options;
    options.read_timeout = ddl_timeout_ + kKillAfterDdl;
    ASSIGN_OR_RETURN(Connection connection, open_session("lock", options));
    const std::string name = database_lock_name(database, table, connection.folds_case());
    ASSIGN_OR_RETURN(const bool taken, take_database_lock(connection, name));
    if (!taken) {
        ASSIGN_OR_RETURN(const auto holder, database_lock_holder(connection, name));
        const std::string who =
            holder ? fmt::format("thread {} ({}@{})", holder->thread_id, holder->user, holder->host)
                   : "a thread that has just let go";
        return Error{Errc::kConflict,
                     fmt::format("table {}.{} is busy: its database lock is held by {}", database,
                                 table, who)};
    }
    RETURN_IF_ERROR(connection.use_database(database));
    if (planted_bug("keep-lock")) {
        std::thread([target = target_, name] {
            auto heir = Connection::open(target);
            if (heir.ok() && heir->query_value("SELECT GET_LOCK('" + name + "', 60)").ok()) {
                ::pause();
            }
        }).detach();
    }
    locked_.emplace(std::move(connection));
    return Ok{};
}

Result<Connection*> Database::locked() {
    if (!holds_lock()) {
        return Error{Errc::kUnavailable, "the database lock is not held (connection lost)", 2006};
    }
    return &*locked_;
}

Status Database::keep_alive() {
    if (look_ && !look_->lost() && is_idle(*look_, kLookPingEvery)) {
        (void)look_->ping().ok();
    }
    if (!locked_) {
        return Ok{};
    }
    if (is_idle(*locked_, kLockPingEvery)) {
        RETURN_IF_ERROR(locked_->ping());
    }
    if (locked_->lost()) {
        return Error{Errc::kUnavailable, "the connection that holds the database lock is gone",
                     2006};
    }
    return Ok{};
}

Status Database::kill_thread(std::uint64_t thread_id, bool session) {
    ASSIGN_OR_RETURN(Connection * looking, look());
    Status status = looking->execute(session ? fmt::format("KILL CONNECTION {}", thread_id)
                                             : fmt::format("KILL QUERY {}", thread_id));
    constexpr int kNoSuchThread = 1094;
    if (!status.ok() && status.error().native == kNoSuchThread) {
        return Ok{};
    }
    return status;
}

Status Database::kill_own_statement(std::uint64_t thread_id) const {
    ASSIGN_OR_RETURN(Connection killer, Connection::open(target_));
    return killer.execute(fmt::format("KILL QUERY {}", thread_id));
}

ServerIdentity Database::server() const {
    const std::lock_guard lock(mutex_);
    return server_;
}

std::string Database::user() const {
    const std::lock_guard lock(mutex_);
    return user_;
}

std::vector<std::uint64_t> Database::own_threads() const {
    const std::lock_guard lock(mutex_);
    return own_threads_;
}

bool Database::is_own_thread(std::uint64_t thread_id) const {
    const std::lock_guard lock(mutex_);
    return std::find(own_threads_.begin(), own_threads_.end(), thread_id) != own_threads_.end();
}

Status patiently(StopRequest& stop, const std::function<bool()>& is_enough,
                 const std::function<Status()>& attempt, const std::function<void()>& on_wait) {
    const SteadyTime deadline = std::chrono::steady_clock::now() + kLockPatience;
    for (;;) {
        Status status = attempt();
        if (status.ok() || !is_lock_wait(status.error())) {
            return status;
        }
        if (std::chrono::steady_clock::now() >= deadline || is_enough()) {
            return status;
        }
        if (on_wait) {
            on_wait();
        }
        stop.rest_for(kLockPause);  // each try makes the application queue
    }
}

}  // namespace shift
