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
constexpr std::chrono::hours kFinishedShown{1};
// What may move again is remembered for longer, to be read now and then.
constexpr std::chrono::hours kClosedRemembered{24 * 7};

Json time_or_null(WallTime time) {
    return time == WallTime{} ? Json() : Json(iso_time(time));
}

template <typename T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json();
}

}  // namespace

void Supervisor::WatchedUpstream::call(ApiRequest request, Done done) {
    inner_.call(std::move(request), [this, done = std::move(done)](ApiAnswer answer) {
        if (answer.status != 0 && answer.status < 500) {
            last_ok_ = clock_.wall();
        } else {
            last_failure_ = clock_.wall();
            last_error_ = answer.brief();
        }
        done(std::move(answer));
    });
}

Json Supervisor::WatchedUpstream::status() const {
    return {{"reachable", last_ok_ >= last_failure_ && last_ok_ != WallTime{}},
            {"last_ok", time_or_null(last_ok_)},
            {"last_error", last_error_.empty() ? Json() : Json(last_error_)},
            {"last_error_at", time_or_null(last_failure_)}};
}

std::uint64_t Supervisor::system_seed() {
    std::random_device device;
    return static_cast<std::uint64_t>(device()) << 32U | device();
}

Supervisor::Supervisor(const Clock& clock, Config config, const Logger& log, Upstream& upstream,
                       Workers& workers, OpenJournal open_journal, std::uint64_t seed)
    : clock_(clock),
      config_(std::move(config)),
      log_(log),
      upstream_(upstream, clock),
      workers_(workers),
      open_journal_(std::move(open_journal)),
      registry_(clock_, config_, log_, seed),
      claimer_(registry_, upstream_),
      courier_(registry_, upstream_, workers_),
      attempts_(registry_, workers_, claimer_, courier_),
      started_(clock.wall()) {}

