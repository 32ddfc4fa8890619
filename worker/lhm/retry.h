#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "common/result.h"
#include "common/stop_request.h"
#include "worker/lhm/listener.h"
#include "worker/lhm/options.h"

namespace shift::lhm {

// Whether a statement that failed so may succeed later, by the list that LHM retries: lock waits,
// deadlocks, NOWAIT refusals, interruptions, lost connections, servers that are read-only for a
// moment, a proxy's own errors.
// Source: Shopify/lhm 4.5.1 lib/lhm/sql_retry.rb; ProxySQL's 9001 and 9006.
bool is_retriable(const Error& error);
// A row or table lock was in the way: 1205, 1213, 3572 (MySQL's NOWAIT).
bool is_lock_trouble(const Error& error);
// A chunk was larger than the binary log's cache: 1197.
bool is_too_large_for_binlog(const Error& error);
// A value does not fit the new table: nothing but another value helps.
bool is_data_error(const Error& error);
// Our session is gone, or never was.
bool is_connection_trouble(const Error& error);

// The pauses between the tries of one statement, and their number.
class Tries {
  public:
    Tries(const RetryOptions& options, std::string name, StopRequest& stop, Listener& listener)
        : options_(options), name_(std::move(name)), stop_(stop), listener_(listener) {}

    // After a failure: waits and is true when another try is due; false when it is no use, all
    // tries are used up, or a stop was asked for. Says so in a remark, as LHM does:
    // "[name] message - 1 tries in 0.2 seconds and 1.0 seconds until the next try".
    bool again(const Error& error);
    int count() const { return count_; }

  private:
    std::chrono::milliseconds pause() const;

    const RetryOptions& options_;
    std::string name_;
    StopRequest& stop_;
    Listener& listener_;
    int count_ = 0;
    std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

// A short random pause after locks were in the way, growing with the number of times.
std::chrono::milliseconds lock_pause(int times);

}  // namespace shift::lhm
