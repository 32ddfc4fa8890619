#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "worker/mysql/connection.h"

namespace shift::lhm {

// Somebody whose lock is in our way, or may be.
struct Blocker {
    std::uint64_t thread_id = 0;
    std::string user;
    std::string host;
    std::int64_t age_s = 0;   // of its transaction, else of its statement
    std::string statement;    // what it runs now; "" = it sleeps inside its transaction
    bool is_certain = false;  // it holds a metadata lock on the table; else it may
};

// Transactions that are open for `age_min` or longer, oldest first, a few of them, without ours.
// Empty when our user may not see them (PROCESS).
Result<std::vector<Blocker>> open_transactions(Connection& connection,
                                               std::chrono::seconds age_min);
// Who holds metadata locks on the table: from performance_schema where the server keeps it, from
// MariaDB's plugin METADATA_LOCK_INFO where it is loaded; else everybody with an open transaction
// or a statement that names the table, as suspects.
Result<std::vector<Blocker>> table_blockers(Connection& connection, const std::string& database,
                                            const std::string& table);
// For people: "thread 17 (app@10.0.0.3, 35 s, sleeping), thread ..."
std::string describe(const std::vector<Blocker>& blockers);

}  // namespace shift::lhm
