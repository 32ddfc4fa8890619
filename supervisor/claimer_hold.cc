// While it is ours: is_confirmed() before an attempt starts, recheck() now and then (also of what
// we had until it is at its end), and take_over() of what a dead host held. Each reads the
// migration, lets go of what is no longer ours and takes what is ours and nobody serves.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "supervisor/claimer.h"

namespace shift {
namespace {

// After the pin of a takeover was written: what its old host may still write is written by then.
constexpr Millis kTakeoverWaitMax{5'000};
constexpr Millis kRecheckMax = std::chrono::hours(6);

}  // namespace

bool Claimer::is_confirmed(Entry& entry) {
    const auto now = registry_.clock().now();
    const bool fresh = entry.pin_seen != SteadyTime{} &&
                       now - entry.pin_seen < registry_.config().recheck_interval;
    if (std::exchange(entry.may_start, false) || fresh) {
        return true;
    }
    if (!entry.claim_call_in_flight && now >= entry.claim_due) {
        read(entry,
             [this](Entry& answered, const ApiAnswer& answer) { on_hold_read(answered, answer); });
    }
    return false;
}

void Claimer::on_hold_read(Entry& entry, const ApiAnswer& answer) {
    if (entry.record.state != ClaimState::kWaiting || entry.attempt) {
        return;
    }
    auto shown = shown_migration(answer);
    if (!shown.ok()) {
        if (shown.error().code == Errc::kNotFound) {
            disown(entry, shown.error().message);
        } else if (entry.pin_seen != SteadyTime{}) {
            entry.may_start = true;  // seen by this process: an outage, no more
        } else {
            registry_.set_reason(entry, "waiting for the API to say that it is still ours: " +
                                            shown.error().message);
            later(entry);
        }
        return;
    }
    entry.claim_tries = 0;
    entry.claim_due = {};
    if (take_lost_claim(entry, answer, *shown)) {
        return;
    }
    switch (judge_hold(*shown, entry.record, registry_.config().run_host)) {
        case HoldVerdict::kOurs:
            entry.pin_seen = registry_.clock().now();
            entry.may_start = true;
            return;
        case HoldVerdict::kUnpinned:
            registry_.set_state(entry, ClaimState::kPinning, "unpinned meanwhile");
            return;
        case HoldVerdict::kStaged:
            registry_.set_reason(entry, fmt::format("moved on to status {} ({})", shown->status,
                                                    api_status_name(shown->status)));
            poll_due_ = {};
            later(entry);
            return;
        case HoldVerdict::kTheirs:
            disown(entry, fmt::format("no longer ours: status {}, run_host '{}'", shown->status,
                                      shown->run_host));
            return;
    }
}

Status Claimer::take_over(const Migration& listed) {
    const auto step = step_of_status(listed.status);
    if (!step) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("migration {} is in status {} ({}): nothing to take over",
                                 listed.id, listed.status, api_status_name(listed.status))};
    }
    Migration seen = listed;
    apply_overrides(registry_.config(), seen);
    if (seen.host.empty() || seen.port == 0) {
        return Error{
            Errc::kInvalidArgument,
            fmt::format("migration {}: its database server is not given (host, port)", seen.id)};
    }
    Entry& entry = registry_.obtain(listed.id);
    if (is_open(entry.record.state) || entry.attempt || entry.claim_call_in_flight) {
        return Error{Errc::kConflict, fmt::format("migration {} is in work here: {}", listed.id,
                                                  claim_state_name(entry.record.state))};
    }
    begin_record(entry, seen, *step);
    entry.pin_written = false;
    registry_.set_state(entry, ClaimState::kTakingOver,
                        listed.run_host.empty() ? "taken over, it was nobody's"
                                                : "taken over from " + listed.run_host);
    registry_.add_event(&entry, "operator", "takeover",
                        {{"from", listed.run_host}, {"status", listed.status}});
    return Ok{};
}

void Claimer::on_takeover_read(Entry& entry, const ApiAnswer& answer) {
    auto shown = shown_or_later(entry, answer);
    if (!shown) {
        return;
    }
    switch (judge_takeover(*shown, entry.record, registry_.config().run_host)) {
        case TakeoverVerdict::kPinIt:
            if (entry.pin_written) {
                later(entry);
            }
            entry.pin_written = true;
            write_pin(entry, std::min(kTakeoverWaitMax, registry_.config().claim_grace / 4));
            return;
        case TakeoverVerdict::kOurs:
            claimed(entry,
                    answer.body.contains("migration") ? answer.body["migration"] : answer.body,
                    true);
            return;
        case TakeoverVerdict::kOursStaged:
            registry_.set_state(entry, ClaimState::kLetGo,
                                "taken over; staged, the poll claims it");
            poll_due_ = {};
            return;
        case TakeoverVerdict::kNotOurs:
            let_go(entry,
                   fmt::format("not taken over, it has moved since: status {}, run_host '{}'",
                               shown->status, shown->run_host));
            return;
    }
}

