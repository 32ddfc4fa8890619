#include <fmt/format.h>

#include "common/ddl.h"
#include "worker/leftovers.h"
#include "worker/lhm_job/migration.h"
#include "worker/mysql/errors.h"
#include "worker/names.h"
#include "worker/osc/osc_outcome.h"
#include "worker/osc/osc_run.h"
#include "worker/stats.h"
#include "worker/steps/preflight.h"
#include "worker/steps/steps.h"

// Status 0: nothing of the user's is changed. What is created to try the change (pt-osc's empty new
// table, a table or view under a scratch name) is announced first and dropped again.

namespace shift {
namespace {

constexpr std::chrono::seconds kDryRunDeadline{600};

Verdict prepared() {
    return done(Outcome::kPrepared);
}

Result<Verdict> judge_dry_run_verdict(Context& context, const OscPlan& plan, const OscRun& run) {
    // The tool drops the new table itself unless it was stopped midway.
    RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
    RETURN_IF_ERROR(remove_ours(context, false));
    context.reporter.fact("dropped", {{"db", context.db()}, {"table", plan.shadow}});
    if (run.stopped) {
        return done(Outcome::kStopped, "stopped during the dry run");
    }
    if (run.trouble) {
        return *run.trouble;
    }
    if (run.out_of_time) {
        return retry("dry_run_deadline",
                     fmt::format("the dry run did not end in {} s", kDryRunDeadline.count()));
    }
    const OscJudgement judgement = judge_dry_run(run.exit, run.summary);
    const std::string& file = plan.options.config_path;
    const std::string message = "pt-online-schema-change dry run failed" +
                                (file.empty() ? "" : " (with your config_path " + file + ")") +
                                ": " + judgement.reason;
    switch (judgement.verdict) {
        case OscVerdict::kSuccess:
            return prepared();
        case OscVerdict::kTerminated:
            return retry("engine_killed", message);
        case OscVerdict::kConnection:
            return retry("lost_connection", message);
        case OscVerdict::kLockWait:
            return retry("lock_wait", message);
        case OscVerdict::kOverload:
            return retry("overload", message);
        case OscVerdict::kRefused:
        case OscVerdict::kNotExecutable:
        case OscVerdict::kUnknown:
            return failed("dry_run", message);
    }
    return Error{Errc::kInternal, "unknown verdict of the dry run"};
}

Result<Verdict> dry_run(Context& context) {
    context.reporter.phase("dry-run");
    ASSIGN_OR_RETURN(OscPlan plan, make_osc_plan(context));
    plan.no_check_alter = context.job.runtype == Runtype::kNoCheckAlter;
    // Under the lock only for the moment of the check: what has our name is ours from here on.
    RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
    ASSIGN_OR_RETURN(const bool taken, is_foreign_table(context, plan.shadow));
    if (taken) {
        return failed("shadow_name_taken",
                      fmt::format("{}.{} exists and nothing says that this migration made it: drop "
                                  "it first",
                                  context.db(), plan.shadow));
    }
    RETURN_IF_ERROR(remove_ours(context, false));
    RETURN_IF_ERROR(
        context.reporter.intent("shadow", {{"db", context.db()}, {"table", plan.shadow}}));
    OscHooks hooks;
    hooks.deadline = kDryRunDeadline;
    hooks.on_tick = [&context] { return context.database.keep_alive(); };
    hooks.wants_stop = [&context] { return context.stop.is_urgent(); };
    ASSIGN_OR_RETURN(const OscRun run, run_dry_run(context, plan, hooks));
    return judge_dry_run_verdict(context, plan, run);
}

Result<Verdict> prepare_by_osc(Context& context, const TableFacts& facts) {
    ASSIGN_OR_RETURN(auto refused, check_duplicates(context));
    if (refused) {
        return *refused;
    }
    ASSIGN_OR_RETURN(refused, preflight_copy(context, facts));
    if (refused) {
        return *refused;
    }
    ASSIGN_OR_RETURN(refused, check_rights(context));
    if (refused) {
        return *refused;
    }
    return dry_run(context);
}

Result<Verdict> prepare_alter(Context& context) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto facts, table_facts(*look, context.db(), context.table));
    if (!facts) {
        return failed("no_table", "table " + context.table_text() + " does not exist");
    }
    if (facts->is_view) {
        return failed("is_view", context.table_text() + " is a view, not a table");
    }
    if (is_direct(context.job)) {
        ASSIGN_OR_RETURN(auto refused, check_direct_size(context, *facts));
        if (refused) {
            return *refused;
        }
        report_stats(context, "start", *facts);
        return prepared();
    }
    ASSIGN_OR_RETURN(auto refused, check_trash_database(context));
    if (refused) {
        return *refused;
    }
    ASSIGN_OR_RETURN(Verdict verdict, context.engine == kLhmEngine
                                          ? prepare_by_lhm(context)
                                          : prepare_by_osc(context, *facts));
    if (verdict.outcome == Outcome::kPrepared) {
        report_stats(context, "start", *facts);
    }
    return verdict;
}

