// Reading the journal back: the fold at a start, one migration, one history.

#include <fmt/format.h>

#include <utility>

#include "common/trouble.h"
#include "supervisor/journal/sqlite_journal.h"

namespace shift {
namespace {

constexpr const char* kMigrationColumns =
    "SELECT id,lock_version,state,since,reason,step,claim,claim_id,listed_lock_version,tries,"
    "next_try_at,attempt,no_return,release,log_offset,state_hash,payload,first_seen,"
    "reason_code FROM migration ";

Result<MigrationRecord> read_migration(Statement& row) {
    MigrationRecord r;
    r.id = row.number();
    const std::int64_t lock_version = row.number();
    const auto state = parse_claim_state(row.text());
    if (!state) {
        return Error{Errc::kIo, fmt::format("migration {}: unknown state in the journal", r.id)};
    }
    r.state = *state;
    r.since = row.time();
    r.reason = row.text();
    r.step = parse_step(row.text());
    r.claim = row.number();
    r.claim_id = row.text();
    r.listed_lock_version = row.number();
    r.tries = row.small();
    r.next_try = row.time();
    r.attempt = row.number();
    r.no_return = row.number() != 0;
    r.release = row.number() != 0;
    r.log_offset = static_cast<std::uint64_t>(row.number());
    r.state_hash = row.text();
    ASSIGN_OR_RETURN(const Json payload, parse_json(row.text()));
    ASSIGN_OR_RETURN(r.seen, parse_migration(payload));
    r.seen.lock_version = lock_version;
    r.first_seen = row.time();
    r.why = parse_why_code(row.text());
    return r;
}

Result<AttemptRecord> read_attempt(Statement& row) {
    AttemptRecord a;
    a.id = row.number();
    a.migration = row.number();
    a.claim = row.number();
    const auto step = parse_step(row.text());
    if (!step) {
        return Error{Errc::kIo, fmt::format("attempt {}: unknown step in the journal", a.id)};
    }
    a.step = *step;
    a.engine = row.text();
    a.tries = row.small();
    a.worker.pid = static_cast<pid_t>(row.number());
    a.worker.start_ticks = static_cast<std::uint64_t>(row.number());
    a.worker.boot_id = row.text();
    a.engine_process.pid = static_cast<pid_t>(row.number());
    a.engine_process.start_ticks = static_cast<std::uint64_t>(row.number());
    a.engine_process.boot_id = a.worker.boot_id;
    a.last_seq = row.number();
    a.started = row.time();
    a.outcome = parse_outcome(row.text());
    a.reason = row.text();
    a.message = row.text();
    a.progress.phase = row.text();
    a.progress.percent = row.maybe_real();
    a.progress.rows = row.maybe_number();
    a.progress.rows_total = row.maybe_number();
    a.progress.rows_per_s = row.maybe_real();
    a.progress.eta_s = row.maybe_number();
    a.progress.throttle = row.text();
    return a;
}

Result<OwedCall> read_call(Statement& row) {
    OwedCall c;
    c.id = row.number();
    c.migration = row.number();
    c.claim = row.number();
    c.claimed_status = row.small();
    const auto lane = parse_lane(row.text());
    const auto kind = parse_call_kind(row.text());
    if (!lane || !kind) {
        return Error{Errc::kIo, fmt::format("outbox {}: unknown lane or kind", c.id)};
    }
    c.lane = *lane;
    c.kind = *kind;
    ASSIGN_OR_RETURN(c.body, parse_json(row.text()));
    c.tries = row.small();
    c.refusals = row.small();
    c.created = row.time();
    c.next_try = row.time();
    c.last_answer = row.text();
    return c;
}

}  // namespace

// Calls read(row) for every row. Rows end with SQLITE_DONE and nothing else: an error is no end.
template <typename Read>
Status SqliteJournal::each_row(const char* sql, std::optional<std::int64_t> parameter, Read read) {
    ASSIGN_OR_RETURN(sqlite3_stmt * stmt, statement(sql));
    Statement row(stmt);
    if (parameter) {
        row.bind(*parameter);
    }
    int rc = row.step();
    for (; rc == SQLITE_ROW; rc = row.step()) {
        row.rewind();
        RETURN_IF_ERROR(read(row));
    }
    return rc == SQLITE_DONE ? Status(Ok{}) : Status(error("read"));
}

Status SqliteJournal::load_migrations(Contents& contents) {
    static const std::string kOpen = std::string(kMigrationColumns) +
                                     "WHERE state NOT IN ('seen','handed on','let go') ORDER BY id";
    // As may_move_again() says: not completed, failed, or cancelled by us.
    static const std::string kClosed =
        std::string(kMigrationColumns) +
        "WHERE state IN ('handed on','let go') AND status NOT IN (8,10) AND NOT "
        "(state='handed on' AND step='cancel' AND status=9) ORDER BY since DESC LIMIT " +
        std::to_string(kClosedMax);
    const auto take = [&](Statement& row) -> Status {
        ASSIGN_OR_RETURN(MigrationRecord record, read_migration(row));
        contents.migrations.push_back(std::move(record));
        return Ok{};
    };
    RETURN_IF_ERROR(each_row(kOpen.c_str(), std::nullopt, take));
    return each_row(kClosed.c_str(), std::nullopt, take);
}

Result<Journal::Contents> SqliteJournal::load() {
    Contents contents;
    RETURN_IF_ERROR(load_migrations(contents));
    RETURN_IF_ERROR(each_row(
        "SELECT id,migration_id,claim,step,engine,tries,pid,start_ticks,boot_id,engine_pid,"
        "engine_start_ticks,last_seq,started_at,outcome,reason,message,phase,percent,rows_done,"
        "rows_total,rows_per_s,eta_s,throttle FROM attempt WHERE ended=0 ORDER BY id",
        std::nullopt, [&](Statement& row) -> Status {
            ASSIGN_OR_RETURN(AttemptRecord record, read_attempt(row));
            contents.attempts.push_back(std::move(record));
            return Ok{};
        }));
    RETURN_IF_ERROR(each_row(
        "SELECT id,migration_id,claim,claimed_status,lane,kind,body,tries,refusals,created_at,"
        "next_try_at,last_answer FROM outbox WHERE state='pending' ORDER BY id",
        std::nullopt, [&](Statement& row) -> Status {
            ASSIGN_OR_RETURN(OwedCall call, read_call(row));
            contents.calls.push_back(std::move(call));
            return Ok{};
        }));
    RETURN_IF_ERROR(each_row(
        "SELECT migration_id,outcome,message FROM attempt WHERE id IN (SELECT max(id) FROM attempt "
        "WHERE ended=1 AND outcome<>'stopped' GROUP BY migration_id)",
        std::nullopt, [&](Statement& row) -> Status {
            const MigrationId id = row.number();
            const auto outcome = parse_outcome(row.text());
            contents.last_errors[id] = trouble_of(outcome, row.text());
            return Ok{};
        }));
    RETURN_IF_ERROR(
        each_row("SELECT key,value FROM setting", std::nullopt, [&](Statement& row) -> Status {
            std::string key = row.text();
            contents.settings[std::move(key)] = row.text();
            return Ok{};
        }));
    RETURN_IF_ERROR(each_row("SELECT coalesce(max(id),0) FROM attempt", std::nullopt,
                             [&](Statement& row) -> Status {
                                 contents.last_attempt = row.number();
                                 return Ok{};
                             }));
    return contents;
}

Result<MigrationRecord> SqliteJournal::find(MigrationId id) {
    static const std::string kById = std::string(kMigrationColumns) + "WHERE id=?";
    std::optional<MigrationRecord> found;
    RETURN_IF_ERROR(each_row(kById.c_str(), id, [&](Statement& row) -> Status {
        ASSIGN_OR_RETURN(found, read_migration(row));
        return Ok{};
    }));
    if (!found) {
        return Error{Errc::kNotFound, fmt::format("migration {} is not in the journal", id)};
    }
    return *std::move(found);
}

Result<Json> SqliteJournal::history(MigrationId id) {
    Json events = Json::array();
    RETURN_IF_ERROR(
        each_row("SELECT at,attempt,kind,detail FROM event WHERE migration_id=? AND "
                 "source IN ('worker','operator') ORDER BY id",
                 id, [&](Statement& row) -> Status {
                     const std::string at = row.text();
                     const std::int64_t attempt = row.number();
                     const std::string kind = row.text();
                     if (!is_durable_event(kind)) {
                         return Ok{};
                     }
                     ASSIGN_OR_RETURN(Json event, parse_json(row.text()));
                     event["at"] = at;
                     event["attempt"] = attempt;
                     event["event"] = kind;
                     events.push_back(std::move(event));
                     return Ok{};
                 }));
    return events;
}

}  // namespace shift
