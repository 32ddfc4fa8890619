#include "supervisor/core/why.h"

#include <fmt/format.h>

#include <chrono>

namespace shift {
namespace {

Why make(WhyCode code, std::string text, Json evidence = Json::object()) {
    return Why{code, std::move(text), std::move(evidence)};
}

Why api_is_away(const WhyFacts& facts, const std::string& what) {
    return make(WhyCode::kApiUnreachable,
                fmt::format("{}; the API: {}", what,
                            facts.api_error.empty() ? "no answer yet" : facts.api_error),
                {{"api_error", facts.api_error}, {"owed", facts.owed}});
}

Why of_claiming(const WhyFacts& facts) {
    const MigrationRecord& record = *facts.record;
    std::string text = claim_state_name(record.state);
    if (!record.reason.empty()) {
        text += ": " + record.reason;
    }
    return facts.api_reachable ? make(WhyCode::kClaiming, text) : api_is_away(facts, text);
}

Why of_attempt(const WhyFacts& facts) {
    const AttemptRecord& attempt = *facts.attempt;
    const Progress& progress = *facts.progress;
    if (!facts.stop_reason.empty()) {
        return make(WhyCode::kStopping,
                    fmt::format("attempt {} was asked to stop ({})", attempt.id, facts.stop_reason),
                    {{"attempt", attempt.id}, {"stop_reason", facts.stop_reason}});
    }
    if (facts.worker_waits) {
        return *facts.worker_waits;
    }
    if (!progress.throttle.empty()) {
        return make(WhyCode::kThrottled, progress.throttle,
                    {{"reason", progress.throttle_code}, {"attempt", attempt.id}});
    }
    std::string text = fmt::format("attempt {} ({})", attempt.id, step_name(attempt.step));
    if (!progress.phase.empty()) {
        text += ": " + progress.phase;
    }
    if (progress.percent) {
        text += fmt::format(", {:.1f}%", *progress.percent);
    }
    return make(WhyCode::kRunning, text,
                {{"attempt", attempt.id},
                 {"worker_pid", static_cast<std::int64_t>(attempt.worker.pid)},
                 {"phase", progress.phase}});
}

Why of_waiting(const WhyFacts& facts) {
    const MigrationRecord& record = *facts.record;
    if (facts.attempt != nullptr) {
        return of_attempt(facts);
    }
    if (record.next_try > facts.now) {
        const auto left = std::chrono::ceil<std::chrono::seconds>(record.next_try - facts.now);
        Json evidence = {{"tries", record.tries}, {"next_try", iso_time(record.next_try)}};
        if (facts.last_evidence.is_object()) {
            evidence.update(facts.last_evidence);
        }
        return make(record.why.value_or(WhyCode::kBackoff),
                    fmt::format("{}; next try in {} s", record.reason, left.count()),
                    std::move(evidence));
    }
    const bool holds = record.why == WhyCode::kDrained || record.why == WhyCode::kWaitingForSlot;
    if (holds && !record.reason.empty()) {
        return make(*record.why, record.reason);
    }
    return make(WhyCode::kStarting, record.reason);
}

Why of_delivering(const WhyFacts& facts) {
    const std::string what = fmt::format("{} call{} owed", facts.owed, facts.owed == 1 ? "" : "s");
    if (!facts.api_reachable) {
        return api_is_away(facts, what);
    }
    Json evidence = {{"owed", facts.owed}};
    if (facts.refused_call == nullptr) {
        return make(WhyCode::kOwed, what, std::move(evidence));
    }
    const OwedCall& call = *facts.refused_call;
    evidence["call"] = call_kind_name(call.kind);
    evidence["tries"] = call.tries;
    evidence["answer"] = call.last_answer;
    evidence["next_try"] = iso_time(call.next_try);
    return make(
        WhyCode::kOwed,
        fmt::format("{}; {} was tried {} time{}, last answer: {}", what, call_kind_name(call.kind),
                    call.tries, call.tries == 1 ? "" : "s", call.last_answer),
        std::move(evidence));
}

// What the API's status means once everything is told.
Why of_status(const MigrationRecord& record) {
    const std::string text = fmt::format("{} as last seen", api_status_name(record.seen.status));
    const Json evidence = {{"status", record.seen.status}};
    switch (next_move(record.seen.status)) {
        case NextMove::kNobody:
            return make(WhyCode::kFinished, text, evidence);
        case NextMove::kRunner:
            return make(WhyCode::kWaitingForRunner, text, evidence);
        case NextMove::kPeople:
            break;
    }
    return make(WhyCode::kWaitingForPeople, text, evidence);
}

}  // namespace

Why judge_why(const WhyFacts& facts) {
    const MigrationRecord& record = *facts.record;
    if (!facts.journal_failure.empty()) {
        return make(WhyCode::kJournalFailed, facts.journal_failure);
    }
    switch (record.state) {
        case ClaimState::kClaiming:
        case ClaimState::kUncertain:
        case ClaimState::kTakingOver:
        case ClaimState::kContesting:
        case ClaimState::kPinning:
        case ClaimState::kFetching:
            return of_claiming(facts);
        case ClaimState::kWaiting:
        case ClaimState::kRunning:
            return of_waiting(facts);
        case ClaimState::kDeciding:
            return make(WhyCode::kNeedsDecision, record.reason,
                        facts.last_evidence.is_object() ? facts.last_evidence : Json::object());
        case ClaimState::kDelivering:
            return of_delivering(facts);
        case ClaimState::kHandedOn:
            return of_status(record);
        case ClaimState::kSeen:
            return make(WhyCode::kWaitingForRunner, "listed, not claimed here");
        case ClaimState::kLetGo:
            return make(record.why.value_or(WhyCode::kNotOurs), record.reason);
    }
    return {};
}

}  // namespace shift
