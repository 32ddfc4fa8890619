#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "worker/context.h"

namespace shift {

// Runs a statement that may take long on `connection`. A second thread ends it with KILL QUERY when
// `timeout` has passed or an urgent stop (cancel, shutdown) is requested; then the answer is an
// error of code kDeadline and the caller looks at what happened.
Status execute_timed(Context& context, Connection& connection, const std::string& sql,
                     std::chrono::seconds timeout);

// Waits until a server thread of ours whose connection broke is gone; an urgent stop or ddl_timeout
// kills it. Errors: kUnavailable - it does not end; as errc_of_mysql().
Status wait_for_thread(Context& context, std::uint64_t thread_id);

}  // namespace shift
