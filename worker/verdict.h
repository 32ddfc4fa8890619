#pragma once

#include <string>
#include <utility>

#include "common/event_log.h"

namespace shift {

// How a step ended; becomes the outcome event. `reason` is a stable word for machines
// ("table_busy", "lock_wait", "lost_connection" ...), `message` is for people and the API.
struct Verdict {
    Outcome outcome = Outcome::kRetry;
    std::string reason;
    std::string message;
    int retry_after_s = 0;  // a wish, 0 = the supervisor's own back-off
    Json evidence = {};     // what it rests on, for programs; null = nothing
};

inline Verdict retry(std::string reason, std::string message, int after_s = 0) {
    return Verdict{Outcome::kRetry, std::move(reason), std::move(message), after_s};
}
inline Verdict failed(std::string reason, std::string message) {
    return Verdict{Outcome::kFailed, std::move(reason), std::move(message), 0};
}
inline Verdict done(Outcome outcome, std::string message = "") {
    return Verdict{outcome, "", std::move(message), 0};
}

}  // namespace shift
