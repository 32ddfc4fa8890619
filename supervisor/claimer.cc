// Happy path: poll() -> on_page() -> consider() -> begin(): intent journaled -> unstage -> the
// object comes back -> pin() (unless the answer already shows our run_host) -> read back ->
// fetch_state() -> kWaiting. Failure modes, each a state: no usable answer to unstage ->
// kUncertain, resolve() reads the migration and judge_claim() decides, in turns with the same
// unstage (same claim_id) again; unstaged, unpinned and untouched for claim_grace -> kContesting.

#include "supervisor/claimer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/test_points.h"

namespace shift {
namespace {

// Rails shows at most two migrations a page: a full page may hide work behind it.
constexpr std::size_t kPageItems = 2;
constexpr Millis kPollAfterHandOn{500};
constexpr Millis kClaimBackoffMin{500};
constexpr Millis kClaimBackoffMax{30'000};
// After the pin of a takeover was written: what its old host may still write is written by then.
constexpr Millis kTakeoverWaitMax{5'000};
constexpr Millis kRecheckMax = std::chrono::hours(6);

// The table is changed: no newer claim makes that untrue, and `complete` is all there is to tell.
bool completes_anyway(const Entry& entry) {
    return entry.record.no_return &&
           std::any_of(entry.calls.begin(), entry.calls.end(), [](const OwedCall& call) {
               return call.kind == CallKind::kComplete && call.state == CallState::kPending;
           });
}

std::string path_of(const Entry& entry) {
    return fmt::format("migrations/{}", entry.record.id);
}

}  // namespace

Result<Migration> shown_migration(const ApiAnswer& answer) {
    if (answer.no_such_migration()) {
        return Error{Errc::kNotFound, "the API does not know it (404)", 404};
    }
    if (!answer.good() || !answer.body.is_object()) {
        return Error{Errc::kUnavailable, answer.brief(), answer.status};
    }
    const auto it = answer.body.find("migration");
    return parse_migration(it == answer.body.end() ? answer.body : *it);
}

void Claimer::reset() {
    ++poll_serial_;
    poll_in_flight_ = false;
    poll_due_ = {};
}

void Claimer::tick(bool allowed) {
    allowed_ = allowed;
    if (allowed && !poll_in_flight_ && registry_.clock().now() >= poll_due_ &&
        !any_claim_in_flight()) {
        poll();
    }
}

bool Claimer::any_claim_in_flight() const {
    const auto& entries = registry_.entries();
    return std::any_of(entries.begin(), entries.end(),
                       [](const auto& item) { return item.second->claim_call_in_flight; });
}

void Claimer::poll() {
    poll_in_flight_ = true;
    const Config& config = registry_.config();
    const auto spread = config.poll_interval_max - config.poll_interval_min;
    const auto wait = config.poll_interval_min + registry_.share_of(spread);
    poll_due_ = registry_.clock().now() + wait;
    upstream_.call({"GET", "migrations/staged", nullptr},
                   [this, serial = poll_serial_](const ApiAnswer& answer) {
                       if (serial == poll_serial_ && registry_.failure().empty()) {
                           poll_in_flight_ = false;
                           on_page(answer);
                           registry_.commit();
                       }
                   });
}

void Claimer::on_page(const ApiAnswer& answer) {
    if (!answer.good() || !answer.body.is_array()) {
        registry_.log().warn("poll_failed", {{"answer", answer.brief()}});
        return;
    }
    last_poll_ = registry_.clock().wall();
    if (!allowed_) {
        return;
    }
    fresh_problems_.clear();
    bool moved = false;
    bool without_slot = false;
    for (const Json& item : answer.body) {
        const Listed listed = consider(item, false);
        moved = moved || listed == Listed::kClaimed;
        without_slot = without_slot || listed == Listed::kNoSlot;
    }
    if (!moved && without_slot && answer.body.size() >= kPageItems) {
        // The page is full and nothing in it can start: take its runs into our queue, so that a
        // prepare or a cancel behind them can be seen.
        for (const Json& item : answer.body) {
            consider(item, true);
        }
    }
    problems_ = std::move(fresh_problems_);
}

void Claimer::refuse(const std::string& key, MigrationId id, Why why) {
    if (const auto it = problems_.find(key); it == problems_.end() || it->second.text != why.text) {
        registry_.log().warn("skipped", {{"migration", id}, {"text", why.text}});
        registry_.add_event(registry_.find(id), "api", "skipped",
                            {{"item", key}, {"why", why.text}});
    }
    fresh_problems_[key] = std::move(why);
}

void Claimer::apply_overrides(Migration& migration) const {
    const Config& config = registry_.config();
    if (!config.host_override.empty()) {
        migration.host = config.host_override;
    }
    if (config.port_override != 0) {
        migration.port = config.port_override;
    }
    if (!config.database_override.empty()) {
        migration.database = config.database_override;
    }
}

Claimer::Listed Claimer::consider(const Json& item, bool queue_without_slot) {
    const auto id = get_int(item, "id");
    const std::string key = id ? std::to_string(*id) : "item without id";
    auto parsed = parse_migration(item);
    if (!parsed.ok()) {
        refuse(key, id.value_or(0),
               {WhyCode::kUnreadable, "cannot be read: " + parsed.error().message});
        return Listed::kSkip;
    }
    Migration migration = std::move(*parsed);
    apply_overrides(migration);
    const auto step = step_of_status(migration.status);
    if (!step) {
        refuse(key, migration.id,
               {WhyCode::kUnreadable, fmt::format("staged in status {}, which is no machine step",
                                                  api_status_name(migration.status))});
        return Listed::kSkip;
    }
    const bool pinned_elsewhere =
        !migration.run_host.empty() && migration.run_host != registry_.config().run_host;
    if (pinned_elsewhere && !planted_bug("ignore-pin")) {
        refuse(key, migration.id,
               {WhyCode::kPinnedElsewhere,
                fmt::format("pinned elsewhere: run_host {0} (gone for good? shift-supervisorctl "
                            "takeover {0})",
                            migration.run_host),
                {{"run_host", migration.run_host}}});
        return Listed::kSkip;
    }
    if (const std::string missing = missing_for_step(migration, *step); !missing.empty()) {
        refuse(
            key, migration.id,
            {WhyCode::kUnreadable, fmt::format("cannot be read: {} is missing or empty", missing)});
        return Listed::kSkip;
    }
    Entry& entry = registry_.obtain(migration.id);
    const ClaimState state = entry.record.state;
    if (entry.claim_call_in_flight || state == ClaimState::kClaiming ||
        state == ClaimState::kUncertain || state == ClaimState::kTakingOver ||
        state == ClaimState::kContesting) {
        return Listed::kSkip;  // the claim under way decides
    }
    if (entry.hand_on_in_flight) {
        // An unpin or transition of the older claim is on its way; landing after the new claim it
        // would clear the new pin. Its answer comes first.
        poll_due_ = std::min(poll_due_, registry_.clock().now() + kPollAfterHandOn);
        return Listed::kSkip;
    }
    if (is_open(state) && migration.lock_version < entry.record.seen.lock_version) {
        return Listed::kSkip;  // a page from before our claim: every change raises lock_version
    }
    if (!queue_without_slot && is_copy(migration, *step)) {
        Entry probe;
        probe.record.id = migration.id;
        probe.record.seen = migration;
        const std::string waits = waits_for_slot(slots(probe), true, *step);
        if (!waits.empty()) {
            fresh_problems_[key] = {WhyCode::kWaitingForSlot,
                                    waits + " (left staged for other hosts)"};
            return Listed::kNoSlot;
        }
    }
    begin(entry, migration, *step);
    return Listed::kClaimed;
}

SlotView Claimer::slots(const Entry& entry) const {
    const Config& config = registry_.config();
    SlotView view;
    view.copies_max = config.max_workers;
    view.copies_on_host_max = config.max_running_per_host;
    view.short_steps_max = config.max_short_steps;
    for (const auto& [id, other] : registry_.entries()) {
        const MigrationRecord& record = other->record;
        if (id == entry.record.id || !record.step || !is_open(record.state) ||
            record.state == ClaimState::kDelivering || record.state == ClaimState::kDeciding) {
            continue;
        }
        const bool runs = other->attempt.has_value();
        if (is_copy(record.seen, *record.step)) {
            // A claimed copy counts from its claim on, unless it is queued for want of a slot.
            const bool counts = runs || record.state != ClaimState::kWaiting;
            const bool same_host = record.seen.host == entry.record.seen.host &&
                                   record.seen.port == entry.record.seen.port;
            view.copies += counts ? 1 : 0;
            view.copies_on_host += counts && same_host ? 1 : 0;
        } else if (runs) {
            ++view.short_steps;
        }
    }
    return view;
}

void Claimer::begin_record(Entry& entry, const Migration& listed, Step step) {
    MigrationRecord& record = entry.record;
    entry.held_before = is_open(record.state);
    entry.unstage_unknown = false;
    entry.claimed_at.reset();
    entry.claim_tries = 0;
    entry.claim_due = {};
    entry.untouched_since = {};
    entry.disowned = false;
    entry.pin_seen = {};
    record.seen = listed;
    record.listed_lock_version = listed.lock_version;
    record.step = step;
    record.claim += 1;
    record.claim_id = registry_.random_hex();
}

void Claimer::begin(Entry& entry, const Migration& listed, Step step) {
    begin_record(entry, listed, step);
    MigrationRecord& record = entry.record;
    registry_.set_state(entry, ClaimState::kClaiming);
    registry_.add_event(&entry, "supervisor", "claim_intent",
                        {{"step", step_name(step)},
                         {"status", listed.status},
                         {"lock_version", listed.lock_version}});
    entry.claim_call_in_flight = true;
    registry_.then([this, id = record.id] {
        if (Entry* found = registry_.find(id)) {
            send_unstage(*found);
        }
    });
}

void Claimer::send_unstage(Entry& entry) {
    entry.claim_call_in_flight = true;
    // Rails ignores the two extra parameters; shift-api claims and pins in one step and answers a
    // repeat with the same claim_id as the first time.
    Json body = {{"id", std::to_string(entry.record.id)},
                 {"run_host", registry_.config().run_host},
                 {"claim_id", entry.record.claim_id}};
    upstream_.call(
        {"POST", "migrations/unstage", std::move(body)},
        registry_.on_answer(entry.record.id, [this](Entry& answered, const ApiAnswer& answer) {
            answered.claim_call_in_flight = false;
            on_unstage(answered, answer);
        }));
}

void Claimer::later(Entry& entry) {
    auto delay = kClaimBackoffMin;
    for (int i = 0; i < entry.claim_tries && delay < kClaimBackoffMax; ++i) {
        delay *= 2;
    }
    ++entry.claim_tries;
    entry.claim_due = registry_.clock().now() + std::min(delay, kClaimBackoffMax);
}

void Claimer::on_unstage(Entry& entry, const ApiAnswer& answer) {
    switch (judge_unstage(answer, entry.record.id, entry.unstage_unknown)) {
        case UnstageVerdict::kClaimed:
            claimed(entry, answer.body, false);
            break;
        case UnstageVerdict::kTaken:
            if (entry.held_before) {
                entry.unstage_unknown = true;  // ours before: look before letting go
                registry_.set_state(entry, ClaimState::kUncertain, "unstage answered {}");
                resolve(entry);
            } else {
                let_go(entry, "another runner picked it up before we could unstage it");
            }
            break;
        case UnstageVerdict::kLost:
            resolve(entry);
            break;
        case UnstageVerdict::kUnknown:
            if (planted_bug("unknown-is-taken")) {
                let_go(entry, "planted");
                break;
            }
            entry.unstage_unknown = true;
            registry_.set_state(entry, ClaimState::kUncertain,
                                "unstage: " + answer.brief() + "; asking again");
            later(entry);
            break;
        case UnstageVerdict::kRefused:
            if (answer.status == 0 || entry.held_before) {
                registry_.set_state(entry, ClaimState::kUncertain, "unstage: " + answer.brief());
                later(entry);
            } else {
                let_go(entry, "unstage refused: " + answer.brief());
            }
            break;
    }
}

void Claimer::void_older_calls(Entry& entry) {
    const bool completes = completes_anyway(entry);
    for (OwedCall& call : entry.calls) {
        if (call.claim >= entry.record.claim) {
            continue;
        }
        if (completes) {
            call.claim = entry.record.claim;
            registry_.save_call(call);
            continue;
        }
        if (call.kind == CallKind::kAppendLog &&
            !planted_bug("lose-log")) {  // its lines are still worth telling
            entry.record.log_offset = std::min(
                entry.record.log_offset, static_cast<std::uint64_t>(int_or(call.body, "from", 0)));
        }
        if (call.kind == CallKind::kWriteState) {
            entry.record.state_hash.clear();
        }
        call.state = CallState::kSuperseded;
        call.last_answer = fmt::format("claim {} came", entry.record.claim);
        registry_.save_call(call);
    }
}

void Claimer::claimed(Entry& entry, const Json& answer, bool read_back) {
    MigrationRecord& record = entry.record;
    auto parsed = parse_migration(answer);
    if (!parsed.ok()) {
        // It is ours, but what came back cannot be read: the listing is the best we have.
        registry_.log().warn("claim_answer_unreadable",
                             {{"migration", record.id}, {"error", parsed.error().message}});
        parsed = record.seen;
        parsed->lock_version = record.listed_lock_version + 1;
        parsed->staged = false;
    }
    const Migration& shown = *parsed;
    const auto step = step_of_status(shown.status);
    entry.claimed_at = registry_.clock().now();
    registry_.add_event(&entry, "api", "claimed",
                        {{"status", shown.status},
                         {"lock_version", shown.lock_version},
                         {"run_host", shown.run_host},
                         {"read_back", read_back}});
    if (!step) {
        let_go(entry, fmt::format("unstaged in status {}, which is no machine step",
                                  api_status_name(shown.status)));
        return;
    }
    const std::string& us = registry_.config().run_host;
    if (!shown.run_host.empty() && shown.run_host != us) {
        // Pinned after we had listed it: a step of it may run there, so this one is served there
        // too (recheck() of the other host finds it).
        registry_.set_state(entry, ClaimState::kUncertain);
        watch(entry, shown);
        return;
    }
    void_older_calls(entry);
    record.seen = payload_of_claim(record.seen, shown);
    apply_overrides(record.seen);
    record.step = step;
    record.tries = 0;
    record.next_try = {};
    record.release = false;
    entry.claim_tries = 0;
    entry.wait_until = {};
    if (!entry.held_before) {
        entry.api_state_file.reset();  // another host may have been at work since
    }
    if (shown.run_host == us) {
        pinned(entry);
    } else {
        registry_.set_state(entry, ClaimState::kPinning);
        entry.claim_due = {};
    }
}

void Claimer::read(Entry& entry, std::function<void(Entry&, const ApiAnswer&)> then) {
    entry.claim_call_in_flight = true;
    upstream_.call(
        {"GET", path_of(entry), nullptr},
        registry_.on_answer(entry.record.id,
                            [then = std::move(then)](Entry& answered, const ApiAnswer& answer) {
                                answered.claim_call_in_flight = false;
                                then(answered, answer);
                            }));
}

void Claimer::resolve(Entry& entry) {
    read(entry, [this](Entry& answered, const ApiAnswer& answer) { on_resolve(answered, answer); });
}

void Claimer::on_resolve(Entry& entry, const ApiAnswer& answer) {
    auto shown = shown_migration(answer);
    if (!shown.ok()) {
        if (shown.error().code == Errc::kNotFound) {
            let_go(entry, shown.error().message);
        } else {
            later(entry);
        }
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
    auto shown = shown_migration(answer);
    if (!shown.ok()) {
        if (shown.error().code == Errc::kNotFound) {
            let_go(entry, shown.error().message);
        } else {
            registry_.set_reason(entry, "reading the pin back: " + shown.error().message);
            later(entry);
        }
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
    } else if (completes_anyway(entry)) {
        registry_.set_state(entry, ClaimState::kDelivering, "the table was changed already");
    } else if (entry.attempt || !needs_state_file(entry.record)) {
        registry_.set_state(entry, ClaimState::kWaiting);
    } else {
        registry_.set_state(entry, ClaimState::kFetching);
    }
}

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
    Entry& entry = registry_.obtain(listed.id);
    if (is_open(entry.record.state) || entry.attempt || entry.claim_call_in_flight) {
        return Error{Errc::kConflict, fmt::format("migration {} is in work here: {}", listed.id,
                                                  claim_state_name(entry.record.state))};
    }
    begin_record(entry, listed, *step);
    apply_overrides(entry.record.seen);
    entry.pin_written = false;
    registry_.set_state(entry, ClaimState::kTakingOver,
                        listed.run_host.empty() ? "taken over, it was nobody's"
                                                : "taken over from " + listed.run_host);
    registry_.add_event(&entry, "operator", "takeover",
                        {{"from", listed.run_host}, {"status", listed.status}});
    return Ok{};
}

void Claimer::on_takeover_read(Entry& entry, const ApiAnswer& answer) {
    auto shown = shown_migration(answer);
    if (!shown.ok()) {
        if (shown.error().code == Errc::kNotFound) {
            let_go(entry, shown.error().message);
        } else {
            later(entry);
        }
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

void Claimer::fetch_state(Entry& entry) {
    entry.claim_call_in_flight = true;
    const std::string path =
        fmt::format("migrations/get_file?migration_id={}&file_type=1", entry.record.id);
    upstream_.call(
        {"GET", path, nullptr},
        registry_.on_answer(entry.record.id, [this](Entry& answered, const ApiAnswer& answer) {
            answered.claim_call_in_flight = false;
            // Only a clear "none" is none: an error would make us forget a copy that exists.
            if (answer.good() && answer.body.is_object()) {
                answered.api_state_file = string_or(answer.body, "contents", "");
            } else if (answer.no_such_file()) {
                answered.api_state_file = "";
            } else {
                registry_.set_reason(answered, "state file: " + answer.brief());
                later(answered);
                return;
            }
            answered.claim_tries = 0;
            registry_.set_state(answered, ClaimState::kWaiting);
        }));
}

void Claimer::let_go(Entry& entry, const std::string& why, WhyCode code) {
    registry_.add_event(&entry, "supervisor", "let_go", {{"why", why}});
    if (entry.held_before || entry.attempt || !entry.calls.empty()) {
        disown(entry, why, code);
        return;
    }
    registry_.set_state(entry, ClaimState::kLetGo, why, code);
}

void Claimer::disown(Entry& entry, const std::string& why, WhyCode code) {
    registry_.add_event(&entry, "supervisor", "disowned", {{"why", why}});
    registry_.log().warn("disowned", {{"migration", entry.record.id}, {"text", why}});
    for (OwedCall& call : entry.calls) {
        call.state = CallState::kSuperseded;
        call.last_answer = why;
        registry_.save_call(call);
    }
    entry.disowned = entry.attempt.has_value();
    registry_.set_state(entry, entry.attempt ? ClaimState::kRunning : ClaimState::kLetGo, why,
                        code);
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
        disown(entry, fmt::format("taken over by {}", shown->run_host), WhyCode::kPinnedElsewhere);
        return;
    }
    const bool as_claimed = !shown->staged && step_of_status(shown->status) == record.step;
    if (open && shown->run_host.empty() && as_claimed) {
        registry_.set_state(entry, ClaimState::kPinning, "our pin is gone");
        return;
    }
    // Ours by its pin, unstaged, and nobody serves its step: a claim that was lost, or one that
    // another host got by a stale listing and left to us.
    const auto step = step_of_status(shown->status);
    const bool served = open ? step == record.step : is_cancelled_by_us(record);
    const bool is_lost = !shown->staged && shown->run_host == us && step && !served &&
                         shown->lock_version >= record.seen.lock_version;
    if (is_lost && (open || allowed_)) {
        record.claim += 1;
        entry.held_before = open;
        record.listed_lock_version = shown->lock_version;
        claimed(entry, answer.body.contains("migration") ? answer.body["migration"] : answer.body,
                true);
    } else if (!open) {
        record.seen.status = shown->status;
        record.seen.lock_version = shown->lock_version;
        registry_.touch(entry);
    }
}

void Claimer::advance(Entry& entry) {
    if (entry.claim_call_in_flight || registry_.clock().now() < entry.claim_due) {
        return;
    }
    switch (entry.record.state) {
        case ClaimState::kClaiming:
            // Nothing in flight: the process died between the intent and the answer.
            entry.unstage_unknown = true;
            entry.held_before = entry.attempt.has_value() || !entry.calls.empty();
            registry_.set_state(entry, ClaimState::kUncertain, "restarted during unstage");
            break;
        case ClaimState::kUncertain:
            entry.unstage_unknown = true;
            // Asking and reading take turns, so that neither of them alone must get through.
            if (entry.untouched_since != SteadyTime{} || entry.claim_tries % 2 == 1) {
                resolve(entry);
            } else {
                send_unstage(entry);
            }
            break;
        case ClaimState::kContesting:
            resolve(entry);
            break;
        case ClaimState::kTakingOver:
            read(entry, [this](Entry& answered, const ApiAnswer& answer) {
                on_takeover_read(answered, answer);
            });
            break;
        case ClaimState::kPinning:
            pin(entry);
            break;
        case ClaimState::kFetching:
            fetch_state(entry);
            break;
        case ClaimState::kSeen:
        case ClaimState::kWaiting:
        case ClaimState::kRunning:
        case ClaimState::kDeciding:
        case ClaimState::kDelivering:
        case ClaimState::kHandedOn:
        case ClaimState::kLetGo:
            break;
    }
}

}  // namespace shift
