#include "worker/leftovers.h"
#include "worker/steps/steps.h"

namespace shift {

// Status 11. No engine of this migration runs here any more (the supervisor's locks say so); what
// is left are statements a killed one left in the server. Triggers, shadow and state file stay.
Result<Verdict> run_pause(Context& context) {
    RETURN_IF_ERROR(context.database.open());
    RETURN_IF_ERROR(stop_old_statements(context, OldDdl::kKill));
    return done(Outcome::kPaused);
}

}  // namespace shift
