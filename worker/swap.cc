#include "worker/swap.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/ddl.h"
#include "worker/final_insert.h"
#include "worker/leftovers.h"
#include "worker/lhm/flavour.h"
#include "worker/lhm_job/migration.h"
#include "worker/lock_wait.h"
#include "worker/mysql/errors.h"
#include "worker/names.h"
#include "worker/state.h"
#include "worker/stats.h"
#include "worker/timed_statement.h"

namespace shift {
namespace {

constexpr std::chrono::seconds kSwapTimeout{30};  // the statement itself waits 1 s for locks
constexpr std::chrono::milliseconds kPauseFirst{1000};
constexpr std::chrono::milliseconds kPauseMax{8000};

Result<bool> table_exists(Context& context, const std::string& table) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto facts, table_facts(*look, context.db(), table));
    return facts.has_value();
}

// Where our triggers sit, when that is not the migration's table: they moved with it in a swap.
Result<std::string> table_our_triggers_moved_with(Context& context) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(
        const auto named,
        triggers_named(*look, context.db(), osc_trigger_names(context.db(), context.table)));
    const std::vector<std::string> shadows = shadow_candidates(context);
    for (const Trigger& trigger : named) {
        const bool ours = std::any_of(shadows.begin(), shadows.end(), [&](const auto& shadow) {
            return names_shadow(trigger.body, context.db(), shadow);
        });
        if (ours && trigger.table != context.table) {
            return trigger.table;
        }
    }
    return std::string();
}

std::string announced_old(const Context& context) {
    if (context.history.swap) {
        return context.history.swap->old;
    }
    if (!context.state) {
        return "";
    }
    const StateFile& state = *context.state;
    if (context.engine != kLhmEngine) {
        return state.step == "rename" ? state.old_tbl : "";
    }
    // Whoever can write the API's state file must not choose which table we drop.
    const bool is_told = state.step == "rename" || state.step == "done";
    return is_told && is_trash_name(state.old_tbl, context.table) ? state.old_tbl : "";
}

Status announce(Context& context, const std::string& shadow, const std::string& old) {
    StateFile state = context.state.value_or(StateFile{});
    state.step = "rename";
    state.db = context.db();
    state.orig_tbl = context.table;
    state.mig_tbl = shadow;
    state.old_tbl = old;
    save_state(context, std::move(state));
    context.history.swap = History::Swap{shadow, old};
    return context.reporter.intent(
        "swap", {{"db", context.db()}, {"table", context.table}, {"shadow", shadow}, {"old", old}});
}

Status drop_old_triggers(Context& context, const std::string& old) {
    ASSIGN_OR_RETURN(const auto triggers, our_triggers(context, old, shadow_candidates(context)));
    return drop_triggers(context, triggers);
}

void report_end_stats(Context& context) {
    auto look = context.database.look();
    if (!look.ok()) {
        return;
    }
    // Right after a swap the server's estimate may be 0 rows.
    (void)(*look)
        ->execute("ANALYZE NO_WRITE_TO_BINLOG TABLE " + qualified_name(context.db(), context.table))
        .ok();
    const auto facts = table_facts(**look, context.db(), context.table);
    if (facts.ok() && *facts) {
        report_stats(context, "end", **facts);
    }
}

}  // namespace

Result<SwapState> look_at_swap(Context& context) {
    SwapState state;
    const bool is_lhm = context.engine == kLhmEngine;
    if (is_lhm) {
        ASSIGN_OR_RETURN(state.happened, has_lhm_altered_instantly(context));
        if (state.happened) {
            return state;
        }
    }
    ASSIGN_OR_RETURN(state.shadow, is_lhm ? find_lhm_shadow(context) : find_shadow(context));
    if (!state.shadow.empty()) {
        return state;
    }
    ASSIGN_OR_RETURN(state.old, is_lhm ? table_lhm_triggers_moved_with(context)
                                       : table_our_triggers_moved_with(context));
    if (!state.old.empty()) {
        state.happened = true;
        return state;
    }
    const std::string old = announced_old(context);
    if (old.empty() && !context.history.no_return) {
        return state;
    }
    state.happened = true;
    if (!old.empty()) {
        ASSIGN_OR_RETURN(const bool exists, table_exists(context, old));
        state.old = exists ? old : "";
    }
    // Announced by us, but the old table is touched only after no_return was written: without
    // either the swap never happened, and somebody removed the shadow by hand.
    if (state.old.empty() && context.history.swap && !context.history.no_return) {
        state.happened = false;
    }
    return state;
}

