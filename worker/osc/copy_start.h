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
    std::vector<OscCopyState::Trigger> triggers;  // ours, sorted by name
};
Result<CopyFacts> look_at_copy(Context& context, const std::string& shadow);

// Why `now` is not the copy that `saved` tells of; "" when it is. Pure.
std::string difference(const OscCopyState& saved, const CopyFacts& now, const std::string& table);

// Proves, before a row is copied, that the saved copy is the same job and that nothing moved: the
// ALTER, the server, both tables' definitions, the three triggers with bodies and creation times.
// Whatever is not proved is a fresh start, which loses nothing but time.
// REQUIRES: the database lock. Errors: as errc_of_mysql().
Result<CopyStart> plan_copy_start(Context& context, const OscPlan& plan);

}  // namespace shift
