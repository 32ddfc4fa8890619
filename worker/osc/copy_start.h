#pragma once

#include <string>
#include <vector>

#include "worker/context.h"
#include "worker/osc/copy_state.h"
#include "worker/osc/osc_command.h"

namespace shift {

// How a copy begins: anew, where an earlier one stopped, or not at all because it is done.
struct CopyStart {
    enum class Kind {
        kFresh,
        kResume,
        kCopied,
        // The new table is the table by now: another host finished the migration. Never copied
        // again: that would do the ALTER twice.
        kSwapped,
    };
    Kind kind = Kind::kFresh;
    OscCopyState state;  // what to go on from; with kFresh empty
    // The boundary is not to be trusted (the server restarted and may have lost committed chunks):
    // table and triggers are kept, rows are copied from the first one.
    bool from_first_row = false;
    // For people: why what an earlier attempt left is not used; "" when there is nothing to
    // explain.
    std::string why;
};

// What the server shows of a copy; the facts that must not have moved.
struct CopyFacts {
    std::string orig_ddl;  // "" = no such table
    std::string new_ddl;
    std::string orig_life;  // as StateFile::orig_life
    std::string new_life;
    std::vector<OscCopyState::Trigger> triggers;  // ours, sorted by name
};
Result<CopyFacts> look_at_copy(Context& context, const std::string& shadow);

// Rows of both tables in one snapshot, under the database lock; `why` is remarked with them.
// Blocks: a whole read of both tables.
Result<RowCounts> count_copy(Context& context, const std::string& shadow, const std::string& why);

// The server that answers was restarted since `state` was made and may have lost chunks that it had
// committed, while the tool went on behind them.
Result<bool> may_have_lost_chunks(Context& context, const StateFile& state);

// Why `now` is not the copy that `saved` tells of; "" when it is. Pure.
std::string difference(const OscCopyState& saved, const CopyFacts& now, const std::string& table);

// Why one of the tables is, with the same definition, not the one that `saved` was begun with: it
// was emptied, made again or (no row is missing then) rebuilt. "" when both are, or when one of the
// two does not tell. Pure.
std::string another_life(const StateFile& saved, const CopyFacts& now);

// Proves, before a row is copied, that the saved copy is the same job and that nothing moved: the
// ALTER, the server, both tables' definitions and lives, the three triggers with bodies and
// creation times.
// Whatever is not proved is a fresh start, which loses nothing but time.
// REQUIRES: the database lock. Errors: as errc_of_mysql().
Result<CopyStart> plan_copy_start(Context& context, const OscPlan& plan);

}  // namespace shift
