#pragma once

#include <optional>

#include "common/result.h"
#include "common/stop_request.h"
#include "worker/lhm/options.h"
#include "worker/lhm/plan.h"
#include "worker/lhm/sessions.h"

namespace shift::lhm {

// Looks through the original's rows for values that the new table would refuse, before anything is
// copied: converted columns are put into a temporary table of their new types, chunk by chunk (the
// server's own strict conversion is the judge), and values that a new unique key would find twice
// are counted. At most for options.data_check_max; what was not looked at is noted in the plan and
// found by the copy.
// Takes no locks on rows. REQUIRES: plan.shadow exists.
Result<std::optional<Refusal>> check_data(Sessions& sessions, Plan& plan, const Options& options,
                                          StopRequest& stop);

}  // namespace shift::lhm
