#pragma once

#include <optional>

#include "worker/context.h"
#include "worker/verdict.h"

// One function per step of a migration. A Verdict ends the attempt; an Error is trouble that the
// step has no own answer for and becomes one by verdict_of_error(). Every step can be run again
// from any point at which an earlier attempt of it died.

namespace shift {

Result<Verdict> run_prepare(Context& context);  // status 0
Result<Verdict> run_copy(Context& context);     // status 3, pt-osc up to the swap
Result<Verdict> run_direct(Context& context);   // status 3, one statement on the table itself
Result<Verdict> run_rename(Context& context);   // status 5
Result<Verdict> run_pause(Context& context);    // status 11
Result<Verdict> run_cancel(Context& context);   // status 9

// A copy that must not be swapped: everything of ours goes, and the migration fails.
Result<Verdict> give_up_copy(Context& context, const std::string& reason,
                             const std::string& message);

// What of them is the lhm engine's. After open(), stop_old_statements() and, for the last two,
// under the table's lock.
Result<Verdict> prepare_by_lhm(Context& context);
Result<Verdict> copy_by_lhm(Context& context);
Result<Verdict> swap_by_lhm(Context& context);

// Under the table's lock, for a step that would undo or hold what an earlier attempt began: when
// the table was changed already, finishes everything after the change and says how that ended.
Result<std::optional<Verdict>> finish_if_changed(Context& context);

// After a direct statement has happened: what a DROP set aside in the table's database (`trash`)
// goes on into the trash, then the final insert.
Result<Verdict> finish_direct(Context& context, const History::Table& trash);

// True when the step works by one direct statement instead of a copy.
bool is_direct(const Job& job);

}  // namespace shift
