#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "worker/lhm/options.h"
#include "worker/lhm/plan.h"
#include "worker/mysql/connection.h"

// What the engine refuses before anything is copied: what it could not do without losing a row, a
// trigger or a constraint, and what would fail after hours.

namespace shift::lhm {

// By looking at the table as it is.
Result<std::optional<Refusal>> check_table(Connection& connection, const TableShape& shape);
// That the server takes writes and fires triggers for all of them.
Result<std::optional<Refusal>> check_server(Connection& connection);
// When the empty shadow has the new shape: foreign keys that the change adds, engines, types whose
// conversion depends on who converts. Adds to plan.notes.
Result<std::optional<Refusal>> check_shadow(Connection& connection, Plan& plan);
// Makes and drops a trigger on the shadow: the right to, and log_bin_trust_function_creators. Locks
// the shadow by LOCK TABLES where the swap will have to.
Result<std::optional<Refusal>> check_rights(Connection& connection, const Plan& plan,
                                            const Options& options);

}  // namespace shift::lhm
