#include <fmt/format.h>

#include <algorithm>

#include "common/ddl.h"
#include "common/test_points.h"
#include "common/text.h"
#include "worker/final_insert.h"
#include "worker/leftovers.h"
#include "worker/lock_wait.h"
#include "worker/mysql/errors.h"
#include "worker/names.h"
#include "worker/stats.h"
#include "worker/steps/preflight.h"
#include "worker/steps/steps.h"
#include "worker/swap.h"
#include "worker/timed_statement.h"

// Status 3, short: one statement on the table itself.
//
// Exactly once: the intent holds what the table looked like before. When the result of the
// statement is not known (we died, the connection broke) its server thread is waited for and the
// table compared: as before = send it again, otherwise = it happened. After it has happened
// (`no_return`) nothing but the final insert can go wrong, and that is said.

namespace shift {
namespace {

constexpr std::size_t kBeforeBytesMax = std::size_t{64} * 1024;
constexpr int kSendsMax = 3;  // a statement whose connection breaks every time needs a person
constexpr std::chrono::milliseconds kLockPause{1000};

struct DirectPlan {
    std::string statement;        // what is sent
    std::string before;           // SHOW CREATE, "" = the table is not there
    History::Table trash;         // where a DROP moves the table; empty = dropped for good
    bool users_statement = true;  // runs under the server's own sql_mode
};

std::string object_text(const Context& context) {
    return fmt::format("{} {}.{}", mode_name(context.job.mode), context.db(), context.table);
}

Result<std::string> look_at_table(Context& context) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    return table_definition(*look, context.db(), context.table);
}

// Foreign keys in DROP FOREIGN KEY arrive renamed (fk <-> _fk) for pt-osc's copy; the table itself
// has them as the user wrote them.
Result<std::string> alter_statement(Context& context) {
    const std::string& given = context.job.ddl_statement;
    const auto parsed = parse_ddl(given);
    if (!parsed.ok() || parsed->dropped_foreign_keys.empty()) {
        return given;
    }
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto keys, foreign_keys_of(*look, context.db(), context.table));
    for (const std::string& name : parsed->dropped_foreign_keys) {
        if (std::find(keys.begin(), keys.end(), name) == keys.end()) {
            return toggle_dropped_foreign_keys(given);
        }
    }
    return given;
}

Result<DirectPlan> make_plan(Context& context) {
    const Job& job = context.job;
    DirectPlan plan;
    plan.statement = job.ddl_statement;
    ASSIGN_OR_RETURN(plan.before, look_at_table(context));
    if (job.action == Action::kAlter) {
        ASSIGN_OR_RETURN(plan.statement, alter_statement(context));
    } else if (job.action == Action::kDrop) {
        const std::string name = qualified_name(job.database, context.table);
        plan.users_statement = false;
        plan.statement =
            fmt::format("DROP {} {}", job.mode == Mode::kView ? "VIEW" : "TABLE", name);
        if (job.mode == Mode::kTable && job.enable_trash) {
            // A table with triggers cannot be moved to another schema (1435), and without them it
            // must not be for a moment: the move may fail, or be cancelled while it waits.
            ASSIGN_OR_RETURN(Connection * look, context.database.look());
            ASSIGN_OR_RETURN(const auto triggers, triggers_of(*look, context.db(), context.table));
            plan.trash = {triggers.empty() ? trash_database(job) : context.db(),
                          trash_name(trash_timestamp(context.clock.wall()), context.table)};
            plan.statement = fmt::format("RENAME TABLE {} TO {}", name,
                                         qualified_name(plan.trash.database, plan.trash.table));
        }
    }
    return plan;
}

// Whether the statement of `ddl` has happened, by what the server shows now. Only true once its
// thread is gone.
Result<bool> has_happened(Context& context, const std::string& before_hash) {
    ASSIGN_OR_RETURN(const std::string now, look_at_table(context));
    return fingerprint_or_none(now) != before_hash && !planted_bug("blind-resend");
}

Status announce(Context& context, const DirectPlan& plan) {
    Json fields = {{"statement", plan.statement},
                   {"before", std::string(utf8_prefix(plan.before, kBeforeBytesMax))},
                   {"before_hash", fingerprint_or_none(plan.before)}};
    if (!plan.trash.table.empty()) {
        RETURN_IF_ERROR(context.reporter.intent(
            "trash", {{"db", plan.trash.database}, {"table", plan.trash.table}}));
        fields["trash_db"] = plan.trash.database;
        fields["trash_table"] = plan.trash.table;
    }
    return context.reporter.intent("ddl", std::move(fields));
}

// What a DROP set aside in its own schema, because it has triggers, goes on into the trash. They
// are part of what the user drops; their text is kept in the log. "" or `aside` gone = nothing to
// do.
Status move_on_to_trash(Context& context, const History::Table& aside) {
    if (!uses_other_trash_database(context.job) || aside.database != context.db()) {
        return Ok{};
    }
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto facts, table_facts(*look, aside.database, aside.table));
    if (!facts) {
        return Ok{};
    }
    ASSIGN_OR_RETURN(const auto triggers, triggers_of(*look, aside.database, aside.table));
    for (const Trigger& trigger : triggers) {
        ASSIGN_OR_RETURN(const std::string text,
                         trigger_definition(*look, context.db(), trigger.name));
        context.reporter.remark("the dropped table's trigger, dropped with it: " + text);
    }
    RETURN_IF_ERROR(drop_triggers(context, triggers));
    return discard_old(context, aside.table);
}

void say_happened(Context& context) {
    context.reporter.fact("ddl", {{"state", "done"}});
    context.reporter.no_return("ddl");
}

void say_not_happened(Context& context) {
    context.reporter.fact("ddl", {{"state", "not_done"}});
}

