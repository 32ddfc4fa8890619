#include "supervisor/supervisor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <random>
#include <utility>

namespace shift {
namespace {

constexpr Millis kStopFileInterval{1'000};
constexpr Millis kJournalRetryInterval{10'000};
constexpr std::chrono::minutes kJournalPatience{10};
// What lives is adopted at once, and let go soon if it was taken over while we were away.
constexpr Millis kRecheckAfterStart{1'000};
// What may move again is remembered for longer, to be read now and then.
constexpr std::chrono::hours kClosedRemembered{24 * 7};

std::string commands_text() {
    std::string text;
    for (const ControlCommand& command : control_commands()) {
        text += text.empty() ? command.name : std::string(", ") + command.name;
    }
    return text;
}

// Who gave a command, for the journal.
Json by(const ControlCaller& caller) {
    Json json = {{"uid", caller.uid}};
    if (!caller.as.empty()) {
        json["as"] = caller.as;
    }
    return json;
}

}  // namespace

std::uint64_t Supervisor::system_seed() {
    std::random_device device;
    return static_cast<std::uint64_t>(device()) << 32U | device();
}

Supervisor::Supervisor(const Clock& clock, Config config, const Logger& log, Upstream& upstream,
                       Workers& workers, OpenJournal open_journal, std::uint64_t seed)
    : clock_(clock),
      config_(std::move(config)),
      log_(log),
      workers_(workers),
      open_journal_(std::move(open_journal)),
      registry_(clock_, config_, log_, seed),
      upstream_(upstream, clock, registry_.metrics()),
      claimer_(registry_, upstream_),
      courier_(registry_, upstream_, workers_),
      attempts_(registry_, workers_, claimer_, courier_),
      retention_(registry_, workers_),
      answers_(registry_, claimer_, workers_, upstream_, clock.wall()) {
    registry_.on_moved([this](Entry& entry) { go_on(entry); });
}

Status Supervisor::recover() {
    ASSIGN_OR_RETURN(std::unique_ptr<Journal> journal, open_journal_());
    RETURN_IF_ERROR(registry_.load(std::move(journal)));
    registry_.skip_attempt_ids(workers_.highest_attempt());
    claimer_.reset();
    retention_.reset();
    for (const auto& [id, entry] : registry_.entries()) {
        if (entry->attempt) {
            entry->recheck_due = clock_.now() + registry_.share_of(kRecheckAfterStart);
        }
        log_.info("recovered", {{"migration", id},
                                {"state", claim_state_name(entry->record.state)},
                                {"attempt", entry->attempt ? entry->attempt->id : 0},
                                {"owed", entry->calls.size()}});
    }
    registry_.add_event(nullptr, "supervisor", "started",
                        {{"version", SHIFT_VERSION},
                         {"pid", static_cast<std::int64_t>(::getpid())},
                         {"run_host", config_.run_host},
                         {"open_migrations", registry_.entries().size()}});
    registry_.commit();
    if (!registry_.failure().empty()) {
        return Error{Errc::kIo, registry_.failure()};
    }
    return Ok{};
}

DrainState Supervisor::drain_state() const {
    const std::string drain = registry_.setting("drain");
    return {stop_file_, !drain.empty(), drain == "keep"};
}

Result<Json> Supervisor::set_drain(bool active, const Json& args, const Json& by) {
    const bool keep = active && bool_or(args, "keep", false);
    registry_.put_setting("drain", active ? (keep ? "keep" : "offer") : "");
    Json detail = by;
    detail["keep"] = keep;
    registry_.add_event(nullptr, "operator", active ? "drain" : "undrain", detail);
    log_.info(active ? "drain" : "undrain", detail);
    if (!active) {
        claimer_.poll_soon();
    }
    answers_.set_drain(drain_state());
    registry_.commit();
    return answers_.status();
}

void Supervisor::update_drain() {
    if (clock_.now() >= stop_file_due_) {
        stop_file_due_ = clock_.now() + kStopFileInterval;
        const bool found = workers_.stop_file_exists();
        if (found != stop_file_) {
            stop_file_ = found;
            log_.info(found ? "stop_file_found" : "stop_file_gone",
                      {{"path", config_.stop_file_path}});
            registry_.add_event(nullptr, "operator", found ? "stop_file" : "stop_file_gone",
                                {{"path", config_.stop_file_path}});
            if (!found) {
                claimer_.poll_soon();
            }
        }
    }
    const DrainState drain = drain_state();
    attempts_.set_drain({drain.active(), drain.keep});
    answers_.set_drain(drain);
}

// By both clocks: some machines stop the monotonic one while they are suspended. A wall clock that
// is set costs a few reads.
Millis Supervisor::since_last_tick() const {
    return std::max(std::chrono::duration_cast<Millis>(clock_.now() - last_tick_),
                    std::chrono::duration_cast<Millis>(clock_.wall() - last_tick_wall_));
}

void Supervisor::notice_standstill() {
    const auto now = clock_.now();
    const auto gap = since_last_tick();
    const bool stood = last_tick_ != SteadyTime{} && gap > kStoodStill;
    last_tick_ = now;
    last_tick_wall_ = clock_.wall();
    if (!stood) {
        return;
    }
    log_.warn("stood_still", {{"text", "claims are read back before anything is told"}});
    for (const auto& [id, entry] : registry_.entries()) {
        entry->pin_seen = {};
        entry->may_start = entry->may_start && gap < kStoodStillLong;
        if (is_open(entry->record.state)) {
            entry->recheck_due = now;
        }
    }
}

void Supervisor::tick() {
    notice_standstill();
    if (!registry_.failure().empty()) {
        retry_journal();
        return;
    }
    update_drain();
    claimer_.tick(!drain_state().active());
    advance_all();
    forget_finished();
    retention_.tick();
    registry_.commit();
}

void Supervisor::advance_all() {
    for (const auto& [id, entry] : registry_.entries()) {
        claimer_.advance(*entry);
        claimer_.recheck(*entry);
        attempts_.advance(*entry);
        courier_.advance(*entry);
    }
}

// What a tick would do, without waiting for it: from a claim to its worker there are three answers,
// and each would cost up to a tick. A late turn is left to the tick, which sees that this host
// stood still: what was answered before that allows nothing.
void Supervisor::go_on(Entry& entry) {
    if (since_last_tick() > kStoodStill) {
        return;
    }
    update_drain();
    claimer_.advance(entry);
    attempts_.advance(entry);
    registry_.commit();
}

void Supervisor::retry_journal() {
    const auto now = clock_.now();
    if (first_journal_failure_ == SteadyTime{}) {
        first_journal_failure_ = now;
        journal_retry_due_ = now + kJournalRetryInterval;
    }
    if (now < journal_retry_due_) {
        return;
    }
    journal_retry_due_ = now + kJournalRetryInterval;
    if (Status status = recover(); status.ok()) {
        first_journal_failure_ = {};
        log_.info("journal_recovered");
    } else {
        log_.error("journal_failed", {{"error", status.error().message}});
    }
}

bool Supervisor::wants_exit() const {
    return first_journal_failure_ != SteadyTime{} &&
           clock_.now() - first_journal_failure_ > kJournalPatience;
}

void Supervisor::forget_finished() {
    const auto now = clock_.now();
    std::erase_if(registry_.entries(), [this, now](const auto& item) {
        Entry& entry = *item.second;
        if (is_open(entry.record.state) || entry.attempt || !entry.calls.empty() || entry.changed ||
            entry.claim_call_in_flight) {
            entry.forget_due = {};
            return false;
        }
        if (entry.forget_due == SteadyTime{}) {
            entry.forget_due =
                now + (may_move_again(entry.record) ? kClosedRemembered : kFinishedShown);
        }
        return now >= entry.forget_due;
    });
}

Result<Json> Supervisor::retry(MigrationId id, const Json& by) {
    Entry* entry = registry_.find(id);
    if (entry == nullptr || !is_open(entry->record.state)) {
        ASSIGN_OR_RETURN(const MigrationRecord record, registry_.find_record(id));
        const bool resumable = record.seen.status == static_cast<int>(ApiStatus::kError);
        return Error{
            Errc::kInvalidArgument,
            fmt::format("nothing of migration {} waits for a try here: it is {} ({}){}", id,
                        claim_state_name(record.state), api_status_name(record.seen.status),
                        resumable ? fmt::format("; resume {} goes on with it", id) : "")};
    }
    if (entry->record.state == ClaimState::kDeciding) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("migration {} needs a decision first: final-insert {} --done or "
                                 "--run-again",
                                 id, id)};
    }
    const bool waits = !entry->attempt || !entry->calls.empty();
    if (!waits) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("nothing of migration {} waits for a try: attempt {} is at work",
                                 id, entry->attempt->id)};
    }
    registry_.add_event(entry, "operator", "retry", by);
    log_.info("retry", {{"migration", id}, {"tries", entry->record.tries}});
    courier_.deliver_now(*entry);
    claimer_.retry_now(*entry);
    if (entry->record.state == ClaimState::kWaiting && !entry->attempt) {
        entry->record.tries = 0;
        entry->record.next_try = {};
        entry->wait_until = {};
        registry_.set_reason(*entry, "");
        registry_.touch(*entry);
    }
    registry_.commit();
    return to_json(answers_.why_of(*entry), id);
}

