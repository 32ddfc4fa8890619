#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/migration.h"
#include "common/result.h"

namespace shift {

// What the parser of the shift API says about a DDL statement: how it may run, what it does to
// which table, and its normal form. Pure: no I/O except what a DdlTarget does when it is asked.
//
// The parser accepts everything the original's grammar (square/mysql-parser 0.0.3 with the hooks of
// ui/app/services/osc_parser.rb) accepts, with the same answer and the same error texts, and more
// where that is safe: column attributes in any order, JSON and other modern types, generated
// columns, RENAME COLUMN/INDEX, ALGORITHM/LOCK, any backticked name, words that the server does not
// reserve as names, multi-line comments. What it still refuses, it refuses with the original's
// text.

enum class DdlRun : int {  // numbers of `initial_runtype` and `runtype` in the API
    kUndecided = 0,
    kLong = 1,
    kShort = 2,
    kMaybeShort = 3,
    kNoCheckAlter = 4,
    kMaybeNoCheckAlter = 5,
};
const char* ddl_run_name(DdlRun run);  // "undecided" "long" "short" "maybeshort" ...

// A name as written in a statement, backticks removed and doubled backticks undone.
struct TableName {
    std::optional<std::string> database;  // only when the statement prefixes the table with it
    std::string name;

    // "db.t" or "t": what the API shows. Ambiguous when a part contains a dot; use the parts.
    std::string text() const;
    // "`db`.`t`" or "`t`".
    std::string quoted() const;
    friend bool operator==(const TableName&, const TableName&) = default;
};

// Backticks around `name`, backticks inside it doubled.
std::string quote_identifier(std::string_view name);
// The other way: the name in the backticks that begin at `at`, which is moved behind them. A name
// without its end goes to the end of the text. REQUIRES: text[at] == '`'.
std::string read_quoted_identifier(std::string_view text, std::size_t& at);
// `database`.`name`, both quoted.
std::string qualified_name(std::string_view database, std::string_view name);

// The target as far as a check needs it. Every answer may be nullopt: "not known, skip this check".
// An Error (the target is unreachable) ends the parse with that error.
class DdlTarget {
  public:
    struct Column {
        std::string name;
        std::string type;  // as SHOW COLUMNS gives it: "enum('a','b')", "int(11)"
    };

    virtual ~DdlTarget() = default;
    virtual Result<std::optional<bool>> exists(Mode mode, const TableName& name) const;
    virtual Result<std::optional<std::vector<Column>>> columns(const TableName& name) const;
    // Some foreign key of another (or the same) table points to it.
    virtual Result<std::optional<bool>> is_referenced(const TableName& name) const;
    // Names of the table's own foreign keys.
    virtual Result<std::optional<std::vector<std::string>>> foreign_keys(
        const TableName& name) const;
    // False on MySQL 5.6/5.7 with avoid_temporal_upgrade=OFF: every ALTER there is a long run.
    virtual Result<std::optional<bool>> avoid_temporal_upgrade() const;
};

// A target whose answers are known beforehand.
struct DdlTargetFacts final : DdlTarget {
    std::optional<bool> table_exists;
    std::optional<bool> view_exists;
    std::optional<std::vector<Column>> column_list;
    std::optional<bool> referenced;
    std::optional<std::vector<std::string>> foreign_key_names;
    std::optional<bool> avoids_temporal_upgrade;

    Result<std::optional<bool>> exists(Mode mode, const TableName& name) const override;
    Result<std::optional<std::vector<Column>>> columns(const TableName& name) const override;
    Result<std::optional<bool>> is_referenced(const TableName& name) const override;
    Result<std::optional<std::vector<std::string>>> foreign_keys(
        const TableName& name) const override;
    Result<std::optional<bool>> avoid_temporal_upgrade() const override;
};

struct ParsedDdl {
    DdlRun run = DdlRun::kUndecided;
    Action action = Action::kAlter;
    Mode mode = Mode::kTable;
    std::string table;  // name.text()
    TableName name;
    // The normal form that the API hands to runners: comments and \r gone, single spaces, names in
    // DROP FOREIGN KEY toggled between `fk` and `_fk` (pt-osc renames constraints on its copy).
    std::string statement;
    // The same with the foreign keys as the user wrote them: what may run on the table itself.
    std::string statement_as_written;
    std::vector<std::string> dropped_foreign_keys;  // as written

    // Flags of the head of the statement.
    bool if_exists = false;      // DROP, ALTER
    bool if_not_exists = false;  // CREATE
    bool or_replace = false;     // CREATE VIEW
    bool temporary = false;      // CREATE/DROP TEMPORARY TABLE
    bool ignore = false;         // ALTER IGNORE: duplicate rows are lost silently
};

// Parses one statement. With a null `target` nothing is checked against a database.
// Errors: kInvalidArgument - the original's text, e.g. `parse error on value "x"`,
//         `can not match: '; '`, `order by not supported`; what `target` answered, unchanged.
Result<ParsedDdl> parse_ddl(std::string_view statement, const DdlTarget* target = nullptr);

// The head and the rest of an ALTER TABLE. Only the head is parsed, so this also works for
// specifications that parse_ddl() refuses.
struct AlterSpecification {
    TableName name;
    std::string specification;  // what follows the table name; of a normalised statement verbatim
    bool ignore = false;        // ALTER IGNORE TABLE
    bool online = false;        // ALTER ONLINE TABLE
    bool offline = false;       // ALTER OFFLINE TABLE
    bool if_exists = false;
};
// Errors: kInvalidArgument - not an ALTER TABLE, or cannot be read.
Result<AlterSpecification> alter_specification(std::string_view statement);

// A CREATE TABLE or CREATE VIEW that creates `name` instead, for a check under a scratch name; IF
// NOT EXISTS and OR REPLACE are left out, so that an existing object is an error.
// Errors: kInvalidArgument - not a CREATE TABLE or CREATE VIEW, or cannot be read.
Result<std::string> with_created_name(std::string_view statement, const TableName& name);

// A statement, or a part of one, with comments gone and single spaces: the same for every way it
// was handed on (the API's listing spaces it anew, its other answers show it as typed). What cannot
// be read comes back as it is.
std::string canonical_ddl(std::string_view statement);

// `fk` <-> `_fk` in every DROP FOREIGN KEY of an ALTER TABLE, undoing what the API did to the
// statement it hands to runners; other statements come back in normal form.
// Errors: as parse_ddl().
Result<std::string> toggle_dropped_foreign_keys(std::string_view statement);

}  // namespace shift
