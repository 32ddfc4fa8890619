#include <fmt/format.h>

#include "common/ddl.h"
#include "common/file.h"
#include "common/text.h"
#include "worker/leftovers.h"
#include "worker/lhm_job/migration.h"
#include "worker/mysql/alter_words.h"
#include "worker/mysql/errors.h"
#include "worker/mysql/replica_lag.h"
#include "worker/names.h"
#include "worker/osc/copy_hold.h"
#include "worker/osc/copy_start.h"
#include "worker/osc/copy_watch.h"
#include "worker/osc/osc_outcome.h"
#include "worker/osc/osc_run.h"
#include "worker/osc/square_state.h"
#include "worker/state.h"
#include "worker/steps/preflight.h"
#include "worker/steps/steps.h"
#include "worker/timed_statement.h"

// Status 3, long: pt-osc copies up to the swap and leaves shadow table and triggers in place.
//
// Happy path: stop what earlier attempts left, take the database lock, see whether an earlier copy
// can be gone on with (else drop our old triggers and shadow), announce the names, run the tool,
// look at the server, count rows where a unique key could have swallowed some, fact "copied".
// Beside it a thread watches the replicas; while one is too far behind, the tool sleeps.
// Trouble: the lock is lost or a stop is asked for - the tool gets TERM and keeps everything; the
// tool dies - `retry` goes on from the last chunk, `error` when a person should look. Table,
// triggers and saved boundary are kept in either case.

