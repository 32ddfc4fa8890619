#include "supervisor/core/conclusion.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/test_points.h"
#include "common/trouble.h"

namespace shift {
namespace {

using Next = Conclusion::Next;

Conclusion hand_on(CallKind transition, std::string message = {}) {
    Conclusion conclusion;
    conclusion.next = Next::kHandOn;
    conclusion.transition = transition;
    conclusion.message = std::move(message);
    return conclusion;
}

Conclusion start_claimed_step() {
    Conclusion conclusion;
    conclusion.next = Next::kStartStep;
    return conclusion;
}

bool never_gives_up(Step step) {
    return step == Step::kRename || step == Step::kPause || step == Step::kCancel;
}

// What the worker calls the trouble of its outcome `retry`.
WhyCode why_of(const std::string& reason) {
    if (reason == "table_busy") {
        return WhyCode::kTableBusy;
    }
    if (reason == "lock_wait") {
        return WhyCode::kBlockedByLock;
    }
    const bool away = reason == "database_unavailable" || reason == "lost_connection" ||
                      reason == "access_denied";
    return away ? WhyCode::kDatabaseUnreachable : WhyCode::kBackoff;
}

// The table is changed, so whatever step was claimed meanwhile, this comes first.
Conclusion decide(const AttemptEnd& end) {
    Conclusion conclusion;
    conclusion.next = Next::kDecide;
    conclusion.why = WhyCode::kNeedsDecision;
    conclusion.reason = end.message;
    return conclusion;
}

// Transient trouble, or a worker that died without a verdict.
Conclusion retry(const AttemptEnd& end, int tries, const RetryPolicy& policy) {
    Conclusion conclusion;
    conclusion.next = Next::kRetry;
    conclusion.reason = trouble_of(end.outcome, end.message);
    // Somebody holds the table's lock, or this host cannot start a process: waiting, not failing.
    conclusion.counts = end.started && end.reason != "table_busy";
    conclusion.why = why_of(end.reason);
    const int used = tries + (conclusion.counts ? 1 : 0);
    conclusion.delay = std::max(backoff(conclusion.counts ? used : end.waits + 1, policy),
                                end.retry_after.value_or(std::chrono::milliseconds(0)));
    if (!conclusion.counts || used < policy.attempts_max || never_gives_up(end.step)) {
        return conclusion;
    }
    const std::string message = fmt::format("{} (tried {} times)", conclusion.reason, used);
    if (end.step == Step::kPrepare) {
        return hand_on(CallKind::kFail, message);
    }
    if (!end.direct) {
        Conclusion error = hand_on(CallKind::kError, message);
        error.deliver_state = true;
        return error;
    }
    // A direct statement that may have been sent is never called failed: the next attempt looks.
    return end.ddl_sent ? conclusion : hand_on(CallKind::kFail, message);
}

Conclusion copied() {
    Conclusion conclusion = hand_on(CallKind::kNextStep);
    conclusion.deliver_state = true;
    conclusion.full_percent = true;
    return conclusion;
}

// The attempt served the claimed step itself.
Conclusion conclude_own(const AttemptEnd& end, int tries, bool release, const RetryPolicy& policy) {
    switch (*end.outcome) {
        case Outcome::kPrepared:
            return hand_on(CallKind::kNextStep);
        case Outcome::kCopied:
            return copied();
        case Outcome::kCompleted:
            return hand_on(CallKind::kComplete);
        case Outcome::kPaused: {
            Conclusion conclusion = hand_on(CallKind::kNextStep);
            conclusion.deliver_state = true;
            return conclusion;
        }
        case Outcome::kCancelled: {
            Conclusion conclusion;
            conclusion.next = Next::kNothing;
            return conclusion;
        }
        case Outcome::kFailed:
            return hand_on(CallKind::kFail, end.message);
        case Outcome::kError: {
            Conclusion conclusion = hand_on(CallKind::kError, end.message);
            conclusion.deliver_state = true;
            return conclusion;
        }
        case Outcome::kStopped: {
            if (release && end.step == Step::kRun && !end.direct) {
                Conclusion conclusion = hand_on(CallKind::kOffer);
                conclusion.deliver_state = true;
                return conclusion;
            }
            // Stopped by a signal (reboot) or to be kept here: start again when allowed.
            Conclusion conclusion;
            conclusion.next = Next::kRetry;
            conclusion.counts = false;
            conclusion.delay = policy.backoff_min;
            conclusion.reason = end.message.empty() ? "stopped, state kept" : end.message;
            return conclusion;
        }
        case Outcome::kUndecided:
            return decide(end);
        case Outcome::kRetry:
            return retry(end, tries, policy);
    }
    return retry(end, tries, policy);
}

// A pause or cancel was claimed while an older claim's attempt lived: its outcome is heard first.
Conclusion conclude_older(const AttemptEnd& end) {
    if (!end.outcome) {
        return start_claimed_step();
    }
    switch (*end.outcome) {
        case Outcome::kCompleted:
            return hand_on(CallKind::kComplete);
        case Outcome::kUndecided:
            return decide(end);
        case Outcome::kFailed:
            // A table that was changed must be told as such; before the change the new step wins.
            return end.message.rfind("table WAS changed:", 0) == 0
                       ? hand_on(CallKind::kFail, end.message)
                       : start_claimed_step();
        case Outcome::kPrepared:
        case Outcome::kCopied:
        case Outcome::kStopped:
        case Outcome::kPaused:
        case Outcome::kCancelled:
        case Outcome::kError:
        case Outcome::kRetry:
            return start_claimed_step();
    }
    return start_claimed_step();
}

}  // namespace

std::chrono::milliseconds backoff(int tries, const RetryPolicy& policy) {
    auto delay = policy.backoff_min;
    for (int i = 1; i < tries && delay < policy.backoff_max; ++i) {
        delay *= 2;
    }
    return std::min(delay, policy.backoff_max);
}

Conclusion conclude(const AttemptEnd& end, Step claimed, int tries, bool release,
                    const RetryPolicy& policy) {
    if (end.step != claimed && !planted_bug("old-step-wins")) {
        return conclude_older(end);
    }
    if (!end.outcome) {
        return retry(end, tries, policy);
    }
    return conclude_own(end, tries, release, policy);
}

}  // namespace shift
