#include "ctl/journal_reader.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "common/attempt_folder.h"
#include "common/file.h"
#include "common/migration.h"
#include "common/sqlite_row.h"
#include "common/trouble.h"
#include "common/why.h"

namespace shift::ctl {
namespace {

constexpr int kBusyMs = 2'000;
// docs/journal-format.md. Views came with 2; the tables below are those of 1.
constexpr int kVersionLeast = 1;
constexpr int kVersionMost = 2;
constexpr int kVersionOfViews = 2;
constexpr int kVersionOfReasonCode = 2;

// One row a migration, its members those of a migration in the daemon's status.
constexpr const char* kMigrationsSelect =
    "SELECT m.id, m.cluster, m.host, m.port, m.database, m.table_name AS \"table\", "
    "m.ddl_statement, m.status, m.status_name, nullif(m.step,'') AS step, m.state, "
    "nullif(a.phase,'') AS phase, a.percent, a.rows_done AS rows, a.rows_total, a.rows_per_s, "
    "a.eta_s, nullif(a.throttle,'') AS throttle, m.since, m.attempt, m.tries, a.engine, "
    "nullif(a.pid,0) AS worker_pid, nullif(a.engine_pid,0) AS engine_pid, "
    "(SELECT count(*) FROM outbox o WHERE o.migration_id=m.id AND o.state='pending') AS owed, "
    "nullif(m.reason,'') AS reason, nullif(";
constexpr const char* kMigrationsFrom =
    ",'') AS why, "
    "(SELECT o.kind || ': ' || o.last_answer FROM outbox o WHERE o.migration_id=m.id AND "
    "o.state='pending' AND o.tries>0 ORDER BY o.id DESC LIMIT 1) AS error, "
    "nullif(m.next_try_at,'') AS next_try, coalesce(l.outcome,'') AS last_outcome, "
    "coalesce(l.message,'') AS last_message, l.id AS last_attempt "
    "FROM migration m LEFT JOIN attempt a ON a.id=m.attempt AND a.ended=0 "
    "LEFT JOIN attempt l ON l.id=(SELECT max(e.id) FROM attempt e WHERE e.migration_id=m.id AND "
    "e.ended=1 AND e.outcome<>'stopped') "
    "WHERE m.claim>0 AND (m.state NOT IN ('seen','handed on','let go') OR m.since>=?) "
    "ORDER BY m.id";

// "last_error" from the row of the last attempt that was not just stopped.
void put_last_error(Json& migration) {
    const bool none = !get_int(migration, "last_attempt");
    const auto outcome = parse_outcome(string_or(migration, "last_outcome", ""));
    const std::string error =
        none ? "" : trouble_of(outcome, string_or(migration, "last_message", ""));
    migration["last_error"] = error.empty() ? Json() : Json(error);
    for (const char* column : {"last_outcome", "last_message", "last_attempt"}) {
        migration.erase(column);
    }
}

// The code the daemon left there, else what the state stands for.
WhyCode why_code_of(const Json& row) {
    if (const auto code = parse_why_code(string_or(row, "reason_code", ""))) {
        return *code;
    }
    static const std::map<std::string, WhyCode> by_state = {
        {"waiting", WhyCode::kStarting},
        {"running", WhyCode::kRunning},
        {"needs decision", WhyCode::kNeedsDecision},
        {"delivering", WhyCode::kOwed},
        {"seen", WhyCode::kWaitingForRunner},
        {"let go", WhyCode::kNotOurs}};
    const std::string state = string_or(row, "state", "");
    if (const auto found = by_state.find(state); found != by_state.end()) {
        return found->second;
    }
    if (state != "handed on") {
        return WhyCode::kClaiming;
    }
    switch (next_move(static_cast<int>(int_or(row, "status", -1)))) {
        case NextMove::kNobody:
            return WhyCode::kFinished;
        case NextMove::kRunner:
            return WhyCode::kWaitingForRunner;
        case NextMove::kPeople:
            break;
    }
    return WhyCode::kWaitingForPeople;
}

// Which processes live is for the locks to say, not for the journal.
void drop_dead_pids(Json& migration, const std::string& state_dir) {
    const std::int64_t attempt = int_or(migration, "attempt", 0);
    const auto life = look_at_attempt(AttemptFiles(attempt_folder(state_dir, attempt)));
    if (!life.ok() || *life == AttemptLife::kAlive) {
        return;
    }
    migration["worker_pid"] = nullptr;
    if (*life == AttemptLife::kDead) {
        migration["engine_pid"] = nullptr;
    }
}

}  // namespace

Result<JournalReader> JournalReader::open(const Config& config) {
    const std::string path = config.state_dir + "/journal.db";
    // SQLite would say "unable to open database file" for all of these.
    if (::access(path.c_str(), R_OK) != 0) {
        const int error = errno;
        return Error{error == ENOENT ? Errc::kNotFound : Errc::kIo,
                     fmt::format("journal {}: {}", path, std::strerror(error)), error};
    }
    sqlite3* db = nullptr;
    const int rc = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READONLY, nullptr);
    JournalReader reader(db, config);
    if (rc != SQLITE_OK) {
        return Error{Errc::kIo, fmt::format("journal {}: {}", path, sqlite3_errmsg(db)), rc};
    }
    sqlite3_busy_timeout(db, kBusyMs);
    ASSIGN_OR_RETURN(const Json version, reader.rows("SELECT user_version FROM "
                                                     "pragma_user_version"));
    reader.version_ = static_cast<int>(int_or(version[0], "user_version", 0));
    if (reader.version_ < kVersionLeast || reader.version_ > kVersionMost) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("journal {} has version {}, and this tool knows {} to {}", path,
                                 reader.version_, kVersionLeast, kVersionMost)};
    }
    return reader;
}

