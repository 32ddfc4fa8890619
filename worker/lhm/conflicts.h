#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "worker/lhm/plan.h"
#include "worker/mysql/connection.h"

namespace shift::lhm {

// A write of the application that the new table refused; noted by a trigger in the application's
// own transaction, so a rollback takes the note back as well.
struct Conflict {
    std::int64_t id = 0;
    std::string event;  // INSERT UPDATE DELETE
    int code = 0;
    std::string message;
    KeyValue key;
    KeyValue old_key;  // of an UPDATE; else empty
};
Result<std::vector<Conflict>> read_conflicts(Connection& connection, const Plan& plan,
                                             std::int64_t rows_max);
// For people: "row (7): Data too long for column 'name' (1406, by an INSERT)".
std::string describe(const Plan& plan, const Conflict& conflict);

// Puts one row of the shadow right: as the original has it, or away. In a transaction of its own,
// under the original's row lock. Errors: the server's when the row does not fit; lock trouble.
Status repair_row(Connection& connection, const Plan& plan, const KeyValue& key);

// Tries each conflict again: what the application has put right meanwhile is repaired and its note
// taken away. Returns those that are left.
// Blocks: a few statements per conflict, at most `rows_max`.
Result<std::vector<Conflict>> settle_conflicts(Connection& connection, const Plan& plan,
                                               std::int64_t rows_max);
// The same after the swap, where the application writes to what was the shadow: a row that is there
// may be newer than the archive's and stays as it is, one that is missing is added. `plan` leads
// from the archive to the new table.
Result<std::vector<Conflict>> settle_late_conflicts(Connection& connection, const Plan& plan,
                                                    std::int64_t rows_max);

}  // namespace shift::lhm
