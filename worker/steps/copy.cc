#include <fmt/format.h>

#include "common/ddl.h"
#include "common/text.h"
#include "worker/alter_words.h"
#include "worker/leftovers.h"
#include "worker/mysql/errors.h"
#include "worker/names.h"
#include "worker/osc/copy_progress.h"
#include "worker/osc/osc_outcome.h"
#include "worker/osc/osc_run.h"
#include "worker/state.h"
#include "worker/steps/preflight.h"
#include "worker/steps/steps.h"
#include "worker/timed_statement.h"

// Status 3, long: pt-osc copies up to the swap and leaves shadow table and triggers in place.
//
// Happy path: stop what earlier attempts left, take the database lock, drop our old triggers and
// shadow (a copy that broke off starts over), announce the names, run the tool, look at the server,
// count rows where a unique key could have swallowed some, fact "copied".
// Trouble: the lock is lost or a stop is asked for - the tool gets TERM and keeps everything; the
// tool dies - `error` with its real reason and everything kept, or `retry` when someone killed it
// or the server went away.

namespace shift {
namespace {

constexpr std::chrono::milliseconds kProgressEvery{1000};
constexpr std::chrono::seconds kStateEvery{2};
constexpr std::chrono::hours kCountTimeout{24};
constexpr std::size_t kTriggerCount = 3;

Verdict copy_error(std::string reason, std::string message) {
    return Verdict{Outcome::kError, std::move(reason), std::move(message), 0};
}

StateFile fresh_state(const Context& context, const OscPlan& plan) {
    StateFile state;
    state.step = "create";
    state.mig_tbl = plan.shadow;
    state.orig_tbl = context.table;
    state.db = context.db();
    state.triggers = osc_trigger_names(context.db(), context.table);
    state.alter_hash = fingerprint(plan.alter);
    return state;
}

// Something has one of our names but is not known to be ours: a user's, never dropped.
Result<std::optional<Verdict>> check_names_free(Context& context, const OscPlan& plan,
                                                const TableFacts& facts) {
    ASSIGN_OR_RETURN(const bool taken, is_foreign_table(context, plan.shadow));
    if (taken) {
        return std::optional(copy_error(
            "shadow_name_taken",
            fmt::format("{}.{} exists and nothing says that this migration made it: drop it, then "
                        "resume",
                        context.db(), plan.shadow)));
    }
    return preflight_copy(context, facts);
}

// Watches one copy: progress once a second, the state file every two, the lock's session always.
class CopyWatch {
  public:
    CopyWatch(Context& context, StateFile state, std::int64_t rows_estimate)
        : context_(context),
          state_(std::move(state)),
          progress_(context.clock.now(), rows_estimate) {}

    void on_line(const OscLine& line) {
        progress_.add(line, context_.clock.now());
        if (line.kind == OscLineKind::kCreatedTriggers) {
            state_.step = "triggers";
            is_dirty_ = true;
        } else if (line.kind == OscLineKind::kApproxRows) {
            state_.step = "copy";
            context_.reporter.phase("copy");
            is_dirty_ = true;
        }
    }
    Status on_tick() {
        RETURN_IF_ERROR(context_.database.keep_alive());
        const SteadyTime now = context_.clock.now();
        if (state_.step == "copy" && now - last_progress_ >= kProgressEvery) {
            last_progress_ = now;
            report(now);
        }
        if (is_dirty_ && now - last_state_ >= kStateEvery) {
            save();
        }
        return Ok{};
    }
    void finish() {
        progress_.finish();
        report(context_.clock.now());
    }
    void save() {
        last_state_ = context_.clock.now();
        is_dirty_ = false;
        save_state(context_, state_);
    }
    StateFile& state() { return state_; }

  private:
    void report(SteadyTime now) {
        const Progress progress = progress_.at(now);
        if (progress.rows != state_.tbl_progress) {
            state_.tbl_progress = progress.rows;
            is_dirty_ = true;
        }
        context_.reporter.progress(progress);
    }

