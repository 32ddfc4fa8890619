#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "worker/context.h"

namespace shift {

// Runs a statement that may take long on `connection`. A second thread ends it with KILL QUERY when
// `timeout` has passed or an urgent stop (cancel, shutdown) is requested; then the answer is an
// error of code kDeadline and the caller looks at what happened.
Status execute_timed(Context& context, Connection& connection, const std::string& sql,
                     std::chrono::seconds timeout);

// Runs `work`, which blocks on `connection` for long, beside a loop that keeps the database lock's
// session alive. An urgent stop, or the loss of the lock, ends the statement with KILL QUERY.
// REQUIRES: `work` uses no other session of the attempt.
Status while_keeping_lock(Context& context, Connection& connection,
                          const std::function<Status()>& work);

// Waits until a server thread of ours whose connection broke is gone; an urgent stop or ddl_timeout
// kills it. Errors: kUnavailable - it does not end; as errc_of_mysql().
Status wait_for_thread(Context& context, std::uint64_t thread_id);

}  // namespace shift
