#pragma once

#include <string>
#include <vector>

#include "worker/context.h"
#include "worker/mysql/inspect.h"

// What earlier attempts of this migration left on the server: running statements, triggers, shadow
// tables. "Ours" is what was journaled as intent, named by a state file, or holds the migration's
// id in its name; a trigger moreover names our shadow in its body. Nothing else is ever touched.

namespace shift {

enum class OldDdl {
    kKill,  // end every statement of earlier attempts
    kWait,  // let a direct DDL finish (up to ddl_timeout, unless a cancel or shutdown is asked for)
};

// Makes sure that no statement of an earlier attempt still runs: only then is what the server shows
// the truth. Errors: kUnavailable when one does not end.
// Source: an ALTER goes on to success after its client was SIGKILLed (MariaDB 10.11).
Status stop_old_statements(Context& context, OldDdl policy);

// Whether `body` (a trigger's) works on `database`.`shadow`.
bool names_shadow(const std::string& body, const std::string& database, const std::string& shadow);

// Shadow tables that are or were ours by name, whether or not they exist, best first:
// the state file's, the journaled ones, the one predicted from the migration's id.
std::vector<std::string> shadow_candidates(const Context& context);
// The one of them that exists; "" when none does.
Result<std::string> find_shadow(Context& context);

// A table called `shadow` exists, and neither the journal nor a state file says that we made it: a
// user's.
Result<bool> is_foreign_table(Context& context, const std::string& shadow);

// pt-osc triggers on `table` that write to one of our shadows.
Result<std::vector<Trigger>> our_triggers(Context& context, const std::string& table,
                                          const std::vector<std::string>& shadows);

// The names of the other triggers on the migration's table: the user's. A swap would leave them on
// the old table.
Result<std::vector<std::string>> users_triggers(Context& context);

// Drops triggers under the lock, each with 1 s lock waits and many tries. An urgent stop ends the
// tries with the lock-wait error.
Status drop_triggers(Context& context, const std::vector<Trigger>& triggers);

// Moves a table into trash (intent first), or drops it when trash is off.
// `trashed` is told where it is: "db.name", or "" when dropped.
Status discard_table(Context& context, const std::string& table, std::string* trashed);

// Triggers first (a trigger without its shadow fails every write of the application), then the
// shadow: dropped without trash; it is our own half-made copy. Then scratch tables.
// With `trash`, the shadow goes to trash as the cancel step wants it.
Status remove_ours(Context& context, bool trash);

// The database where trash goes.
std::string trash_database(const Job& job);
bool uses_other_trash_database(const Job& job);

}  // namespace shift
