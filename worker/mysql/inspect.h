#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "worker/mysql/connection.h"

// Read-only questions to a server. All names are exact (or folded where the server folds case).

namespace shift {

// Who answers: told apart from another server, and from itself before a restart (thread ids and
// locks do not outlive one).
struct ServerIdentity {
    std::string id;       // server_uuid, or host name, port and server_id where there is none
    std::string version;  // "10.11.19-MariaDB"
    std::int64_t started_s = 0;  // UNIX time; good to a second
};
Result<ServerIdentity> identify_server(Connection& connection);
// The same run of the same server.
bool is_same_run(const ServerIdentity& a, const ServerIdentity& b);

struct TableFacts {
    std::string name;
    bool is_view = false;
    std::string engine;
    std::optional<std::int64_t> rows;  // an estimate
    std::optional<std::int64_t> data_bytes;
    std::optional<std::int64_t> index_bytes;
};
// nullopt when there is no such table or view.
Result<std::optional<TableFacts>> table_facts(Connection& connection, const std::string& database,
                                              const std::string& table);
Result<bool> database_exists(Connection& connection, const std::string& database);
// Committed transactions survive a crash of the server or its machine.
Result<bool> is_durable(Connection& connection);
Result<bool> is_transactional(Connection& connection, const std::string& engine);

// SHOW CREATE TABLE without its AUTO_INCREMENT counter (which writers move); "" when absent.
Result<std::string> table_definition(Connection& connection, const std::string& database,
                                     const std::string& table);
std::string without_auto_increment(std::string_view show_create);
// The same text for a table called `name`.
std::string renamed_definition(const std::string& show_create, const std::string& name);
// SHA-1 of table_definition(), "" when absent; with `as`, as if the table were called that.
Result<std::string> definition_hash(Connection& connection, const std::string& database,
                                    const std::string& table, const std::string& as = {});

// Which life of a table this is, told from one before: "id.N" changes with TRUNCATE, with DROP and
// CREATE and with whatever rebuilds the table (OPTIMIZE), and with nothing else: not by ANALYZE, an
// ALTER in place or a restart. It needs PROCESS and InnoDB. "" = the server does not say, or there
// is no such table.
// Source: tried on MariaDB 10.11; information_schema.INNODB_SYS_TABLES, INNODB_TABLES in MySQL 8.
Result<std::string> table_life(Connection& connection, const std::string& database,
                               const std::string& table);
// The same as "made.N" from the table's CREATE_TIME, for which any right on the table is enough. It
// changes with every ALTER, and on MariaDB not with TRUNCATE.
Result<std::string> table_creation(Connection& connection, const std::string& database,
                                   const std::string& table);
// Both are known, from the same of these two functions, and differ. Pure.
bool is_another_life(const std::string& then, const std::string& now);

struct Trigger {
    std::string name;
    std::string event;  // INSERT UPDATE DELETE
    std::string table;  // the table it is on
    std::string body;
    std::string created;  // UNIX time with its fraction; tells a trigger from one made again
};
Result<std::vector<Trigger>> triggers_of(Connection& connection, const std::string& database,
                                         const std::string& table);
// Triggers of the schema with one of these names, whatever table they are on.
Result<std::vector<Trigger>> triggers_named(Connection& connection, const std::string& database,
                                            const std::vector<std::string>& names);
// The whole CREATE TRIGGER statement.
Result<std::string> trigger_definition(Connection& connection, const std::string& database,
                                       const std::string& name);

// "db.table.constraint" of every foreign key that points at the table (also its own).
Result<std::vector<std::string>> foreign_keys_to(Connection& connection,
                                                 const std::string& database,
                                                 const std::string& table);
Result<std::vector<std::string>> foreign_keys_of(Connection& connection,
                                                 const std::string& database,
                                                 const std::string& table);
// Those of them that change or delete the table's own rows when a parent row goes or changes, for
// people: "name (ON DELETE CASCADE)".
Result<std::vector<std::string>> cascading_foreign_keys_of(Connection& connection,
                                                           const std::string& database,
                                                           const std::string& table);
struct KeyColumn {
    std::string name;
    std::string type;  // as information_schema says it: "enum", "varbinary"
};
struct UniqueKey {
    std::string name;
    std::vector<KeyColumn> columns;
    int nullable = 0;  // how many of the columns may be NULL
};

// All of the table's unique keys over plain columns, the primary key as PRIMARY.
Result<std::vector<UniqueKey>> unique_keys(Connection& connection, const std::string& database,
                                           const std::string& table);
// A primary key, or a unique key whose columns are all NOT NULL.
Result<bool> has_row_identity(Connection& connection, const std::string& database,
                              const std::string& table);
Result<std::vector<std::string>> column_names(Connection& connection, const std::string& database,
                                              const std::string& table);

// While a trigger or a stored routine runs in a session, the process list shows its definer as the
// user, "%" as the host and the routine's statement (tried on MariaDB 10.11): an application's
// write to a table with our triggers looks like a session of ours. So never choose by the user
// alone whom to kill.
struct ServerThread {
    std::uint64_t id = 0;
    std::string user;
    std::string host;
    std::string command;
    std::string info;
    std::int64_t time_s = 0;
};
// Threads we may see (our own user's, or all with PROCESS), without this session.
Result<std::vector<ServerThread>> server_threads(Connection& connection);

// The variable that makes the server refuse writes (read_only ...); "" when it takes them.
Result<std::string> read_only_variable(Connection& connection);
// Where this server's replicated changes come from when they arrive as rows that fire no triggers;
// "" when it replicates nothing now, when triggers do fire, or when our user may not see it.
Result<std::string> silent_replication_source(Connection& connection);

// COUNT(*) of both tables in one snapshot.
struct RowCounts {
    std::int64_t original = 0;
    std::int64_t shadow = 0;
};
// Blocks: a full scan of both tables' smallest keys.
Result<RowCounts> count_rows(Connection& connection, const std::string& database,
                             const std::string& original, const std::string& shadow);

}  // namespace shift