// Creates the table or view under a scratch name and drops it again.
Result<Verdict> try_create(Context& context) {
    const std::string scratch = scratch_name(context.job.migration);
    auto statement = with_created_name(context.job.ddl_statement, TableName{{}, scratch});
    if (!statement.ok()) {
        return failed("statement", "cannot read the statement: " + statement.error().message);
    }
    RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
    ASSIGN_OR_RETURN(Connection * locked, context.database.locked());
    const std::string drop =
        fmt::format("DROP {} IF EXISTS {}", context.job.mode == Mode::kView ? "VIEW" : "TABLE",
                    qualified_name(context.db(), scratch));
    ASSIGN_OR_RETURN(auto taken, announce_scratch(context));
    if (taken) {
        return *std::move(taken);
    }
    RETURN_IF_ERROR(locked->use_server_sql_mode());
    const Status created = locked->execute(*statement);
    if (!created.ok() && locked->lost()) {
        return created.error();
    }
    RETURN_IF_ERROR(locked->use_own_sql_mode());
    RETURN_IF_ERROR(locked->execute(drop));
    context.reporter.fact("dropped", {{"db", context.db()}, {"table", scratch}});
    if (created.ok()) {
        return prepared();
    }
    if (is_transient(created.error())) {
        return created.error();
    }
    return failed("create", "the statement does not work: " + created.error().message);
}

Result<Verdict> prepare_create(Context& context) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto facts, table_facts(*look, context.db(), context.table));
    if (facts) {
        return failed("exists",
                      fmt::format("{} {} exists already", facts->is_view ? "view" : "table",
                                  context.table_text()));
    }
    return try_create(context);
}

Result<Verdict> prepare_drop(Context& context) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto facts, table_facts(*look, context.db(), context.table));
    const bool is_view = context.job.mode == Mode::kView;
    if (!facts || facts->is_view != is_view) {
        return failed("no_table", fmt::format("{} {} does not exist", is_view ? "view" : "table",
                                              context.table_text()));
    }
    if (!is_view) {
        ASSIGN_OR_RETURN(const auto keys, foreign_keys_to(*look, context.db(), context.table));
        for (const std::string& key : keys) {
            if (!key.starts_with(context.db() + "." + context.table + ".")) {
                return failed("referenced_by_foreign_keys",
                              fmt::format("table {} is referenced by the foreign key {}",
                                          context.table_text(), key));
            }
        }
        ASSIGN_OR_RETURN(auto refused, check_trash_database(context));
        if (refused) {
            return *refused;
        }
    }
    report_stats(context, "start", *facts);
    return prepared();
}

}  // namespace

Result<Verdict> run_prepare(Context& context) {
    context.reporter.phase("preflight");
    RETURN_IF_ERROR(context.database.open());
    RETURN_IF_ERROR(stop_old_statements(context, OldDdl::kKill));
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const bool exists, database_exists(*look, context.db()));
    if (!exists) {
        return failed("no_database",
                      fmt::format("database {} does not exist (or may not be seen by our user)",
                                  context.db()));
    }
    if (auto refused = check_statement(context.job)) {
        return *refused;
    }
    ASSIGN_OR_RETURN(auto refused, check_final_insert(context));
    if (refused) {
        return *refused;
    }
    switch (context.job.action) {
        case Action::kCreate:
            return prepare_create(context);
        case Action::kDrop:
            return prepare_drop(context);
        case Action::kAlter:
            return prepare_alter(context);
    }
    return Error{Errc::kInternal, "unknown action"};
}

}  // namespace shift
