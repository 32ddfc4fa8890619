#pragma once

#include <string>

#include "common/result.h"
#include "worker/lhm/plan.h"
#include "worker/lhm/shadow.h"

// A way back after the swap: for a while, reverse triggers on the new table keep the old one (the
// archive) in step, so that the swap can be undone without losing a write.

namespace shift::lhm {

// The plan seen from behind: rows go from the new table (called as the original was) to the
// archive. Everything that works by a plan works by this one: triggers, verification, swap.
// `original` and `shadow` are the shapes before and after the change, whatever they are called now.
// Errors: kInvalidArgument, for people - the change drops a column, whose values could not be kept.
Result<Plan> reverse_plan(const Plan& plan, const std::string& archive);

// Before the swap: an empty stand-in under the archive's name and reverse triggers on the shadow
// that write to it. They cannot be made later without a moment in which writes are missed, nor
// write to the original itself, which would write back. Source: tried on MariaDB 10.11 and
// MySQL 9.7: triggers move with a renamed table, names in their bodies do not.
Status make_way_back(Workshop& workshop, const Plan& plan, const std::string& archive);
// Takes both away again; before the swap only.
Status unmake_way_back(Workshop& workshop, const Plan& plan, const std::string& archive);

}  // namespace shift::lhm
