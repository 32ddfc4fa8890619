#include "worker/mysql/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "common/ddl.h"
#include "common/text.h"
#include "worker/mysql/errors.h"
#include "worker/mysql/sha1.h"

namespace shift {
namespace {

std::optional<std::int64_t> to_optional_int(const std::optional<std::string>& value) {
    return value ? std::optional<std::int64_t>(to_int(value)) : std::nullopt;
}

// information_schema compares names without case whatever the server does with its files.
bool is_name(const Connection& connection, const std::string& seen, const std::string& wanted) {
    return seen == wanted || (connection.folds_case() && iequals_ascii(seen, wanted));
}

Trigger to_trigger(const Row& row) {
    return Trigger{row[0].value_or(""), row[1].value_or(""), row[2].value_or(""),
                   row[3].value_or(""), row[4].value_or("0")};
}

constexpr const char* kTriggerColumns =
    "SELECT TRIGGER_NAME, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, ACTION_STATEMENT, "
    "UNIX_TIMESTAMP(CREATED) FROM information_schema.TRIGGERS ";

Result<std::vector<std::string>> first_column(Connection& connection, const std::string& sql) {
    ASSIGN_OR_RETURN(const auto rows, connection.query(sql));
    std::vector<std::string> values;
    for (const Row& row : rows) {
        values.push_back(row[0].value_or(""));
    }
    return values;
}

// When the server was started, to a second. Uptime counts from the start to the statement that asks
// (sql/mysqld.cc show_starttime(), MariaDB 10.11), so the server's time has to be read at the same
// moment: a pause between the two, of a busy host or a slow network, would look like a restart.
Result<std::int64_t> start_of_server(Connection& connection) {
    const auto server_time = [&]() -> Result<std::int64_t> {
        ASSIGN_OR_RETURN(const auto now, connection.query_value("SELECT UNIX_TIMESTAMP()"));
        return to_int(now);
    };
    constexpr int kTries = 20;
    ASSIGN_OR_RETURN(std::int64_t before, server_time());
    for (int i = 0; i < kTries; ++i) {
        ASSIGN_OR_RETURN(const auto uptime, connection.query("SHOW GLOBAL STATUS LIKE 'Uptime'"));
        ASSIGN_OR_RETURN(const std::int64_t after, server_time());
        if (!uptime.empty() && std::abs(after - before) <= 1) {
            return before - to_int(uptime[0][1]);
        }
        before = after;
    }
    return Error{Errc::kUnavailable, "the server does not tell when it was started"};
}

}  // namespace

Result<ServerIdentity> identify_server(Connection& connection) {
    ServerIdentity identity;
    ASSIGN_OR_RETURN(const auto rows,
                     connection.query("SELECT @@hostname, @@port, @@server_id, VERSION()"));
    ASSIGN_OR_RETURN(const std::int64_t started_s, start_of_server(connection));
    // MySQL only; MariaDB has no such variable.
    ASSIGN_OR_RETURN(const auto uuid, connection.query("SHOW VARIABLES LIKE 'server_uuid'"));
    if (rows.empty()) {
        return Error{Errc::kInternal, "server did not tell who it is"};
    }
    const Row& row = rows[0];
    identity.id = !uuid.empty() && !uuid[0][1].value_or("").empty()
                      ? *uuid[0][1]
                      : fmt::format("{}:{}:{}", row[0].value_or(""), row[1].value_or(""),
                                    row[2].value_or(""));
    identity.version = row[3].value_or("");
    identity.started_s = started_s;
    return identity;
}

bool is_same_run(const ServerIdentity& a, const ServerIdentity& b) {
    constexpr std::int64_t kToleranceS = 1;  // see start_of_server()
    return a.id == b.id && std::abs(a.started_s - b.started_s) <= kToleranceS;
}

Result<bool> is_durable(Connection& connection) {
    ASSIGN_OR_RETURN(const auto value,
                     connection.query_value("SELECT @@innodb_flush_log_at_trx_commit = 1 AND "
                                            "(@@log_bin = 0 OR @@sync_binlog = 1)"));
    return value.value_or("0") == "1";
}

Result<std::optional<TableFacts>> table_facts(Connection& connection, const std::string& database,
                                              const std::string& table) {
    ASSIGN_OR_RETURN(
        const auto rows,
        connection.query(fmt::format(
            "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH, INDEX_LENGTH FROM "
            "information_schema.TABLES WHERE TABLE_SCHEMA={} AND TABLE_NAME={}",
            connection.quote(database), connection.quote(table))));
    for (const Row& row : rows) {
        if (!is_name(connection, row[0].value_or(""), table)) {
            continue;
        }
        TableFacts facts;
        facts.name = row[0].value_or("");
        facts.is_view = row[1].value_or("").find("VIEW") != std::string::npos;
        facts.engine = row[2].value_or("");
        facts.rows = to_optional_int(row[3]);
        facts.data_bytes = to_optional_int(row[4]);
        facts.index_bytes = to_optional_int(row[5]);
        return std::optional<TableFacts>(facts);
    }
    return std::optional<TableFacts>();
}

Result<bool> database_exists(Connection& connection, const std::string& database) {
    ASSIGN_OR_RETURN(
        const auto names,
        first_column(connection, fmt::format("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA "
                                             "WHERE SCHEMA_NAME={}",
                                             connection.quote(database))));
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        return is_name(connection, name, database);
    });
}

