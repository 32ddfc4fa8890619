#pragma once

#include <optional>

#include "common/result.h"
#include "common/stop_request.h"
#include "worker/lhm/options.h"
#include "worker/lhm/plan.h"
#include "worker/lhm/sessions.h"

namespace shift::lhm {

// Looks for rows that the new table would refuse, and for values that it would change (unless
// options.allow_loss), before anything is copied: rows are put into the shadow, range by range, and
// rolled back; values that a new unique key would find twice are counted. The first rows are always
// tried, all of them where the change may refuse some, at most for options.data_check_max; what was
// not looked at is noted in the plan and found by the copy.
// REQUIRES: plan.shadow exists and is empty, and nothing writes to it.
Result<std::optional<Refusal>> check_data(Sessions& sessions, Plan& plan, const Options& options,
                                          StopRequest& stop);

}  // namespace shift::lhm
