#include "worker/leftovers.h"
#include "worker/steps/steps.h"

namespace shift {

// Status 11. No engine of this migration runs here any more (the supervisor's locks say so); what
// is left are statements a killed one left in the server. Triggers, shadow and state file stay. A
// direct statement that may have happened is looked into now: the host that resumes knows nothing
// of it and would send it again.
Result<Verdict> run_pause(Context& context) {
    RETURN_IF_ERROR(context.database.open());
    RETURN_IF_ERROR(stop_old_statements(context, OldDdl::kKill));
    if (context.history.ddl || context.history.no_return) {
        RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
        ASSIGN_OR_RETURN(auto finished, finish_if_changed(context));
        if (finished) {
            return *std::move(finished);
        }
    }
    return done(Outcome::kPaused);
}

}  // namespace shift
