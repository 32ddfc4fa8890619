#pragma once

#include <optional>

#include "worker/context.h"
#include "worker/mysql/inspect.h"
#include "worker/verdict.h"

namespace shift {

// Why pt-osc cannot work on this table (or would lose something silently), as a verdict for people
// with the way out; nullopt when it can. `facts` are the table's.
Result<std::optional<Verdict>> preflight_copy(Context& context, const TableFacts& facts);

// pt-osc's own user lacks a right that the copy needs, told by the server: an empty table of ours
// under the scratch name goes through everything. What cannot be told is left to the tool.
// Takes the database lock; the table is announced first and dropped again.
Result<std::optional<Verdict>> check_rights(Context& context);

// Announces the scratch table of the migration, which is to be made and dropped again, and drops
// what an earlier attempt left under its name. A table there that holds rows is a user's: a
// verdict. REQUIRES: the database lock.
Result<std::optional<Verdict>> announce_scratch(Context& context);

// Duplicates that a unique key to be added would lose: a verdict naming the first key that has
// some. Bounded in time; what could not be looked at is noted and found after the copy.
Result<std::optional<Verdict>> check_duplicates(Context& context);

// A few of the values that occur more than once under the unique keys to be added, for people; ""
// when none were found in time. Bounded as check_duplicates().
Result<std::string> duplicates_text(Context& context);

// The final insert as prepare checks it: its shape, and whether the server takes it (executed in a
// transaction that is rolled back where the table can; otherwise only prepared).
Result<std::optional<Verdict>> check_final_insert(Context& context);

// The database that trash goes to is there.
Result<std::optional<Verdict>> check_trash_database(Context& context);

// The statement holds a semicolon outside quotes (the API refuses that too), names another database
// than the migration's, or is a DROP of more than one thing.
std::optional<Verdict> check_statement(const Job& job);

// A short ALTER would rebuild a table with more rows than direct_rows_max.
Result<std::optional<Verdict>> check_direct_size(Context& context, const TableFacts& facts);

}  // namespace shift
