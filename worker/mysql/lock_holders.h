#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "worker/mysql/connection.h"

namespace shift {

// A session that keeps a table's metadata lock: every statement and every open transaction that
// used the table does, until it ends.
struct TableLockHolder {
    std::uint64_t thread_id = 0;
    std::string user;  // and host: a definer's while its trigger runs (ServerThread)
    std::string host;
    std::string statement;    // that runs or ran last, literals masked; "" = not known
    std::int64_t for_s = 0;   // how long the transaction, else the statement, has been open
    bool is_idle = false;     // between statements
    bool is_certain = false;  // the server lists its lock; else it is the likeliest
};

// Who holds it, longest first, without the sessions in `own`. Where the server lists locks
// (MariaDB's plugin metadata_lock_info, performance_schema.metadata_locks) they are certain; where
// it does not, sessions whose statement names the table and transactions left open are named.
// Errors: as errc_of_mysql(); without PROCESS only our own user's sessions are seen.
Result<std::vector<TableLockHolder>> table_lock_holders(Connection& connection,
                                                        const std::string& database,
                                                        const std::string& table,
                                                        const std::vector<std::uint64_t>& own);

// Open transactions of `age_min` or older, longest first, without the sessions in `own`: who may
// hold the locks of rows. Empty when our user may not see them (PROCESS).
Result<std::vector<TableLockHolder>> open_transactions(Connection& connection,
                                                       std::chrono::seconds age_min,
                                                       const std::vector<std::uint64_t>& own);

// "table app.t: its lock is held by thread 12 ..., and 2 more"; "" when there are none.
std::string holders_text(const std::string& database, const std::string& table,
                         const std::vector<TableLockHolder>& holders);
// The same for programs: {"table","holders":[..]}, a few of them; {} when there are none.
Json holders_evidence(const std::string& database, const std::string& table,
                      const std::vector<TableLockHolder>& holders);

// "thread 12 (app@10.0.0.5), idle in a transaction for 312 s, last statement: SELECT ..."
std::string to_text(const TableLockHolder& holder);

// At most `bytes_max` bytes of a statement on one line, without its strings and numbers: they are
// data of the application.
std::string masked_statement(std::string_view sql, std::size_t bytes_max);

}  // namespace shift