Result<Json> Supervisor::decide_final_insert(MigrationId id, const Json& args, const Json& by) {
    const std::string decision = string_or(args, "decision", "");
    if (decision != "done" && decision != "run-again") {
        return Error{Errc::kInvalidArgument, "decision: neither done nor run-again"};
    }
    Entry* entry = registry_.find(id);
    if (entry == nullptr || entry->record.state != ClaimState::kDeciding) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("migration {} does not wait for a decision about its final insert "
                                 "(why {} tells what it waits for)",
                                 id, id)};
    }
    log_.info("final_insert_decided", {{"migration", id}, {"decision", decision}});
    attempts_.decide_final_insert(*entry, decision == "done", by);
    registry_.commit();
    return to_json(answers_.why_of(*entry), id);
}

// Args: {"migration": {...}} as the API shows it, with host and port. The answer: {"id"}.
Result<Json> Supervisor::take_over(const Json& args) {
    const auto it = args.find("migration");
    if (it == args.end()) {
        return Error{Errc::kInvalidArgument, "takeover: no migration given"};
    }
    ASSIGN_OR_RETURN(const Migration listed, parse_migration(*it));
    RETURN_IF_ERROR(claimer_.take_over(listed));
    registry_.commit();
    return Json{{"id", listed.id}};
}

