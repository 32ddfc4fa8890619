// Happy path: the first put()/add() of a loop turn opens a transaction (BEGIN IMMEDIATE), commit()
// makes it durable. Failure: any failed write is remembered (failed_) and answered to everything
// after it; the owner then opens the journal anew and folds it again, as at a start.

#include "supervisor/journal/sqlite_journal.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "common/test_points.h"
#include "supervisor/journal/schema.h"
#include "supervisor/journal/statement.h"

namespace shift {

namespace {

constexpr const char* kPutMigration =
    "INSERT INTO migration(id,cluster,database,table_name,host,port,ddl_statement,status,"
    "status_name,lock_version,state,since,reason,step,claim,claim_id,listed_lock_version,tries,"
    "next_try_at,attempt,no_return,release,log_offset,state_hash,payload,first_seen,reason_code) "
    "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET "
    "cluster=excluded.cluster,database=excluded.database,table_name=excluded.table_name,"
    "host=excluded.host,port=excluded.port,ddl_statement=excluded.ddl_statement,"
    "status=excluded.status,status_name=excluded.status_name,lock_version=excluded.lock_version,"
    "state=excluded.state,since=excluded.since,reason=excluded.reason,step=excluded.step,"
    "claim=excluded.claim,claim_id=excluded.claim_id,"
    "listed_lock_version=excluded.listed_lock_version,tries=excluded.tries,"
    "next_try_at=excluded.next_try_at,attempt=excluded.attempt,no_return=excluded.no_return,"
    "release=excluded.release,log_offset=excluded.log_offset,state_hash=excluded.state_hash,"
    "payload=excluded.payload,reason_code=excluded.reason_code";
constexpr const char* kPutAttempt =
    "INSERT OR REPLACE INTO attempt(id,migration_id,claim,step,engine,tries,ended,pid,start_ticks,"
    "boot_id,engine_pid,engine_start_ticks,last_seq,started_at,ended_at,outcome,reason,message,"
    "phase,percent,rows_done,rows_total,rows_per_s,eta_s,throttle) "
    "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
constexpr const char* kPutCall =
    "INSERT INTO outbox(id,migration_id,claim,claimed_status,lane,kind,body,tries,refusals,"
    "created_at,next_try_at,last_answer,state) VALUES(NULLIF(?,0),?,?,?,?,?,?,?,?,?,?,?,?) "
    "ON CONFLICT(id) DO UPDATE SET body=excluded.body,tries=excluded.tries,"
    "refusals=excluded.refusals,next_try_at=excluded.next_try_at,"
    "last_answer=excluded.last_answer,state=excluded.state";

// The payload column: only what parse_migration() reads back.
Json payload_of(const Migration& m) {
    return Json{{"id", m.id},
                {"status", m.status},
                {"lock_version", m.lock_version},
                {"staged", m.staged},
                {"cluster_name", m.cluster_name},
                {"database", m.database},
                {"ddl_statement", m.ddl_statement},
                {"final_insert", m.final_insert},
                {"table", m.table},
                {"mode", m.mode ? Json(static_cast<int>(*m.mode)) : Json()},
                {"action", m.action ? Json(static_cast<int>(*m.action)) : Json()},
                {"runtype", m.runtype == Runtype::kNoCheckAlter ? 4 : static_cast<int>(m.runtype)},
                {"run_host", m.run_host},
                {"host", m.host},
                {"port", m.port},
                {"custom_options", m.custom_options}};
}

}  // namespace

Error SqliteJournal::damaged(const std::string& how) const {
    return {Errc::kIo,
            fmt::format("journal {0} is damaged: {1}. Way out: move {0}* away, start the daemon "
                        "(it makes a new one), then shift-supervisorctl takeover with this host's "
                        "own name goes on with what the API says is ours; to save the history see "
                        "journal-format.md, \"A damaged journal\"",
                        path_, how)};
}

Error SqliteJournal::error(const std::string& what) const {
    const int code = sqlite3_extended_errcode(db_);
    if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB) {
        return damaged(sqlite3_errmsg(db_));
    }
    const Errc errc = (code & 0xff) == SQLITE_BUSY ? Errc::kConflict : Errc::kIo;
    return {errc, fmt::format("journal {}: {}: {}", path_, what, sqlite3_errmsg(db_)), code};
}

Status SqliteJournal::stick(Error error) {
    if (!failed_) {
        failed_ = error;
    }
    return error;
}

