// From an unstage whose answer is not known, or that is done, to a pin that the API shows:
// resolve() reads and judge_claim() decides; watch() and contest() settle it with another host;
// pin() writes our name, read_pin() looks whether it stands, take_pin_back() undoes one that went
// over another's.

#include <fmt/format.h>

#include <utility>

#include "supervisor/claimer.h"

namespace shift {

void Claimer::resolve(Entry& entry) {
    read(entry, [this](Entry& answered, const ApiAnswer& answer) { on_resolve(answered, answer); });
}

void Claimer::on_resolve(Entry& entry, const ApiAnswer& answer) {
    auto shown = shown_or_later(entry, answer);
    if (!shown) {
        return;
    }
    const Json& object = answer.body.contains("migration") ? answer.body["migration"] : answer.body;
    const auto now = registry_.clock().now();
    switch (judge_claim(*shown, registry_.config().run_host)) {
        case ClaimVerdict::kOurs:
            if (entry.record.state != ClaimState::kContesting || has_won(entry)) {
                claimed(entry, object, true);
            }
            return;
        case ClaimVerdict::kMovedOn:
            let_go(entry, fmt::format("moved on to status {} while our claim was uncertain",
                                      shown->status));
            return;
        case ClaimVerdict::kTheirs:
            watch(entry, *shown);
            return;
        case ClaimVerdict::kStillStaged:  // or staged again, in another step
            entry.untouched_since = {};
            registry_.set_state(entry, ClaimState::kUncertain, "still staged; asking again");
            later(entry);
            return;
        case ClaimVerdict::kNobodys:
            if (entry.untouched_since == SteadyTime{} ||
                entry.untouched_version != shown->lock_version) {
                entry.untouched_since = now;
                entry.untouched_version = shown->lock_version;
            }
            registry_.set_reason(entry,
                                 "unstage answer lost; unstaged and unpinned, waiting "
                                 "claim_grace for its owner");
            if (now - entry.untouched_since >= registry_.config().claim_grace) {
                contest(entry);
            } else {
                later(entry);
            }
            return;
    }
}

// It may have been us who unstaged it, and its host may not know: we let go when we see that host
// go on with it, and contest it when the pin goes without that.
void Claimer::watch(Entry& entry, const Migration& shown) {
    const bool seen_before = entry.untouched_since != SteadyTime{};
    const bool goes_on = seen_before && entry.untouched_version != shown.lock_version;
    if (goes_on || entry.held_before || entry.attempt) {
        let_go(entry, fmt::format("taken by {}", shown.run_host));
        return;
    }
    entry.untouched_version = shown.lock_version;
    if (!seen_before) {
        entry.untouched_since = registry_.clock().now();
    }
    registry_.set_reason(
        entry, fmt::format("pinned to {}: watching whether that host goes on", shown.run_host));
    later(entry);
}

void Claimer::contest(Entry& entry) {
    entry.won_since = {};
    registry_.set_state(entry, ClaimState::kContesting, "nobody claimed it: writing our pin");
    registry_.add_event(&entry, "supervisor", "contest", Json::object());
    write_pin(entry, kClaimBackoffMin);
}

// Where others may write theirs at the same time: the last one wins, and all look `wait` later.
void Claimer::write_pin(Entry& entry, Millis wait) {
    entry.claim_call_in_flight = true;
    registry_.then([this, wait, id = entry.record.id] {
        Json body = {{"id", std::to_string(id)}, {"run_host", registry_.config().run_host}};
        upstream_.call({"PUT", fmt::format("migrations/{}", id), std::move(body)},
                       registry_.on_answer(id, [this, wait](Entry& answered, const ApiAnswer&) {
                           answered.claim_call_in_flight = false;
                           answered.claim_due =
                               registry_.clock().now() + wait + registry_.share_of(wait);
                       }));
    });
}

// The last writer of a contested pin wins. Whoever has not seen ours yet may be about to write: it
// has read before we read, gets that answer within rest_timeout and its pin is written within
// another one. Only after that a second look is final.
bool Claimer::has_won(Entry& entry) {
    const auto now = registry_.clock().now();
    const Millis wait = 2 * registry_.config().rest_timeout;
    if (entry.won_since == SteadyTime{}) {
        entry.won_since = now;
        entry.claim_due = now + wait + kClaimBackoffMin;
        registry_.set_reason(entry,
                             "our pin is there; waiting for those who may be writing theirs");
    }
    return now - entry.won_since >= wait;
}

void Claimer::pin(Entry& entry) {
    // Late pins read first: somebody else may have been given it meanwhile.
    const auto grace = registry_.config().claim_grace / 2;
    const bool late = !entry.claimed_at || registry_.clock().now() - *entry.claimed_at > grace;
    if (late || entry.claim_tries > 0) {
        read_pin(entry, true);
        return;
    }
    entry.claim_call_in_flight = true;
    Json body = {{"id", std::to_string(entry.record.id)},
                 {"run_host", registry_.config().run_host}};
    upstream_.call(
        {"PUT", path_of(entry), std::move(body)},
        registry_.on_answer(entry.record.id, [this](Entry& answered, const ApiAnswer& answer) {
            answered.claim_call_in_flight = false;
            if (answer.good()) {
                read_pin(answered, false);
            } else {
                registry_.set_reason(answered, "pin: " + answer.brief());
                later(answered);
            }
        }));
}

void Claimer::read_pin(Entry& entry, bool may_write) {
    read(entry, [this, may_write](Entry& answered, const ApiAnswer& answer) {
        on_pin_read(answered, answer, may_write);
    });
}

void Claimer::on_pin_read(Entry& entry, const ApiAnswer& answer, bool may_write) {
    auto shown = shown_or_later(entry, answer, "reading the pin back: ");
    if (!shown) {
        return;
    }
    switch (judge_pin(*shown, entry.record, registry_.config().run_host)) {
        case PinVerdict::kConfirmed:
            pinned(entry);
            return;
        case PinVerdict::kNotYet:
            if (may_write) {
                entry.claimed_at = registry_.clock().now();
                entry.claim_tries = 0;
                pin(entry);
            } else {
                later(entry);
            }
            return;
        case PinVerdict::kTheirs:
            registry_.set_state(entry, ClaimState::kUncertain);
            watch(entry, *shown);
            return;
        case PinVerdict::kRestaged:
            poll_due_ = {};
            if (!shown->staged && shown->run_host == registry_.config().run_host) {
                take_pin_back(entry, *shown);
            } else {
                let_go(entry, fmt::format("moved on to status {} before our pin", shown->status));
            }
            return;
    }
}

// Another host has claimed a newer step, and our pin went over its own.
void Claimer::take_pin_back(Entry& entry, const Migration& shown) {
    void_older_calls(entry);
    OwedCall unpin;
    unpin.claim = entry.record.claim;
    unpin.claimed_status = shown.status;
    unpin.lane = Lane::kHandOn;
    unpin.kind = CallKind::kUnpin;
    registry_.add_call(entry, std::move(unpin));
    registry_.set_state(entry, ClaimState::kDelivering,
                        fmt::format("moved on to status {} before our pin", shown.status));
}

void Claimer::pinned(Entry& entry) {
    entry.pin_seen = registry_.clock().now();
    entry.claim_tries = 0;
    entry.claim_due = {};
    poll_due_ = {};  // a page that moved may show what it hid
    const bool same_attempt =
        entry.attempt && entry.record.step && entry.attempt->step == *entry.record.step;
    if (same_attempt) {
        registry_.set_state(entry, ClaimState::kRunning);
    } else if (entry.completes_anyway()) {
        registry_.set_state(entry, ClaimState::kDelivering, "the table was changed already");
    } else if (entry.attempt || !needs_state_file(entry.record)) {
        registry_.set_state(entry, ClaimState::kWaiting);
    } else {
        registry_.set_state(entry, ClaimState::kFetching);
    }
}

}  // namespace shift
