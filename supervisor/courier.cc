// Happy path: owe*() writes rows; advance() takes the first due row of each lane, reads the
// migration back where the rules ask for it, sends, and marks the row done. Failure: no answer or
// an HTTP error leaves the row pending with a back-off; what may no longer be sent becomes
// superseded with what was seen. Nothing is dropped without a line saying so.

#include "supervisor/courier.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/test_points.h"
#include "common/text.h"
#include "supervisor/claimer.h"

namespace shift {
namespace {

constexpr std::uint64_t kLogChunkBytes = 256 * 1024;
constexpr Millis kProgressInterval{5'000};
constexpr Millis kLookAtLogEvery{500};
constexpr Millis kBackoffMin{500};
constexpr Millis kBackoffMax{60'000};
// A report may be sent without reading the migration first for this long after an answer showed
// our pin.
constexpr Millis kPinTrusted{30'000};

OwedCall* find_call(Entry& entry, std::int64_t id) {
    for (OwedCall& call : entry.calls) {
        if (call.id == id && call.state == CallState::kPending) {
            return &call;
        }
    }
    return nullptr;
}

bool has_pending(const Entry& entry, Lane lane, std::optional<CallKind> kind = std::nullopt) {
    return std::any_of(entry.calls.begin(), entry.calls.end(), [&](const OwedCall& call) {
        return call.state == CallState::kPending && call.lane == lane &&
               (!kind || call.kind == *kind);
    });
}

bool next_is_unpin(const Entry& entry) {
    const auto next = std::find_if(entry.calls.begin(), entry.calls.end(), [](const auto& call) {
        return call.state == CallState::kPending && call.lane == Lane::kHandOn;
    });
    return next != entry.calls.end() && next->kind == CallKind::kUnpin;
}

}  // namespace

void Courier::owe(Entry& entry, Lane lane, CallKind kind, Json body) {
    OwedCall call;
    call.claim = entry.record.claim;
    call.claimed_status = entry.record.seen.status;
    call.lane = lane;
    call.kind = kind;
    call.body = std::move(body);
    registry_.add_call(entry, std::move(call));
}

void Courier::owe_log(Entry& entry) {
    const MigrationId id = entry.record.id;
    const std::uint64_t size = workers_.log_size(id);
    std::uint64_t& told = entry.record.log_offset;
    if (told > size) {
        told = 0;  // the file was replaced
    }
    while (told < size) {
        const std::uint64_t to = std::min(size, told + kLogChunkBytes);
        owe(entry, Lane::kReport, CallKind::kAppendLog,
            {{"path", workers_.log_path(id)}, {"from", told}, {"to", to}});
        told = to;
        registry_.touch(entry);
    }
}

void Courier::owe_progress(Entry& entry, int percent) {
    entry.percent_told = percent;
    for (OwedCall& call : entry.calls) {
        const bool waiting = call.state == CallState::kPending &&
                             call.kind == CallKind::kProgress && call.claim == entry.record.claim &&
                             call.tries == 0;
        if (waiting && !entry.report_in_flight) {
            call.body["copy_percentage"] = percent;
            registry_.save_call(call);
            return;
        }
    }
    owe(entry, Lane::kReport, CallKind::kProgress, {{"copy_percentage", percent}});
}

void Courier::gather_reports(Entry& entry, Workers& workers) {
    const auto now = registry_.clock().now();
    const Config& config = registry_.config();
    const bool ours = entry.record.state == ClaimState::kRunning && !entry.disowned;
    if (!ours) {
        return;
    }
    if (now >= entry.log_due && !has_pending(entry, Lane::kReport, CallKind::kAppendLog)) {
        const bool has_grown = workers.log_size(entry.record.id) > entry.record.log_offset;
        if (has_grown) {
            owe_log(entry);
        }
        entry.log_due = now + (has_grown ? config.log_sync_interval
                                         : std::min(kLookAtLogEvery, config.log_sync_interval));
    }
    if (now >= entry.state_due && !has_pending(entry, Lane::kReport, CallKind::kWriteState)) {
        entry.state_due = now + config.state_sync_interval;
        const std::string text = workers.state_file(entry.record.id);
        if (!text.empty() && fingerprint(text) != entry.record.state_hash) {
            entry.record.state_hash = fingerprint(text);
            registry_.touch(entry);
            owe(entry, Lane::kReport, CallKind::kWriteState,
                {{"path", workers.state_path(entry.record.id)}});
        }
    }
    if (now >= entry.progress_due && entry.progress.percent) {
        // The API's column is of the copy; indexes and verification come after it.
        const bool is_copied =
            entry.progress.phase == "verify" || entry.progress.phase == "indexes";
        const double shown = is_copied ? 100 : *entry.progress.percent;
        const int percent = std::clamp(static_cast<int>(shown), 0, 100);
        if (percent != entry.percent_told) {
            entry.progress_due = now + std::min(kProgressInterval, config.log_sync_interval);
            owe_progress(entry, percent);
        }
    }
}

void Courier::take_stats(Entry& entry, const Json& event) {
    const std::string when = string_or(event, "when", "start");
    Json body = Json::object();
    for (const char* key : {"table_rows", "table_size", "index_size"}) {
        const auto it = event.find(key);
        body[fmt::format("{}_{}", key, when)] = it == event.end() ? Json() : Json(*it);
    }
    owe(entry, Lane::kReport, CallKind::kUpdate, std::move(body));
}

void Courier::owe_hand_on(Entry& entry, const Conclusion& conclusion, Workers& workers) {
    owe_log(entry);
    if (conclusion.full_percent) {
        owe_progress(entry, 100);
    }
    const std::string state = workers.state_file(entry.record.id);
    if (conclusion.deliver_state && !state.empty() && !planted_bug("no-state-file")) {
        entry.record.state_hash = fingerprint(state);
        owe(entry, Lane::kHandOn, CallKind::kWriteState,
            {{"path", workers.state_path(entry.record.id)}});
    }
    if (conclusion.transition) {
        Json body = Json::object();
        if (!conclusion.message.empty()) {
            body["error_message"] = conclusion.message;
        }
        owe(entry, Lane::kHandOn, *conclusion.transition, std::move(body));
        registry_.add_event(
            &entry, "supervisor", "owes",
            {{"call", call_kind_name(*conclusion.transition)}, {"message", conclusion.message}});
    }
    // The pin goes last: while it is there nobody else can claim what people stage meanwhile, and a
    // transition on its way cannot meet another host's step.
    Json unpin = Json::object();
    if (conclusion.transition) {
        unpin["after"] = call_kind_name(*conclusion.transition);
    }
    owe(entry, Lane::kHandOn, CallKind::kUnpin, std::move(unpin));
    entry.hand_on_since = registry_.clock().now();
}

bool& Courier::in_flight(Entry& entry, Lane lane) {
    return lane == Lane::kReport ? entry.report_in_flight : entry.hand_on_in_flight;
}

OwedCall* Courier::first_due(Entry& entry, Lane lane) {
    for (OwedCall& call : entry.calls) {
        if (call.state == CallState::kPending && call.lane == lane) {
            const auto due = entry.call_due.find(call.id);
            const bool waits = due != entry.call_due.end() && registry_.clock().now() < due->second;
            return waits ? nullptr : &call;
        }
    }
    return nullptr;
}

bool Courier::hand_on_may_start(Entry& entry) {
    if (!has_pending(entry, Lane::kReport)) {
        return true;
    }
    if (entry.hand_on_since == SteadyTime{}) {  // owed before this process started
        entry.hand_on_since = registry_.clock().now();
    }
    // Only time in which the API could have taken the report counts: a report that an outage left
    // in back-off, perhaps long before the step ended, gets its try first.
    const auto since = std::max(entry.hand_on_since, entry.report_held_until);
    return registry_.clock().now() - since >= registry_.config().report_flush_timeout;
}

void Courier::deliver_now(Entry& entry) {
    for (OwedCall& call : entry.calls) {
        if (call.state == CallState::kPending && call.next_try != WallTime{}) {
            call.next_try = {};
            registry_.save_call(call);
        }
    }
    entry.call_due.clear();
    entry.report_held_until = {};
}

void Courier::advance(Entry& entry) {
    switch (entry.record.state) {
        case ClaimState::kWaiting:
        case ClaimState::kRunning:
        case ClaimState::kDeciding:
        case ClaimState::kDelivering:
            break;
        case ClaimState::kSeen:
        case ClaimState::kClaiming:
        case ClaimState::kUncertain:
        case ClaimState::kTakingOver:
        case ClaimState::kContesting:
        case ClaimState::kPinning:
        case ClaimState::kFetching:
        case ClaimState::kHandedOn:
        case ClaimState::kLetGo:
            return;  // a newer claim is under way, or nothing is owed
    }
    // A report beside the unpin could arrive when the migration is another host's.
    const bool unpins = entry.hand_on_in_flight && next_is_unpin(entry);
    if (!entry.report_in_flight && !unpins) {
        if (OwedCall* call = first_due(entry, Lane::kReport)) {
            deliver(entry, *call);
        }
    }
    if (!entry.hand_on_in_flight && has_pending(entry, Lane::kHandOn) && hand_on_may_start(entry) &&
        !(entry.report_in_flight && next_is_unpin(entry))) {
        if (OwedCall* call = first_due(entry, Lane::kHandOn)) {
            deliver(entry, *call);
        }
    }
    settle(entry);
}

void Courier::deliver(Entry& entry, OwedCall& call) {
    if (is_transition(call.kind) && planted_bug("skip-transition")) {
        done(entry, call, "planted");
        return;
    }
    in_flight(entry, call.lane) = true;
    const bool trusted =
        entry.pin_seen != SteadyTime{} && registry_.clock().now() - entry.pin_seen < kPinTrusted;
    if (call.lane == Lane::kReport && call.tries == 0 && trusted) {
        const std::int64_t call_id = call.id;
        registry_.then([this, id = entry.record.id, call_id] {
            if (Entry* found = registry_.find(id)) {
                send(*found, call_id);
            }
        });
        return;
    }
    read_then_send(entry, call);
}

void Courier::read_then_send(Entry& entry, OwedCall& call) {
    const std::int64_t call_id = call.id;
    const Lane lane = call.lane;
    const WallTime asked = registry_.clock().wall();
    upstream_.call(
        {"GET", fmt::format("migrations/{}", entry.record.id), nullptr},
        registry_.on_answer(entry.record.id, [this, call_id, lane, asked](Entry& answered,
                                                                          const ApiAnswer& answer) {
            OwedCall* owed = find_call(answered, call_id);
            // An answer that was there before this host stood still says nothing any more.
            const bool stale =
                registry_.clock().wall() - asked > registry_.config().rest_timeout + kStoodStill;
            if (owed == nullptr || stale) {
                in_flight(answered, lane) = false;
                return;
            }
            auto shown = shown_migration(answer);
            if (!shown.ok()) {
                in_flight(answered, lane) = false;
                if (shown.error().code == Errc::kNotFound) {
                    superseded(answered, *owed, "the API does not know the migration (404)", false);
                } else {
                    retry_later(answered, *owed, answer);
                }
                return;
            }
            const std::string& us = registry_.config().run_host;
            if (shown->run_host == us) {
                answered.pin_seen = registry_.clock().now();
            } else if (!shown->run_host.empty()) {
                answered.pin_seen = {};  // taken over: nothing starts, and recheck() lets it go
                answered.recheck_due = registry_.clock().now();
            }
            const auto verdict = planted_bug("no-guard")
                                     ? SendVerdict{}
                                     : judge_send(*owed, *shown, us, answered.record.no_return);
            if (verdict.kind == SendVerdict::Kind::kSend) {
                send(answered, call_id);
                return;
            }
            in_flight(answered, lane) = false;
            answered.record.seen.lock_version = shown->lock_version;
            if (verdict.kind == SendVerdict::Kind::kAlreadyDone) {
                done(answered, *owed, "already done: " + verdict.seen);
            } else {
                superseded(answered, *owed, verdict.seen, !step_of_status(shown->status));
            }
        }));
}

void Courier::send(Entry& entry, std::int64_t call_id) {
    OwedCall* call = find_call(entry, call_id);
    if (call == nullptr) {
        return;
    }
    if (call->kind == CallKind::kUnpin) {
        entry.pin_seen = {};  // whatever its answer says
    }
    std::string contents;
    if (reads_file(call->kind)) {
        auto read = workers_.contents_of(*call);
        if (!read.ok()) {
            in_flight(entry, call->lane) = false;
            end_call(entry, *call, CallState::kDead, read.error().message);
            return;
        }
        contents = std::move(*read);
    }
    upstream_.call(
        request_of(*call, contents),
        registry_.on_answer(entry.record.id, [this, call_id, lane = call->lane](
                                                 Entry& answered, const ApiAnswer& answer) {
            in_flight(answered, lane) = false;
            on_sent(answered, call_id, answer);
        }));
}

void Courier::on_sent(Entry& entry, std::int64_t call_id, const ApiAnswer& answer) {
    OwedCall* call = find_call(entry, call_id);
    if (call == nullptr) {
        return;  // voided by a newer claim while it was on its way
    }
    switch (judge_delivery(*call, answer)) {
        case DeliveryVerdict::kDelivered:
            if (const auto shown = parse_migration(answer.body);
                shown.ok() && !reads_file(call->kind)) {
                entry.record.seen.lock_version = shown->lock_version;
                if (shown->run_host == registry_.config().run_host) {
                    entry.pin_seen = registry_.clock().now();
                } else {
                    entry.pin_seen = {};
                }
            }
            done(entry, *call, answer.brief());
            return;
        case DeliveryVerdict::kRetry:
            retry_later(entry, *call, answer);
            return;
    }
}

void Courier::retry_later(Entry& entry, OwedCall& call, const ApiAnswer& answer) {
    ++call.tries;
    const bool out = api_is_out(answer);
    call.refusals += !out && answer.status >= 400 ? 1 : 0;
    call.last_answer = answer.brief();
    auto delay = kBackoffMin;
    for (int i = 1; i < call.tries && delay < kBackoffMax; ++i) {
        delay *= 2;
    }
    delay = std::min(delay, kBackoffMax);
    call.next_try = registry_.clock().wall() + delay;
    entry.call_due[call.id] = registry_.clock().now() + delay;
    if (call.lane == Lane::kReport && out) {
        entry.report_held_until = registry_.clock().now() + delay;
    }
    registry_.log().warn("owed", {{"migration", entry.record.id},
                                  {"call", call_kind_name(call.kind)},
                                  {"tries", call.tries},
                                  {"answer", call.last_answer}});
    if (!is_transition(call.kind) && call.kind != CallKind::kUnpin &&
        call.refusals >= kRefusalsMax) {
        give_up_report(entry, call);
        return;
    }
    registry_.save_call(call);
}

// The API answers the same error again and again: drop the report, say so, let the rest go on.
void Courier::give_up_report(Entry& entry, OwedCall& call) {
    if (call.kind == CallKind::kWriteState && call.lane == Lane::kHandOn) {
        // The only copy of the state is here: the migration must stay here, too.
        for (OwedCall& other : entry.calls) {
            if (other.kind == CallKind::kUnpin && other.state == CallState::kPending) {
                end_call(entry, other, CallState::kSuperseded,
                         "the API does not take the state file: stays pinned to this host");
            }
        }
    }
    end_call(entry, call, CallState::kDead, call.last_answer);
}

void Courier::end_call(Entry& entry, OwedCall& call, CallState state, const std::string& answer) {
    call.state = state;
    call.last_answer = answer;
    registry_.save_call(call);
    entry.call_due.erase(call.id);
    registry_.touch(entry);
    const bool quiet = state == CallState::kDone && !is_transition(call.kind);
    if (!quiet) {
        const Json detail = {{"call", call_kind_name(call.kind)},
                             {"state", call_state_name(state)},
                             {"answer", answer}};
        registry_.add_event(&entry, "api", state == CallState::kDone ? "told" : "not_told", detail);
        Json fields = detail;
        fields["migration"] = entry.record.id;
        registry_.log().log(state == CallState::kDone ? LogLevel::kInfo : LogLevel::kWarn,
                            state == CallState::kDone ? "told" : "not_told", fields);
    }
}

void Courier::done(Entry& entry, OwedCall& call, const std::string& answer) {
    const CallKind kind = call.kind;
    const int claimed_status = call.claimed_status;
    end_call(entry, call, CallState::kDone, answer);
    if (!is_transition(kind)) {
        return;
    }
    ApiStatus status = ApiStatus::kRunning;
    switch (kind) {
        case CallKind::kNextStep:
            status = static_cast<ApiStatus>(claimed_status + 1);
            break;
        case CallKind::kComplete:
            status = ApiStatus::kCompleted;
            break;
        case CallKind::kFail:
            status = ApiStatus::kFailed;
            break;
        case CallKind::kError:
            status = ApiStatus::kError;
            break;
        case CallKind::kOffer:
        case CallKind::kAppendLog:
        case CallKind::kWriteState:
        case CallKind::kProgress:
        case CallKind::kUpdate:
        case CallKind::kUnpin:
            break;
    }
    entry.record.seen.status = static_cast<int>(status);
}

// `unpins`: no step waits for this host, so the pin is of no more use.
void Courier::superseded(Entry& entry, OwedCall& call, const std::string& seen, bool unpins) {
    const bool hand_on = call.lane == Lane::kHandOn;
    end_call(entry, call, CallState::kSuperseded, seen);
    if (!hand_on) {
        return;
    }
    for (OwedCall& other : entry.calls) {
        const bool kept = unpins && other.kind == CallKind::kUnpin;
        if (other.state == CallState::kPending && !kept) {
            end_call(entry, other, CallState::kSuperseded, seen);
        }
    }
    entry.recheck_due = registry_.clock().now();  // look at it anew, never retry blindly
}

void Courier::settle(Entry& entry) {
    if (entry.record.state == ClaimState::kDelivering &&
        std::none_of(entry.calls.begin(), entry.calls.end(),
                     [](const OwedCall& call) { return call.state == CallState::kPending; })) {
        registry_.set_state(entry, ClaimState::kHandedOn);
    }
}

}  // namespace shift