    Context& context_;
    StateFile state_;
    CopyProgress progress_;
    SteadyTime last_progress_{};
    SteadyTime last_state_{};
    bool is_dirty_ = true;
};

Result<Verdict> verdict_of_failed_copy(Context& context, const OscRun& run) {
    const OscJudgement judgement = judge_copy(run.exit, run.summary);
    const std::string message = "pt-online-schema-change died: " + judgement.reason;
    const bool server_is_there =
        context.database.keep_alive().ok() && context.database.holds_lock();
    switch (judgement.verdict) {
        case OscVerdict::kTerminated:
            return retry("engine_killed", message);
        case OscVerdict::kConnection: {
            // Only the tool's session gone: somebody killed it, and a person should know.
            auto locked = context.database.locked();
            if (server_is_there && locked.ok() && (*locked)->ping().ok()) {
                return copy_error("lost_connection", message);
            }
            return retry("lost_connection", message);
        }
        case OscVerdict::kLockWait:
            return copy_error("lock_wait", message);
        case OscVerdict::kOverload:
            return copy_error("overload", message);
        case OscVerdict::kNotExecutable:
        case OscVerdict::kRefused:
        case OscVerdict::kUnknown:
            return copy_error("engine_failed", message);
        case OscVerdict::kSuccess:
            break;
    }
    return Error{Errc::kInternal, "a failed copy was judged a success"};
}

// The tool says it is done: the server must show it too.
Result<std::optional<Verdict>> verify_copy(Context& context, const OscPlan& plan) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto facts, table_facts(*look, context.db(), plan.shadow));
    if (!facts) {
        return std::optional(
            copy_error("shadow_missing", "the new table " + plan.shadow + " is not there"));
    }
    ASSIGN_OR_RETURN(const auto triggers, our_triggers(context, context.table, {plan.shadow}));
    if (triggers.size() != kTriggerCount) {
        return std::optional(
            copy_error("triggers_missing",
                       fmt::format("{} of the {} triggers that keep {} in step are there: rows may "
                                   "differ, cancel and start anew",
                                   triggers.size(), kTriggerCount, plan.shadow)));
    }
    if (!may_lose_duplicates(plan.alter)) {
        return std::optional<Verdict>();
    }
    context.reporter.phase("row count");
    ASSIGN_OR_RETURN(Connection counter, context.database.connect("row count", kCountTimeout));
    RowCounts counts;
    RETURN_IF_ERROR(while_keeping_lock(context, counter, [&]() -> Status {
        ASSIGN_OR_RETURN(counts, count_rows(counter, context.db(), context.table, plan.shadow));
        return Ok{};
    }));
    context.reporter.remark(fmt::format("rows in one snapshot: {} in {}, {} in {}", counts.original,
                                        context.table, counts.shadow, plan.shadow));
    if (counts.original != counts.shadow) {
        return std::optional(copy_error(
            "rows_missing",
            fmt::format("the new table has {} rows, the original {}: rows with equal keys were "
                        "lost; cancel, remove the duplicates and start anew",
                        counts.shadow, counts.original)));
    }
    return std::optional<Verdict>();
}

// "copied" is said under the lock only: had it been lost, someone else may have been at work.
Result<Verdict> finish_copy(Context& context, const OscPlan& plan, CopyWatch& watch) {
    RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
    ASSIGN_OR_RETURN(auto wrong, verify_copy(context, plan));
    if (wrong) {
        return *wrong;
    }
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const std::string original,
                     table_definition(*look, context.db(), context.table));
    ASSIGN_OR_RETURN(const std::string shadow, table_definition(*look, context.db(), plan.shadow));
    watch.state().step = "copied";
    watch.state().orig_ddl_hash = fingerprint(original);
    watch.state().new_ddl_hash = fingerprint(shadow);
    watch.finish();
    watch.save();
    context.reporter.fact("copied", {{"db", context.db()}, {"table", plan.shadow}});
    return done(Outcome::kCopied);
}

Result<Verdict> copy_with(Context& context, const OscPlan& plan, const TableFacts& facts) {
    RETURN_IF_ERROR(
        context.reporter.intent("shadow", {{"db", context.db()}, {"table", plan.shadow}}));
    RETURN_IF_ERROR(context.reporter.intent(
        "triggers", {{"db", context.db()},
                     {"table", context.table},
                     {"names", osc_trigger_names(context.db(), context.table)}}));
    CopyWatch watch(context, fresh_state(context, plan), facts.rows.value_or(0));
    watch.save();
    context.reporter.phase("create");
    OscHooks hooks;
    hooks.on_line = [&watch](const OscLine& line) { watch.on_line(line); };
    hooks.on_tick = [&watch] { return watch.on_tick(); };
    hooks.wants_stop = [&context] { return context.stop.reason().has_value(); };
    ASSIGN_OR_RETURN(const OscRun run, run_osc(context, osc_copy_argv(plan), hooks));
    if (judge_copy(run.exit, run.summary).verdict == OscVerdict::kSuccess) {
        return finish_copy(context, plan, watch);  // also when a stop came too late
    }
    watch.save();
    // A killed tool leaves its chunk running in the server.
    const Status quiet = stop_old_statements(context, OldDdl::kKill);
    if (run.stopped) {
        return done(
            Outcome::kStopped,
            fmt::format("stopped on request ({}), table and triggers kept",
                        stop_reason_name(context.stop.reason().value_or(StopReason::kShutdown))));
    }
    if (run.trouble) {
        return retry("lock_lost", "copy stopped: " + run.trouble->message);
    }
    RETURN_IF_ERROR(quiet);
    return verdict_of_failed_copy(context, run);
}

}  // namespace

Result<Verdict> run_copy(Context& context) {
    context.reporter.phase("preflight");
    RETURN_IF_ERROR(context.database.open());
    RETURN_IF_ERROR(stop_old_statements(context, OldDdl::kKill));
    RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto facts, table_facts(*look, context.db(), context.table));
    if (!facts || facts->is_view) {
        RETURN_IF_ERROR(remove_ours(context, false));
        return failed("no_table",
                      fmt::format("table {}.{} does not exist", context.db(), context.table));
    }
    ASSIGN_OR_RETURN(const OscPlan plan, make_osc_plan(context));
    ASSIGN_OR_RETURN(auto refused, check_names_free(context, plan, *facts));
    if (refused && refused->outcome == Outcome::kFailed) {
        RETURN_IF_ERROR(remove_ours(context, false));  // never `failed` while something is left
    }
    if (refused) {
        return *refused;
    }
    RETURN_IF_ERROR(remove_ours(context, false));
    if (context.stop.reason()) {
        return done(Outcome::kStopped, "stopped before the copy began");
    }
    return copy_with(context, plan, *facts);
}

}  // namespace shift
