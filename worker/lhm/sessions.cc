#include "worker/lhm/sessions.h"

#include <fmt/format.h>

#include "worker/lhm/flavour.h"
#include "worker/lhm/retry.h"
#include "worker/mysql/errors.h"
#include "worker/mysql/inspect.h"

namespace shift::lhm {
namespace {

constexpr std::chrono::seconds kTryEvery{1};

}  // namespace

Error lost_commits_error() {
    return Error{Errc::kUnavailable,
                 "the server was restarted and is not durable (innodb_flush_log_at_trx_commit, "
                 "sync_binlog): rows are copied again"};
}

void Sessions::expect(const ServerIdentity& server, const std::string& database) {
    const std::lock_guard lock(mutex_);
    expected_ = server;
    default_database_ = database;
}

Status Sessions::check(Connection& connection) {
    ASSIGN_OR_RETURN(const ServerIdentity now, identify_server(connection));
    std::optional<ServerIdentity> expected;
    {
        const std::lock_guard lock(mutex_);
        expected = expected_;
    }
    if (!expected) {
        return Ok{};
    }
    if (now.id != expected->id) {
        return Error{Errc::kConflict,
                     fmt::format("reconnected to the wrong server: the migration was begun on {}, "
                                 "this is {}; nothing was done there",
                                 expected->id, now.id),
                     kWrongServer};
    }
    if (!is_same_run(now, *expected)) {
        ASSIGN_OR_RETURN(const bool durable, is_durable(connection));
        lost_commits_ = lost_commits_ || !durable;
        const std::lock_guard lock(mutex_);
        expected_ = now;
    }
    ASSIGN_OR_RETURN(const std::string variable, read_only_variable(connection));
    if (!variable.empty()) {
        return Error{Errc::kConflict,
                     fmt::format("the server takes no writes any more ({} is on)", variable), 1290};
    }
    return Ok{};
}

Result<Connection> Sessions::open(const std::string& role, std::chrono::seconds read_timeout) {
    ASSIGN_OR_RETURN(Connection connection, database_.connect(role, read_timeout));
    RETURN_IF_ERROR(check(connection));
    RETURN_IF_ERROR(prepare_session(connection));
    std::string database;
    {
        const std::lock_guard lock(mutex_);
        database = default_database_;
    }
    if (!database.empty()) {  // filters and queries of people name tables without theirs
        RETURN_IF_ERROR(connection.use_database(database));
    }
    return connection;
}

void Sessions::note_outage(const Error& lost) {
    const std::lock_guard lock(mutex_);
    if (!is_out_) {
        is_out_ = true;
        ++outages_;
        listener_.remark(
            "Lost connection to MySQL, will retry to connect to the same server: " + lost.message,
            LogLevel::kWarn);
    }
}

void Sessions::note_return() {
    const std::lock_guard lock(mutex_);
    if (is_out_) {
        is_out_ = false;
        listener_.remark(
            "successfully reconnected to " + (expected_ ? expected_->id : "the server"),
            LogLevel::kInfo);
    }
}

template <typename Open>
auto Sessions::patiently(const Error& lost, const Open& open) {
    const auto deadline = std::chrono::steady_clock::now() + retry_.reconnect_max;
    using Opened = decltype(open());
    if (retry_.reconnect_max.count() == 0) {
        return Opened(lost);
    }
    note_outage(lost);
    for (;;) {
        Opened opened = open();
        if (opened.ok()) {
            note_return();
            return opened;
        }
        const bool will_pass =
            is_connection_trouble(opened.error()) || opened.error().native == 1290;
        if (!will_pass || stop_.reason() || std::chrono::steady_clock::now() >= deadline) {
            return will_pass ? Opened(opened.error().within("tried to reconnect, but failed"))
                             : std::move(opened);
        }
        stop_.wait_for(kTryEvery);
    }
}

Result<Connection> Sessions::reopen(const std::string& role, std::chrono::seconds read_timeout,
                                    const Error& lost) {
    return patiently(lost, [&] { return open(role, read_timeout); });
}

Status Sessions::relock(const std::string& database, const std::string& table) {
    const Error lost{Errc::kUnavailable, "the session that holds the database lock is gone", 2006};
    const auto lock = [&]() -> Status {
        RETURN_IF_ERROR(database_.lock(database, table));
        ASSIGN_OR_RETURN(Connection * locked, database_.locked());
        RETURN_IF_ERROR(check(*locked));
        return prepare_session(*locked);
    };
    Status locked = lock();
    if (locked.ok() || !is_connection_trouble(locked.error())) {
        return locked;
    }
    return patiently(lost, lock);
}

}  // namespace shift::lhm
