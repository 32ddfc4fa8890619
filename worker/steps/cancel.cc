#include <fmt/format.h>

#include "common/text.h"
#include "worker/leftovers.h"
#include "worker/steps/steps.h"
#include "worker/swap.h"

namespace shift {
namespace {

// A direct statement that was sent and never answered: has it happened? Its thread is gone.
Result<bool> direct_happened(Context& context) {
    const auto& ddl = context.history.ddl;
    if (!ddl) {
        return false;
    }
    if (ddl->happened) {
        return true;
    }
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const std::string now, table_definition(*look, context.db(), context.table));
    return fingerprint_or_none(now) != ddl->before_hash;
}

}  // namespace

Result<std::optional<Verdict>> finish_if_changed(Context& context) {
    ASSIGN_OR_RETURN(const bool changed, direct_happened(context));
    ASSIGN_OR_RETURN(const SwapState swap, look_at_swap(context));
    if (!changed && !swap.happened) {
        return std::optional<Verdict>();
    }
    context.reporter.remark(fmt::format("the {} came too late: the table was changed already",
                                        step_name(context.job.step)),
                            LogLevel::kWarn);
    if (swap.happened) {
        ASSIGN_OR_RETURN(Verdict verdict, finish_after_swap(context, swap));
        return std::optional(std::move(verdict));
    }
    context.reporter.fact("ddl", {{"state", "done"}});
    context.reporter.no_return("ddl");
    ASSIGN_OR_RETURN(Verdict verdict, finish_direct(context, context.history.ddl->trash));
    return std::optional(std::move(verdict));
}

// Status 9: nothing of ours is left, or, when the table was changed already, everything after the
// change is finished and `completed` says so. Trouble is tried again, never failed.
Result<Verdict> run_cancel(Context& context) {
    context.reporter.phase("clean-up");
    RETURN_IF_ERROR(context.database.open());
    RETURN_IF_ERROR(stop_old_statements(context, OldDdl::kKill));
    if (context.table.empty()) {
        context.reporter.note(LogLevel::kWarn,
                              "nobody knows the migration's table (no statement, no state file): "
                              "nothing was looked for on the server");
        return done(Outcome::kCancelled, "table not known, nothing was looked for");
    }
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const bool exists, database_exists(*look, context.db()));
    if (!exists) {
        return done(Outcome::kCancelled, fmt::format("database {} does not exist", context.db()));
    }
    RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
    ASSIGN_OR_RETURN(auto finished, finish_if_changed(context));
    if (finished) {
        return *std::move(finished);
    }
    RETURN_IF_ERROR(remove_ours(context, context.job.enable_trash));
    return done(Outcome::kCancelled);
}

}  // namespace shift
