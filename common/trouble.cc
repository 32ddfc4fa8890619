#include "common/trouble.h"

namespace shift {

std::string trouble_of(const std::optional<Outcome>& outcome, const std::string& message) {
    if (!outcome) {
        return message.empty() ? "the worker died without an outcome" : message;
    }
    switch (*outcome) {
        case Outcome::kPrepared:
        case Outcome::kCopied:
        case Outcome::kCompleted:
        case Outcome::kStopped:
        case Outcome::kPaused:
        case Outcome::kCancelled:
            return {};
        case Outcome::kFailed:
        case Outcome::kError:
        case Outcome::kRetry:
        case Outcome::kUndecided:
            break;
    }
    return message.empty() ? outcome_name(*outcome) : message;
}

}  // namespace shift
