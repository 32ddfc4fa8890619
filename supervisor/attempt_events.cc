// What a worker says, event by event: taken into the entry and the journal.

#include "supervisor/attempts.h"

namespace shift {
namespace {

constexpr Millis kProgressJournalInterval{5'000};

std::optional<std::int64_t> int_of(const Json& event, const char* key) {
    return get_int(event, key);
}
std::optional<double> double_of(const Json& event, const char* key) {
    const auto it = event.find(key);
    return it != event.end() && it->is_number() ? std::optional(it->get<double>()) : std::nullopt;
}

}  // namespace

void Attempts::on_event(Entry& entry, const Json& event) {
    AttemptRecord& attempt = *entry.attempt;
    attempt.last_seq = int_or(event, "seq", attempt.last_seq);
    const std::string kind = string_or(event, "event", "");
    if (kind == event::kProgress) {
        on_progress(entry, event);
        return;  // not worth a row each
    }
    registry_.touch_attempt(entry);
    Json detail = event;
    for (const char* key : {"seq", "at", "event"}) {
        detail.erase(key);
    }
    if (kind == event::kStarted) {
        attempt.worker = parse_process_identity(event);
    } else if (kind == event::kEngine) {
        attempt.engine_process = parse_process_identity(event);
    } else if (kind == event::kPhase) {
        entry.progress.phase = string_or(event, "phase", "");
        attempt.progress.phase = entry.progress.phase;
        entry.worker_waits.reset();
    } else if (kind == event::kWaiting) {
        on_waiting(entry, event);
    } else if (kind == event::kNoReturn) {
        entry.record.no_return = true;
        registry_.touch(entry);
    } else if (kind == event::kStats && !entry.disowned) {
        courier_.take_stats(entry, event);
    } else if (kind == event::kOutcome) {
        attempt.outcome = parse_outcome(string_or(event, "outcome", ""));
        attempt.reason = string_or(event, "reason", "");
        attempt.message = string_or(event, "message", "");
        if (const auto after = int_of(event, "retry_after_s")) {
            entry.retry_after = std::chrono::seconds(*after);
        }
        if (const auto evidence = event.find("evidence"); evidence != event.end()) {
            entry.last_evidence = *evidence;
        }
    }
    registry_.add_event(&entry, "worker", kind, detail, parse_iso_time(string_or(event, "at", "")));
}

void Attempts::on_waiting(Entry& entry, const Json& event) {
    const auto code = parse_why_code(string_or(event, "code", ""));
    if (!code) {
        entry.worker_waits.reset();  // it goes on, or waits for something newer than we are
        return;
    }
    Why why{*code, string_or(event, "text", ""), Json::object()};
    if (const auto evidence = event.find("evidence"); evidence != event.end()) {
        why.evidence = *evidence;
    }
    entry.worker_waits = std::move(why);
}

void Attempts::count_progress(Entry& entry, const Progress& before) {
    const auto now = registry_.clock().now();
    Metrics& metrics = registry_.metrics();
    const std::int64_t rows = entry.progress.rows.value_or(0) - before.rows.value_or(0);
    if (entry.first_rows && rows > 0) {
        metrics.rows_copied += static_cast<double>(rows);
    }
    if (entry.throttled_at != SteadyTime{}) {
        const std::string& reason = before.throttle_code;
        metrics.throttle_seconds[reason.empty() ? "other" : reason] +=
            std::chrono::duration<double>(now - entry.throttled_at).count();
    }
    entry.throttled_at = entry.progress.throttle.empty() ? SteadyTime{} : now;
}

void Attempts::on_progress(Entry& entry, const Json& event) {
    Progress& progress = entry.progress;
    const Progress before = progress;
    progress.percent = double_of(event, "percent");
    progress.rows = int_of(event, "rows");
    progress.rows_total = int_of(event, "rows_total");
    progress.rows_per_s = double_of(event, "rows_per_s");
    progress.eta_s = int_of(event, "eta_s");
    progress.phase = string_or(event, "phase", progress.phase);
    progress.throttle = string_or(event, "throttle", "");
    progress.throttle_code = string_or(event, "throttle_code", "");
    count_progress(entry, before);
    if (!entry.first_rows) {
        entry.first_rows = progress.rows;
    }
    const auto now = registry_.clock().now();
    if (now >= entry.progress_journal_due) {
        entry.progress_journal_due = now + kProgressJournalInterval;
        entry.attempt->progress = progress;
        registry_.touch_attempt(entry);
    }
}

}  // namespace shift
