#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "worker/lhm/options.h"
#include "worker/lhm/table_shape.h"
#include "worker/mysql/connection.h"

// Secondary indexes that the shadow gets after the copy: sorted and written in one pass each, they
// cost a fraction of what keeping them in order does while rows arrive. What must be there from the
// start stays: unique keys (they tell which writes do not fit), the key the copy walks by, the one
// of the AUTO_INCREMENT column, FULLTEXT and SPATIAL.

namespace shift::lhm {

struct Plan;
struct Workshop;

struct DeferredIndex {
    std::string name;
    std::string definition;  // as SHOW CREATE TABLE has it: "KEY `by_n` (`n`)"
};

std::vector<std::string> names_of(const std::vector<DeferredIndex>& indexes);

// Those of `shadow` that may wait; `copy_key` is the index that the copy finds its rows by. Pure.
std::vector<DeferredIndex> deferrable_indexes(const TableShape& shadow, std::string_view copy_key);

// Whether it is worth it and harmless for this table and server: the plan's rows and bytes, and
// whether replicas are attached (one ALTER is one event: a replica stands still for as long). "" =
// yes, else why not. Pure.
std::string why_not_deferred(DeferIndexes wish, std::int64_t bytes, int replicas);

// Takes what may wait off the empty shadow: plan.deferred tells what. They are written to the
// control table first, which is where a resume reads them. Keeps them where the server could not
// add one online.
Status set_indexes_aside(Workshop& workshop, Plan& plan, const Options& options);

// What was set aside for the copy whose control table this is; empty when there is none.
Result<std::vector<DeferredIndex>> read_deferred(Connection& connection, const Plan& plan);

// The definition as it is without those indexes, built or not. Pure.
std::string without_indexes(std::string_view show_create,
                            const std::vector<DeferredIndex>& indexes);

}  // namespace shift::lhm
