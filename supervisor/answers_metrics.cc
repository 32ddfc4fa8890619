// A scrape: what was counted (metrics/metrics.h) and what is true now.

#include <unistd.h>

#include <algorithm>
#include <map>

#include "supervisor/answers.h"
#include "supervisor/metrics/exposition.h"

namespace shift {
namespace {

double seconds_since(WallTime then, WallTime now) {
    return std::max(0.0, std::chrono::duration<double>(now - then).count());
}

constexpr ClaimState kStates[] = {
    ClaimState::kClaiming, ClaimState::kTakingOver, ClaimState::kUncertain, ClaimState::kContesting,
    ClaimState::kPinning,  ClaimState::kFetching,   ClaimState::kWaiting,   ClaimState::kRunning,
    ClaimState::kDeciding, ClaimState::kDelivering, ClaimState::kHandedOn,  ClaimState::kLetGo,
};

using Entries = std::map<MigrationId, std::unique_ptr<Entry>>;

void add_states(Exposition& out, const Entries& entries, const Answers& answers) {
    std::map<ClaimState, int> states;
    std::map<WhyCode, int> reasons;
    for (const auto& [id, entry] : entries) {
        if (entry->record.claim > 0) {
            ++states[entry->record.state];
            reasons[answers.why_of(*entry).code] += is_open(entry->record.state) ? 1 : 0;
        }
    }
    out.family("shift_migrations", "gauge",
               "Migrations by their state here; finished ones for an hour.");
    for (const ClaimState state : kStates) {
        out.sample({{"state", claim_state_name(state)}}, states[state]);
    }
    out.family("shift_migrations_by_reason", "gauge",
               "Migrations this host has work with, by reason code (docs/troubleshooting.md).");
    for (const WhyEntry& why : why_table()) {
        out.sample({{"reason", why.name}}, reasons[why.code]);
    }
}

// One sample a running copy: few at a time, and gone with it.
void add_copies(Exposition& out, const Entries& entries, const Workers& workers) {
    const auto each = [&](const char* name, const char* help, const auto& value_of) {
        out.family(name, "gauge", help);
        for (const auto& [id, entry] : entries) {
            if (!entry->attempt) {
                continue;
            }
            const Migration& seen = entry->record.seen;
            if (const auto value = value_of(*entry)) {
                out.sample({{"migration", std::to_string(id)},
                            {"cluster", seen.cluster_name},
                            {"database", seen.database},
                            {"table", seen.table}},
                           static_cast<double>(*value));
            }
        }
    };
    each("shift_migration_rows_copied", "Rows copied so far, over all attempts.",
         [](const Entry& entry) { return entry.progress.rows; });
    each("shift_migration_copy_ratio", "Part of the table that is copied, 0 to 1.",
         [](const Entry& entry) {
             return entry.progress.percent ? std::optional(*entry.progress.percent / 100)
                                           : std::nullopt;
         });
    each("shift_migration_copy_rows_per_second", "Rows copied a second, lately.",
         [](const Entry& entry) { return entry.progress.rows_per_s; });
    each("shift_migration_eta_seconds", "When the copy will be done at this rate.",
         [](const Entry& entry) { return entry.progress.eta_s; });
    each("shift_migration_throttled", "1 while the copy is held back.",
         [](const Entry& entry) { return std::optional(entry.progress.throttle.empty() ? 0 : 1); });
    each("shift_worker_resident_memory_bytes", "Resident memory of the worker.",
         [&workers](const Entry& entry) {
             const auto bytes = workers.resident_bytes(entry.attempt->worker);
             return bytes > 0 ? std::optional(bytes) : std::nullopt;
         });
    each("shift_engine_resident_memory_bytes", "Resident memory of pt-online-schema-change.",
         [&workers](const Entry& entry) {
             const auto bytes = workers.resident_bytes(entry.attempt->engine_process);
             return bytes > 0 ? std::optional(bytes) : std::nullopt;
         });
}

void add_outbox(Exposition& out, const Entries& entries, WallTime now) {
    std::map<Lane, int> depth;
    std::map<Lane, double> age;
    for (const auto& [id, entry] : entries) {
        for (const OwedCall& call : entry->calls) {
            ++depth[call.lane];
            age[call.lane] = std::max(age[call.lane], seconds_since(call.created, now));
        }
    }
    out.family("shift_outbox_calls", "gauge", "Calls owed to the API.");
    for (const Lane lane : {Lane::kReport, Lane::kHandOn}) {
        out.sample({{"lane", lane_name(lane)}}, depth[lane]);
    }
    out.family("shift_outbox_oldest_age_seconds", "gauge", "Age of the oldest call owed.");
    for (const Lane lane : {Lane::kReport, Lane::kHandOn}) {
        out.sample({{"lane", lane_name(lane)}}, age[lane]);
    }
}

void add_counters(Exposition& out, const Metrics& metrics) {
    out.family("shift_rows_copied_total", "counter", "Rows that copies on this host copied.");
    out.sample({}, metrics.rows_copied);
    out.family("shift_throttle_seconds_total", "counter",
               "Time that copies were held back, by what held them.");
    for (const char* reason : {"replica-lag", "load", "paused", "other"}) {
        const auto found = metrics.throttle_seconds.find(reason);
        out.sample({{"reason", reason}},
                   found == metrics.throttle_seconds.end() ? 0 : found->second);
    }
    out.family("shift_attempts_total", "counter",
               "Attempts that ended, by step and outcome (none = the worker died).");
    for (const auto& [key, count] : metrics.attempts) {
        out.sample({{"step", key.first}, {"outcome", key.second}}, static_cast<double>(count));
    }
    out.family("shift_api_requests_total", "counter",
               "Calls of the API, by how they ended: ok, refused (an HTTP error), unreachable.");
    for (const char* result : {"ok", "refused", "unreachable"}) {
        const auto found = metrics.api_calls.find(result);
        out.sample({{"result", result}},
                   found == metrics.api_calls.end() ? 0 : static_cast<double>(found->second));
    }
    out.family("shift_api_request_duration_seconds", "histogram",
               "How long calls of the API took, answered or not.");
    out.histogram(metrics.api_seconds);
    out.family("shift_journal_commit_duration_seconds", "histogram",
               "How long the journal took to make a turn's changes durable.");
    out.histogram(metrics.commit_seconds);
    out.family("shift_control_requests_total", "counter", "Requests on the control socket.");
    out.sample({}, static_cast<double>(metrics.control_requests));
}

}  // namespace

std::string Answers::metrics() const {
    const WallTime now = registry_.clock().wall();
    Exposition out;
    out.family("shift_build_info", "gauge", "Version of the daemon.");
    out.sample({{"version", SHIFT_VERSION}, {"run_host", registry_.config().run_host}}, 1);
    out.family("shift_start_time_seconds", "gauge", "Start of the daemon, UNIX time.");
    out.sample({}, std::chrono::duration<double>(started_.time_since_epoch()).count());
    add_states(out, registry_.entries(), *this);
    add_copies(out, registry_.entries(), workers_);
    int running = 0;
    for (const auto& [id, entry] : registry_.entries()) {
        running += entry->attempt ? 1 : 0;
    }
    out.family("shift_attempts_running", "gauge", "Attempts that live.");
    out.sample({}, running);
    add_outbox(out, registry_.entries(), now);
    add_counters(out, registry_.metrics());
    out.family("shift_api_up", "gauge", "1 when the API answered the last call.");
    out.sample({}, upstream_.is_reachable() ? 1 : 0);
    out.family("shift_poll_age_seconds", "gauge",
               "Time since the API last listed staged migrations; since the start before that.");
    const WallTime polled = claimer_.last_poll();
    out.sample({}, seconds_since(polled == WallTime{} ? started_ : polled, now));
    out.family("shift_skipped_migrations", "gauge",
               "Listed migrations left alone: pinned elsewhere, unreadable, or without a slot.");
    out.sample({}, static_cast<double>(claimer_.problems().size()));
    out.family("shift_draining", "gauge", "1 while a drain or the stop file keeps work away.");
    out.sample({}, drain_.active() ? 1 : 0);
    out.family("shift_journal_failed", "gauge", "1 while the journal cannot be written.");
    out.sample({}, registry_.failure().empty() ? 0 : 1);
    out.family("process_resident_memory_bytes", "gauge", "Resident memory of the daemon.");
    out.sample({}, static_cast<double>(workers_.resident_bytes(identify_process(::getpid()))));
    return out.text();
}

}  // namespace shift
