#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "worker/lhm/flavour.h"
#include "worker/lhm/table_shape.h"
#include "worker/mysql/alter_words.h"

// What shall become of a table: LHM's verbs, or any ALTER. Pure.

namespace shift::lhm {

struct ChangeStep {
    enum class Verb {
        kAddColumn,     // name, definition
        kRemoveColumn,  // name
        kChangeColumn,  // name, definition ("DROP DEFAULT" and "SET DEFAULT .." too)
        kRenameColumn,  // name, to
        kAddIndex,      // columns, name ("" = LHM's)
        kAddUniqueIndex,
        kRemoveIndex,  // columns or name
        kDdl,          // definition: a statement with %s for the table
        kAlter,        // definition: what follows ALTER TABLE t
    };
    Verb verb = Verb::kAlter;
    std::string name;
    std::string to;
    std::string definition;
    std::vector<std::string> columns;  // "username(6)", "group (10)", "`odd (name`"
};

struct Change {
    std::string database;
    std::string table;
    std::vector<ChangeStep> steps;
};

const char* verb_name(ChangeStep::Verb verb);  // "add_column" ... as in a plan file

// One statement on the shadow table.
struct ChangeStatement {
    std::string sql;
    AlterEffects effects;
};
// `shape` is the original's; `shadow` is the shadow's plain name.
// Errors: kInvalidArgument, for people.
Result<ChangeStatement> statement_of(const ChangeStep& step, const TableShape& shape,
                                     const std::string& shadow, const ServerFlavour& flavour);

// "db.table" or "`odd db`.`odd.table`". Errors: kInvalidArgument.
struct QualifiedTable {
    std::string database;
    std::string table;
};
Result<QualifiedTable> parse_qualified_table(std::string_view text);

}  // namespace shift::lhm
