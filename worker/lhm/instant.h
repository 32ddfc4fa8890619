#pragma once

#include <string>

#include "common/result.h"
#include "worker/lhm/options.h"
#include "worker/lhm/plan.h"
#include "worker/lhm/shadow.h"

// A change that the server makes in the table's definition alone, without touching a row: nothing
// is copied then, and the swap is that one ALTER.

namespace shift::lhm {

// How such an ALTER is asked for. The server refuses what it could not do so, and changes nothing.
inline constexpr const char* kAlgorithmInstant = "INSTANT";
inline constexpr const char* kAlgorithmNocopy = "NOCOPY";  // MariaDB: an index is dropped, say
bool is_instant_algorithm(const std::string& word);

// All statements of the plan as one ALTER of `table` by `algorithm`; "" when they are none that
// could be put so: no ALTERs, or with an ALGORITHM or LOCK of their own.
std::string instant_statement(const Plan& plan, const std::string& table,
                              const std::string& algorithm);

// Sets plan.instant where the change can be made so and is wanted so, else plan.instant_note to why
// not. It is tried on an empty table like the original, beside the shadow: same definition as the
// shadow's afterwards, or it is not believed.
// REQUIRES: the shadow is there with its new shape, and so is the control table.
Status choose_instant(Workshop& workshop, Plan& plan, const Options& options);

// Changes the table itself. Errors: what the server says; is_algorithm_refused() when it does not
// do this without copying.
Status alter_instantly(Workshop& workshop, const Plan& plan, const std::string& algorithm);

// By looking: the table has the shadow's definition (or another than before, when the shadow was
// taken away after it).
Result<bool> has_altered_instantly(Connection& look, const std::string& database,
                                   const std::string& table, const std::string& definition_before);

}  // namespace shift::lhm