Result<std::optional<Verdict>> swap_tables(Context& context, const std::string& shadow) {
    const std::string old = trash_name(trash_timestamp(context.clock.wall()), context.table);
    RETURN_IF_ERROR(announce(context, shadow, old));
    const std::string sql =
        fmt::format("RENAME TABLE {} TO {}, {} TO {}", qualified_name(context.db(), context.table),
                    qualified_name(context.db(), old), qualified_name(context.db(), shadow),
                    qualified_name(context.db(), context.table));
    const SteadyTime deadline = context.clock.now() + kLockPatience;
    auto pause = kPauseFirst;
    LockWait wait(context, context.table);
    for (;;) {
        if (context.stop.is_urgent()) {
            return std::optional(done(Outcome::kStopped, "stopped before the swap"));
        }
        ASSIGN_OR_RETURN(Connection * locked, context.database.locked());
        const std::uint64_t thread_id = locked->thread_id();
        const Status status = execute_timed(context, *locked, sql, kSwapTimeout);
        if (status.ok()) {
            break;
        }
        const Error& error = status.error();
        if (error.code == Errc::kDeadline) {  // never sent again blindly
            RETURN_IF_ERROR(wait_for_thread(context, thread_id));
            RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
            ASSIGN_OR_RETURN(const bool left, table_exists(context, shadow));
            if (!left) {
                break;
            }
        } else if (!is_lock_wait(error)) {
            return error.within("swap");
        }
        wait.look();
        if (context.clock.now() >= deadline) {
            Verdict late =
                retry("lock_wait", wait.explain("the swap did not get its lock: " + error.message));
            late.evidence = wait.evidence();
            return std::optional(std::move(late));
        }
        context.reporter.log_line("stdout", "shift-worker: swap waits: " + error.message);
        context.stop.rest_for(pause);
        pause = std::min(pause * 2, kPauseMax);
    }
    context.reporter.no_return("swap");
    context.history.no_return = true;
    context.reporter.remark(
        fmt::format("swapped {} and {}; the original is {} now", context.table, shadow, old));
    return std::optional<Verdict>();
}

Status discard_old(Context& context, const std::string& old) {
    const Job& job = context.job;
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto triggers, triggers_of(*look, context.db(), old));
    if (!triggers.empty()) {
        // Somebody's, made between the last look and the RENAME; ours are gone by now.
        std::string names;
        for (const Trigger& trigger : triggers) {
            names += (names.empty() ? "" : ", ") + trigger.name;
        }
        context.reporter.remark(
            fmt::format("the old table stays as {}.{}: it took along what was made on {} in the "
                        "moment of the swap: trigger {}. Make it again on {}, then drop the table",
                        context.db(), old, context.table, names, context.table),
            LogLevel::kError);
        return Ok{};
    }
    if (job.enable_trash && !uses_other_trash_database(job)) {
        context.reporter.remark(fmt::format("the old table stays as {}.{}", context.db(), old));
        return Ok{};
    }
    const std::string from = qualified_name(context.db(), old);
    std::string sql = "DROP TABLE " + from;
    if (job.enable_trash) {
        ASSIGN_OR_RETURN(const bool exists, database_exists(*look, job.pending_drops_db));
        if (!exists) {
            context.reporter.remark(
                fmt::format(
                    "pending drops database {} does not exist: the old table stays as {}.{}",
                    job.pending_drops_db, context.db(), old),
                LogLevel::kError);
            return Ok{};
        }
        RETURN_IF_ERROR(
            context.reporter.intent("trash", {{"db", job.pending_drops_db}, {"table", old}}));
        sql = fmt::format("RENAME TABLE {} TO {}", from, qualified_name(job.pending_drops_db, old));
    }
    LockWait wait(context, old);
    RETURN_IF_ERROR(patiently(
        context.stop, [&context] { return context.stop.is_urgent(); },
        [&]() -> Status {
            ASSIGN_OR_RETURN(Connection * locked, context.database.locked());
            return execute_timed(context, *locked, sql, job.ddl_timeout);
        },
        [&wait] { wait.look(); }));
    context.reporter.remark(
        job.enable_trash ? fmt::format("moved the old table to {}.{}", job.pending_drops_db, old)
                         : "dropped the old table " + old);
    return Ok{};
}

Result<Verdict> finish_after_swap(Context& context, const SwapState& swap) {
    if (!context.history.no_return) {
        context.reporter.no_return("swap");
    }
    context.reporter.phase("clean-up");
    if (context.engine == kLhmEngine) {
        RETURN_IF_ERROR(finish_lhm_swap(context, swap.old));
        // The final insert is a statement of people's.
        ASSIGN_OR_RETURN(Connection * locked, context.database.locked());
        RETURN_IF_ERROR(lhm::restore_session(*locked));
    }
    if (!swap.old.empty()) {
        RETURN_IF_ERROR(drop_old_triggers(context, swap.old));
        RETURN_IF_ERROR(discard_old(context, swap.old));
    }
    report_end_stats(context);
    if (auto wrong = run_final_insert(context)) {
        return *wrong;
    }
    return done(Outcome::kCompleted);
}

}  // namespace shift
