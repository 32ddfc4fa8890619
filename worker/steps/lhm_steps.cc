#include <fmt/format.h>

#include "common/text.h"
#include "worker/leftovers.h"
#include "worker/lhm/plan.h"
#include "worker/lhm_job/migration.h"
#include "worker/steps/steps.h"
#include "worker/swap.h"

// The parts of prepare, run and rename that are the lhm engine's.
//
// Happy path: what an earlier attempt left is gone on with, when the engine proves that nothing
// moved; else it is removed and the copy begins anew. Trouble that passes is given back as `retry`;
// what a person must see ends the step with everything kept (`error` of a copy), a refusal leaves
// nothing.

namespace shift {
namespace {

constexpr int kLhmOverloadPauseS = 30;
constexpr int kBlockedPauseS = 60;

Verdict lhm_copy_verdict(const lhm::Ending& ended) {
    switch (ended.kind) {
        case lhm::Ending::Kind::kDone:
            return done(Outcome::kCopied);
        case lhm::Ending::Kind::kStopped:
            return done(Outcome::kStopped, ended.message);
        case lhm::Ending::Kind::kRefused:
            return failed(ended.reason, ended.message);
        case lhm::Ending::Kind::kBlocked:
        case lhm::Ending::Kind::kStale:
            break;
    }
    if (ended.reason == "overload") {
        return retry(ended.reason, ended.message, kLhmOverloadPauseS);
    }
    return Verdict{Outcome::kError, ended.reason, ended.message, 0};
}

Result<Verdict> copy_anew_by_lhm(Context& context) {
    RETURN_IF_ERROR(remove_ours(context, false));
    ASSIGN_OR_RETURN(auto migration, LhmMigration::make(context));
    ASSIGN_OR_RETURN(const lhm::Ending ended, migration->engine().copy(std::nullopt));
    return lhm_copy_verdict(ended);
}

// nullopt: the swap may go on, or has happened.
Result<std::optional<Verdict>> lhm_swap_verdict(Context& context, const lhm::Ending& ended) {
    switch (ended.kind) {
        case lhm::Ending::Kind::kDone:
            return std::optional<Verdict>();
        case lhm::Ending::Kind::kStopped:
            return std::optional(done(Outcome::kStopped, ended.message));
        case lhm::Ending::Kind::kBlocked:
            if (ended.reason == "overload") {
                return std::optional(retry(ended.reason, ended.message, kLhmOverloadPauseS));
            }
            // A row that does not fit, a table emptied meanwhile, another server behind the name: a
            // person or the next try puts that right, and the copy of hours is kept for it. Another
            // definition stays another one.
            if (ended.reason != "moved") {
                return std::optional(retry(ended.reason, ended.message, kBlockedPauseS));
            }
            break;
        case lhm::Ending::Kind::kStale:
        case lhm::Ending::Kind::kRefused:
            break;
    }
    ASSIGN_OR_RETURN(Verdict verdict, give_up_copy(context, ended.reason, ended.message));
    return std::optional(std::move(verdict));
}

}  // namespace

Result<Verdict> prepare_by_lhm(Context& context) {
    RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
    RETURN_IF_ERROR(remove_ours(context, false));
    auto migration = LhmMigration::make(context);
    if (!migration.ok()) {
        return failed("statement", migration.error().message);
    }
    lhm::Engine& engine = (*migration)->engine();
    ASSIGN_OR_RETURN(const lhm::Ending ended, engine.dry_run());
    switch (ended.kind) {
        case lhm::Ending::Kind::kDone:
            break;
        case lhm::Ending::Kind::kStopped:
            return done(Outcome::kStopped, "stopped during the dry run");
        case lhm::Ending::Kind::kRefused:
        case lhm::Ending::Kind::kBlocked:
        case lhm::Ending::Kind::kStale:
            return failed(ended.reason, "lhm cannot make this change: " + ended.message);
    }
    for (const std::string& line :
         split(lhm::describe(engine.plan(), (*migration)->options()), '\n')) {
        if (!line.empty()) {
            context.reporter.log_line("stdout", "shift-worker: " + line);
        }
    }
    return done(Outcome::kPrepared);
}

Result<Verdict> copy_by_lhm(Context& context) {
    ASSIGN_OR_RETURN(const SwapState swap, look_at_swap(context));
    if (swap.happened) {
        return Verdict{Outcome::kError, "already_swapped",
                       fmt::format("{}.{} has become what this migration makes of it: cancel this "
                                   "one if the API does not know",
                                   context.db(), context.table),
                       0};
    }
    const auto checkpoint = lhm_checkpoint(context);
    if (!checkpoint) {
        return copy_anew_by_lhm(context);
    }
    ASSIGN_OR_RETURN(auto migration, LhmMigration::make(context));
    ASSIGN_OR_RETURN(const lhm::Ending ended, migration->engine().copy(checkpoint));
    if (ended.kind != lhm::Ending::Kind::kStale) {
        return lhm_copy_verdict(ended);
    }
    context.reporter.remark("the copy starts over: " + ended.message, LogLevel::kWarn);
    return copy_anew_by_lhm(context);
}

Result<Verdict> swap_by_lhm(Context& context) {
    auto checkpoint = lhm_checkpoint(context);
    if (!checkpoint) {
        return give_up_copy(context, "state_missing",
                            "what the copy has proved is not known (no state file): not swapped");
    }
    ASSIGN_OR_RETURN(auto migration, LhmMigration::make(context));
    lhm::Engine& engine = migration->engine();
    if (checkpoint->stage < lhm::Stage::kReady) {
        // The state file is older than the copy's end: what it does not prove is done again.
        ASSIGN_OR_RETURN(const lhm::Ending copied, engine.copy(checkpoint));
        ASSIGN_OR_RETURN(auto ended, lhm_swap_verdict(context, copied));
        if (ended) {
            return *std::move(ended);
        }
        checkpoint = engine.checkpoint();
    }
    ASSIGN_OR_RETURN(const lhm::Ending swapped, engine.swap(*checkpoint));
    ASSIGN_OR_RETURN(auto ended, lhm_swap_verdict(context, swapped));
    if (ended) {
        return *std::move(ended);
    }
    SwapState state;
    state.happened = true;
    state.old = engine.checkpoint().archive;
    return finish_after_swap(context, state);
}

}  // namespace shift
