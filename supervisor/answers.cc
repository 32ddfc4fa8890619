#include "supervisor/answers.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace shift {
namespace {

// An answer must fit into one line of the control protocol.
constexpr std::int64_t kEventsMax = 1000;
constexpr std::int64_t kMigrationsMax = 500;

Json text_or_null(const std::string& text) {
    return text.empty() ? Json() : Json(text);
}

template <typename T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json();
}

// The newest call that was tried and not taken.
const OwedCall* refused_call(const Entry& entry) {
    const OwedCall* found = nullptr;
    for (const OwedCall& call : entry.calls) {
        found = call.state == CallState::kPending && call.tries > 0 ? &call : found;
    }
    return found;
}

std::int64_t limit_of(const Json& args, std::int64_t most) {
    return std::clamp<std::int64_t>(int_or(args, "limit", most), 1, most);
}

}  // namespace

Why Answers::why_of(const Entry& entry) const {
    WhyFacts facts;
    facts.record = &entry.record;
    facts.attempt = entry.attempt ? &*entry.attempt : nullptr;
    facts.progress = &entry.progress;
    facts.worker_waits = entry.worker_waits;
    facts.last_evidence = entry.last_evidence;
    facts.stop_reason = entry.stop_reason;
    facts.owed = static_cast<int>(entry.calls.size());
    facts.refused_call = refused_call(entry);
    facts.draining = drain_.active();
    facts.api_reachable = upstream_.is_reachable() || !upstream_.was_asked();
    facts.api_error = upstream_.last_error();
    facts.journal_failure = registry_.failure();
    facts.now = registry_.clock().wall();
    return judge_why(facts);
}

Result<Why> Answers::why(MigrationId id) const {
    const auto problem = claimer_.problems().find(std::to_string(id));
    const Entry* entry = registry_.find(id);
    const bool is_open_here = entry != nullptr && is_open(entry->record.state);
    if (problem != claimer_.problems().end() && !is_open_here) {
        return problem->second;
    }
    if (entry != nullptr && entry->record.claim > 0) {
        return why_of(*entry);
    }
    ASSIGN_OR_RETURN(const MigrationRecord record, registry_.find_record(id));
    Entry passing;
    passing.record = record;
    return why_of(passing);
}

std::int64_t Answers::owed_before_drained() const {
    std::int64_t owed = 0;
    for (const auto& [id, entry] : registry_.entries()) {
        const ClaimState state = entry->record.state;
        const bool claiming = is_open(state) && state != ClaimState::kWaiting &&
                              state != ClaimState::kRunning && state != ClaimState::kDeciding &&
                              state != ClaimState::kDelivering;
        owed += static_cast<std::int64_t>(entry->calls.size());
        owed += entry->attempt || claiming ? 1 : 0;
    }
    return owed;
}

Json Answers::status_of(const Entry& entry) const {
    const MigrationRecord& record = entry.record;
    const Migration& seen = record.seen;
    const Progress& progress = entry.progress;
    const bool runs = entry.attempt.has_value();
    const auto pid = [](pid_t value) { return value > 0 ? Json(value) : Json(); };
    std::string error;
    if (const OwedCall* call = refused_call(entry)) {
        error = fmt::format("{}: {}", call_kind_name(call->kind), call->last_answer);
    }
    std::string reason = record.reason;
    if (entry.worker_waits) {
        reason = entry.worker_waits->text;
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
            {"why", why_entry(why_of(entry).code).name},
            {"phase", text_or_null(runs ? progress.phase : "")},
            {"percent", or_null(progress.percent)},
            {"rows", or_null(progress.rows)},
            {"rows_total", or_null(progress.rows_total)},
            {"rows_per_s", or_null(progress.rows_per_s)},
            {"eta_s", or_null(progress.eta_s)},
            {"throttle", text_or_null(progress.throttle)},
            {"since", iso_time(record.since)},
            {"attempt", record.attempt},
            {"tries", record.tries},
            {"engine", runs ? Json(entry.attempt->engine) : Json()},
            {"worker_pid", runs ? pid(entry.attempt->worker.pid) : Json()},
            {"engine_pid", runs ? pid(entry.attempt->engine_process.pid) : Json()},
            {"owed", entry.calls.size()},
            {"reason", text_or_null(reason)},
            {"error", text_or_null(error)},
            {"last_error", text_or_null(entry.last_error)},
            {"next_try", time_or_null(record.next_try)},
            {"log_file", workers_.log_path(record.id)}};
}

Json Answers::status() const {
    Json migrations = Json::array();
    for (const auto& [id, entry] : registry_.entries()) {
        const bool shown = is_open(entry->record.state) || entry->attempt ||
                           registry_.clock().wall() - entry->record.since <= kFinishedShown;
        if (entry->record.claim > 0 && shown) {
            migrations.push_back(status_of(*entry));
        }
    }
    Json skipped = Json::array();
    for (const auto& [item, why] : claimer_.problems()) {
        skipped.push_back({{"id", item}, {"why", why.text}, {"code", why_entry(why.code).name}});
    }
    Json api = upstream_.status();
    api["url"] = registry_.config().rest_api;
    api["last_poll"] = time_or_null(claimer_.last_poll());
    const std::string& failure = registry_.failure();
    return {{"version", SHIFT_VERSION},
            {"pid", static_cast<std::int64_t>(::getpid())},
            {"run_host", registry_.config().run_host},
            {"state", !failure.empty()  ? "journal failed"
                      : drain_.active() ? "draining"
                                        : "running"},
            {"since", iso_time(started_)},
            {"journal_error", text_or_null(failure)},
            {"api", std::move(api)},
            {"drain",
             {{"active", drain_.active()},
              {"by", drain_.command     ? Json("command")
                     : drain_.stop_file ? Json("stop file")
                                        : Json()},
              {"keep", drain_.keep},
              {"owed", owed_before_drained()}}},
            {"skipped", std::move(skipped)},
            {"migrations", std::move(migrations)}};
}

std::string Answers::summary() const {
    int open = 0;
    int at_work = 0;
    std::size_t owed = 0;
    for (const auto& [id, entry] : registry_.entries()) {
        open += is_open(entry->record.state) ? 1 : 0;
        at_work += entry->attempt ? 1 : 0;
        owed += entry->calls.size();
    }
    std::string text = fmt::format("{} migrations here, {} at work, {} calls owed to the API", open,
                                   at_work, owed);
    if (upstream_.was_asked() && !upstream_.is_reachable()) {
        text += "; the API does not answer";
    }
    if (!registry_.failure().empty()) {
        text = "journal failed: " + registry_.failure();
    } else if (drain_.active()) {
        text = "draining: " + text;
    }
    return text;
}

Result<Json> Answers::events(const Json& args) {
    const std::int64_t limit = limit_of(args, kEventsMax);
    ASSIGN_OR_RETURN(Json events, registry_.events(int_or(args, "id", 0), int_or(args, "after", 0),
                                                   static_cast<int>(limit)));
    const bool more = static_cast<std::int64_t>(events.size()) == limit;
    return Json{{"events", std::move(events)}, {"more", more}};
}

Result<Json> Answers::history(const Json& args) {
    HistoryFilter filter;
    filter.since = parse_iso_time(string_or(args, "since", ""));
    filter.table = string_or(args, "table", "");
    filter.limit = static_cast<int>(limit_of(args, kMigrationsMax));
    ASSIGN_OR_RETURN(Json migrations, registry_.list(filter));
    return Json{{"migrations", std::move(migrations)}};
}

}  // namespace shift