namespace shift {
namespace {

constexpr std::size_t kSquareBytesMax = std::size_t{4} * 1024 * 1024;
constexpr int kOverloadPauseS = 30;
constexpr int kPluginRefused = 41;

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
    state.alter_hash = fingerprint(canonical_ddl(plan.alter));
    state.copy_id = plan.copy_id;
    state.server = context.database.server().id;
    state.server_started = context.database.server().started_s;
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

OscJudgement judge(const OscPlan& plan, const OscRun& run) {
    return plan.flavour == OscFlavour::kSquare ? judge_square_copy(run.exit, run.summary)
                                               : judge_copy(run.exit, run.summary);
}

Result<Verdict> verdict_of_failed_copy(const OscPlan& plan, const OscRun& run) {
    const OscJudgement judgement = judge(plan, run);
    const std::string message = "pt-online-schema-change died: " + judgement.reason;
    switch (judgement.verdict) {
        case OscVerdict::kTerminated:
            return retry("engine_killed", message);
        case OscVerdict::kConnection:
            return retry("lost_connection", message);
        case OscVerdict::kLockWait:
            return retry("lock_wait", message);
        case OscVerdict::kOverload:
            return retry("overload", message, kOverloadPauseS);
        case OscVerdict::kNotExecutable:
        case OscVerdict::kRefused:
        case OscVerdict::kUnknown:
            return copy_error("engine_failed", message);
        case OscVerdict::kSuccess:
            // Its word without its mark proves nothing. It goes on from the last chunk it saved.
            return retry("state_not_saved",
                         fmt::format("pt-online-schema-change ended well, but {} does not say so: "
                                     "is its disk full?",
                                     plan.state_file));
    }
    return Error{Errc::kInternal, "an end of the tool that nobody knows"};
}

// Where a row may be missing although all went well. `moved`: as another_life().
Result<std::optional<Verdict>> compare_copied_rows(Context& context, const OscPlan& plan,
                                                   const std::string& moved) {
    const bool may_lose = may_lose_duplicates(plan.alter);
    const bool is_proved = plan.flavour != OscFlavour::kSquare;
    if (moved.empty() && !may_lose && is_proved) {
        return std::optional<Verdict>();
    }
    context.reporter.phase("row count");
    ASSIGN_OR_RETURN(const RowCounts counts,
                     count_copy(context, plan.shadow,
                                !moved.empty() ? moved
                                : may_lose     ? "the ALTER may add a unique key"
                                               : "the tool's word is no proof"));
    if (counts.original == counts.shadow) {
        return std::optional<Verdict>();
    }
    const std::string head =
        fmt::format("the new table has {} rows, the original {}: ", counts.shadow, counts.original);
    if (!moved.empty() || !may_lose) {
        return std::optional(copy_error(
            "rows_missing",
            head + (moved.empty() ? "the copy is not whole" : moved) + "; resume copies anew"));
    }
    const auto which = duplicates_text(context);
    return std::optional(copy_error(
        "rows_missing",
        fmt::format("{}rows with equal keys were lost{}; cancel, remove the duplicates and start "
                    "anew",
                    head, which.ok() && !which->empty() ? " (" + *which + ")" : "")));
}

// The tool says it is done: the server must show it too. With the plugin's facts, that the triggers
// never went and no definition moved from the first row on; without, that they are there.
Result<std::optional<Verdict>> verify_copy(Context& context, const OscPlan& plan,
                                           const StateFile& state) {
    ASSIGN_OR_RETURN(const CopyFacts now, look_at_copy(context, plan.shadow));
    if (now.new_ddl.empty()) {
        return std::optional(
            copy_error("shadow_missing", "the new table " + plan.shadow + " is not there"));
    }
    if (now.triggers.size() != kOscTriggerCount) {
        return std::optional(
            copy_error("triggers_missing",
                       fmt::format("{} of the {} triggers that keep {} in step are there: rows may "
                                   "differ; resume copies anew",
                                   now.triggers.size(), kOscTriggerCount, plan.shadow)));
    }
    ASSIGN_OR_RETURN(const OscCopyState saved, copy_state_of(state));
    if (!saved.triggers.empty()) {
        if (const std::string why = difference(saved, now, context.table); !why.empty()) {
            return std::optional(
                copy_error("moved_during_copy", why + ": rows may differ; resume copies anew"));
        }
    }
    return compare_copied_rows(context, plan, another_life(state, now));
}

// "copied" is said under the lock only: had it been lost, someone else may have been at work.
Result<Verdict> finish_copy(Context& context, const OscPlan& plan, CopyWatch& watch) {
    RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
    ASSIGN_OR_RETURN(const bool lost, may_have_lost_chunks(context, watch.state()));
    if (lost) {
        return retry("server_restarted",
                     "the server was restarted during the copy and is not durable "
                     "(innodb_flush_log_at_trx_commit, sync_binlog): rows are copied again");
    }
    ASSIGN_OR_RETURN(auto wrong, verify_copy(context, plan, watch.state()));
    if (wrong) {
        if (wrong->reason == "rows_missing" && !may_lose_duplicates(plan.alter)) {
            watch.state().copy_id.clear();  // never gone on with
            watch.save();
        }
        return *wrong;
    }
    ASSIGN_OR_RETURN(const auto theirs, users_triggers(context));
    if (!theirs.empty()) {
        return copy_error(
            "has_triggers",
            fmt::format("table {} got triggers of its own during the copy ({}), which a swap would "
                        "leave on the old table: drop them and resume, or cancel; the copy is kept",
                        context.table_text(), fmt::join(theirs, ", ")));
    }
    ASSIGN_OR_RETURN(const CopyFacts facts, look_at_copy(context, plan.shadow));
    StateFile& state = watch.state();
    state.step = "copied";
    state.orig_ddl_hash = facts.orig_ddl;
    state.new_ddl_hash = facts.new_ddl;
    state.orig_life = facts.orig_life;
    state.new_life = facts.new_life;
    watch.finish();
    watch.save();
    context.reporter.fact("copied", {{"db", context.db()}, {"table", plan.shadow}});
    return done(Outcome::kCopied);
}

// The output and, with the plugin, its own mark that rows were copied to the end.
bool is_copied(const OscPlan& plan, const OscRun& run, const CopyWatch& watch) {
    if (judge(plan, run).verdict != OscVerdict::kSuccess) {
        return false;
    }
    if (plan.flavour != OscFlavour::kStock) {
        return true;
    }
    const auto said = watch.said_by(run.pid);
    return said && said->step == "copied";
}

Status announce(Context& context, const OscPlan& plan) {
    RETURN_IF_ERROR(
        context.reporter.intent("shadow", {{"db", context.db()}, {"table", plan.shadow}}));
    return context.reporter.intent("triggers",
                                   {{"db", context.db()},
                                    {"table", context.table},
                                    {"names", osc_trigger_names(context.db(), context.table)}});
}

// nullptr: nothing to watch, or no way to hold the tool.
std::unique_ptr<ReplicaLag> watch_replicas(Context& context, const OscPlan& plan) {
    if (!plan.tool.has_pause_file) {
        return nullptr;
    }
    ReplicaLag::Options options;
    options.method = parse_recursion_method(plan.options.recursion_method);
    if (!options.method.trouble.empty()) {
        context.reporter.remark(options.method.trouble + "; processlist,hosts is used",
                                LogLevel::kWarn);
    }
    if (!options.method.watches()) {
        return nullptr;
    }
    options.primary = {plan.host, plan.port, context.job.mysql_defaults_file};
    options.lag_max = std::chrono::seconds(plan.options.max_replication_lag);
    Reporter& reporter = context.reporter;
    return std::make_unique<ReplicaLag>(
        std::move(options),
        [&reporter](const std::string& text, LogLevel level) { reporter.remark(text, level); },
        context.clock);
}

// The tool with the replicas watched beside it.
Result<OscRun> run_held_back(Context& context, const OscPlan& plan, CopyWatch& watch) {
    CopyHold hold(plan.pause_file, context.reporter, context.clock);
    const std::unique_ptr<ReplicaLag> lag = watch_replicas(context, plan);
    OscHooks hooks;
    hooks.on_line = [&watch](const OscLine& line) { watch.on_line(line); };
    hooks.on_tick = [&] {
        if (lag != nullptr) {
            const std::string why = lag->held_because();
            hold.follow(why);
            watch.hold(why);
        }
        return watch.on_tick();
    };
    hooks.wants_stop = [&] {
        const bool stops = context.stop.reason().has_value();
        if (stops && lag != nullptr) {
            lag->stop();  // its last answer comes in while the tool ends
        }
        return stops;
    };
    auto run = run_copy_tool(context, plan, hooks);
    watch.hold("");
    return run;
}

// Runs the tool and judges how it ended. nullopt: our plugin refused (`why` says what), nothing was
// changed, and the caller takes another way.
Result<std::optional<Verdict>> run_and_judge(Context& context, const OscPlan& plan,
                                             CopyWatch& watch, std::string& why) {
    ASSIGN_OR_RETURN(const OscRun run, run_held_back(context, plan, watch));
    watch.settle();
    if (is_copied(plan, run, watch)) {
        ASSIGN_OR_RETURN(Verdict verdict, finish_copy(context, plan, watch));  // a stop came late
        return std::optional(std::move(verdict));
    }
    // A killed tool leaves its chunk running in the server.
    const Status quiet = stop_old_statements(context, OldDdl::kKill);
    if (run.stopped) {
        return std::optional(done(
            Outcome::kStopped,
            fmt::format("stopped on request ({}), table and triggers kept",
                        stop_reason_name(context.stop.reason().value_or(StopReason::kShutdown)))));
    }
    if (run.trouble) {
        return std::optional(retry("lock_lost", "copy stopped: " + run.trouble->message));
    }
    RETURN_IF_ERROR(quiet);
    const bool refused = !run.exit.signaled && run.exit.number == kPluginRefused;
    if (plan.flavour == OscFlavour::kStock && (refused || run.summary.plugin_failed)) {
        why = run.summary.reason();
        return std::optional<Verdict>();
    }
    ASSIGN_OR_RETURN(Verdict verdict, verdict_of_failed_copy(plan, run));
    return std::optional(std::move(verdict));
}

Result<Verdict> copy_anew(Context& context, OscPlan plan, const TableFacts& facts) {
    RETURN_IF_ERROR(remove_ours(context, false));
    (void)::unlink(plan.state_file.c_str());
    plan.copy_id = random_copy_id();
    plan.resume_file.clear();
    plan.square_save_file = square_save_path(context.job);
    plan.square_load_file.clear();
    (void)::unlink(plan.square_save_file.c_str());
    RETURN_IF_ERROR(announce(context, plan));
    CopyWatch watch(context, plan, fresh_state(context, plan), facts.rows.value_or(0));
    watch.save();
    context.reporter.phase("create");
    std::string why;
    ASSIGN_OR_RETURN(auto verdict, run_and_judge(context, plan, watch, why));
    if (verdict) {
        return *std::move(verdict);
    }
    if (plan.flavour != OscFlavour::kStock) {
        return Error{Errc::kInternal, "a tool without plugin refused like one"};
    }
    context.reporter.remark(
        fmt::format("{} {} does not take our plugin ({}): copying without it, an interrupted copy "
                    "will start over",
                    plan.tool.path, plan.tool.version, why),
        LogLevel::kWarn);
    plan.flavour = OscFlavour::kBasic;
    return copy_anew(context, std::move(plan), facts);
}

// What the tool loads: the last whole file that was written here, with today's limits in it.
Status put_square_state(Context& context, OscPlan& plan) {
    ASSIGN_OR_RETURN(const std::string text,
                     read_file(square_good_path(context.job, plan.copy_id), kSquareBytesMax));
    auto edited = with_todays_options(text, plan);
    if (!edited.ok()) {
        return std::move(edited).error().within(
            "the copy cannot go on with today's options; set them back, or cancel");
    }
    plan.square_save_file = square_save_path(context.job);
    plan.square_load_file = context.files.dir + "/square-load.yaml";
    return write_file_atomic(plan.square_load_file, *edited, 0600);
}

// Why this tool cannot go on with what there is; "" when it can.
std::string why_tool_cannot_go_on(const Context& context, const OscPlan& plan,
                                  const CopyStart& start) {
    switch (plan.flavour) {
        case OscFlavour::kStock:
            return "";
        case OscFlavour::kSquare:
            if (start.from_first_row) {
                return "the server was restarted and is not durable";
            }
            return path_exists(square_good_path(context.job, start.state.copy_id))
                       ? ""
                       : "Square's own state file is not on this host, and one from elsewhere is "
                         "never loaded: it would run as code";
        case OscFlavour::kBasic:
        case OscFlavour::kUnusable:
            break;
    }
    return flavour_meaning(plan.flavour);
}

Result<Verdict> go_on(Context& context, OscPlan plan, const TableFacts& facts,
                      const CopyStart& start) {
    OscCopyState state = start.state;
    if (start.from_first_row) {
        state.row_enc.clear();
    }
    plan.copy_id = state.copy_id;
    if (plan.flavour == OscFlavour::kSquare) {
        RETURN_IF_ERROR(put_square_state(context, plan));
    } else {
        plan.resume_file = context.files.dir + "/resume.txt";
        RETURN_IF_ERROR(write_file_atomic(plan.resume_file, format_copy_state(state), 0600));
    }
    RETURN_IF_ERROR(announce(context, plan));
    StateFile file = *context.state;
    file.server = context.database.server().id;
    file.server_started = context.database.server().started_s;
    file.row_enc = state.row_enc;
    if (file.orig_life.empty() && file.new_life.empty()) {  // from a version that noted none
        ASSIGN_OR_RETURN(const CopyFacts facts_now, look_at_copy(context, plan.shadow));
        file.orig_life = facts_now.orig_life;
        file.new_life = facts_now.new_life;
    }
    file.runs = std::max(file.runs, state.runs + (plan.flavour == OscFlavour::kSquare ? 1 : 0));
    context.reporter.remark(fmt::format(
        "going on with the copy after {} rows in {} chunks (run {}){}", state.rows, state.chunks,
        state.runs + 1,
        start.from_first_row ? "; the server was restarted, so from the first row on" : ""));
    CopyWatch watch(context, plan, std::move(file), facts.rows.value_or(0));
    watch.begin_at(state);
    watch.save();
    context.reporter.phase("create");
    std::string why;
    ASSIGN_OR_RETURN(auto verdict, run_and_judge(context, plan, watch, why));
    if (verdict) {
        return *std::move(verdict);
    }
    context.reporter.remark("the copy starts over: " + why, LogLevel::kWarn);
    return copy_anew(context, std::move(plan), facts);
}

// Done already; an earlier attempt died between the copy's end and saying so.
Result<Verdict> finish_again(Context& context, const OscPlan& plan, const TableFacts& facts) {
    CopyWatch watch(context, plan, *context.state, facts.rows.value_or(0));
    return finish_copy(context, plan, watch);
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
    if (context.engine == kLhmEngine) {
        return copy_by_lhm(context);
    }
    ASSIGN_OR_RETURN(const OscPlan plan, make_osc_plan(context));
    ASSIGN_OR_RETURN(const CopyStart start, plan_copy_start(context, plan));
    if (start.kind == CopyStart::Kind::kSwapped) {
        return copy_error("already_swapped",
                          fmt::format("{}.{} has become what this migration makes of it: another "
                                      "host swapped it; cancel this one if the API does not know",
                                      context.db(), context.table));
    }
    ASSIGN_OR_RETURN(auto refused, check_names_free(context, plan, *facts));
    if (refused && refused->outcome == Outcome::kFailed) {
        if (start.kind != CopyStart::Kind::kFresh) {  // days of copying are not thrown away
            return copy_error(refused->reason, refused->message + "; then resume");
        }
        RETURN_IF_ERROR(remove_ours(context, false));  // never `failed` while something is left
    }
    if (refused) {
        return *refused;
    }
    if (context.stop.reason()) {
        return done(Outcome::kStopped, "stopped before the copy began");
    }
    if (!start.why.empty()) {
        context.reporter.remark("the copy starts over: " + start.why, LogLevel::kWarn);
    }
    switch (start.kind) {
        case CopyStart::Kind::kCopied:
            return finish_again(context, plan, *facts);
        case CopyStart::Kind::kResume: {
            const std::string why = why_tool_cannot_go_on(context, plan, start);
            if (why.empty()) {
                return go_on(context, plan, *facts, start);
            }
            context.reporter.remark("the copy starts over: " + why, LogLevel::kWarn);
            break;
        }
        case CopyStart::Kind::kFresh:
        case CopyStart::Kind::kSwapped:
            break;
    }
    return copy_anew(context, plan, *facts);
}

}  // namespace shift
