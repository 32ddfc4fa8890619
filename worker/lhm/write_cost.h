#pragma once

#include <chrono>
#include <optional>

#include "common/result.h"
#include "worker/lhm/plan.h"
#include "worker/mysql/connection.h"

namespace shift::lhm {

// What a write of the application to the table takes: the median of a few UPDATEs that set one
// row's key to itself while its copy is in the shadow, each rolled back. Changes nothing, writes no
// binary log, locks one row for that long. nullopt: the table is empty, somebody holds the row, or
// the shadow refuses it.
Result<std::optional<std::chrono::microseconds>> measure_write(Connection& connection,
                                                               const Plan& plan);

}  // namespace shift::lhm
