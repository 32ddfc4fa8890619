#include "tests/sim/checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/text.h"
#include "tests/sim/host.h"

namespace shift::sim {
namespace {

constexpr std::size_t kViolationsMax = 20;
// A page that lists a migration as it was before it was pinned is not older than this: its answer
// comes within rest_timeout and is acted on at once.
constexpr Millis kOldestPage{40'000};

// A report is sent without another read for so long after an answer that showed the pin.
constexpr Millis kPinTrusted{30'000};

int status_of(const Json& row) {
    return static_cast<int>(int_or(row, "status", -1));
}

bool is_final(int status) {
    return status == 8 || status == 9 || status == 10;
}

// The kind of owed call behind a request; nullopt: a read, a claim or a pin.
std::optional<CallKind> kind_of(const ApiRequest& request) {
    if (request.method == "PUT") {
        return request.body.contains("run_host")          ? std::nullopt
               : request.body.contains("copy_percentage") ? std::optional(CallKind::kProgress)
                                                          : std::optional(CallKind::kUpdate);
    }
    const std::string name = request.path.substr(request.path.rfind('/') + 1);
    if (name == "append_to_file") {
        return CallKind::kAppendLog;
    }
    return name == "write_file" ? std::optional(CallKind::kWriteState) : parse_call_kind(name);
}

MigrationId id_of(const ApiRequest& request) {
    for (const char* key : {"id", "migration_id"}) {
        if (const auto id = get_int(request.body, key)) {
            return *id;
        }
    }
    return 0;
}

}  // namespace

void Checks::violation(const std::string& invariant, const std::string& text) {
    world_.trace.note("check", invariant, 0, text);
    if (found_.size() < kViolationsMax) {
        found_.push_back(invariant + ": " + text);
    }
}

// -- what a supervisor does outside -----------------------------------------------------------

void Checks::on_spawn(const Host& host, const Job& job) {
    const std::string what = fmt::format("attempt {} ({}) of migration {} on {}", job.attempt,
                                         step_name(job.step), job.migration, host.name());
    for (const auto& other : world_.hosts) {
        const auto theirs = other->disk().migrations.find(job.migration);
        if (other.get() != &host && theirs != other->disk().migrations.end() &&
            theirs->second.state == ClaimState::kTakingOver) {
            raced_.insert(job.migration);
        }
        const Worker* living = other->living(job.migration);
        if (living == nullptr) {
            continue;
        }
        // After a takeover from a host that was back the database's lock keeps them apart.
        if (taken_over_.contains(job.migration) && other.get() != &host) {
            raced_.insert(job.migration);
        } else {
            violation("workers", fmt::format("{} is started while attempt {} on {} lives", what,
                                             living->job().attempt, other->name()));
        }
    }
    const auto attempt = host.disk().attempts.find(job.attempt);
    if (attempt == host.disk().attempts.end() || attempt->second.ended ||
        attempt->second.migration != job.migration || attempt->second.step != job.step) {
        violation("intent", what + " is not in the journal");
    }
    const auto record = host.disk().migrations.find(job.migration);
    if (record == host.disk().migrations.end() || record->second.state != ClaimState::kRunning ||
        record->second.step != job.step || record->second.claim != job.claim) {
        violation("intent", what + " is not what the journal claims");
    }
    if (!world_.api.has(job.migration)) {
        return;
    }
    const Json& row = world_.api.row(job.migration);
    const auto claimant = claimants_.find(job.migration);
    const bool is_claimant = claimant == claimants_.end() || claimant->second == &host;
    const Config& config = host.config();
    if (string_or(row, "run_host", "") != host.name() && !(world_.profile.rails && is_claimant)) {
        if (crosses_takeover(host, job.migration, config.recheck_interval + config.rest_timeout)) {
            raced_.insert(job.migration);
        } else {
            violation("pinned", fmt::format("{} is started, pinned to '{}'", what,
                                            string_or(row, "run_host", "")));
        }
    }
    // Without pins at unstage a host with an old listing may have unstaged the newer step; its
    // pin's host learns of it by reading.
    if (!bool_or(row, "staged", false) && is_claimant &&
        status_of(row) != status_of_step(job.step)) {
        violation("wins", fmt::format("{} is started after status {} was claimed", what,
                                      api_status_name(status_of(row))));
    }
}

std::int64_t Checks::on_call(const Host& host, const ApiRequest& request) {
    if (request.method == "GET") {
        return 0;
    }
    const MigrationId id = id_of(request);
    const std::string what =
        fmt::format("{} calls {} {} about {}", host.name(), request.method, request.path, id);
    const auto record = host.disk().migrations.find(id);
    if (record == host.disk().migrations.end()) {
        violation("intent", what + ", which is not in the journal");
        return 0;
    }
    const ClaimState state = record->second.state;
    if (request.path == "migrations/unstage") {
        if ((state != ClaimState::kClaiming && state != ClaimState::kUncertain) ||
            record->second.claim_id != string_or(request.body, "claim_id", "")) {
            violation("intent", what + " without a claim in the journal");
        }
        const auto pin = pins_.find(id);
        if (pin != pins_.end() && !pin->second.host.empty() && pin->second.host != host.name() &&
            state == ClaimState::kClaiming &&
            world_.events.now() - pin->second.since > kOldestPage) {
            violation("pinned", fmt::format("{}, long pinned to {}", what, pin->second.host));
        }
        return 0;
    }
    const auto kind = kind_of(request);
    if (!kind) {
        if (state != ClaimState::kPinning && state != ClaimState::kContesting &&
            state != ClaimState::kTakingOver) {
            violation("intent",
                      fmt::format("{} (a pin) in state {}", what, claim_state_name(state)));
        }
        return 0;
    }
    for (const auto& [row, call] : host.disk().pending) {
        if (call.migration == id && call.kind == *kind) {
            return row;
        }
    }
    violation("intent", what + ", which the journal does not owe");
    return 0;
}

void Checks::on_stop(const Host& host, std::int64_t attempt, const char* kind) {
    const auto& known = std::string_view(kind) == "stop_asked" ? stops_ : orphans_;
    if (!known.contains({&host, attempt})) {
        violation("intent", fmt::format("{} stops attempt {} without {} in the journal",
                                        host.name(), attempt, kind));
    }
}

void Checks::on_close(const Host& host, std::int64_t attempt) {
    const auto found = host.attempts().find(attempt);
    if (found != host.attempts().end() && found->second->life() != Workers::Life::kDead) {
        violation("outcome",
                  fmt::format("{} closes attempt {} while it lives", host.name(), attempt));
    }
    if (!ended_.contains({&host, attempt})) {
        violation("intent",
                  fmt::format("{} closes attempt {}, open in the journal", host.name(), attempt));
    }
}

// -- what it writes ---------------------------------------------------------------------------

void Checks::before_commit(const Host& host, const JournalBatch& batch) {
    for (const AttemptRecord& attempt : batch.attempts) {
        check_attempt(host, attempt);
    }
    for (const OwedCall& call : batch.calls) {
        check_owed(host, call);
    }
    for (const EventRecord& event : batch.events) {
        if (event.kind == "stop_asked") {
            stops_.insert({&host, event.attempt});
        } else if (event.kind == "orphan_engine") {
            orphans_.insert({&host, event.attempt});
        }
    }
}

void Checks::check_attempt(const Host& host, const AttemptRecord& attempt) {
    if (!attempt.ended) {
        return;
    }
    const std::string what =
        fmt::format("attempt {} of migration {} on {}", attempt.id, attempt.migration, host.name());
    const auto [first, is_new] = ended_.try_emplace({&host, attempt.id}, attempt);
    if (!is_new && first->second.outcome != attempt.outcome) {
        violation("outcome", what + " ends twice");
    }
    const auto found = host.attempts().find(attempt.id);
    if (found == host.attempts().end()) {
        return;
    }
    const Worker& worker = *found->second;
    if (worker.life() != Workers::Life::kDead) {
        violation("outcome", what + " ends in the journal while it lives");
    }
    if (worker.said() != attempt.outcome) {
        const auto name = [](const std::optional<Outcome>& outcome) {
            return outcome ? outcome_name(*outcome) : "nothing";
        };
        violation("outcome", fmt::format("{} said {}, the journal has {}", what,
                                         name(worker.said()), name(attempt.outcome)));
    }
}

void Checks::check_owed(const Host& host, const OwedCall& call) {
    const bool pending = call.state == CallState::kPending;
    if (pending && call.lane == Lane::kHandOn && !host.disk().pending.contains(call.id)) {
        if (const Worker* living = host.living(call.migration)) {
            violation("early", fmt::format("{} owes {} of migration {} while attempt {} lives",
                                           host.name(), call_kind_name(call.kind), call.migration,
                                           living->job().attempt));
        }
    }
    const bool voided = call.last_answer.rfind("claim ", 0) == 0;  // owed again by the new claim
    if (call.kind == CallKind::kAppendLog && !pending && call.state != CallState::kDone &&
        !voided) {
        log_dropped_.insert(call.migration);
    }
}

void Checks::after_turn(Host& host) {
    if (world_.random.chance(0.02)) {
        check_fold(host);
    }
}

namespace {

std::string text_of(const MigrationRecord& r) {
    return fmt::format(
        "{} {} claim {} {} listed {} step {} tries {} attempt {} no_return {} "
        "release {} log {} state {} next {} reason '{}' since {} seen {} {} {} {}",
        r.id, claim_state_name(r.state), r.claim, r.claim_id, r.listed_lock_version,
        r.step ? step_name(*r.step) : "-", r.tries, r.attempt, r.no_return, r.release, r.log_offset,
        r.state_hash, iso_time(r.next_try), r.reason, iso_time(r.since), r.seen.status,
        r.seen.lock_version, r.seen.table, r.seen.run_host);
}

std::string text_of(const AttemptRecord& a) {
    return fmt::format("{} of {} claim {} {} {} tries {} ended {} pid {} engine {} outcome {}",
                       a.id, a.migration, a.claim, step_name(a.step), a.engine, a.tries, a.ended,
                       a.worker.pid, a.engine_process.pid,
                       a.outcome ? outcome_name(*a.outcome) : "-");
}

std::string text_of(const OwedCall& c) {
    return fmt::format("{} of {} claim {} {} {} {} tries {} refusals {} next {} body {}", c.id,
                       c.migration, c.claim, c.claimed_status, lane_name(c.lane),
                       call_kind_name(c.kind), c.tries, c.refusals, iso_time(c.next_try),
                       to_line(c.body));
}

std::string text_of(const Entry& entry) {
    std::string text = text_of(entry.record);
    if (entry.attempt) {
        text += "\n  " + text_of(*entry.attempt);
    }
    for (const OwedCall& call : entry.calls) {
        text += "\n  " + text_of(call);
    }
    return text;
}

}  // namespace

// A journal opened beside the living supervisor, as if it had died this very moment.
void Checks::check_fold(Host& host) {
    if (host.daemon() == nullptr || !host.daemon()->registry().failure().empty()) {
        return;
    }
    const Registry& living = host.daemon()->registry();
    MemoryDisk copy = host.disk();
    MemoryJournalFaults no_faults;
    Registry folded(host.clock(), host.config(), living.log(), 0);
    if (!folded.load(std::make_unique<MemoryJournal>(copy, no_faults)).ok()) {
        violation("journal", host.name() + "'s journal cannot be folded");
        return;
    }
    for (const auto& [id, entry] : living.entries()) {
        const Entry* found = folded.find(id);
        const bool matters =
            is_open(entry->record.state) || entry->attempt || !entry->calls.empty();
        if (!matters && found == nullptr) {
            continue;
        }
        const std::string in_memory = text_of(*entry);
        const std::string on_disk = found == nullptr ? "nothing" : text_of(*found);
        if (in_memory != on_disk) {
            violation("journal", fmt::format("{} has in memory\n  {}\nand in the journal\n  {}",
                                             host.name(), in_memory, on_disk));
        }
    }
    for (const auto& [id, entry] : folded.entries()) {
        if (!living.entries().contains(id)) {
            violation("journal", fmt::format("{} has forgotten migration {}", host.name(), id));
        }
    }
}

// -- what becomes of it at the API ------------------------------------------------------------

void Checks::on_api_change(const testing::ApiModel::Change& change) {
    const MigrationId id = int_or(change.row, "id", 0);
    const Host* host = caller.host;
    stagings_[id] += host == nullptr || change.by == "offer" ? 1 : 0;
    world_.trace.note(host == nullptr ? "people" : host->name(), change.by, id,
                      api_status_name(change.to));
    if (host == nullptr) {
        return;
    }
    if (change.by == "unstage") {
        claimants_[id] = host;
    }
    const std::string pin = string_or(change.row, "run_host", "");
    const bool is_report = change.by == "update" && !change.args.contains("run_host");
    const bool is_ours = pin.empty() || pin == host->name();
    // Without pins at unstage a pin can meet another one; the hosts sort it out by reading.
    const bool contests = change.by == "update" && !is_report && world_.profile.rails;
    const auto record = host->disk().migrations.find(id);
    const bool takes_over = change.by == "update" && !is_report &&
                            record != host->disk().migrations.end() &&
                            record->second.state == ClaimState::kTakingOver;
    if (takes_over) {
        claimants_[id] = host;
        taken_over_.insert(id);
        log_dropped_.insert(id);  // what its old host had not told yet is gone with it
    }
    // What a host has done to the table it tells whatever people did meanwhile.
    const bool tells_the_change = change.by == "complete" && taken_over_.contains(id);
    const Millis trusted = 2 * host->config().rest_timeout + (is_report ? kPinTrusted : Millis{0});
    if (!is_ours && change.by != "unstage" && !contests && !takes_over &&
        !(change.by == "update" && caller.late) && !tells_the_change &&
        !crosses_takeover(*host, id, trusted)) {
        violation("pinned", fmt::format("{} does {} to migration {}, pinned to {}", host->name(),
                                        change.by, id, pin));
    }
    note_pin(id, change);
    const auto kind = parse_call_kind(change.by);
    if (kind && is_transition(*kind)) {
        check_transition(*host, change);
    }
}

void Checks::note_pin(MigrationId id, const testing::ApiModel::Change& change) {
    const bool pins = change.args.contains("run_host") &&
                      (change.by == "update" || (change.by == "unstage" && !world_.profile.rails));
    if (pins || change.by == "unpin_run_host") {
        const std::string host = pins ? string_or(change.args, "run_host", "") : "";
        if (pins_[id].host != host) {
            pins_[id] = {host, pins_[id].host, world_.events.now()};
        }
    }
}

// A host that is not as dead as people thought has read its own pin just before it went, and acts
// on that. No rule at the API can keep it from that; the new host waits and reads its pin back, and
// the database's lock keeps their workers apart.
bool Checks::crosses_takeover(const Host& host, MigrationId id, Millis trusted) const {
    const auto pin = pins_.find(id);
    return taken_over_.contains(id) && pin != pins_.end() && pin->second.before == host.name() &&
           world_.events.now() - pin->second.since <= trusted;
}

void Checks::check_transition(const Host& host, const testing::ApiModel::Change& change) {
    ++world_.counts.transitions;
    const MigrationId id = int_or(change.row, "id", 0);
    const int from = status_of(change.row);
    const std::string what = fmt::format("{} of migration {} by {} from status {} ({})", change.by,
                                         id, host.name(), from, api_status_name(from));
    const std::pair<const Host*, std::int64_t> key{&host, caller.call};
    if (caller.late) {
        late_.insert(key);
    }
    // Without pins at unstage a host with an old listing may have unstaged what people staged since
    // the first time, and left it to this host: then it shows what was claimed and is told again.
    const auto [first, is_new] = executed_.try_emplace(key, stagings_[id]);
    const bool came_back = world_.profile.rails && first->second != stagings_[id];
    if (!is_new && !late_.contains(key) && !came_back) {
        violation("api", what + " is done twice");
    }
    for (const auto& other : world_.hosts) {
        if (const Worker* living = other->living(id)) {
            violation("api", fmt::format("{} while attempt {} on {} lives", what,
                                         living->job().attempt, other->name()));
        }
    }
    const Database::Change& table = world_.database.of(id);
    const std::string message = string_or(change.args, "error_message", "");
    bool good = false;
    if (late_.contains(key) && change.to == from) {
        good = true;  // done again by a call that nobody waited for any more: nothing changes
    } else if (change.by == "next_step") {
        const bool whole = table.copied && table.shadow && table.triggers;
        good = from == 0 || (from == 3 && whole) || from == 11;
    } else if (change.by == "complete") {
        const bool inserted =
            string_or(change.row, "final_insert", "").empty() || table.inserts == 1;
        // Either host of a race tells what it did.
        const bool told_before = from == 8 && raced_.contains(id);
        good = (from == 3 || from == 5 || from == 9 || from == 11 || told_before) &&
               table.changed() && inserted && !table.has_leftovers();
    } else if (change.by == "fail") {
        const bool says_changed = message.rfind("table WAS changed:", 0) == 0;
        // A cancel that nobody has claimed yet may be overtaken: `fail` was right when it was sent.
        const bool overtakes = bool_or(change.row, "staged", false);
        good = !is_final(from) || (from == 9 && (says_changed || overtakes));
        good = good && !table.shadow && table.changed() == says_changed;
    } else {
        good = from == 3;  // error, offer
    }
    if (!good) {
        // A claimed cancel or pause that is answered by the end of another step.
        const bool overruns = from == 9 || from == 11;
        violation(
            overruns ? "wins" : "api",
            fmt::format("{} is not true: table changed {} times, {} inserts, shadow {} {}", what,
                        table.ddls + table.swaps, table.inserts,
                        table.shadow ? (table.copied ? "copied" : "unfinished") : "none", message));
    }
}

// -- the end ----------------------------------------------------------------------------------

std::string Checks::why_not_done(MigrationId id) const {
    if (!world_.api.has(id)) {
        return "";
    }
    const Json row = world_.api.get(id);
    const int status = status_of(row);
    if (!is_final(status) || (status == 9 && bool_or(row, "staged", false))) {
        return fmt::format("migration {} is {} (staged {}, run_host '{}')", id,
                           api_status_name(status), bool_or(row, "staged", false),
                           string_or(row, "run_host", ""));
    }
    return "";
}

bool Checks::all_is_done() const {
    for (const auto& [id, change] : world_.database.changes()) {
        if (!why_not_done(id).empty()) {
            return false;
        }
    }
    for (const auto& host : world_.hosts) {
        if (host->daemon() == nullptr) {
            return false;
        }
        for (const auto& [id, entry] : host->daemon()->registry().entries()) {
            if (is_open(entry->record.state) || entry->attempt || !entry->calls.empty()) {
                return false;
            }
        }
    }
    return true;
}

void Checks::check_end_of(MigrationId id) {
    if (const std::string why = why_not_done(id); !why.empty()) {
        violation("stuck", why);
        return;
    }
    const Database::Change& table = world_.database.of(id);
    const std::string counts = fmt::format(
        "migration {}: {} swaps, {} statements, {} inserts, shadow {}, triggers {}, prepared {}",
        id, table.swaps, table.ddls, table.inserts, table.shadow, table.triggers,
        table.insert_prepared);
    if (table.has_leftovers()) {
        violation("table", "something is left: " + counts);
    }
    // Of a direct statement the table does not show that another host has just done it.
    const int ddls = raced_.contains(id) ? std::min(table.ddls, 1) : table.ddls;
    if (table.swaps + ddls > 1 || table.inserts > 1) {
        violation("table", "done more than once: " + counts);
    }
    if (!world_.api.has(id)) {
        return;
    }
    const Json row = world_.api.get(id);
    const int status = status_of(row);
    const bool with_insert = !string_or(row, "final_insert", "").empty();
    if (status == 8 && (!table.changed() || table.inserts != (with_insert ? 1 : 0))) {
        violation("table", "completed, but " + counts);
    }
    if (status == 9 && (table.changed() || table.inserts > 0)) {
        violation("wins", "cancelled, but " + counts);
    }
    if (status == 10) {
        const std::string message = string_or(row, "error_message", "");
        const bool tried_enough = message.find("(tried ") != std::string::npos;
        if (!failed_.contains(id) && !tried_enough) {
            violation("stuck",
                      fmt::format("migration {} failed without a reason: {}", id, message));
        }
    }
}

// Lines carry their host, attempt and number, so each is there once in the files they come from.
void Checks::check_logs() {
    for (const auto& host : world_.hosts) {
        for (const auto& [id, files] : host->all_files()) {
            if (log_dropped_.contains(id) || !world_.api.has(id)) {
                continue;
            }
            std::map<std::string, std::size_t> first;
            std::size_t number = 0;
            for (const std::string& line : split(world_.api.file(id, 0), '\n')) {
                first.try_emplace(line, ++number);
            }
            std::size_t before = 0;
            for (const std::string& line : split(files.log, '\n')) {
                const auto found = first.find(line);
                if (line.empty()) {
                    continue;
                }
                if (found == first.end() || found->second < before) {
                    violation("log", fmt::format(
                                         "migration {}: line '{}' of {} {}", id, line, host->name(),
                                         found == first.end() ? "is missing" : "is out of order"));
                    break;
                }
                before = found->second;
            }
        }
    }
}

void Checks::at_end() {
    for (const auto& [id, change] : world_.database.changes()) {
        check_end_of(id);
    }
    for (const auto& host : world_.hosts) {
        check_fold(*host);
        if (host->daemon() == nullptr) {
            violation("stuck", host->name() + " has no daemon");
            continue;
        }
        for (const auto& [id, entry] : host->daemon()->registry().entries()) {
            if (is_open(entry->record.state) || entry->attempt || !entry->calls.empty()) {
                violation("stuck", fmt::format("{} still has {}", host->name(), text_of(*entry)));
            }
        }
        for (const auto& [attempt, worker] : host->attempts()) {
            if (worker->life() != Workers::Life::kDead) {
                violation("workers",
                          fmt::format("attempt {} on {} still lives", attempt, host->name()));
            } else if (!ended_.contains({host.get(), attempt})) {
                violation("outcome", fmt::format("attempt {} on {} has no end in the journal",
                                                 attempt, host->name()));
            }
        }
    }
    check_logs();
}

}  // namespace shift::sim