// What is open is read at the configured interval, what is closed the more rarely the longer it has
// been so.
Millis Claimer::recheck_interval(const Entry& entry) const {
    const Millis configured = registry_.config().recheck_interval;
    if (is_open(entry.record.state)) {
        return configured;
    }
    const auto closed_for =
        std::chrono::duration_cast<Millis>(registry_.clock().wall() - entry.record.since);
    return std::clamp(closed_for / 4, configured, std::max(configured, kRecheckMax));
}

void Claimer::recheck(Entry& entry) {
    const auto now = registry_.clock().now();
    if (entry.recheck_due == SteadyTime{}) {
        const auto interval = recheck_interval(entry);
        // After a start not all at once.
        entry.recheck_due = now + interval / 2 + registry_.share_of(interval / 2);
    }
    const ClaimState state = entry.record.state;
    const bool held = state == ClaimState::kWaiting || state == ClaimState::kRunning ||
                      state == ClaimState::kDeciding || may_move_again(entry.record);
    if (!held || entry.claim_call_in_flight || entry.disowned || now < entry.recheck_due) {
        return;
    }
    entry.recheck_due = now + recheck_interval(entry);
    read(entry, [this](Entry& answered, const ApiAnswer& answer) { on_recheck(answered, answer); });
}

void Claimer::on_recheck(Entry& entry, const ApiAnswer& answer) {
    MigrationRecord& record = entry.record;
    const auto shown = shown_migration(answer);
    const bool open = is_open(record.state);
    if (!shown.ok()) {
        if (shown.error().code == Errc::kNotFound && open && !record.no_return) {
            disown(entry, "deleted from the API");
        }
        return;
    }
    const std::string& us = registry_.config().run_host;
    if (open && !shown->run_host.empty() && shown->run_host != us) {
        if (record.no_return) {
            return;  // the table is changed, and nobody else knows
        }
        disown(entry, fmt::format("taken over by {}", shown->run_host), WhyCode::kPinnedElsewhere);
        return;
    }
    const bool as_claimed = !shown->staged && step_of_status(shown->status) == record.step;
    if (open && shown->run_host.empty() && as_claimed) {
        registry_.set_state(entry, ClaimState::kPinning, "our pin is gone");
        return;
    }
    if (take_lost_claim(entry, answer, *shown) || ask_for_its_owner(entry, *shown)) {
        return;
    }
    if (!open) {
        record.seen.status = shown->status;
        record.seen.lock_version = shown->lock_version;
        registry_.touch(entry);
    }
}

// Ours by its pin, unstaged, and nobody serves its step: a claim that was lost, or one that another
// host got by a stale listing and left to us.
bool Claimer::take_lost_claim(Entry& entry, const ApiAnswer& answer, const Migration& shown) {
    MigrationRecord& record = entry.record;
    const bool open = is_open(record.state);
    const auto step = step_of_status(shown.status);
    const bool served = open ? step == record.step : is_cancelled_by_us(record);
    const bool is_lost = !shown.staged && shown.run_host == registry_.config().run_host && step &&
                         !served && shown.lock_version >= record.seen.lock_version;
    if (!is_lost || !(open || allowed_)) {
        return false;
    }
    record.claim += 1;
    entry.held_before = open;
    record.listed_lock_version = shown.lock_version;
    claimed(entry, answer.body.contains("migration") ? answer.body["migration"] : answer.body,
            true);
    return true;
}

// We had this step, and its end could not be told: another host's pin was over ours for a moment,
// and was taken back since. Unstaged, unpinned and unchanged from one look to the next, it is
// contested as after an unstage whose answer was lost. Not so what was let go (an original runner
// pins no prepare, rename, cancel or pause), nor a cancel, which looks like that when it is done.
bool Claimer::ask_for_its_owner(Entry& entry, const Migration& shown) {
    const MigrationRecord& record = entry.record;
    const auto step = step_of_status(shown.status);
    const bool unchanged =
        shown.status == record.seen.status && shown.lock_version == record.seen.lock_version;
    const bool nobodys = !shown.staged && shown.run_host.empty() && step && step == record.step &&
                         *step != Step::kCancel && unchanged;
    if (!nobodys || record.state != ClaimState::kHandedOn || !allowed_) {
        return false;
    }
    begin_record(entry, Migration(record.seen), *step);
    entry.untouched_since = registry_.clock().now();
    entry.untouched_version = shown.lock_version;
    registry_.set_state(entry, ClaimState::kUncertain,
                        "its end was not told, and it is nobody's: waiting claim_grace for its "
                        "owner");
    return true;
}

}  // namespace shift
