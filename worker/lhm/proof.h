#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "worker/lhm/checkpoint.h"
#include "worker/lhm/plan.h"
#include "worker/mysql/connection.h"

// That a copy on the server is the one a checkpoint tells of, and that nothing moved since.

namespace shift::lhm {

struct CopyFacts {
    std::string original_sha1;  // "" = no such table
    std::string shadow_sha1;
    std::vector<TriggerFact> triggers;
};
Result<CopyFacts> look_at_copy(Connection& connection, const Plan& plan);

Result<Lives> look_at_lives(Connection& connection, const Plan& plan);

// Which table rows went from past the triggers; "" when none that is known of. Pure.
std::string difference(const Lives& then, const Lives& now, const Plan& plan);
// Why `now` is not the copy of `saved`; "" when it is. A trigger that was dropped and made again
// has another creation time: rows written between are missing. Pure.
std::string difference(const Checkpoint& saved, const CopyFacts& now);
// Why `plan`, made anew, is not the one that `saved` was working by. Pure.
std::string difference(const Checkpoint& saved, const Plan& plan);

}  // namespace shift::lhm