Result<bool> is_transactional(Connection& connection, const std::string& engine) {
    ASSIGN_OR_RETURN(const auto value, connection.query_value(fmt::format(
                                           "SELECT TRANSACTIONS FROM information_schema.ENGINES "
                                           "WHERE ENGINE={}",
                                           connection.quote(engine))));
    return value.value_or("NO") == "YES";
}

std::string without_auto_increment(std::string_view show_create) {
    constexpr std::string_view kMark = " AUTO_INCREMENT=";
    std::string text(show_create);
    // The counter is among the table options, after the last column line.
    const std::size_t options = text.rfind("\n)");
    const std::size_t at = text.find(kMark, options == std::string::npos ? 0 : options);
    if (at != std::string::npos) {
        std::size_t end = at + kMark.size();
        while (end < text.size() && text[end] >= '0' && text[end] <= '9') {
            ++end;
        }
        text.erase(at, end - at);
    }
    return text;
}

std::string renamed_definition(const std::string& show_create, const std::string& name) {
    constexpr std::string_view kHead = "CREATE TABLE `";
    if (!show_create.starts_with(kHead)) {
        return show_create;
    }
    std::size_t end = kHead.size();
    while (end < show_create.size()) {
        if (show_create[end] != '`') {
            ++end;
        } else if (end + 1 < show_create.size() && show_create[end + 1] == '`') {
            end += 2;  // a backtick in the name
        } else {
            return "CREATE TABLE " + quote_identifier(name) + show_create.substr(end + 1);
        }
    }
    return show_create;
}

Result<std::string> table_definition(Connection& connection, const std::string& database,
                                     const std::string& table) {
    auto rows = connection.query("SHOW CREATE TABLE " + qualified_name(database, table));
    if (!rows.ok()) {
        if (rows.error().code == Errc::kNotFound) {
            return std::string();
        }
        return std::move(rows).error();
    }
    if (rows->empty() || (*rows)[0].size() < 2) {
        return Error{Errc::kInternal, "SHOW CREATE TABLE gave nothing for " + table};
    }
    return without_auto_increment((*rows)[0][1].value_or(""));
}

Result<std::string> definition_hash(Connection& connection, const std::string& database,
                                    const std::string& table, const std::string& as) {
    ASSIGN_OR_RETURN(std::string text, table_definition(connection, database, table));
    if (!as.empty()) {
        text = renamed_definition(text, as);
    }
    return text.empty() ? std::string() : sha1_hex(text);
}

