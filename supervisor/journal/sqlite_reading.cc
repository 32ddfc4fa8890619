// Reads for people, and what goes when it is old. The views of the schema say what is told.

#include "supervisor/journal/sqlite_journal.h"

namespace shift {

Result<Json> SqliteJournal::events(MigrationId id, std::int64_t after, int limit) {
    ASSIGN_OR_RETURN(
        sqlite3_stmt * stmt,
        statement("SELECT * FROM v_history WHERE migration_id=? AND id>? ORDER BY id LIMIT ?"));
    Statement row(stmt);
    row.bind(id).bind(after).bind(limit);
    Json events = Json::array();
    while (row.step() == SQLITE_ROW) {
        Json event = row.row();
        if (auto detail = parse_json(string_or(event, "detail", "")); detail.ok()) {
            event["detail"] = *std::move(detail);
        }
        events.push_back(std::move(event));
    }
    return events;
}

Result<Json> SqliteJournal::list(const HistoryFilter& filter) {
    // The rows first, then what the view computes for each of them.
    ASSIGN_OR_RETURN(
        sqlite3_stmt * stmt,
        statement("SELECT * FROM v_migrations WHERE id IN (SELECT id FROM migration WHERE claim>0 "
                  "AND since>=?1 AND (?2='' OR table_name=?2 OR database||'.'||table_name=?2) "
                  "ORDER BY since DESC, id DESC LIMIT ?3) ORDER BY since DESC, id DESC"));
    Statement row(stmt);
    row.bind(filter.since).bind(filter.table).bind(filter.limit);
    Json migrations = Json::array();
    while (row.step() == SQLITE_ROW) {
        migrations.push_back(row.row());
    }
    return migrations;
}

Result<std::vector<MigrationId>> SqliteJournal::expired(const Expiry& expiry, int limit) {
    ASSIGN_OR_RETURN(
        sqlite3_stmt * stmt,
        statement("SELECT id FROM migration m WHERE "
                  "((state IN ('let go','seen') OR (state='handed on' AND status IN (8,9,10))) "
                  " AND since<?1 OR state='handed on' AND since<?2) "
                  "AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.migration_id=m.id AND "
                  "a.ended=0) "
                  "AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.migration_id=m.id AND "
                  "o.state='pending') "
                  "AND id IS NOT (SELECT migration_id FROM attempt ORDER BY id DESC LIMIT 1) "
                  "ORDER BY id LIMIT ?3"));
    Statement row(stmt);
    row.bind(expiry.over_before).bind(expiry.untouched_before).bind(limit);
    std::vector<MigrationId> ids;
    for (; row.step() == SQLITE_ROW; row.rewind()) {
        ids.push_back(row.number());
    }
    return ids;
}

Result<bool> SqliteJournal::remove_some(const char* sql, const std::string& key, int rows_max) {
    RETURN_IF_ERROR(begin_if_needed());
    ASSIGN_OR_RETURN(sqlite3_stmt * stmt, statement(sql));
    Statement s(stmt);
    s.bind(key).bind(rows_max);
    RETURN_IF_ERROR(write(s));
    return sqlite3_changes(db_) == rows_max;
}

Result<bool> SqliteJournal::forget(MigrationId id, int rows_max) {
    // Rows that refer to others first.
    for (const char* sql :
         {"DELETE FROM event WHERE id IN (SELECT id FROM event WHERE migration_id=? LIMIT ?)",
          "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE migration_id=? LIMIT ?)",
          "DELETE FROM attempt WHERE id IN (SELECT id FROM attempt WHERE migration_id=? LIMIT ?)",
          "DELETE FROM migration WHERE id IN (SELECT id FROM migration WHERE id=? LIMIT ?)"}) {
        ASSIGN_OR_RETURN(const bool more, remove_some(sql, std::to_string(id), rows_max));
        if (more) {
            return true;
        }
    }
    return false;
}

Result<bool> SqliteJournal::prune(const Expiry& expiry, int rows_max) {
    ASSIGN_OR_RETURN(
        const bool more_reports,
        remove_some("DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE state='done' AND "
                    "lane='report' AND created_at<? LIMIT ?)",
                    iso_time(expiry.reports_before), rows_max));
    ASSIGN_OR_RETURN(
        const bool more_events,
        remove_some("DELETE FROM event WHERE id IN (SELECT id FROM event WHERE migration_id=0 AND "
                    "at<? LIMIT ?)",
                    iso_time(expiry.over_before), rows_max));
    return more_reports || more_events;
}

}  // namespace shift