Verdict stopped_before(Context& context) {
    say_not_happened(context);
    return done(Outcome::kStopped, "stopped before the statement was run; nothing was changed");
}

Status send(Context& context, const DirectPlan& plan) {
    ASSIGN_OR_RETURN(Connection * locked, context.database.locked());
    if (plan.users_statement) {
        RETURN_IF_ERROR(locked->use_server_sql_mode());
    }
    Status status = execute_timed(context, *locked, plan.statement, context.job.ddl_timeout);
    if (plan.users_statement && !locked->lost()) {
        (void)locked->use_own_sql_mode().ok();
    }
    return status;
}

// After an unknown result: the statement's thread is gone, we hold the lock again, and the table
// tells.
Result<bool> find_out(Context& context, const DirectPlan& plan, std::uint64_t thread_id) {
    context.reporter.remark("the statement's result is not known; looking at the table",
                            LogLevel::kWarn);
    RETURN_IF_ERROR(wait_for_thread(context, thread_id));
    RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
    return has_happened(context, fingerprint_or_none(plan.before));
}

// nullopt: the statement has happened. Otherwise how the step ends; it has not happened then.
Result<std::optional<Verdict>> carry_out(Context& context, const DirectPlan& plan) {
    const SteadyTime lock_deadline = context.clock.now() + kLockPatience;
    LockWait wait(context, context.table);
    for (int sends = 1;;) {
        if (context.stop.is_urgent()) {
            return std::optional(stopped_before(context));
        }
        ASSIGN_OR_RETURN(Connection * locked, context.database.locked());
        const std::uint64_t thread_id = locked->thread_id();
        const SteadyTime begin = context.clock.now();
        const Status status = send(context, plan);
        if (status.ok()) {
            return std::optional<Verdict>();
        }
        const Error& error = status.error();
        if (is_lock_wait(error)) {
            wait.look();
            if (context.clock.now() >= lock_deadline) {
                say_not_happened(context);
                Verdict late = retry("lock_wait", wait.explain(error.message));
                late.evidence = wait.evidence();
                return std::optional(std::move(late));
            }
            context.stop.rest_for(kLockPause);
            continue;
        }
        if (error.code != Errc::kDeadline) {
            say_not_happened(context);
            if (is_transient(error)) {
                return std::optional(retry("database_unavailable", error.message));
            }
            return std::optional(failed(
                "ddl_failed", "the statement failed, nothing was changed: " + error.message));
        }
        ASSIGN_OR_RETURN(const bool happened, find_out(context, plan, thread_id));
        if (happened) {
            return std::optional<Verdict>();
        }
        if (is_interrupted(error) && !context.stop.is_urgent()) {
            say_not_happened(context);
            const bool late = context.clock.now() - begin >= context.job.ddl_timeout;
            return std::optional(
                late ? failed("ddl_timeout",
                              fmt::format("the statement did not end in {} s (ddl_timeout) and was "
                                          "stopped; nothing was changed",
                                          context.job.ddl_timeout.count()))
                     : retry("ddl_killed", "somebody killed the statement: " + error.message));
        }
        if (++sends > kSendsMax) {
            say_not_happened(context);
            return std::optional(retry("lost_connection", error.message));
        }
    }
}

// What must hold before the statement is sent at all.
Result<std::optional<Verdict>> check_before(Context& context, const DirectPlan& plan) {
    const bool exists = !plan.before.empty();
    if (context.job.action == Action::kCreate && exists) {
        return std::optional(failed("exists", object_text(context) + " exists already"));
    }
    if (context.job.action != Action::kCreate && !exists) {
        return std::optional(failed("no_table", object_text(context) + " does not exist"));
    }
    if (context.job.action == Action::kDrop && context.job.mode == Mode::kTable) {
        return check_trash_database(context);
    }
    return std::optional<Verdict>();
}

}  // namespace

bool is_direct(const Job& job) {
    return job.action != Action::kAlter || job.runtype == Runtype::kShort || job.engine == "direct";
}

Result<Verdict> finish_direct(Context& context, const History::Table& trash) {
    if (const Status moved = move_on_to_trash(context, trash); !moved.ok()) {
        return retry("trash",
                     "the dropped table is not in the trash yet: " + moved.error().message);
    }
    if (auto wrong = run_final_insert(context)) {
        return *wrong;
    }
    return done(Outcome::kCompleted);
}

Result<Verdict> run_direct(Context& context) {
    context.reporter.phase("preflight");
    RETURN_IF_ERROR(context.database.open());
    RETURN_IF_ERROR(stop_old_statements(context, OldDdl::kWait));
    RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
    const auto& earlier = context.history.ddl;
    if (context.history.no_return || (earlier && earlier->happened)) {
        return finish_direct(context, earlier ? earlier->trash : History::Table{});
    }
    if (earlier) {
        ASSIGN_OR_RETURN(const bool happened, has_happened(context, earlier->before_hash));
        if (happened) {
            context.reporter.remark("the statement of an earlier attempt has happened");
            say_happened(context);
            return finish_direct(context, earlier->trash);
        }
    }
    if (auto refused = check_statement(context.job)) {
        return *refused;
    }
    ASSIGN_OR_RETURN(const DirectPlan plan, make_plan(context));
    ASSIGN_OR_RETURN(auto refused, check_before(context, plan));
    if (refused) {
        return *refused;
    }
    RETURN_IF_ERROR(announce(context, plan));
    context.reporter.phase("ddl");
    context.reporter.remark("running: " + plan.statement);
    ASSIGN_OR_RETURN(auto ended, carry_out(context, plan));
    if (ended) {
        return *ended;
    }
    say_happened(context);
    return finish_direct(context, plan.trash);
}

}  // namespace shift