Result<std::string> table_life(Connection& connection, const std::string& database,
                               const std::string& table) {
    const bool is_old = connection.is_mariadb() || connection.server_version().starts_with("5.");
    // Names are encoded as those of files; a partitioned table has a row for each partition.
    const auto encoded = [&connection](const std::string& name) {
        return fmt::format("CAST(CONVERT(CONVERT({} USING filename) USING binary) AS CHAR)",
                           connection.quote(name));
    };
    auto rows = connection.query(fmt::format(
        "SELECT TABLE_ID, SUBSTRING_INDEX(SUBSTRING_INDEX(NAME, '/', -1), '#', 1), {1} FROM "
        "information_schema.{2} WHERE SUBSTRING_INDEX(NAME, '#', 1)=CONCAT({0}, '/', {1}) "
        "ORDER BY TABLE_ID",
        encoded(database), encoded(table), is_old ? "INNODB_SYS_TABLES" : "INNODB_TABLES"));
    if (!rows.ok()) {
        if (connection.lost()) {
            return std::move(rows).error();
        }
        return std::string();  // no right to see it
    }
    std::string ids;
    for (const Row& row : *rows) {
        if (is_name(connection, row[1].value_or(""), row[2].value_or(""))) {
            ids += (ids.empty() ? "" : ".") + row[0].value_or("");
        }
    }
    constexpr std::size_t kShort = 20;  // one id; of hundreds of partitions a hash will do
    return ids.empty() ? ids : "id." + (ids.size() <= kShort ? ids : sha1_hex(ids));
}

Result<std::string> table_creation(Connection& connection, const std::string& database,
                                   const std::string& table) {
    ASSIGN_OR_RETURN(const auto rows, connection.query(fmt::format(
                                          "SELECT TABLE_NAME, UNIX_TIMESTAMP(CREATE_TIME) FROM "
                                          "information_schema.TABLES WHERE TABLE_SCHEMA={} AND "
                                          "TABLE_NAME={} AND CREATE_TIME IS NOT NULL",
                                          connection.quote(database), connection.quote(table))));
    for (const Row& row : rows) {
        if (is_name(connection, row[0].value_or(""), table)) {
            return "made." + row[1].value_or("0");
        }
    }
    return std::string();
}

bool is_another_life(const std::string& then, const std::string& now) {
    const auto kind = [](const std::string& life) { return life.substr(0, life.find('.')); };
    return !then.empty() && kind(then) == kind(now) && then != now;
}

Result<std::vector<Trigger>> triggers_of(Connection& connection, const std::string& database,
                                         const std::string& table) {
    ASSIGN_OR_RETURN(const auto rows,
                     connection.query(fmt::format(
                         "{}WHERE EVENT_OBJECT_SCHEMA={} AND EVENT_OBJECT_TABLE={}",
                         kTriggerColumns, connection.quote(database), connection.quote(table))));
    std::vector<Trigger> triggers;
    for (const Row& row : rows) {
        if (is_name(connection, row[2].value_or(""), table)) {
            triggers.push_back(to_trigger(row));
        }
    }
    return triggers;
}

Result<std::vector<Trigger>> triggers_named(Connection& connection, const std::string& database,
                                            const std::vector<std::string>& names) {
    std::vector<Trigger> triggers;
    for (const std::string& name : names) {
        ASSIGN_OR_RETURN(const auto rows,
                         connection.query(fmt::format(
                             "{}WHERE TRIGGER_SCHEMA={} AND TRIGGER_NAME={}", kTriggerColumns,
                             connection.quote(database), connection.quote(name))));
        for (const Row& row : rows) {
            triggers.push_back(to_trigger(row));
        }
    }
    return triggers;
}

Result<std::string> trigger_definition(Connection& connection, const std::string& database,
                                       const std::string& name) {
    ASSIGN_OR_RETURN(const auto rows,
                     connection.query("SHOW CREATE TRIGGER " + qualified_name(database, name)));
    if (rows.empty() || rows[0].size() < 3) {
        return Error{Errc::kNotFound, "SHOW CREATE TRIGGER gave nothing for " + name};
    }
    return rows[0][2].value_or("");
}

