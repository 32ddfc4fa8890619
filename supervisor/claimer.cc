// Happy path: poll() -> on_page() -> consider() -> begin(): intent journaled -> unstage -> the
// object comes back -> pin() (unless the answer already shows our run_host) -> read back ->
// fetch_state() -> kWaiting. Failure modes, each a state: no usable answer to unstage ->
// kUncertain, resolve() (claimer_pin.cc) reads the migration and judge_claim() decides, in turns
// with the same unstage (same claim_id) again; unstaged, unpinned and untouched for claim_grace ->
// kContesting. What is ours is looked after in claimer_hold.cc.

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
constexpr Millis kClaimBackoffMax{30'000};

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

std::string Claimer::path_of(const Entry& entry) {
    return fmt::format("migrations/{}", entry.record.id);
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
    apply_overrides(registry_.config(), migration);
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
            // A claimed copy counts from its claim on, unless it is queued for want of a slot, or
            // by what we last read is not ours: two hosts that watched each other's queued copies
            // would else hold each other's slots for ever.
            const bool counts =
                runs || (record.state != ClaimState::kWaiting && !other->is_seen_not_ours());
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
    const bool completes = entry.completes_anyway();
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
    apply_overrides(registry_.config(), record.seen);
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

std::optional<Migration> Claimer::shown_or_later(Entry& entry, const ApiAnswer& answer,
                                                 const std::string& doing) {
    auto shown = shown_migration(answer);
    if (shown.ok()) {
        return *std::move(shown);
    }
    if (shown.error().code == Errc::kNotFound) {
        let_go(entry, shown.error().message);
        return std::nullopt;
    }
    if (!doing.empty()) {
        registry_.set_reason(entry, doing + shown.error().message);
    }
    later(entry);
    return std::nullopt;
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
            if (entry.is_seen_not_ours() || entry.claim_tries % 2 == 1) {
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