Result<std::unique_ptr<SqliteJournal>> SqliteJournal::open(const std::string& path) {
    sqlite3* db = nullptr;
    const int rc =
        sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    std::unique_ptr<SqliteJournal> journal(new SqliteJournal(db, path));
    if (rc != SQLITE_OK) {
        return journal->error("open");
    }
    sqlite3_extended_result_codes(db, 1);
    // Blocks the loop. Only another writer makes us wait: a person's statement is that short, a
    // transaction that a person left open is a failure until it is closed.
    sqlite3_busy_timeout(db, 250);
    int persist = 1;
    sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
    if (Status status = journal->prepare_schema(); !status.ok()) {
        return std::move(status).error();
    }
    for (const char* suffix : {"", "-wal", "-shm"}) {
        (void)::chmod((path + suffix).c_str(), 0640);
    }
    return journal;
}

SqliteJournal::~SqliteJournal() {
    for (const auto& [sql, stmt] : statements_) {
        sqlite3_finalize(stmt);
    }
    sqlite3_close(db_);
}

Status SqliteJournal::execute(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
        return error("execute");
    }
    return Ok{};
}

Result<int> SqliteJournal::user_version() {
    ASSIGN_OR_RETURN(sqlite3_stmt * stmt, statement("PRAGMA user_version"));
    Statement query(stmt);
    if (query.step() != SQLITE_ROW) {
        return error("read user_version");
    }
    return query.small();
}

Status SqliteJournal::prepare_schema() {
    RETURN_IF_ERROR(
        execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                "PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=1000; "
                "PRAGMA journal_size_limit=67108864;"));
    ASSIGN_OR_RETURN(sqlite3_stmt * check, statement("PRAGMA quick_check(1)"));
    {
        Statement query(check);
        const std::string answer = query.step() == SQLITE_ROW ? query.text() : sqlite3_errmsg(db_);
        if (answer != "ok") {
            return damaged(answer);
        }
    }
    ASSIGN_OR_RETURN(const int version, user_version());
    if (version > journal_version()) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("journal {} has version {}, this daemon knows up to {}: install "
                                 "the newer shift-supervisor again",
                                 path_, version, journal_version())};
    }
    ASSIGN_OR_RETURN(const bool has_views, has_these_views());
    if (version < journal_version() || !has_views) {
        return upgrade(version);
    }
    return Ok{};
}

Result<std::vector<std::string>> SqliteJournal::texts(const char* sql) {
    ASSIGN_OR_RETURN(sqlite3_stmt * stmt, statement(sql));
    Statement query(stmt);
    std::vector<std::string> found;
    int step = query.step();
    for (; step == SQLITE_ROW; step = query.step()) {
        query.rewind();
        found.push_back(query.text());
    }
    if (step != SQLITE_DONE) {
        return error("read the schema");
    }
    return found;
}

Result<bool> SqliteJournal::has_these_views() {
    ASSIGN_OR_RETURN(std::vector<std::string> found,
                     texts("SELECT sql FROM sqlite_schema WHERE type='view'"));
    std::vector<std::string> ours(journal_views().begin(), journal_views().end());
    std::sort(found.begin(), found.end());
    std::sort(ours.begin(), ours.end());
    return found == ours;
}

// All in one transaction: a crash in it leaves the old version whole. Views go first: SQLite
// refuses to alter a table under a view that no longer fits.
Status SqliteJournal::upgrade(int version) {
    RETURN_IF_ERROR(execute("BEGIN IMMEDIATE"));
    ASSIGN_OR_RETURN(const std::vector<std::string> drops,
                     texts("SELECT 'DROP VIEW \"' || replace(name, '\"', '\"\"') || '\"' "
                           "FROM sqlite_schema WHERE type='view'"));
    for (const std::string& drop : drops) {
        RETURN_IF_ERROR(execute(drop.c_str()));
    }
    if (version < journal_version()) {
        for (const SchemaStep& step : schema_steps(version)) {
            RETURN_IF_ERROR(execute(step.sql));
        }
        RETURN_IF_ERROR(execute(fmt::format("PRAGMA user_version={}", journal_version()).c_str()));
    }
    for (const char* view : journal_views()) {
        RETURN_IF_ERROR(execute(view));
    }
    crash_point("schema-commit");
    RETURN_IF_ERROR(execute("COMMIT"));
    crash_point("schema-committed");
    return Ok{};
}

Result<sqlite3_stmt*> SqliteJournal::statement(const char* sql) {
    if (const auto it = statements_.find(sql); it != statements_.end()) {
        return it->second;
    }
    sqlite3_stmt* stmt = nullptr;
    if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, nullptr) != SQLITE_OK) {
        return error("prepare");
    }
    statements_.emplace(sql, stmt);
    return stmt;
}

Status SqliteJournal::begin_if_needed() {
    if (failed_) {
        return *failed_;
    }
    if (in_transaction_) {
        return Ok{};
    }
    if (Status status = execute("BEGIN IMMEDIATE"); !status.ok()) {
        return stick(std::move(status).error());
    }
    in_transaction_ = true;
    return Ok{};
}