Result<std::vector<std::string>> foreign_keys_to(Connection& connection,
                                                 const std::string& database,
                                                 const std::string& table) {
    return first_column(
        connection,
        fmt::format("SELECT DISTINCT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, '.', CONSTRAINT_NAME) "
                    "FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_SCHEMA={} AND "
                    "REFERENCED_TABLE_NAME={}",
                    connection.quote(database), connection.quote(table)));
}

Result<std::vector<std::string>> foreign_keys_of(Connection& connection,
                                                 const std::string& database,
                                                 const std::string& table) {
    return first_column(
        connection,
        fmt::format("SELECT DISTINCT CONSTRAINT_NAME FROM information_schema.KEY_COLUMN_USAGE "
                    "WHERE TABLE_SCHEMA={} AND TABLE_NAME={} AND REFERENCED_TABLE_NAME IS NOT NULL",
                    connection.quote(database), connection.quote(table)));
}

Result<std::vector<std::string>> cascading_foreign_keys_of(Connection& connection,
                                                           const std::string& database,
                                                           const std::string& table) {
    ASSIGN_OR_RETURN(
        const auto rows,
        connection.query(
            fmt::format("SELECT CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE FROM "
                        "information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA={} AND "
                        "TABLE_NAME={} ORDER BY CONSTRAINT_NAME",
                        connection.quote(database), connection.quote(table))));
    const auto changes_rows = [](const std::string& rule) {
        return rule == "CASCADE" || rule == "SET NULL" || rule == "SET DEFAULT";
    };
    std::vector<std::string> keys;
    for (const Row& row : rows) {
        const std::string on_delete = row[1].value_or("");
        const std::string on_update = row[2].value_or("");
        if (changes_rows(on_delete)) {
            keys.push_back(fmt::format("{} (ON DELETE {})", row[0].value_or(""), on_delete));
        } else if (changes_rows(on_update)) {
            keys.push_back(fmt::format("{} (ON UPDATE {})", row[0].value_or(""), on_update));
        }
    }
    return keys;
}

Result<std::vector<UniqueKey>> unique_keys(Connection& connection, const std::string& database,
                                           const std::string& table) {
    ASSIGN_OR_RETURN(
        const auto rows,
        connection.query(fmt::format(
            "SELECT s.INDEX_NAME, s.COLUMN_NAME, LOWER(c.DATA_TYPE), s.NULLABLE='YES' FROM "
            "information_schema.STATISTICS s JOIN information_schema.COLUMNS c ON "
            "c.TABLE_SCHEMA=s.TABLE_SCHEMA AND c.TABLE_NAME=s.TABLE_NAME AND "
            "c.COLUMN_NAME=s.COLUMN_NAME WHERE s.TABLE_SCHEMA={} AND s.TABLE_NAME={} AND "
            "s.NON_UNIQUE=0 ORDER BY s.INDEX_NAME, s.SEQ_IN_INDEX",
            connection.quote(database), connection.quote(table))));
    std::vector<UniqueKey> keys;
    for (const Row& row : rows) {
        if (keys.empty() || keys.back().name != row[0].value_or("")) {
            keys.push_back(UniqueKey{row[0].value_or(""), {}, 0});
        }
        keys.back().columns.push_back(KeyColumn{row[1].value_or(""), row[2].value_or("")});
        keys.back().nullable += row[3].value_or("0") == "1" ? 1 : 0;
    }
    return keys;
}

Result<bool> has_row_identity(Connection& connection, const std::string& database,
                              const std::string& table) {
    ASSIGN_OR_RETURN(
        const auto count,
        connection.query_value(fmt::format(
            "SELECT COUNT(*) FROM (SELECT INDEX_NAME FROM information_schema.STATISTICS WHERE "
            "TABLE_SCHEMA={} AND TABLE_NAME={} AND NON_UNIQUE=0 GROUP BY INDEX_NAME HAVING "
            "SUM(NULLABLE='YES')=0) AS keys_without_null",
            connection.quote(database), connection.quote(table))));
    return count.value_or("0") != "0";
}

