#include <fmt/format.h>

#include "common/ddl.h"
#include "common/text.h"
#include "worker/leftovers.h"
#include "worker/lhm_job/migration.h"
#include "worker/mysql/alter_words.h"
#include "worker/mysql/errors.h"
#include "worker/names.h"
#include "worker/osc/copy_start.h"
#include "worker/steps/steps.h"
#include "worker/swap.h"
#include "worker/timed_statement.h"

// Status 5: verify, swap, clean up, final insert. Trouble with locks or the database never fails
// the migration: the step is given back and tried again. Only a copy that is known to be unusable
// fails, after everything of ours was removed; the original table is untouched then.

namespace shift {
namespace {

constexpr std::chrono::hours kAnalyzeTimeout{1};

// Somebody's word that the copy reached its end.
bool is_known_copied(const Context& context) {
    if (context.history.copied) {
        return true;
    }
    if (!context.state) {
        return false;
    }
    const StateFile& state = *context.state;
    // The original's tool says "copy" in the middle of a copy too: then the rows are counted.
    return state.step == "copied" || state.step == "rename";
}

// Every row of the shadow equals its original (the triggers see to that), so equal counts in one
// snapshot prove that none is missing.
Result<std::optional<Verdict>> compare_counts(Context& context, const std::string& shadow,
                                              const std::string& why) {
    context.reporter.phase("row count");
    ASSIGN_OR_RETURN(const RowCounts counts, count_copy(context, shadow, why));
    if (counts.original == counts.shadow) {
        return std::optional<Verdict>();
    }
    ASSIGN_OR_RETURN(
        Verdict verdict,
        give_up_copy(context, "rows_missing",
                fmt::format("the new table has {} rows, the original {} (counted because {}): not "
                            "swapped; run the migration anew",
                            counts.shadow, counts.original, why)));
    return std::optional(std::move(verdict));
}

// Why the state file's word is no proof that all rows are there; "" when it is. A whole read of
// both tables is cheap beside a copy and beside a lost row.
Result<std::string> why_count(Context& context, const std::string& shadow, const CopyFacts& now) {
    if (!is_known_copied(context)) {
        return std::string("nothing says that the copy reached its end");
    }
    if (!context.state || context.state->mig_tbl != shadow || context.state->server.empty()) {
        return std::string("no state file says which server it was copied on");
    }
    const StateFile& state = *context.state;
    if (state.server != context.database.server().id) {
        return fmt::format("it was copied on {} and this is {}, which may lack rows", state.server,
                           context.database.server().id);
    }
    ASSIGN_OR_RETURN(const bool lost, may_have_lost_chunks(context, state));
    if (lost) {
        return std::string("the server was restarted since and is not durable");
    }
    if (std::string why = another_life(state, now); !why.empty()) {
        return why;
    }
    const auto alter = alter_specification(context.job.ddl_statement);
    if (!alter.ok() || may_lose_duplicates(alter->specification)) {
        return std::string("the ALTER may add a unique key");
    }
    return state.runs > 1 ? fmt::format("the copy took {} runs", state.runs) : std::string();
}

// Somebody altered the original (the swap would undo it and lose data) or the shadow since the
// copy, or made a trigger again: rows written between may be missing.
Result<std::optional<Verdict>> compare_with_copy(Context& context, const std::string& shadow,
                                                 const CopyFacts& now) {
    const StateFile state = context.state.value_or(StateFile{});
    if (state.orig_ddl_hash.empty() || state.new_ddl_hash.empty() || state.mig_tbl != shadow ||
        state.server != context.database.server().id) {
        return std::optional<Verdict>();
    }
    const auto saved = copy_state_of(state);
    std::string why;
    if (saved.ok() && !saved->triggers.empty()) {
        why = difference(*saved, now, context.table);
    } else if (now.orig_ddl != state.orig_ddl_hash || now.new_ddl != state.new_ddl_hash) {
        why = "the table's definition was changed";
    }
    if (why.empty()) {
        return std::optional<Verdict>();
    }
    ASSIGN_OR_RETURN(Verdict verdict, give_up_copy(context, "moved_since_copy",
                                                   why + " (since the copy): not swapped"));
    return std::optional(std::move(verdict));
}

Result<std::optional<Verdict>> verify(Context& context, const std::string& shadow) {
    ASSIGN_OR_RETURN(const auto triggers, our_triggers(context, context.table, {shadow}));
    if (triggers.size() != kOscTriggerCount) {
        ASSIGN_OR_RETURN(
            Verdict verdict,
            give_up_copy(
                context, "triggers_missing",
                fmt::format("{} of the {} triggers that keep the new table in step are there, "
                            "so rows may differ: not swapped",
                            triggers.size(), kOscTriggerCount)));
        return std::optional(std::move(verdict));
    }
    ASSIGN_OR_RETURN(const CopyFacts now, look_at_copy(context, shadow));
    ASSIGN_OR_RETURN(auto changed, compare_with_copy(context, shadow, now));
    if (changed) {
        return changed;
    }
    ASSIGN_OR_RETURN(const std::string why, why_count(context, shadow, now));
    return why.empty() ? std::optional<Verdict>() : compare_counts(context, shadow, why);
}

Status analyze(Context& context, const std::string& shadow) {
    // The first queries after the swap must not meet a table without statistics.
    ASSIGN_OR_RETURN(Connection connection, context.database.connect("analyze", kAnalyzeTimeout));
    return while_keeping_lock(context, connection, [&] {
        return connection.execute("ANALYZE NO_WRITE_TO_BINLOG TABLE " +
                                  qualified_name(context.db(), shadow));
    });
}

}  // namespace

Result<Verdict> give_up_copy(Context& context, const std::string& reason,
                             const std::string& message) {
    RETURN_IF_ERROR(remove_ours(context, context.job.enable_trash));
    return failed(reason, message +
                              "; the original table is untouched, our triggers and the new "
                              "table were removed");
}

Result<Verdict> run_rename(Context& context) {
    context.reporter.phase("preflight");
    RETURN_IF_ERROR(context.database.open());
    RETURN_IF_ERROR(stop_old_statements(context, OldDdl::kKill));
    RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
    ASSIGN_OR_RETURN(SwapState swap, look_at_swap(context));
    if (swap.happened) {
        return finish_after_swap(context, swap);
    }
    if (swap.shadow.empty()) {
        return give_up_copy(context, "shadow_missing", "the new table is not there: not swapped");
    }
    if (context.engine == kLhmEngine) {
        return swap_by_lhm(context);
    }
    ASSIGN_OR_RETURN(auto wrong, verify(context, swap.shadow));
    if (wrong) {
        return *wrong;
    }
    ASSIGN_OR_RETURN(const auto theirs, users_triggers(context));
    if (!theirs.empty()) {  // a person's to decide, and no reason to lose the copy
        return retry("has_triggers",
                     fmt::format("table {} got triggers of its own since the copy ({}), which the "
                                 "swap would leave on the old table: drop them, or cancel",
                                 context.table_text(), fmt::join(theirs, ", ")));
    }
    context.reporter.phase("analyze");
    RETURN_IF_ERROR(analyze(context, swap.shadow));
    // The looks above may have been long ones.
    RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
    context.reporter.phase("swap");
    ASSIGN_OR_RETURN(auto ended, swap_tables(context, swap.shadow));
    if (ended) {
        return *ended;
    }
    swap.old = context.history.swap ? context.history.swap->old : "";
    return finish_after_swap(context, swap);
}

}  // namespace shift
