#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/result.h"
#include "worker/lhm/column_map.h"
#include "worker/lhm/copy_key.h"
#include "worker/lhm/flavour.h"
#include "worker/mysql/connection.h"
#include "worker/mysql/inspect.h"

// The three triggers that keep a copy in step inside the application's own transaction.

namespace shift::lhm {

// A write that the new table would refuse (too long, NULL, a taken unique value ...).
enum class ConflictPolicy {
    kRecord,     // it succeeds; the row is noted in the control table and blocks the swap
    kFailWrite,  // the application's write fails
};

struct TriggerSpec {
    std::string database;
    std::string table;                            // the triggers are on
    std::string copy;                             // they write to
    std::string control;                          // conflicts go here
    std::string on_delete, on_update, on_insert;  // names
    std::string mark;  // a comment in each body: "shift-lhm 0123456789abcdef"
    CopyKey key;       // of `table`
    CopyKey copy_key;  // the same columns in `copy`
    ColumnMap map;
    // Columns of `table` whose change makes an update be read again instead of believed: all that
    // are in a unique key.
    std::vector<std::string> unique_columns;
    bool is_filtered = false;       // the copy leaves rows out
    std::string read_table;         // where rows are read again; "" = `table`
    std::string kind = "conflict";  // of the notes
    ConflictPolicy policy = ConflictPolicy::kRecord;
};

struct TriggerText {
    std::string name;
    std::string event;  // DELETE UPDATE INSERT
    std::string body;   // what information_schema shows as ACTION_STATEMENT
};
// In the order they are made: delete, update, insert. With the delete trigger first there is no
// moment in which a row is put into the copy and its deletion is missed. Pure.
//
// Source: tried on MariaDB 10.11 and MySQL 9.7. Bodies never REPLACE, which would silently delete
// another row that has the same value in a new unique key. An update that touches a unique column
// is read again from the table: MariaDB fires the trigger for a row that UPDATE IGNORE left alone.
// The handler also names 1265, which is of the warning class and passes SQLEXCEPTION; lock waits
// and deadlocks pass every handler and end the application's statement.
std::vector<TriggerText> trigger_texts(const TriggerSpec& spec);
std::string create_statement(const TriggerSpec& spec, const TriggerText& text);

// The table that the triggers note conflicts in; `comment` is the mark.
std::string control_table_statement(const std::string& database, const std::string& control,
                                    const std::string& quoted_comment);

// As they are on the server; proof that a trigger was there all the time (a dropped one that was
// made again has another creation time: writes in between were missed).
struct TriggerFact {
    std::string name;
    std::string created;
    std::string body_sha1;
    friend bool operator==(const TriggerFact&, const TriggerFact&) = default;
};
// Sorted by name; those of `table` with one of `names`.
Result<std::vector<TriggerFact>> read_trigger_facts(Connection& connection,
                                                    const std::string& database,
                                                    const std::string& table,
                                                    const std::vector<std::string>& names);

}  // namespace shift::lhm
