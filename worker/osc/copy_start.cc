#include "worker/osc/copy_start.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/ddl.h"
#include "common/test_points.h"
#include "common/text.h"
#include "worker/leftovers.h"
#include "worker/mysql/sha1.h"
#include "worker/names.h"
#include "worker/timed_statement.h"

namespace shift {
namespace {

CopyStart fresh(std::string why) {
    CopyStart start;
    start.why = std::move(why);
    return start;
}

std::vector<std::string> names_of(const std::vector<OscCopyState::Trigger>& triggers) {
    std::vector<std::string> names;
    for (const OscCopyState::Trigger& trigger : triggers) {
        names.push_back(trigger.name);
    }
    return names;
}

// What can be said without asking the server for more.
std::string why_another_job(const Context& context, const OscPlan& plan, const StateFile& saved) {
    if (saved.mig_tbl != plan.shadow || saved.db != context.db() ||
        saved.orig_tbl != context.table) {
        return fmt::format("the state file is of {}.{}", saved.db, saved.orig_tbl);
    }
    if (saved.alter_hash != fingerprint(canonical_ddl(plan.alter))) {
        return "the ALTER is another one than the copy was begun with";
    }
    if (saved.server != context.database.server().id) {
        return fmt::format("the server is {}, the copy was begun on {}",
                           context.database.server().id, saved.server);
    }
    return "";
}

// The table has the definition that the new table had, and the new table is gone.
Result<bool> is_swapped(Context& context, const OscCopyState& saved, const CopyFacts& now) {
    if (!now.new_ddl.empty() || saved.new_ddl.empty() || saved.new_ddl == saved.orig_ddl) {
        return false;
    }
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const std::string hash,
                     definition_hash(*look, context.db(), context.table, saved.shadow));
    return hash == saved.new_ddl;
}

}  // namespace

Result<CopyFacts> look_at_copy(Context& context, const std::string& shadow) {
    CopyFacts facts;
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(facts.orig_ddl, definition_hash(*look, context.db(), context.table));
    ASSIGN_OR_RETURN(facts.new_ddl, definition_hash(*look, context.db(), shadow));
    ASSIGN_OR_RETURN(facts.orig_life, table_life(*look, context.db(), context.table));
    ASSIGN_OR_RETURN(facts.new_life, table_life(*look, context.db(), shadow));
    if (facts.new_life.empty()) {  // nobody but the engine has a reason to alter this one
        ASSIGN_OR_RETURN(facts.new_life, table_creation(*look, context.db(), shadow));
    }
    ASSIGN_OR_RETURN(const auto triggers, our_triggers(context, context.table, {shadow}));
    for (const Trigger& trigger : triggers) {
        facts.triggers.push_back({trigger.name, trigger.created, sha1_hex(trigger.body)});
    }
    std::sort(facts.triggers.begin(), facts.triggers.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return facts;
}

Result<RowCounts> count_copy(Context& context, const std::string& shadow, const std::string& why) {
    ASSIGN_OR_RETURN(Connection counter,
                     context.database.connect("row count", Database::kCountTimeout));
    RowCounts counts;
    RETURN_IF_ERROR(while_keeping_lock(context, counter, [&]() -> Status {
        ASSIGN_OR_RETURN(counts, count_rows(counter, context.db(), context.table, shadow));
        return Ok{};
    }));
    context.reporter.remark(fmt::format("rows in one snapshot: {} in {}, {} in {} (because {})",
                                        counts.original, context.table, counts.shadow, shadow,
                                        why));
    return counts;
}

Result<bool> may_have_lost_chunks(Context& context, const StateFile& state) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const ServerIdentity now, identify_server(*look));
    ServerIdentity then;
    then.id = state.server;
    then.started_s = state.server_started;
    if (is_same_run(then, now)) {
        return false;
    }
    ASSIGN_OR_RETURN(const bool durable, is_durable(*look));
    return !durable;
}

std::string difference(const OscCopyState& saved, const CopyFacts& now, const std::string& table) {
    if (now.new_ddl.empty()) {
        return fmt::format("the new table {} is gone", saved.shadow);
    }
    if (saved.triggers.empty() || names_of(saved.triggers) != names_of(now.triggers)) {
        return fmt::format("{} of the {} triggers that keep {} in step are there",
                           now.triggers.size(), std::max<std::size_t>(saved.triggers.size(), 3),
                           saved.shadow);
    }
    if (saved.triggers != now.triggers) {
        return fmt::format("a trigger of {} was dropped and made again meanwhile", table);
    }
    if (saved.orig_ddl != now.orig_ddl) {
        return fmt::format("table {} was altered meanwhile", table);
    }
    if (saved.new_ddl != now.new_ddl) {
        return fmt::format("the new table {} was altered meanwhile", saved.shadow);
    }
    return "";
}

std::string another_life(const StateFile& saved, const CopyFacts& now) {
    if (is_another_life(saved.new_life, now.new_life)) {
        return fmt::format(
            "the new table {} was emptied (TRUNCATE), made again or rebuilt meanwhile",
            saved.mig_tbl);
    }
    if (is_another_life(saved.orig_life, now.orig_life)) {
        return fmt::format("table {} was emptied (TRUNCATE), made again or rebuilt meanwhile",
                           saved.orig_tbl);
    }
    return "";
}

Result<CopyStart> plan_copy_start(Context& context, const OscPlan& plan) {
    if (!context.state || context.state->copy_id.empty()) {
        return fresh("");
    }
    const StateFile& saved = *context.state;
    auto state = copy_state_of(saved);
    if (!state.ok()) {
        return fresh(state.error().message);
    }
    if (!state->is_resumable()) {
        return fresh("");
    }
    if (std::string why = why_another_job(context, plan, saved); !why.empty()) {
        return fresh(std::move(why));
    }
    ASSIGN_OR_RETURN(const CopyFacts now, look_at_copy(context, plan.shadow));
    if (std::string why = difference(*state, now, context.table); !why.empty()) {
        ASSIGN_OR_RETURN(const bool swapped, is_swapped(context, *state, now));
        CopyStart start = fresh(std::move(why));
        start.kind = swapped ? CopyStart::Kind::kSwapped : start.kind;
        return start;
    }
    if (std::string why = another_life(saved, now); !why.empty()) {
        return fresh(std::move(why));
    }
    CopyStart start;
    start.state = std::move(state).value();
    ASSIGN_OR_RETURN(start.from_first_row, may_have_lost_chunks(context, saved));
    const bool copied = start.state.step == "copied" && !start.from_first_row;
    start.kind = copied || planted_bug("boundary-ahead") ? CopyStart::Kind::kCopied
                                                         : CopyStart::Kind::kResume;
    return start;
}

}  // namespace shift