Result<std::vector<std::string>> column_names(Connection& connection, const std::string& database,
                                              const std::string& table) {
    return first_column(connection,
                        fmt::format("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE "
                                    "TABLE_SCHEMA={} AND TABLE_NAME={} ORDER BY ORDINAL_POSITION",
                                    connection.quote(database), connection.quote(table)));
}

Result<std::vector<ServerThread>> server_threads(Connection& connection) {
    ASSIGN_OR_RETURN(const auto rows,
                     connection.query("SELECT ID, USER, HOST, COMMAND, INFO, TIME FROM "
                                      "information_schema.PROCESSLIST WHERE ID<>CONNECTION_ID()"));
    std::vector<ServerThread> threads;
    for (const Row& row : rows) {
        threads.push_back(ServerThread{std::strtoull(row[0].value_or("0").c_str(), nullptr, 10),
                                       row[1].value_or(""), row[2].value_or(""),
                                       row[3].value_or(""), row[4].value_or(""), to_int(row[5])});
    }
    return threads;
}

Result<std::string> read_only_variable(Connection& connection) {
    ASSIGN_OR_RETURN(const auto rows,
                     connection.query("SHOW GLOBAL VARIABLES WHERE Variable_name IN "
                                      "('read_only', 'super_read_only', 'innodb_read_only') AND "
                                      "Value NOT IN ('OFF', '0')"));
    return rows.empty() ? std::string() : rows[0][0].value_or("");
}

Result<std::string> silent_replication_source(Connection& connection) {
    ASSIGN_OR_RETURN(const auto variables,
                     connection.query("SHOW GLOBAL VARIABLES WHERE Variable_name IN "
                                      "('binlog_format', 'slave_run_triggers_for_rbr')"));
    for (const Row& row : variables) {
        const std::string name = row[0].value_or("");
        const std::string value = row[1].value_or("");
        if (name == "binlog_format" ? value == "STATEMENT" : value != "NO") {
            return std::string();
        }
    }
    // Source: positions in the manuals of MySQL 5.6 to 9 and MariaDB 10 to 11; MariaDB's ALL has
    // two columns in front. MySQL 8.4 knows only the second word.
    const std::size_t shift = connection.is_mariadb() ? 2 : 0;
    const std::size_t host = 1 + shift;
    const std::size_t receiver = 10 + shift;
    const std::size_t applier = 11 + shift;
    auto rows = connection.query(connection.is_mariadb() ? "SHOW ALL SLAVES STATUS"
                                                         : "SHOW REPLICA STATUS");
    if (!rows.ok() && !connection.is_mariadb() && !connection.lost()) {
        rows = connection.query("SHOW SLAVE STATUS");
    }
    if (!rows.ok()) {
        if (connection.lost()) {
            return std::move(rows).error();
        }
        return std::string();
    }
    for (const Row& row : *rows) {
        // Both are "No" where a former replica kept its settings.
        if (row.size() > applier &&
            (row[receiver].value_or("No") != "No" || row[applier].value_or("No") != "No")) {
            return row[host].value_or("?");
        }
    }
    return std::string();
}

Result<RowCounts> count_rows(Connection& connection, const std::string& database,
                             const std::string& original, const std::string& shadow) {
    RETURN_IF_ERROR(connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"));
    RETURN_IF_ERROR(connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT"));
    RowCounts counts;
    Status status = Ok{};
    for (const bool is_original : {true, false}) {
        auto value = connection.query_value(
            "SELECT COUNT(*) FROM " + qualified_name(database, is_original ? original : shadow));
        if (!value.ok()) {
            status = std::move(value).error();
            break;
        }
        (is_original ? counts.original : counts.shadow) = to_int(*value);
    }
    (void)connection.execute("ROLLBACK");
    RETURN_IF_ERROR(status);
    return counts;
}

}  // namespace shift
