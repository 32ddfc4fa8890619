#include "worker/lhm/blockers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "common/text.h"

namespace shift::lhm {
namespace {

// INNODB_TRX tells the machine's local time, whatever the session's time zone.
constexpr const char* kAge =
    "TIMESTAMPDIFF(SECOND, x.trx_started, CONVERT_TZ(NOW(), @@session.time_zone, 'SYSTEM'))";
constexpr int kShownMax = 5;
constexpr std::size_t kStatementBytesShown = 120;

template <typename Number>
Number to(const std::optional<std::string>& text) {
    Number number = 0;
    if (text) {
        (void)std::from_chars(text->data(), text->data() + text->size(), number);
    }
    return number;
}

std::vector<Blocker> to_blockers(const std::vector<Row>& rows, bool is_certain) {
    std::vector<Blocker> blockers;
    for (const Row& row : rows) {
        Blocker blocker;
        blocker.thread_id = to<std::uint64_t>(row[0]);
        blocker.user = row[1].value_or("");
        blocker.host = row[2].value_or("");
        blocker.age_s = to<std::int64_t>(row[3]);
        blocker.statement = std::string(trim(row[4].value_or("")));
        blocker.is_certain = is_certain;
        blockers.push_back(std::move(blocker));
    }
    return blockers;
}

// Of MySQL; the tables of MariaDB's are there as well when performance_schema is switched on.
Result<std::vector<Blocker>> by_performance_schema(Connection& connection,
                                                   const std::string& database,
                                                   const std::string& table) {
    ASSIGN_OR_RETURN(
        const auto rows,
        connection.query(fmt::format(
            "SELECT t.PROCESSLIST_ID, t.PROCESSLIST_USER, t.PROCESSLIST_HOST, "
            "COALESCE({0}, t.PROCESSLIST_TIME), "
            "t.PROCESSLIST_INFO FROM performance_schema.metadata_locks m "
            "JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID "
            "LEFT JOIN information_schema.INNODB_TRX x ON x.trx_mysql_thread_id = t.PROCESSLIST_ID "
            "WHERE m.OBJECT_TYPE = 'TABLE' AND m.LOCK_STATUS = 'GRANTED' AND m.OBJECT_SCHEMA = {1} "
            "AND m.OBJECT_NAME = {2} AND t.PROCESSLIST_ID <> CONNECTION_ID() "
            "ORDER BY 4 DESC LIMIT {3}",
            kAge, connection.quote(database), connection.quote(table), kShownMax)));
    return to_blockers(rows, true);
}

Result<std::vector<Blocker>> by_lock_info(Connection& connection, const std::string& database,
                                          const std::string& table) {
    ASSIGN_OR_RETURN(
        const auto rows,
        connection.query(
            fmt::format("SELECT DISTINCT p.ID, p.USER, p.HOST, "
                        "COALESCE({0}, p.TIME), p.INFO "
                        "FROM information_schema.METADATA_LOCK_INFO m "
                        "JOIN information_schema.PROCESSLIST p ON p.ID = m.THREAD_ID "
                        "LEFT JOIN information_schema.INNODB_TRX x ON x.trx_mysql_thread_id = p.ID "
                        "WHERE m.LOCK_TYPE = 'Table metadata lock' AND m.TABLE_SCHEMA = {1} AND "
                        "m.TABLE_NAME = {2} AND p.ID <> CONNECTION_ID() ORDER BY 4 DESC LIMIT {3}",
                        kAge, connection.quote(database), connection.quote(table), kShownMax)));
    return to_blockers(rows, true);
}

Result<std::vector<Blocker>> suspects(Connection& connection, const std::string& table) {
    const std::string name = "%" + table + "%";
    ASSIGN_OR_RETURN(
        const auto rows,
        connection.query(fmt::format(
            "SELECT p.ID, p.USER, p.HOST, "
            "COALESCE({0}, p.TIME), p.INFO "
            "FROM information_schema.PROCESSLIST p "
            "LEFT JOIN information_schema.INNODB_TRX x ON x.trx_mysql_thread_id = p.ID "
            "WHERE p.ID <> CONNECTION_ID() AND p.COMMAND NOT IN ('Daemon', 'Binlog Dump') AND "
            "p.USER <> 'system user' AND (x.trx_started IS NOT NULL OR p.INFO LIKE {1}) AND "
            "COALESCE(p.STATE, '') <> 'Waiting for table metadata lock' "
            "ORDER BY 4 DESC LIMIT {2}",
            kAge, connection.quote(name), kShownMax)));
    return to_blockers(rows, false);
}

}  // namespace

Result<std::vector<Blocker>> open_transactions(Connection& connection,
                                               std::chrono::seconds age_min) {
    ASSIGN_OR_RETURN(const auto rows,
                     connection.query(fmt::format(
                         "SELECT p.ID, p.USER, p.HOST, {0}, "
                         "COALESCE(x.trx_query, p.INFO) FROM information_schema.INNODB_TRX x "
                         "JOIN information_schema.PROCESSLIST p ON p.ID = x.trx_mysql_thread_id "
                         "WHERE p.ID <> CONNECTION_ID() AND {0} >= {1} "
                         "ORDER BY 4 DESC LIMIT {2}",
                         kAge, age_min.count(), kShownMax)));
    return to_blockers(rows, false);
}

Result<std::vector<Blocker>> table_blockers(Connection& connection, const std::string& database,
                                            const std::string& table) {
    // An empty answer says nothing: either may be switched off.
    auto found = by_performance_schema(connection, database, table);
    if ((!found.ok() || found->empty()) && !connection.lost()) {
        found = by_lock_info(connection, database, table);
    }
    if ((!found.ok() || found->empty()) && !connection.lost()) {
        found = suspects(connection, table);
    }
    return found;
}

std::string describe(const std::vector<Blocker>& blockers) {
    std::string text;
    for (const Blocker& blocker : blockers) {
        const std::string statement =
            blocker.statement.empty()
                ? "sleeping"
                : std::string(utf8_prefix(clean_utf8(blocker.statement), kStatementBytesShown));
        text += fmt::format("{}{}thread {} ({}@{}, {} s, {})", text.empty() ? "" : ", ",
                            blocker.is_certain ? "" : "perhaps ", blocker.thread_id, blocker.user,
                            blocker.host, blocker.age_s, statement);
    }
    return text;
}

}  // namespace shift::lhm
