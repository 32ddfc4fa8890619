#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "worker/lhm/copy_key.h"
#include "worker/lhm/ledger.h"
#include "worker/lhm/plan.h"

// The statements of copying, comparing and repairing. Pure.

namespace shift::lhm {

// The key of the row that is `rows` rows behind `after` in the original and not behind `up_to`; no
// row when there are fewer.
std::string find_end_statement(const Plan& plan, const std::optional<KeyValue>& after,
                               const std::optional<KeyValue>& up_to, std::int64_t rows);
// The largest key of the original under a condition, at most one row.
std::string last_statement(const Plan& plan, const std::string& condition = "TRUE");

// Locks the original's rows of a range and counts them. Here the transaction has changed nothing
// yet: InnoDB ends the one with less undo in a deadlock, so it is us. `waits`: for a second;
// whoever wants one of the rows that are locked by then waits as long, so only for very few rows.
std::string lock_range_statement(const Plan& plan, const Range& range, bool waits);
// Copies them, without waiting. A row that is there already is newer, or the same: it stays.
std::string copy_range_statement(const Plan& plan, const Range& range);
// The same without locking anything, for a trial that is rolled back.
std::string try_range_statement(const Plan& plan, const Range& range);
// `what` of rows under a condition and their counterparts in the shadow; `rows_max` at most.
std::string both_rows_statement(const Plan& plan, const std::string& what,
                                const std::string& condition, std::int64_t rows_max);
// Keys of rows of a range (of those the filter takes) that the shadow lacks; `rows_max` at most.
std::string missing_statement(const Plan& plan, const Range& range, std::int64_t rows_max);

// One statement, so one snapshot: "rows/hash" of the original's range and of the shadow's.
std::string compare_statement(const Plan& plan, const Range& range);
// Keys of rows that are missing, different or (without counterpart) too many in the shadow.
std::string different_statement(const Plan& plan, const Range& range, std::int64_t rows_max);
// "rows rows" of both whole tables in one snapshot.
std::string count_statement(const Plan& plan);
// 1 when the row is in both tables and equal.
std::string equal_row_statement(const Plan& plan, const KeyValue& key);

// One row, put right: lock it in the original, take it out of the shadow, put it back.
std::string lock_row_statement(const Plan& plan, const KeyValue& key);
std::string remove_row_statement(const Plan& plan, const KeyValue& key);
std::string copy_row_statement(const Plan& plan, const KeyValue& key);

}  // namespace shift::lhm
