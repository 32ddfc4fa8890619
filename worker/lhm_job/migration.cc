#include "worker/lhm_job/migration.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/ddl.h"
#include "common/test_points.h"
#include "worker/leftovers.h"
#include "worker/lhm/instant.h"
#include "worker/lhm/leftovers.h"
#include "worker/lhm/settings.h"
#include "worker/names.h"

namespace shift {
namespace {

std::string owner_of(const Context& context) {
    return fmt::format("shift-supervisor {}", context.job.migration);
}

Result<lhm::Change> change_of(const Context& context) {
    ASSIGN_OR_RETURN(const AlterSpecification alter,
                     alter_specification(context.job.ddl_statement));
    if (alter.ignore) {
        return Error{Errc::kInvalidArgument,
                     "ALTER IGNORE TABLE loses duplicate rows silently: leave IGNORE out"};
    }
    lhm::ChangeStep step;
    step.verb = lhm::ChangeStep::Verb::kAlter;
    step.definition = alter.specification;
    return lhm::Change{context.db(), context.table, {step}};
}

Result<lhm::Options> options_of(const Context& context) {
    const Job& job = context.job;
    lhm::Options options;
    lhm::SettingValues values(job.lhm_settings.begin(), job.lhm_settings.end());
    if (Status applied = lhm::apply_settings(values, options); !applied.ok()) {
        return std::move(applied).error().within("configuration: lhm");
    }
    options.owner = owner_of(context);
    options.throttle.max_load.push_back(
        {"Threads_running", static_cast<double>(job.options.max_threads_running)});
    options.throttle.lag_max = std::chrono::seconds(job.options.max_replication_lag);
    options.throttle.recursion_method = job.options.recursion_method;
    options.allow_loss = options.allow_loss || job.options.allow_loss;
    options.swap.patience = kLockPatience;
    options.swap.archive = trash_name(trash_timestamp(context.clock.wall()), context.table);
    return options;
}

// A mark tells the migration whose copy it is; a copy id is told by the state file as well.
Result<std::optional<lhm::Leftovers>> find_ours(Context& context) {
    if (context.table.empty()) {
        return std::optional<lhm::Leftovers>();
    }
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(lhm::Leftovers left, lhm::find_leftovers(*look, context.db(), context.table));
    std::string copy_id = left.owner == owner_of(context) ? left.copy_id : "";
    if (copy_id.empty() && context.state && context.state->engine == kLhmEngine &&
        context.state->db == context.db()) {
        copy_id = context.state->copy_id;
    }
    if (copy_id.empty() || (left.control && left.copy_id != copy_id)) {
        return std::optional<lhm::Leftovers>();
    }
    std::erase_if(left.triggers, [&copy_id](const Trigger& trigger) {
        return lhm::copy_id_in(trigger.body) != copy_id;
    });
    return left.any_ours() ? std::optional(std::move(left)) : std::nullopt;
}

}  // namespace

std::string engine_of_copy(const Context& context) {
    const Job& job = context.job;
    if (job.step == Step::kPrepare || context.table.empty()) {
        return job.engine;
    }
    const auto& state = context.state;
    if (state && !state->engine.empty() && state->db == context.db() && state->step != "create") {
        return state->engine;
    }
    const std::string lhm_shadow = lhm::names_for(context.table).shadow;
    for (const History::Table& shadow : context.history.shadows) {
        if (shadow.database == context.db()) {
            return shadow.table == lhm_shadow ? kLhmEngine : "pt-osc";
        }
    }
    return job.engine;
}

LhmMigration::LhmMigration(Context& context, lhm::Change change, lhm::Options options)
    : listener_(context),
      options_(options),
      engine_(lhm::Engine::World{context.database, listener_, context.stop, context.clock},
              std::move(change), std::move(options)) {}

Result<std::unique_ptr<LhmMigration>> LhmMigration::make(Context& context) {
    ASSIGN_OR_RETURN(lhm::Change change, change_of(context));
    ASSIGN_OR_RETURN(lhm::Options options, options_of(context));
    return std::unique_ptr<LhmMigration>(
        new LhmMigration(context, std::move(change), std::move(options)));
}

std::optional<lhm::Checkpoint> lhm_checkpoint(const Context& context) {
    if (!context.state || context.state->db != context.db() ||
        context.state->orig_tbl != context.table) {
        return std::nullopt;
    }
    auto checkpoint = lhm::checkpoint_of(*context.state);
    return checkpoint.ok() ? std::optional(*std::move(checkpoint)) : std::nullopt;
}

Status remove_lhm(Context& context, bool trash) {
    ASSIGN_OR_RETURN(const auto left, find_ours(context));
    if (!left) {
        return Ok{};
    }
    crash_point("lhm-remove");
    LhmListener listener(context);
    lhm::Workshop workshop{context.database, listener, context.stop};
    std::vector<std::string> triggers;
    for (const Trigger& trigger : left->triggers) {
        triggers.push_back(trigger.name);
    }
    RETURN_IF_ERROR(lhm::remove_triggers(workshop, context.db(), triggers));
    const lhm::Names names = lhm::names_for(context.table);
    if (left->shadow && trash) {
        RETURN_IF_ERROR(discard_table(context, names.shadow, nullptr));
    }
    // The control table last: it is the proof that the others are ours.
    for (const auto& [is_there, name] : {std::pair(left->shadow && !trash, &names.shadow),
                                         std::pair(left->placeholder, &names.placeholder),
                                         std::pair(left->control, &names.control)}) {
        if (is_there) {
            RETURN_IF_ERROR(lhm::remove_table(workshop, context.db(), *name));
        }
    }
    crash_point("lhm-removed");
    context.reporter.remark("removed the triggers and tables of the copy");
    return Ok{};
}

Result<std::string> find_lhm_shadow(Context& context) {
    ASSIGN_OR_RETURN(const auto left, find_ours(context));
    return left && left->shadow ? lhm::names_for(context.table).shadow : "";
}

Result<std::string> table_lhm_triggers_moved_with(Context& context) {
    ASSIGN_OR_RETURN(const auto left, find_ours(context));
    if (left) {
        for (const Trigger& trigger : left->triggers) {
            if (trigger.table != context.table) {
                return trigger.table;
            }
        }
    }
    return std::string();
}

Result<bool> has_lhm_altered_instantly(Context& context) {
    const auto checkpoint = lhm_checkpoint(context);
    if (!checkpoint || checkpoint->instant.empty() || checkpoint->stage < lhm::Stage::kSwap) {
        return false;
    }
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    return lhm::has_altered_instantly(*look, context.db(), context.table,
                                      checkpoint->original_sha1);
}

Status finish_lhm_swap(Context& context, const std::string& old) {
    auto checkpoint = lhm_checkpoint(context);
    if (!checkpoint && !old.empty()) {
        // No state file any more: what bears our mark is enough to look for writes that came late.
        ASSIGN_OR_RETURN(const auto left, find_ours(context));
        if (left && left->control) {
            checkpoint.emplace();
            checkpoint->database = context.db();
            checkpoint->table = context.table;
            checkpoint->copy_id = left->copy_id;
        }
    }
    if (checkpoint && checkpoint->stage != lhm::Stage::kDone && !old.empty()) {
        checkpoint->stage = lhm::Stage::kSwap;
        checkpoint->archive = old;
        ASSIGN_OR_RETURN(auto migration, LhmMigration::make(context));
        ASSIGN_OR_RETURN(const lhm::Ending ended, migration->engine().swap(*checkpoint));
        if (ended.kind != lhm::Ending::Kind::kDone) {
            return Error{Errc::kUnavailable, ended.message};
        }
    }
    return remove_lhm(context, false);
}

}  // namespace shift