Result<bool> SqliteJournal::commit() {
    if (failed_) {
        return *failed_;
    }
    if (!in_transaction_) {
        return false;
    }
    crash_point("journal-commit");
    // BUSY on COMMIT leaves the transaction open: it is not a failed write, only a late one.
    for (int tries = 0;; ++tries) {
        Status status = execute("COMMIT");
        if (status.ok()) {
            in_transaction_ = false;
            crash_point("journal-committed");
            return true;
        }
        if (status.error().code != Errc::kConflict || tries >= 5) {
            return stick(std::move(status).error()).error();
        }
    }
}

Status SqliteJournal::write(Statement& statement) {
    if (statement.step() != SQLITE_DONE) {
        return stick(error("write"));
    }
    return Ok{};
}

Status SqliteJournal::put(const MigrationRecord& r) {
    RETURN_IF_ERROR(begin_if_needed());
    ASSIGN_OR_RETURN(sqlite3_stmt * stmt, statement(kPutMigration));
    Statement s(stmt);
    s.bind(r.id).bind(r.seen.cluster_name).bind(r.seen.database).bind(r.seen.table);
    s.bind(r.seen.host).bind(r.seen.port).bind(r.seen.ddl_statement).bind(r.seen.status);
    s.bind(api_status_name(r.seen.status)).bind(r.seen.lock_version);
    s.bind(claim_state_name(r.state)).bind(r.since).bind(r.reason);
    s.bind(r.step ? step_name(*r.step) : "").bind(r.claim).bind(r.claim_id);
    s.bind(r.listed_lock_version).bind(r.tries).bind(r.next_try).bind(r.attempt);
    s.bind(r.no_return).bind(r.release).bind(static_cast<std::int64_t>(r.log_offset));
    s.bind(r.state_hash).bind(to_line(payload_of(r.seen))).bind(r.first_seen);
    s.bind(r.why ? why_entry(*r.why).name : "");
    return write(s);
}

Status SqliteJournal::put(const AttemptRecord& a) {
    RETURN_IF_ERROR(begin_if_needed());
    ASSIGN_OR_RETURN(sqlite3_stmt * stmt, statement(kPutAttempt));
    Statement s(stmt);
    s.bind(a.id).bind(a.migration).bind(a.claim).bind(step_name(a.step)).bind(a.engine);
    s.bind(a.tries).bind(a.ended).bind(static_cast<std::int64_t>(a.worker.pid));
    s.bind(static_cast<std::int64_t>(a.worker.start_ticks)).bind(a.worker.boot_id);
    s.bind(static_cast<std::int64_t>(a.engine_process.pid));
    s.bind(static_cast<std::int64_t>(a.engine_process.start_ticks)).bind(a.last_seq);
    s.bind(a.started).bind(a.ended_at).bind(a.outcome ? outcome_name(*a.outcome) : "");
    s.bind(a.reason).bind(a.message).bind(a.progress.phase).bind(a.progress.percent);
    s.bind(a.progress.rows).bind(a.progress.rows_total).bind(a.progress.rows_per_s);
    s.bind(a.progress.eta_s).bind(a.progress.throttle);
    return write(s);
}

Status SqliteJournal::put(OwedCall& call) {
    RETURN_IF_ERROR(begin_if_needed());
    ASSIGN_OR_RETURN(sqlite3_stmt * stmt, statement(kPutCall));
    Statement s(stmt);
    s.bind(call.id).bind(call.migration).bind(call.claim).bind(call.claimed_status);
    s.bind(lane_name(call.lane)).bind(call_kind_name(call.kind)).bind(to_line(call.body));
    s.bind(call.tries).bind(call.refusals).bind(call.created).bind(call.next_try);
    s.bind(call.last_answer).bind(call_state_name(call.state));
    RETURN_IF_ERROR(write(s));
    if (call.id == 0) {
        call.id = sqlite3_last_insert_rowid(db_);
    }
    return Ok{};
}

Status SqliteJournal::add(const EventRecord& event) {
    RETURN_IF_ERROR(begin_if_needed());
    ASSIGN_OR_RETURN(
        sqlite3_stmt * stmt,
        statement("INSERT INTO event(at,migration_id,claim,attempt,source,kind,detail) "
                  "VALUES(?,?,?,?,?,?,?)"));
    Statement s(stmt);
    s.bind(event.at).bind(event.migration).bind(event.claim).bind(event.attempt);
    s.bind(event.source).bind(event.kind).bind(to_line(event.detail));
    return write(s);
}

Status SqliteJournal::put_setting(const std::string& key, const std::string& value) {
    RETURN_IF_ERROR(begin_if_needed());
    ASSIGN_OR_RETURN(sqlite3_stmt * stmt,
                     statement("INSERT OR REPLACE INTO setting(key,value) VALUES(?,?)"));
    Statement s(stmt);
    s.bind(key).bind(value);
    return write(s);
}

}  // namespace shift
