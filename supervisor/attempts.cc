// Happy path: wait() finds a slot -> start(): the attempt's row is committed -> spawn() -> follow()
// reads events every tick -> both locks free -> finish() reads the last events and concludes.
// Failure: a worker that dies without an outcome, or is never started, ends the same way, with no
// outcome; core/conclusion.cc decides what that means for each step.

#include "supervisor/attempts.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

#include "common/state_file.h"
#include "common/test_points.h"
#include "common/trouble.h"

namespace shift {
namespace {

// The stop ladder: ask over worker.sock, TERM, KILL. A worker stops pt-osc within 10 s of being
// asked and KILLs it then; one that waits for the end of a server statement needs longer.
constexpr Millis kTermAfter{30'000};
constexpr Millis kKillAfter{60'000};
constexpr Millis kAskAgainAfter{3'000};
// An engine whose worker died got TERM by its parent-death signal; this long before KILL.
constexpr Millis kOrphanKillAfter{10'000};

bool sent_ddl(const Json& history) {
    return std::any_of(history.begin(), history.end(), [](const Json& event) {
        const std::string what = string_or(event, "what", "");
        return what == "ddl" || what == "swap" || what == "trash";
    });
}

}  // namespace

void Attempts::advance(Entry& entry) {
    if (entry.attempt) {
        follow(entry);
        return;
    }
    switch (entry.record.state) {
        case ClaimState::kWaiting:
            wait(entry);
            break;
        case ClaimState::kRunning:
            // Running without an attempt: it was disowned, or the journal lost nothing but time.
            registry_.set_state(entry, entry.disowned ? ClaimState::kLetGo : ClaimState::kWaiting,
                                entry.record.reason, entry.record.why);
            break;
        case ClaimState::kSeen:
        case ClaimState::kClaiming:
        case ClaimState::kUncertain:
        case ClaimState::kTakingOver:
        case ClaimState::kContesting:
        case ClaimState::kPinning:
        case ClaimState::kFetching:
        case ClaimState::kDeciding:
        case ClaimState::kDelivering:
        case ClaimState::kHandedOn:
        case ClaimState::kLetGo:
            break;
    }
}

bool Attempts::held_by_drain(const Entry& entry) const {
    return drain_.active && is_copy(entry.record.seen, *entry.record.step);
}

void Attempts::wait(Entry& entry) {
    CHECK(entry.record.step.has_value(), "a waiting entry without a step");
    if (held_by_drain(entry)) {
        if (drain_.keep) {
            registry_.set_reason(entry, "drained, kept pinned to this host", WhyCode::kDrained);
            return;
        }
        Conclusion offer;
        offer.next = Conclusion::Next::kHandOn;
        offer.transition = CallKind::kOffer;
        offer.deliver_state = true;
        apply(entry, offer);
        return;
    }
    if (registry_.clock().now() < entry.wait_until) {
        return;
    }
    const Step step = *entry.record.step;
    const std::string waits =
        waits_for_slot(claimer_.slots(entry), is_copy(entry.record.seen, step), step);
    if (!waits.empty()) {
        registry_.set_reason(entry, waits, WhyCode::kWaitingForSlot);
        return;
    }
    if (!claimer_.is_confirmed(entry)) {
        return;
    }
    if (lacks_state_file(entry)) {
        registry_.set_state(entry, ClaimState::kFetching);
        return;
    }
    start(entry);
}

// The API's copy is in memory only and gone after a restart; without it a worker would not know
// what other hosts made. Not needed once a worker of this claim has saved its own.
bool Attempts::lacks_state_file(const Entry& entry) {
    if (entry.api_state_file || !needs_state_file(entry.record)) {
        return false;
    }
    const auto own = parse_state_file(workers_.state_file(entry.record.id));
    return !own.ok() || own->claim != entry.record.claim;
}

Result<Job> Attempts::job_of(const Entry& entry) {
    const Config& config = registry_.config();
    const Migration& seen = entry.record.seen;
    Job job;
    job.migration = entry.record.id;
    job.claim = entry.record.claim;
    job.attempt = entry.record.attempt;
    job.step = *entry.record.step;
    job.run_host = config.run_host;
    job.host = seen.host;
    job.port = seen.port;
    job.database = seen.database;
    job.table = seen.table;
    job.mode = seen.mode.value_or(Mode::kTable);
    job.action = seen.action.value_or(Action::kAlter);
    job.runtype = seen.runtype;
    job.ddl_statement = seen.ddl_statement;
    job.final_insert = seen.final_insert;
    auto options = parse_custom_options(seen.custom_options);
    const bool works = job.step == Step::kPrepare || job.step == Step::kRun;
    if (!options.ok() && works) {
        return std::move(options).error().within("custom_options");
    }
    if (options.ok()) {
        job.options = std::move(*options);
    }
    job.engine = job.options.engine.empty() ? config.engine : job.options.engine;
    const bool alters = job.action == Action::kAlter && job.mode == Mode::kTable;
    if (is_direct(seen, job.step) || (job.step == Step::kPrepare && !alters)) {
        job.engine = "direct";
    }
    job.pt_osc_path = config.pt_osc_path;
    job.pt_osc_flavour = config.pt_osc_flavour;
    job.lhm_settings = config.lhm;
    job.enable_trash = config.enable_trash;
    job.pending_drops_db = config.pending_drops_db;
    job.ddl_timeout = std::chrono::duration_cast<std::chrono::seconds>(config.ddl_timeout);
    job.direct_rows_max = config.direct_rows_max;
    job.tries = entry.record.tries + 1;
    if (!planted_bug("lose-history")) {
        job.history = registry_.history(entry.record.id);
    }
    return job;
}

// A step that cannot even be started for a reason that will not go away by itself.
void Attempts::refuse_step(Entry& entry, const std::string& why) {
    Conclusion refusal;
    refusal.next = Conclusion::Next::kHandOn;
    // A copy may exist already: it can be resumed with better options, or cancelled and cleaned up.
    refusal.transition = *entry.record.step == Step::kRun ? CallKind::kError : CallKind::kFail;
    refusal.message = why;
    apply(entry, refusal);
}

void Attempts::start(Entry& entry) {
    MigrationRecord& record = entry.record;
    const Step step = *record.step;
    if (const std::string missing = missing_for_step(record.seen, step); !missing.empty()) {
        refuse_step(entry, fmt::format("the API gave no usable {} for this migration", missing));
        return;
    }
    record.attempt = registry_.next_attempt_id();
    auto job = job_of(entry);
    if (!job.ok()) {
        refuse_step(entry, job.error().message);
        return;
    }
    AttemptRecord attempt;
    attempt.id = record.attempt;
    attempt.migration = record.id;
    attempt.claim = record.claim;
    attempt.step = step;
    attempt.engine = job->engine;
    attempt.tries = record.tries + 1;
    attempt.started = registry_.clock().wall();
    entry.attempt = std::move(attempt);
    Progress kept;  // of a copy that goes on, until the worker says where it is
    if (attempt.step == Step::kRun) {
        kept.percent = entry.progress.percent;
        kept.rows = entry.progress.rows;
        kept.rows_total = entry.progress.rows_total;
    }
    entry.progress = kept;
    entry.first_rows.reset();
    entry.retry_after.reset();
    entry.worker_waits.reset();
    entry.last_evidence = nullptr;
    entry.throttled_at = {};
    entry.stop_reason.clear();
    entry.percent_told = -1;
    registry_.touch_attempt(entry);
    registry_.set_state(entry, ClaimState::kRunning);
    registry_.add_event(&entry, "supervisor", "spawn_intended", {{"step", step_name(step)}});
    registry_.then([this, id = record.id, job = std::move(*job)] {
        Entry* found = registry_.find(id);
        if (found == nullptr || !found->attempt || found->attempt->id != job.attempt) {
            return;
        }
        auto spawned = workers_.spawn(job, found->api_state_file.value_or(""));
        if (spawned.ok()) {
            found->attempt->worker = *spawned;
            registry_.log().info("spawned", {{"migration", id},
                                             {"attempt", job.attempt},
                                             {"step", step_name(job.step)},
                                             {"engine", job.engine},
                                             {"pid", spawned->pid}});
            registry_.add_event(found, "supervisor", "spawned", {{"pid", spawned->pid}});
        } else {
            found->attempt->message = spawned.error().message;
            registry_.log().error("spawn_failed",
                                  {{"migration", id}, {"error", spawned.error().message}});
        }
        registry_.touch_attempt(*found);
    });
}

void Attempts::follow(Entry& entry) {
    for (const Json& event : workers_.new_events(*entry.attempt)) {
        on_event(entry, event);
    }
    auto life = workers_.look(*entry.attempt);
    const bool over = life == Workers::Life::kOrphanEngine
                          ? planted_bug("ignore-engine")
                          : entry.attempt->outcome && planted_bug("end-early");
    if (over) {
        life = Workers::Life::kDead;
    }
    switch (life) {
        case Workers::Life::kAlive:
            stop_if_wanted(entry);
            courier_.gather_reports(entry, workers_);
            return;
        case Workers::Life::kOrphanEngine:
            end_orphan_engine(entry);
            return;
        case Workers::Life::kDead:
            break;
    }
    // While a newer claim of it is on its way, that claim decides what the end means.
    const ClaimState state = entry.record.state;
    if (state != ClaimState::kRunning && state != ClaimState::kWaiting) {
        return;
    }
    // Dead is final: what it wrote last is complete now.
    for (const Json& event : workers_.new_events(*entry.attempt)) {
        on_event(entry, event);
    }
    finish(entry);
}

void Attempts::stop_if_wanted(Entry& entry) {
    const AttemptRecord& attempt = *entry.attempt;
    std::string wanted;
    if (entry.disowned) {
        wanted = "drain";
    } else if (entry.record.state == ClaimState::kWaiting &&
               (entry.record.step == Step::kPause || entry.record.step == Step::kCancel)) {
        wanted = step_name(*entry.record.step);  // a newer claim waits for this attempt to end
    } else if (drain_.active && attempt.step == Step::kRun &&
               is_copy(entry.record.seen, attempt.step)) {
        wanted = "drain";
        if (!drain_.keep && !entry.record.release) {
            entry.record.release = true;
            registry_.touch(entry);
        }
    }
    if (!wanted.empty() && wanted != entry.stop_reason) {
        entry.stop_reason = wanted;
        entry.stop_since = registry_.clock().now();
        entry.stop_rung = StopRung::kAsk;
        entry.ask_due = {};
        registry_.add_event(&entry, "supervisor", "stop_asked", {{"reason", wanted}});
    }
    if (!entry.stop_reason.empty()) {
        climb_stop_ladder(entry);
    }
}

void Attempts::climb_stop_ladder(Entry& entry) {
    const auto asked_for = registry_.clock().now() - entry.stop_since;
    const auto act = [this, id = entry.record.id](auto effect) {
        registry_.then([this, id, effect] {
            Entry* found = registry_.find(id);
            if (found != nullptr && found->attempt) {
                effect(*found);
            }
        });
    };
    if (asked_for < kTermAfter) {
        // Asked again every few seconds: the worker may not have had its socket yet.
        if (registry_.clock().now() >= entry.ask_due) {
            entry.ask_due = registry_.clock().now() + kAskAgainAfter;
            act([this](Entry& found) { workers_.ask_to_stop(*found.attempt, found.stop_reason); });
        }
        return;
    }
    // A direct statement is the server's by now: its worker is asked, never killed for it.
    if (entry.attempt->engine == "direct") {
        return;
    }
    if (entry.stop_rung == StopRung::kAsk) {
        entry.stop_rung = StopRung::kTerm;
        registry_.log().warn("stop_term", {{"migration", entry.record.id}});
        act([this](Entry& found) { workers_.signal(found.attempt->worker, SIGTERM); });
    } else if (entry.stop_rung == StopRung::kTerm && asked_for >= kKillAfter) {
        entry.stop_rung = StopRung::kKill;
        registry_.log().warn("stop_kill", {{"migration", entry.record.id}});
        act([this](Entry& found) { workers_.signal(found.attempt->worker, SIGKILL); });
    }
}

void Attempts::end_orphan_engine(Entry& entry) {
    const auto now = registry_.clock().now();
    const ProcessIdentity engine = entry.attempt->engine_process;
    if (entry.orphan_since == SteadyTime{}) {
        entry.orphan_since = now;
        registry_.log().warn("orphan_engine",
                             {{"migration", entry.record.id}, {"pid", engine.pid}});
        registry_.add_event(&entry, "supervisor", "orphan_engine", {{"pid", engine.pid}});
        registry_.then([this, engine] { workers_.signal(engine, SIGTERM); });
    } else if (now - entry.orphan_since > kOrphanKillAfter) {
        entry.orphan_since = now;
        registry_.then([this, engine] { workers_.signal(engine, SIGKILL); });
    }
}

void Attempts::finish(Entry& entry) {
    AttemptRecord& attempt = *entry.attempt;
    if (planted_bug("lose-outcome")) {
        attempt.outcome.reset();
    }
    if (const std::string how = workers_.death_of(attempt);
        !attempt.outcome && attempt.message.empty() && !how.empty()) {
        attempt.message = trouble_of(attempt.outcome, "") + " (" + how + ")";
    }
    AttemptEnd end;
    end.step = attempt.step;
    end.direct = attempt.engine == "direct" && attempt.step == Step::kRun;
    end.ddl_sent = sent_ddl(registry_.history(entry.record.id));
    end.started = attempt.worker.pid != 0 || attempt.outcome.has_value();
    end.waits = entry.waits;
    end.outcome = attempt.outcome;
    end.reason = attempt.reason;
    end.message = attempt.message;
    end.retry_after = entry.retry_after;
    attempt.progress = entry.progress;
    attempt.ended = true;
    attempt.ended_at = registry_.clock().wall();
    registry_.touch_attempt(entry);
    entry.orphan_since = {};
    entry.worker_waits.reset();
    if (attempt.outcome != Outcome::kStopped) {
        entry.last_error = trouble_of(attempt.outcome, attempt.message);
    }
    const char* outcome = attempt.outcome ? outcome_name(*attempt.outcome) : "none";
    ++registry_.metrics().attempts[{step_name(attempt.step), outcome}];
    registry_.add_event(&entry, "supervisor", "ended",
                        {{"outcome", outcome}, {"message", attempt.message}});
    registry_.log().info("ended", {{"migration", entry.record.id},
                                   {"attempt", attempt.id},
                                   {"outcome", outcome},
                                   {"text", attempt.message}});
    registry_.then([this, closed = attempt] { workers_.close(closed); });
    if (entry.disowned) {
        registry_.set_state(entry, ClaimState::kLetGo, entry.record.reason, entry.record.why);
        return;
    }
    // attempts_max is for trouble that stays; a copy that got on is not at the end of its tries.
    if (entry.first_rows && entry.progress.rows.value_or(0) > *entry.first_rows) {
        entry.record.tries = 0;
        registry_.touch(entry);
    }
    const Config& config = registry_.config();
    const RetryPolicy policy{config.attempts_max, config.retry_backoff_min,
                             config.retry_backoff_max};
    apply(entry,
          conclude(end, *entry.record.step, entry.record.tries, entry.record.release, policy));
}

void Attempts::apply(Entry& entry, const Conclusion& conclusion) {
    MigrationRecord& record = entry.record;
    switch (conclusion.next) {
        case Conclusion::Next::kHandOn:
        case Conclusion::Next::kNothing:
            courier_.owe_hand_on(entry, conclusion, workers_);
            registry_.set_state(entry, ClaimState::kDelivering);
            return;
        case Conclusion::Next::kStartStep:
            record.tries = 0;
            entry.waits = 0;
            entry.wait_until = {};
            registry_.set_state(entry, ClaimState::kWaiting);
            return;
        case Conclusion::Next::kRetry:
            record.tries += conclusion.counts ? 1 : 0;
            entry.waits = conclusion.counts ? 0 : entry.waits + 1;
            record.next_try = registry_.clock().wall() + conclusion.delay;
            entry.wait_until = registry_.clock().now() + conclusion.delay;
            registry_.set_state(entry, ClaimState::kWaiting, conclusion.reason, conclusion.why);
            return;
        case Conclusion::Next::kDecide:
            record.next_try = {};
            entry.wait_until = {};
            registry_.set_state(entry, ClaimState::kDeciding, conclusion.reason, conclusion.why);
            courier_.owe_log(entry);  // people who only see the API find it there
            return;
    }
}

void Attempts::decide_final_insert(Entry& entry, bool done, const Json& by) {
    CHECK(entry.record.state == ClaimState::kDeciding, "nothing to decide");
    // As the worker's own facts: the next attempt finds it in its job's history.
    Json fact = {{"what", "final_insert"}, {"state", done ? "done" : "run-again"}};
    fact.update(by);
    registry_.add_event(&entry, "operator", event::kFact, fact);
    entry.record.tries = 0;
    registry_.set_state(entry, ClaimState::kWaiting);
}

}  // namespace shift