Status JournalReader::check_version(int least) const {
    if (version_ < least) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("the journal has version {}: the daemon brings it up to date when "
                                 "it starts",
                                 version_)};
    }
    return Ok{};
}

Result<Json> JournalReader::rows(const std::string& sql,
                                 const std::vector<std::string>& values) const {
    sqlite3_stmt* raw = nullptr;
    const auto failed = [this] {
        return Error{Errc::kIo, fmt::format("journal: {}", sqlite3_errmsg(db_.get()))};
    };
    if (sqlite3_prepare_v2(db_.get(), sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) {
        return failed();
    }
    const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> stmt(raw, sqlite3_finalize);
    int position = 0;
    for (const std::string& value : values) {
        sqlite3_bind_text(raw, ++position, value.data(), static_cast<int>(value.size()),
                          SQLITE_TRANSIENT);
    }
    Json list = Json::array();
    int rc = sqlite3_step(raw);
    for (; rc == SQLITE_ROW; rc = sqlite3_step(raw)) {
        list.push_back(sqlite_row(raw));
    }
    return rc == SQLITE_DONE ? Result<Json>(std::move(list)) : Result<Json>(failed());
}

Result<Json> JournalReader::drain() const {
    ASSIGN_OR_RETURN(const Json setting, rows("SELECT value FROM setting WHERE key='drain'"));
    const std::string drain = setting.empty() ? "" : string_or(setting[0], "value", "");
    ASSIGN_OR_RETURN(const Json owed,
                     rows("SELECT (SELECT count(*) FROM outbox WHERE state='pending') + (SELECT "
                          "count(*) FROM attempt WHERE ended=0) AS owed"));
    const bool stop_file = !config_.stop_file_path.empty() && path_exists(config_.stop_file_path);
    return Json{{"active", !drain.empty() || stop_file},
                {"by", !drain.empty() ? Json("command")
                       : stop_file    ? Json("stop file")
                                      : Json()},
                {"keep", drain == "keep"},
                {"owed", int_or(owed[0], "owed", 0)}};
}

Result<Json> JournalReader::status() const {
    // As the daemon: what is over is shown for an hour.
    const std::string hour_ago = iso_time(SystemClock().wall() - std::chrono::hours(1));
    const char* why = version_ < kVersionOfReasonCode ? "''" : "m.reason_code";
    ASSIGN_OR_RETURN(Json migrations,
                     rows(std::string(kMigrationsSelect) + why + kMigrationsFrom, {hour_ago}));
    for (Json& migration : migrations) {
        migration["log_file"] =
            fmt::format("{}id-{}/ptosc-output.log", config_.log_dir, int_or(migration, "id", 0));
        put_last_error(migration);
        if (!migration["worker_pid"].is_null()) {
            drop_dead_pids(migration, config_.state_dir);
        }
    }
    ASSIGN_OR_RETURN(const Json last, rows("SELECT max(at) AS at FROM event"));
    ASSIGN_OR_RETURN(Json drain_now, drain());
    return Json{{"version", nullptr},
                {"pid", nullptr},
                {"run_host", config_.run_host},
                {"state", "not running"},
                {"since", nullptr},
                {"journal_of", last.empty() ? Json() : last[0]["at"]},
                {"journal_error", nullptr},
                {"api",
                 {{"url", config_.rest_api},
                  {"reachable", false},
                  {"last_ok", nullptr},
                  {"last_error", nullptr},
                  {"last_error_at", nullptr},
                  {"last_poll", nullptr}}},
                {"drain", std::move(drain_now)},
                {"skipped", Json::array()},
                {"migrations", std::move(migrations)}};
}

Result<Json> JournalReader::why(MigrationId id) const {
    RETURN_IF_ERROR(check_version(kVersionOfReasonCode));
    ASSIGN_OR_RETURN(
        const Json found,
        rows("SELECT state, status, status_name, reason, reason_code, since, next_try_at, (SELECT "
             "count(*) FROM outbox o WHERE o.migration_id=m.id AND o.state='pending') AS owed FROM "
             "migration m WHERE id=CAST(? AS INTEGER) AND claim>0",
             {std::to_string(id)}));
    if (found.empty()) {
        return Error{Errc::kNotFound, fmt::format("it has nothing of migration {}", id)};
    }
    const Json& row = found[0];
    const std::string state = string_or(row, "state", "");
    Why why;
    why.code = why_code_of(row);
    why.text = string_or(row, "reason", "");
    why.evidence = {{"state", state}, {"since", row["since"]}};
    if (const std::int64_t owed = int_or(row, "owed", 0); owed > 0) {
        why.evidence["owed"] = owed;
        why.text += fmt::format("{}{} call{} owed", why.text.empty() ? "" : "; ", owed,
                                owed == 1 ? "" : "s");
    }
    if (const std::string next = string_or(row, "next_try_at", ""); !next.empty()) {
        why.evidence["next_try"] = next;
    }
    why.text = fmt::format("as the journal has it, {} since {}{}{}", state,
                           string_or(row, "since", ""), why.text.empty() ? "" : ": ", why.text);
    return to_json(why, id);
}

Result<Json> JournalReader::events(std::int64_t migration, std::int64_t after, int limit) const {
    RETURN_IF_ERROR(check_version(kVersionOfViews));
    ASSIGN_OR_RETURN(
        Json events,
        rows("SELECT * FROM v_history WHERE migration_id=CAST(? AS INTEGER) AND "
             "id>CAST(? AS INTEGER) ORDER BY id LIMIT CAST(? AS INTEGER)",
             {std::to_string(migration), std::to_string(after), std::to_string(limit)}));
    for (Json& event : events) {
        if (auto detail = parse_json(string_or(event, "detail", "")); detail.ok()) {
            event["detail"] = *std::move(detail);
        }
    }
    const bool more = std::ssize(events) == limit;
    return Json{{"events", std::move(events)}, {"more", more}};
}

Result<Json> JournalReader::history(WallTime since, const std::string& table, int limit) const {
    RETURN_IF_ERROR(check_version(kVersionOfViews));
    ASSIGN_OR_RETURN(
        Json migrations,
        rows("SELECT * FROM v_migrations WHERE id IN (SELECT id FROM migration WHERE "
             "claim>0 AND since>=?1 AND (?2='' OR table_name=?2 OR "
             "database||'.'||table_name=?2) ORDER BY since DESC, id DESC LIMIT "
             "CAST(?3 AS INTEGER)) ORDER BY since DESC, id DESC",
             {since == WallTime{} ? "" : iso_time(since), table, std::to_string(limit)}));
    return Json{{"migrations", std::move(migrations)}};
}

Result<Json> JournalReader::servers() const {
    const std::string since = iso_time(SystemClock().wall() - std::chrono::hours(24 * 90));
    ASSIGN_OR_RETURN(const Json seen,
                     rows("SELECT DISTINCT cluster, host, port, database FROM migration WHERE "
                          "host<>'' AND since>=? ORDER BY cluster, host, port, database",
                          {since}));
    std::map<std::string, Json> by_address;
    for (const Json& row : seen) {
        const std::string key =
            fmt::format("{}:{}", string_or(row, "host", ""), int_or(row, "port", 0));
        Json& server = by_address[key];
        if (server.is_null()) {
            server = {{"cluster", row["cluster"]},
                      {"host", row["host"]},
                      {"port", row["port"]},
                      {"databases", Json::array()}};
        }
        server["databases"].push_back(row["database"]);
    }
    Json list = Json::array();
    for (auto& [key, server] : by_address) {
        list.push_back(std::move(server));
    }
    return list;
}

}  // namespace shift::ctl