Status Supervisor::recover() {
    ASSIGN_OR_RETURN(std::unique_ptr<Journal> journal, open_journal_());
    RETURN_IF_ERROR(registry_.load(std::move(journal)));
    claimer_.reset();
    for (const auto& [id, entry] : registry_.entries()) {
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

void Supervisor::set_drain(bool active, bool keep) {
    registry_.put_setting("drain", active ? (keep ? "keep" : "offer") : "");
    registry_.add_event(nullptr, "operator", active ? "drain" : "undrain", {{"keep", keep}});
    log_.info(active ? "drain" : "undrain", {{"keep", keep}});
    if (!active) {
        claimer_.poll_soon();
    }
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
    const std::string drain = registry_.setting("drain");
    attempts_.set_drain({!drain.empty() || stop_file_, drain == "keep"});
}

void Supervisor::tick() {
    if (!registry_.failure().empty()) {
        retry_journal();
        return;
    }
    update_drain();
    const bool draining = stop_file_ || !registry_.setting("drain").empty();
    claimer_.tick(!draining);
    advance_all();
    forget_finished();
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

std::int64_t Supervisor::owed_before_drained() const {
    std::int64_t owed = 0;
    for (const auto& [id, entry] : registry_.entries()) {
        const bool claiming = is_open(entry->record.state) &&
                              entry->record.state != ClaimState::kWaiting &&
                              entry->record.state != ClaimState::kRunning &&
                              entry->record.state != ClaimState::kDelivering;
        owed += static_cast<std::int64_t>(entry->calls.size());
        owed += entry->attempt || claiming ? 1 : 0;
    }
    return owed;
}

Json Supervisor::status_of(const Entry& entry) const {
    const MigrationRecord& record = entry.record;
    const Migration& seen = record.seen;
    const Progress& progress = entry.progress;
    const bool runs = entry.attempt.has_value();
    const auto pid = [](pid_t value) { return value > 0 ? Json(value) : Json(); };
    std::string error;
    for (const OwedCall& call : entry.calls) {
        if (call.tries > 0) {
            error = fmt::format("{}: {}", call_kind_name(call.kind), call.last_answer);
        }
    }
    return {{"id", record.id},
            {"cluster", seen.cluster_name},
            {"host", seen.host},
            {"port", seen.port},
            {"database", seen.database},
            {"table", seen.table},
            {"ddl_statement", seen.ddl_statement},
            {"status", seen.status},
            {"status_name", api_status_name(seen.status)},
            {"step", record.step ? Json(step_name(*record.step)) : Json()},
            {"state", claim_state_name(record.state)},
            {"phase", progress.phase.empty() ? Json() : Json(progress.phase)},
            {"percent", or_null(progress.percent)},
            {"rows", or_null(progress.rows)},
            {"rows_total", or_null(progress.rows_total)},
            {"rows_per_s", or_null(progress.rows_per_s)},
            {"eta_s", or_null(progress.eta_s)},
            {"throttle", progress.throttle.empty() ? Json() : Json(progress.throttle)},
            {"since", iso_time(record.since)},
            {"attempt", record.attempt},
            {"tries", record.tries},
            {"engine", runs ? Json(entry.attempt->engine) : Json()},
            {"worker_pid", runs ? pid(entry.attempt->worker.pid) : Json()},
            {"engine_pid", runs ? pid(entry.attempt->engine_process.pid) : Json()},
            {"owed", entry.calls.size()},
            {"reason", record.reason.empty() ? Json() : Json(record.reason)},
            {"error", error.empty() ? Json() : Json(error)},
            {"next_try", time_or_null(record.next_try)},
            {"log_file", workers_.log_path(record.id)}};
}

Json Supervisor::status() const {
    Json migrations = Json::array();
    for (const auto& [id, entry] : registry_.entries()) {
        const bool shown = is_open(entry->record.state) || entry->attempt ||
                           clock_.wall() - entry->record.since <= kFinishedShown;
        if (entry->record.claim > 0 && shown) {
            migrations.push_back(status_of(*entry));
        }
    }
    Json skipped = Json::array();
    for (const auto& [item, why] : claimer_.problems()) {
        skipped.push_back({{"id", item}, {"why", why}});
    }
    const std::string drain = registry_.setting("drain");
    const bool draining = stop_file_ || !drain.empty();
    Json api = upstream_.status();
    api["url"] = config_.rest_api;
    api["last_poll"] = time_or_null(claimer_.last_poll());
    return {{"version", SHIFT_VERSION},
            {"pid", static_cast<std::int64_t>(::getpid())},
            {"run_host", config_.run_host},
            {"state", !registry_.failure().empty() ? "journal failed"
                      : draining                   ? "draining"
                                                   : "running"},
            {"since", iso_time(started_)},
            {"journal_error", registry_.failure().empty() ? Json() : Json(registry_.failure())},
            {"api", std::move(api)},
            {"drain",
             {{"active", draining},
              {"by", !drain.empty() ? Json("command")
                     : stop_file_   ? Json("stop file")
                                    : Json()},
              {"keep", drain == "keep"},
              {"owed", owed_before_drained()}}},
            {"skipped", std::move(skipped)},
            {"migrations", std::move(migrations)}};
}

Result<Json> Supervisor::command(const std::string& name, const Json& args) {
    if (name == "status") {
        return status();
    }
    if (name == "version") {
        return Json{{"version", SHIFT_VERSION}, {"pid", static_cast<std::int64_t>(::getpid())}};
    }
    if (name == "drain" || name == "undrain") {
        if (!registry_.failure().empty()) {
            return Error{Errc::kIo, "the journal cannot be written: " + registry_.failure()};
        }
        set_drain(name == "drain", bool_or(args, "keep", false));
        registry_.commit();
        return status();
    }
    return Error{Errc::kInvalidArgument,
                 fmt::format("unknown command '{}'; this daemon ({}) knows status, drain, undrain, "
                             "version",
                             name, SHIFT_VERSION)};
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
    config_ = std::move(taken);  // registry_ and the parts refer to config_
    return refused;
}

}  // namespace shift