Result<Json> Supervisor::command(const std::string& name, const Json& args,
                                 const ControlCaller& caller) {
    ++registry_.metrics().control_requests;
    const ControlCommand* known = find_control_command(name);
    if (known == nullptr) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("unknown command '{}'; this daemon ({}) knows {}", name,
                                 SHIFT_VERSION, commands_text())};
    }
    if (known->access == ControlAccess::kWrite && !registry_.failure().empty()) {
        return Error{Errc::kIo, "the journal cannot be written: " + registry_.failure()};
    }
    const MigrationId id = int_or(args, "id", 0);
    if (name == "status") {
        return answers_.status();
    }
    if (name == "version") {
        return Json{{"version", SHIFT_VERSION}, {"pid", static_cast<std::int64_t>(::getpid())}};
    }
    if (name == "events") {
        return answers_.events(args);
    }
    if (name == "history") {
        return answers_.history(args);
    }
    if (name == "why") {
        ASSIGN_OR_RETURN(const Why why, answers_.why(id));
        return to_json(why, id);
    }
    if (name == "drain" || name == "undrain") {
        return set_drain(name == "drain", args, by(caller));
    }
    if (name == "takeover") {
        return take_over(args);
    }
    if (name == "retry") {
        return retry(id, by(caller));
    }
    if (name == "final-insert") {
        return decide_final_insert(id, args, by(caller));
    }
    return Error{Errc::kInternal, fmt::format("command '{}' is listed but not built", name)};
}

std::vector<std::string> Supervisor::reconfigure(const Config& fresh) {
    std::vector<std::string> refused = not_reloadable(config_, fresh);
    Config taken = fresh;
    taken.rest_api = config_.rest_api;
    taken.state_dir = config_.state_dir;
    taken.run_host = config_.run_host;
    taken.control_socket = config_.control_socket;
    taken.log_dir = config_.log_dir;
    taken.worker_path = config_.worker_path;
    taken.metrics_listen = config_.metrics_listen;
    config_ = std::move(taken);  // registry_ and the parts refer to config_
    return refused;
}

}  // namespace shift
