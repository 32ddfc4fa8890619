#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/core/model.h"

namespace shift {

// What follows the end of an attempt.
struct Conclusion {
    enum class Next {
        kHandOn,     // the step is over: `calls` are owed, in order
        kStartStep,  // an older claim's attempt ended: now the claimed step may start
        kRetry,      // the same step again after `delay`
        kNothing,    // cancelled: nothing more is told, only unpinned
        kDecide,     // only a person can tell what happened
    };
    Next next = Next::kRetry;
    // Hand-on calls after log, state and statistics: an optional transition and its message.
    std::optional<CallKind> transition;
    std::string message;
    bool deliver_state = false;  // the state file must be at the API before the migration goes on
    bool full_percent = false;   // PUT copy_percentage 100
    std::chrono::milliseconds delay{0};
    bool counts = true;  // a retry that uses up one of attempts_max
    std::string reason;
    WhyCode why = WhyCode::kBackoff;  // of kRetry and kDecide
};

// How the attempt ended; `outcome` nullopt = it died without a word.
struct AttemptEnd {
    Step step = Step::kPrepare;  // of the attempt, which may be older than the claimed step
    bool direct = false;         // a direct run: its DDL may have been sent
    bool ddl_sent = false;       // an intent `ddl` or `swap` was ever journaled
    bool started = true;  // false: no worker ever ran; this host's trouble, no try of the step
    int waits = 0;        // attempts before it that did not count as tries, in a row
    std::optional<Outcome> outcome;
    std::string reason;
    std::string message;
    std::optional<std::chrono::milliseconds> retry_after;
};

struct RetryPolicy {
    int attempts_max = 5;
    std::chrono::milliseconds backoff_min{2'000};
    std::chrono::milliseconds backoff_max{300'000};
};

// The failure policy of docs/design.md, in one place. `claimed` is the step of the current claim,
// `release` whether the copy was stopped in order to be offered.
Conclusion conclude(const AttemptEnd& end, Step claimed, int tries, bool release,
                    const RetryPolicy& policy);

// backoff_min * 2^(tries-1), at most backoff_max.
std::chrono::milliseconds backoff(int tries, const RetryPolicy& policy);

}  // namespace shift
