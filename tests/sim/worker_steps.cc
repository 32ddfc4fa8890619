// What a worker does, step by step, as worker/steps/ does it: each point() is a boundary between an
// intent, its effect and its fact, where it may be killed.

#include <fmt/format.h>

#include "common/text.h"
#include "tests/sim/host.h"
#include "tests/sim/worker.h"

namespace shift::sim {
namespace {

constexpr Millis kLockPatience{4'000};
constexpr Millis kEngineTermPatience{10'000};

// The shape of a migration's table and of its copy; small tables can only be approved short.
std::int64_t rows_of(MigrationId id) {
    return id % 3 == 0 ? 500 : 50'000 + 1'000 * (id % 7);
}

}  // namespace

// -- what it knows at its start ---------------------------------------------------------------

void Worker::fold_history() {
    for (const Json& event : job_.history) {
        const std::string kind = string_or(event, "event", "");
        const std::string what = string_or(event, "what", "");
        const std::string state = string_or(event, "state", "done");
        if (kind == event::kNoReturn) {
            history_.no_return = true;
        } else if (kind == event::kIntent) {
            history_.shadow = history_.shadow || what == "shadow";
            history_.ddl = history_.ddl || what == "ddl";
            if (what == "final_insert") {
                history_.insert_intended = true;
                history_.insert_prepared = false;
            }
        } else if (kind == event::kFact) {
            if (what == "dropped") {
                history_.shadow = false;
            } else if (what == "ddl") {
                history_.ddl_happened = state == "done";
                history_.ddl = history_.ddl_happened;
            } else if (what == "final_insert") {
                history_.insert_intended = state != "run-again" && state != "not_done";
                history_.insert_prepared = history_.insert_prepared || state == "prepared";
                history_.insert_done =
                    history_.insert_done || state == "committed" || state == "done";
            }
        }
    }
}

// The newer of the local state file and the API's copy.
void Worker::load_state(const std::string& api_state) {
    auto local = parse_state_file(host_.files(job_.migration).state);
    auto api = parse_state_file(api_state);
    if (!local.ok() || !api.ok()) {
        if (local.ok() || api.ok()) {
            state_ = local.ok() ? *local : *api;
        }
        return;
    }
    const bool api_is_newer =
        api->claim != local->claim ? api->claim > local->claim : api->saved_at > local->saved_at;
    state_ = api_is_newer ? *api : *local;
}

void Worker::save_state(const std::string& step) {
    StateFile state;
    state.step = step;
    state.db = job_.database;
    state.orig_tbl = job_.table;
    state.copy_id = change().copy_id;
    state.tbl_progress = change().rows;
    state.claim = job_.claim;
    state.saved_at = iso_time(host_.clock().wall());
    host_.files(job_.migration).state = format_state_file(state);
    state_ = std::move(state);
}

Database::Change& Worker::change() {
    return world_.database.of(job_.migration);
}

bool Worker::has_lock() const {
    return world_.database.holds(job_.table, connection_);
}

Worker::Verdict Worker::retry(std::string reason, std::string message) {
    return {Outcome::kRetry, std::move(reason), std::move(message)};
}

// -- its life ---------------------------------------------------------------------------------

Script<int> Worker::live() {
    co_await sleep(world_.random.millis(20, 300));
    if (closed_) {
        leave(false);
        co_return 0;
    }
    Json started = to_json(identity_);
    say(event::kStarted, std::move(started));
    log_line(fmt::format("{} begins", step_name(job_.step)));
    co_await point();
    Verdict verdict = retry("lock_wait", "Lock wait timeout exceeded");
    if (!world_.random.chance(world_.profile.step_retries)) {
        verdict = co_await step();
    }
    if (verdict.outcome == Outcome::kFailed) {
        world_.checks.worker_failed(job_.migration);
    }
    log_line(outcome_name(verdict.outcome));
    say(event::kOutcome, {{"outcome", outcome_name(verdict.outcome)},
                          {"reason", verdict.reason},
                          {"message", verdict.message}});
    co_await point();
    leave(false);
    co_return 0;
}

Script<Worker::Verdict> Worker::step() {
    switch (job_.step) {
        case Step::kPrepare:
            return prepare();
        case Step::kRun:
            return job_.engine == "direct" ? direct() : copy();
        case Step::kRename:
            return rename();
        case Step::kPause:
            return pause();
        case Step::kCancel:
            return cancel();
    }
    return pause();
}

// -- what steps share -------------------------------------------------------------------------

Script<Worker::Maybe> Worker::take_lock() {
    for (Millis waited{0}; waited < kLockPatience; waited += Millis(500)) {
        if (!world_.database.up()) {
            co_return retry("database_unavailable", "Can't connect to MySQL server");
        }
        if (world_.database.lock(job_.table, connection_)) {
            co_return std::nullopt;
        }
        co_await sleep(Millis(500));
    }
    co_return retry("table_busy", "another connection holds the table's lock");
}

// A statement that an earlier attempt left in the server: killed or waited for, never ignored.
Script<Worker::Maybe> Worker::end_old_statement(bool kill) {
    while (change().statement) {
        if (!world_.database.up()) {
            co_return retry("database_unavailable", "Can't connect to MySQL server");
        }
        if (kill && world_.random.chance(0.8)) {
            change().statement_killed = true;
        }
        co_await sleep(Millis(200));
    }
    co_return std::nullopt;
}

// Where the server has no XA: what a crash leaves in doubt only people can tell.
Script<Worker::Maybe> Worker::plain_insert() {
    if (history_.insert_intended) {
        co_return Verdict{Outcome::kUndecided, "final_insert_unknown",
                          "table WAS changed: final insert result unknown"};
    }
    say(event::kIntent, {{"what", "final_insert"}, {"mode", "plain"}});
    co_await point();
    if (!has_lock()) {
        say(event::kFact, {{"what", "final_insert"}, {"state", "not_done"}});
        co_return retry("lost_connection", "Lost connection before the final insert");
    }
    ++change().inserts;
    co_await point();
    say(event::kFact, {{"what", "final_insert"}, {"state", "committed"}});
    co_return std::nullopt;
}

// In an XA transaction, so that a crash at any point is told apart afterwards.
Script<Worker::Maybe> Worker::final_insert() {
    if (job_.final_insert.empty() || history_.insert_done) {
        co_return std::nullopt;
    }
    if (job_.migration % 4 == 1) {
        const Maybe wrong = co_await plain_insert();
        co_return wrong;
    }
    Database::Change& now = change();
    if (!now.insert_prepared && history_.insert_prepared) {
        say(event::kFact, {{"what", "final_insert"}, {"state", "committed"}});
        co_return std::nullopt;
    }
    if (!now.insert_prepared) {
        say(event::kIntent, {{"what", "final_insert"}, {"mode", "xa"}});
        co_await point();
        if (!has_lock()) {
            co_return retry("lost_connection", "Lost connection during the final insert");
        }
        if (world_.random.chance(world_.profile.step_fails)) {
            co_return Verdict{Outcome::kFailed, "final_insert_failed",
                              "table WAS changed: final insert failed: Unknown column"};
        }
        now.insert_prepared = true;
        co_await point();
    }
    say(event::kFact, {{"what", "final_insert"}, {"state", "prepared"}});
    co_await point();
    if (!has_lock()) {
        co_return retry("lost_connection", "Lost connection during the final insert");
    }
    now.insert_prepared = false;
    ++now.inserts;
    co_await point();
    say(event::kFact, {{"what", "final_insert"}, {"state", "committed"}});
    co_return std::nullopt;
}

// Everything after the change of the table.
Script<Worker::Verdict> Worker::finish_changed() {
    if (change().swaps > 0) {
        if (!history_.no_return) {
            say(event::kNoReturn, {{"what", "swap"}});
        }
        co_await point();
        change().triggers = false;
    }
    const Maybe wrong = co_await final_insert();
    if (wrong) {
        co_return *wrong;
    }
    say(event::kStats, {{"when", "end"}, {"table_rows", rows_of(job_.migration)}});
    co_await point();
    co_return Verdict{Outcome::kCompleted};
}

// A cancel or pause that came after the change.
Script<Worker::Verdict> Worker::finish_late() {
    log_line("too late: the table was changed already");
    if (change().ddls > 0) {
        say(event::kFact, {{"what", "ddl"}, {"state", "done"}});
        say(event::kNoReturn, {{"what", "ddl"}});
    }
    const Verdict verdict = co_await finish_changed();
    co_return verdict;
}

// Whether what is there is known to be this migration's; if so it is gone afterwards.
bool Worker::drop_ours() {
    Database::Change& now = change();
    // (After a takeover a person drops what nothing says this migration made.)
    const bool by_hand = world_.checks.was_taken_over(job_.migration);
    if ((now.shadow || now.triggers) && !history_.shadow && !state_ && !by_hand) {
        world_.checks.violation("state",
                                fmt::format("migration {}: attempt {} on {} does not know the "
                                            "shadow table to be its own",
                                            job_.migration, job_.attempt, host_.name()));
        return false;
    }
    now.shadow = false;
    now.triggers = false;
    now.copied = false;
    now.rows = 0;
    return true;
}

// -- prepare, pause, cancel -------------------------------------------------------------------

Script<Worker::Verdict> Worker::prepare() {
    say(event::kPhase, {{"phase", "dry-run"}});
    co_await sleep(world_.random.millis(100, 3'000));
    if (!world_.database.up()) {
        co_return retry("database_unavailable", "Can't connect to MySQL server");
    }
    if (world_.random.chance(world_.profile.step_fails)) {
        co_return Verdict{Outcome::kFailed, "refused", "the table has no unique key"};
    }
    say(event::kStats, {{"when", "start"}, {"table_rows", rows_of(job_.migration)}});
    co_await point();
    co_return Verdict{Outcome::kPrepared};
}

Script<Worker::Verdict> Worker::pause() {
    co_await point();
    const Maybe wrong = co_await end_old_statement(true);
    if (wrong) {
        co_return *wrong;
    }
    if (history_.ddl || history_.no_return) {
        const Maybe busy = co_await take_lock();
        if (busy) {
            co_return *busy;
        }
        if (change().changed()) {
            const Verdict verdict = co_await finish_late();
            co_return verdict;
        }
    }
    co_return Verdict{Outcome::kPaused};
}

Script<Worker::Verdict> Worker::cancel() {
    Maybe wrong = co_await end_old_statement(true);
    if (!wrong) {
        wrong = co_await take_lock();
    }
    if (wrong) {
        co_return *wrong;
    }
    co_await point();
    if (!has_lock()) {
        co_return retry("lost_connection", "Lost connection during the clean-up");
    }
    if (change().changed()) {
        const Verdict verdict = co_await finish_late();
        co_return verdict;
    }
    if (!drop_ours()) {
        co_return retry("error", "a table of that name is not ours");
    }
    say(event::kFact, {{"what", "dropped"}});
    co_await point();
    co_return Verdict{Outcome::kCancelled};
}

// -- copy -------------------------------------------------------------------------------------

Script<int> Worker::run_engine() {
    Database::Change& now = change();
    co_await engine_sleep(world_.random.millis(50, 600));
    now.shadow = true;
    now.triggers = true;
    while (now.rows < now.rows_total) {
        Millis pause = world_.random.millis(100, 1'500);
        if (world_.random.chance(0.02)) {
            pause = world_.random.millis(1'000, 60'000);  // throttled
        }
        for (; pause > Millis(0) && !engine_.terminated; pause -= Millis(500)) {
            co_await engine_sleep(std::min(pause, Millis(500)));
        }
        if (engine_.terminated) {
            co_await engine_sleep(world_.random.millis(50, 2'500));
            engine_.alive.reset();
            co_return 0;
        }
        if (world_.database.up()) {
            now.rows = std::min(now.rows_total, now.rows + now.rows_total / 12 + 1);
        }
    }
    now.copied = true;
    engine_.reached_end = true;
    engine_.alive.reset();
    co_return 0;
}

void Worker::start_engine() {
    engine_.identity = {world_.next_pid(), 1, host_.boot_id()};
    engine_.alive = std::make_shared<const bool>(true);
    engine_.stubborn = world_.random.chance(world_.profile.stubborn);
    engine_.terminated = false;
    engine_.reached_end = false;
    engine_.script = run_engine();
    engine_.script.start();
}

// TERM, then KILL; true when the copy had reached its end all the same.
Script<bool> Worker::stop_engine() {
    engine_.terminated = !engine_.stubborn;
    for (Millis waited{0}; engine_is_alive() && waited < kEngineTermPatience;
         waited += Millis(250)) {
        co_await sleep(Millis(250));
    }
    engine_dies();
    co_return engine_.reached_end;
}

Script<Worker::Verdict> Worker::finish_copy() {
    co_await point();
    if (!has_lock()) {
        const Maybe busy = co_await take_lock();
        if (busy) {
            co_return *busy;
        }
    }
    save_state("copied");
    co_await point();
    say(event::kFact, {{"what", "copied"}});
    co_await point();
    co_return Verdict{Outcome::kCopied};
}

Script<Worker::Verdict> Worker::watch_engine() {
    const double breaks = world_.profile.copy_errors / 10;
    for (;;) {
        co_await sleep(Millis(500));
        const Database::Change& now = change();
        if (engine_.reached_end) {
            break;
        }
        if (!engine_is_alive()) {
            co_return retry("engine_killed", "pt-online-schema-change died");
        }
        if (!stop_.empty()) {
            const bool copied = co_await stop_engine();
            if (copied) {
                break;
            }
            save_state("copy");
            co_return Verdict{Outcome::kStopped, "", "stopped on request"};
        }
        if (!has_lock()) {
            const bool copied = co_await stop_engine();
            save_state(copied ? "copied" : "copy");
            co_return retry("lock_lost", "copy stopped: the lock was lost");
        }
        say(event::kProgress,
            {{"percent", 100.0 * static_cast<double>(now.rows) /
                             static_cast<double>(std::max<std::int64_t>(now.rows_total, 1))},
             {"rows", now.rows},
             {"rows_total", now.rows_total}});
        log_line(fmt::format("Copying: {} rows", now.rows));
        save_state("copy");
        if (world_.random.chance(breaks)) {
            (void)co_await stop_engine();
            save_state("copy");
            co_return Verdict{Outcome::kError, "engine_failed", "pt-online-schema-change died"};
        }
    }
    const Verdict verdict = co_await finish_copy();
    co_return verdict;
}

Script<Worker::Verdict> Worker::copy() {
    Maybe wrong = co_await end_old_statement(true);
    if (!wrong) {
        wrong = co_await take_lock();
    }
    if (wrong) {
        co_return *wrong;
    }
    co_await point();
    if (!stop_.empty()) {
        co_return Verdict{Outcome::kStopped, "", "stopped before the copy began"};
    }
    Database::Change& now = change();
    const bool goes_on = state_ && now.shadow && now.triggers && state_->copy_id == now.copy_id;
    if (goes_on && state_->step == "copied" && now.copied) {
        const Verdict again = co_await finish_copy();
        co_return again;
    }
    if (!has_lock()) {
        co_return retry("lost_connection", "Lost connection before the copy");
    }
    if (!goes_on) {
        if (!drop_ours()) {
            co_return Verdict{Outcome::kError, "shadow_name_taken", "the shadow table exists"};
        }
        now.copy_id = fmt::format("{:08x}", world_.random.next() >> 32U);
        now.rows_total = rows_of(job_.migration);
        now.rows = 0;
    }
    now.copied = false;
    say(event::kIntent, {{"what", "shadow"}});
    say(event::kIntent, {{"what", "triggers"}});
    save_state("create");
    co_await point();
    start_engine();
    Json engine = to_json(engine_.identity);
    say(event::kEngine, std::move(engine));
    const Verdict verdict = co_await watch_engine();
    co_return verdict;
}

// -- direct -----------------------------------------------------------------------------------

Script<Worker::Verdict> Worker::direct() {
    Maybe wrong = co_await end_old_statement(false);
    if (!wrong) {
        wrong = co_await take_lock();
    }
    if (wrong) {
        co_return *wrong;
    }
    Database::Change& now = change();
    const bool happened = history_.no_return || history_.ddl_happened;
    if (!happened && !(history_.ddl && now.ddls > 0)) {
        if (world_.random.chance(world_.profile.step_fails)) {
            co_return Verdict{Outcome::kFailed, "ddl_failed",
                              "the statement failed, nothing was changed"};
        }
        say(event::kIntent, {{"what", "ddl"}});
        co_await point();
        if (is_urgent()) {
            say(event::kFact, {{"what", "ddl"}, {"state", "not_done"}});
            co_return Verdict{Outcome::kStopped, "", "stopped before the statement was run"};
        }
        if (!has_lock()) {
            co_return retry("lost_connection", "Lost connection before the statement");
        }
        if (!world_.database.run_ddl(job_.migration, world_.random.millis(100, 8'000))) {
            world_.checks.violation("table", "a second statement beside an earlier attempt's");
        }
        while (now.statement) {
            co_await sleep(Millis(200));
            now.statement_killed = now.statement_killed || (is_urgent() && now.statement);
        }
        if (now.ddls == 0) {
            say(event::kFact, {{"what", "ddl"}, {"state", "not_done"}});
            if (is_urgent()) {
                co_return Verdict{Outcome::kStopped, "", "the statement was stopped"};
            }
            co_return retry("lost_connection", "the statement was killed");
        }
    }
    if (!happened) {
        co_await point();
        say(event::kFact, {{"what", "ddl"}, {"state", "done"}});
        say(event::kNoReturn, {{"what", "ddl"}});
    }
    co_await point();
    const Verdict verdict = co_await finish_changed();
    co_return verdict;
}

// -- rename -----------------------------------------------------------------------------------

Script<Worker::Verdict> Worker::rename() {
    Maybe wrong = co_await end_old_statement(true);
    if (!wrong) {
        wrong = co_await take_lock();
    }
    if (wrong) {
        co_return *wrong;
    }
    Database::Change& now = change();
    if (now.swaps == 0) {
        if (!now.shadow || !now.triggers || !now.copied || (!history_.shadow && !state_)) {
            world_.checks.violation(
                "state", fmt::format("migration {}: attempt {} on {} has nothing to swap",
                                     job_.migration, job_.attempt, host_.name()));
            (void)drop_ours();
            co_return Verdict{Outcome::kFailed, "shadow_missing", "the new table is not there"};
        }
        save_state("rename");
        say(event::kIntent, {{"what", "swap"}});
        co_await point();
        if (is_urgent()) {
            co_return Verdict{Outcome::kStopped, "", "stopped before the swap"};
        }
        if (!has_lock()) {
            co_return retry("lost_connection", "Lost connection before the swap");
        }
        ++now.swaps;
        now.shadow = false;
        co_await point();
        say(event::kNoReturn, {{"what", "swap"}});
        history_.no_return = true;
    }
    co_await point();
    const Verdict verdict = co_await finish_changed();
    co_return verdict;
}

}  // namespace shift::sim
