#include "worker/lhm/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "common/text.h"
#include "worker/lhm/checksum.h"
#include "worker/lhm/data_check.h"
#include "worker/lhm/instant.h"
#include "worker/lhm/leftovers.h"
#include "worker/lhm/preflight.h"
#include "worker/lhm/statements.h"
#include "worker/lhm/way_back.h"

namespace shift::lhm {
namespace {

constexpr int kThreadsByDefault = 2;
constexpr int kThreadsInTurns = 2;

Refusal refusal_of(const Error& error, std::string reason) {
    return Refusal{std::move(reason), error.message};
}

}  // namespace

// What both ways know without a shadow.
Result<Planned> Planner::begin() {
    Planned planned;
    Plan& plan = planned.plan;
    ASSIGN_OR_RETURN(Connection * look, workshop_.database.look());
    plan.database = change_.database;
    plan.flavour = flavour_of(*look);
    plan.server = workshop_.database.server();
    plan.filter = options_.filter;
    auto shape = read_shape(*look, change_.database, change_.table);
    if (!shape.ok()) {
        if (shape.error().code != Errc::kNotFound) {
            return std::move(shape).error();
        }
        planned.refused = refusal_of(shape.error(), "no_table");
        return planned;
    }
    plan.original = *std::move(shape);
    plan.table = plan.original.name;
    plan.names = names_for(plan.table);
    ASSIGN_OR_RETURN(const auto facts, table_facts(*look, plan.database, plan.table));
    if (facts) {
        plan.rows = facts->rows.value_or(0);
        plan.bytes = facts->data_bytes.value_or(0) + facts->index_bytes.value_or(0);
        plan.row_bytes = plan.rows > 0 ? facts->data_bytes.value_or(0) / plan.rows : 0;
        if (facts->is_view) {
            planned.refused = Refusal{"is_view", plan.table + " is a view, not a table"};
            return planned;
        }
    }
    for (const ChangeStep& step : change_.steps) {
        auto statement = statement_of(step, plan.original, plan.names.shadow, plan.flavour);
        if (!statement.ok()) {
            planned.refused = refusal_of(statement.error(), "statement");
            return planned;
        }
        plan.statements.push_back(*std::move(statement));
    }
    ASSIGN_OR_RETURN(planned.refused, check_table(*look, plan.original));
    if (!planned.refused && walkable_keys(plan.original).empty()) {
        planned.refused = Refusal{"no_unique_key", why_not_walkable(plan.original)};
    }
    return planned;
}

Result<std::optional<Refusal>> Planner::check_names(Plan& plan) {
    ASSIGN_OR_RETURN(Connection * look, workshop_.database.look());
    ASSIGN_OR_RETURN(const Leftovers left, find_leftovers(*look, plan.database, plan.table));
    if (!left.foreign.empty()) {
        return std::optional(
            Refusal{"name_taken", fmt::format("{} exists and nothing says that we made it: drop or "
                                              "rename it first",
                                              listed(left.foreign))});
    }
    if (left.any()) {
        return std::optional(Refusal{
            "leftovers", fmt::format("an earlier migration of {}.{} was left on the server: "
                                     "resume it, or remove it by a cleanup",
                                     plan.database, plan.table)});
    }
    return std::optional<Refusal>();
}

Result<Planned> Planner::make(const std::string& copy_id) {
    ASSIGN_OR_RETURN(Planned planned, begin());
    if (planned.refused) {
        return planned;
    }
    ASSIGN_OR_RETURN(Connection * look, workshop_.database.look());
    ASSIGN_OR_RETURN(planned.refused, check_server(*look));
    if (!planned.refused) {
        ASSIGN_OR_RETURN(planned.refused, check_names(planned.plan));
    }
    if (planned.refused) {
        return planned;
    }
    Plan& plan = planned.plan;
    plan.copy_id = copy_id;
    ASSIGN_OR_RETURN(planned.refused, make_shadow(workshop_, plan, options_));
    if (!planned.refused) {
        ASSIGN_OR_RETURN(planned.refused, finish(plan));
    }
    if (!planned.refused && options_.swap.rollback_window.count() > 0) {
        if (const auto back = reverse_plan(plan, plan.table); !back.ok()) {
            planned.refused = refusal_of(back.error(), "no_way_back");
        }
    }
    if (!planned.refused) {
        ASSIGN_OR_RETURN(Connection * locked, workshop_.database.locked());
        ASSIGN_OR_RETURN(planned.refused, check_rights(*locked, plan, options_));
    }
    if (!planned.refused) {
        RETURN_IF_ERROR(choose_instant(workshop_, plan, options_));
    }
    if (!planned.refused && plan.instant.empty()) {
        ASSIGN_OR_RETURN(planned.refused, check_data(sessions_, plan, options_, workshop_.stop));
    }
    if (!planned.refused && plan.instant.empty()) {
        RETURN_IF_ERROR(set_indexes_aside(workshop_, plan, options_));
    }
    if (planned.refused) {
        RETURN_IF_ERROR(remove_all(workshop_, plan.database, plan.table));
    }
    return planned;
}

Result<Planned> Planner::recover(const std::string& copy_id) {
    ASSIGN_OR_RETURN(Planned planned, begin());
    if (planned.refused) {
        return planned;
    }
    Plan& plan = planned.plan;
    plan.copy_id = copy_id;
    ASSIGN_OR_RETURN(Connection * look, workshop_.database.look());
    ASSIGN_OR_RETURN(const Leftovers left, find_leftovers(*look, plan.database, plan.table));
    if (!left.shadow || left.copy_id != copy_id) {
        planned.refused = Refusal{"shadow_missing",
                                  left.shadow ? "the shadow table is of another copy"
                                              : "the shadow table or its control table is gone"};
        return planned;
    }
    ASSIGN_OR_RETURN(plan.deferred, read_deferred(*look, plan));
    ASSIGN_OR_RETURN(planned.refused, finish(plan));
    return planned;
}

std::optional<Refusal> Planner::choose_key(Plan& plan) {
    std::vector<std::string> tried;
    for (const CopyKey& key : walkable_keys(plan.original)) {
        if (!options_.key.empty() && !iequals_ascii(options_.key, key.index)) {
            continue;
        }
        tried.push_back(key.text());
        if (auto found = shadow_key(key, plan.map, plan.shadow)) {
            plan.key = key;
            plan.shadow_key = *std::move(found);
            return std::nullopt;
        }
    }
    if (tried.empty()) {
        return Refusal{"no_such_key", fmt::format("table {} has no unique key {} to walk it by",
                                                  plan.table, options_.key)};
    }
    return Refusal{
        "no_key_left",
        fmt::format("the changed table has no index that begins with the columns of {}, or changes "
                    "what they hold, so a changed row could not be found in it: keep such an index "
                    "(it can be dropped in a second migration)",
                    listed(tried))};
}

// The copy's own bounds: values of the key, the first not behind the second.
std::optional<Refusal> Planner::check_bounds(Plan& plan) {
    plan.is_partial = !plan.filter.empty() || !options_.start.empty() || !options_.limit.empty();
    for (const auto* words : {&options_.start, &options_.limit}) {
        if (!words->empty()) {
            if (const auto value = parse_key_value(plan.key, *words); !value.ok()) {
                return refusal_of(value.error(), "bounds");
            }
        }
    }
    const bool comparable = plan.key.columns.size() == 1 && !options_.start.empty() &&
                            !options_.limit.empty() &&
                            (plan.key.columns[0].kind == ValueKind::kNumber ||
                             plan.key.columns[0].kind == ValueKind::kFloat);
    const auto number = [](const std::string& text) { return std::strtold(text.c_str(), nullptr); };
    if (comparable && number(options_.start[0]) > number(options_.limit[0])) {
        return Refusal{"bounds", fmt::format("impossible chunk options (limit ({}) must be greater "
                                             "than start ({}))",
                                             options_.limit[0], options_.start[0])};
    }
    return std::nullopt;
}

Status Planner::choose_threads(Connection& look, Plan& plan) {
    plan.threads = options_.threads > 0 ? options_.threads : kThreadsByDefault;
    plan.verify_threads = plan.threads;
    const bool counts = std::any_of(plan.shadow.columns.begin(), plan.shadow.columns.end(),
                                    [](const Column& column) { return column.auto_increment; });
    if (!plan.flavour.is_mariadb || !counts || plan.threads == 1) {
        return Ok{};
    }
    // Each INSERT .. SELECT holds the table's AUTO-INC lock to its end: copiers would wait for each
    // other, and the application's inserts for all that queue before them. In turns only the commit
    // of one and the work of the other are at the same time.
    // Source: MariaDB 10.11, innodb_autoinc_lock_mode=1 (its default); that the lock is taken for
    // values that are given, too, is tried.
    ASSIGN_OR_RETURN(const auto mode, look.query_value("SELECT @@innodb_autoinc_lock_mode"));
    if (mode.value_or("1") != "2") {
        plan.threads = kThreadsInTurns;
        plan.copies_in_turns = true;
    }
    return Ok{};
}

Result<std::optional<Refusal>> Planner::check_filter(const Plan& plan) {
    if (plan.filter.empty()) {
        return std::optional<Refusal>();
    }
    ASSIGN_OR_RETURN(Connection session, sessions_.open("filter check", std::chrono::seconds(60)));
    const Status explained = session.execute("EXPLAIN " + copy_range_statement(plan, Range{}));
    if (explained.ok()) {
        return std::optional<Refusal>();
    }
    if (session.lost()) {
        return explained.error();
    }
    return std::optional(Refusal{"filter", "the filter does not work: " + session.server_words()});
}

// From both shapes and the statements.
std::optional<Refusal> Planner::map_and_choose(Plan& plan) {
    std::vector<AlterEffects> effects;
    for (const ChangeStatement& statement : plan.statements) {
        effects.push_back(statement.effects);
    }
    auto map = map_columns(plan.original, plan.shadow, effects);
    if (!map.ok()) {
        return refusal_of(map.error(), "columns");
    }
    plan.map = *std::move(map);
    if (auto refused = choose_key(plan)) {
        return refused;
    }
    for (const Index* index : stricter_keys(plan.map, plan.original, plan.shadow)) {
        plan.stricter.push_back(*index);
    }
    plan.left_out =
        row_hash(plan.map, plan.key, plan.original_prefix(), plan.shadow_prefix()).left_out;
    return std::nullopt;
}

Result<std::optional<Refusal>> Planner::finish(Plan& plan) {
    ASSIGN_OR_RETURN(Connection * look, workshop_.database.look());
    ASSIGN_OR_RETURN(plan.shadow, read_shape(*look, plan.database, plan.names.shadow));
    if (auto refused = map_and_choose(plan)) {
        return refused;
    }
    if (auto refused = check_bounds(plan)) {
        return refused;
    }
    RETURN_IF_ERROR(choose_threads(*look, plan));
    ASSIGN_OR_RETURN(auto refused, check_shadow(*look, plan));
    if (!refused) {
        ASSIGN_OR_RETURN(refused, check_filter(plan));
    }
    return refused;
}

Result<Planned> Planner::recover_swapped(const std::string& copy_id, const std::string& archive) {
    Planned planned;
    Plan& plan = planned.plan;
    ASSIGN_OR_RETURN(Connection * look, workshop_.database.look());
    plan.database = change_.database;
    plan.table = change_.table;
    plan.names = names_for(plan.table);
    plan.copy_id = copy_id;
    plan.flavour = flavour_of(*look);
    plan.server = workshop_.database.server();
    ASSIGN_OR_RETURN(plan.original, read_shape(*look, plan.database, archive));
    ASSIGN_OR_RETURN(plan.shadow, read_shape(*look, plan.database, plan.table));
    plan.original.name = plan.table;
    for (const ChangeStep& step : change_.steps) {
        ASSIGN_OR_RETURN(auto statement,
                         statement_of(step, plan.original, plan.names.shadow, plan.flavour));
        plan.statements.push_back(std::move(statement));
    }
    planned.refused = map_and_choose(plan);
    return planned;
}

Result<Planned> Planner::recover_way_back(const std::string& copy_id, const std::string& archive) {
    ASSIGN_OR_RETURN(Planned planned, recover_swapped(copy_id, archive));
    Plan& plan = planned.plan;
    ASSIGN_OR_RETURN(Connection * look, workshop_.database.look());
    if (!planned.refused) {
        auto back = reverse_plan(plan, archive);
        if (!back.ok()) {
            planned.refused = refusal_of(back.error(), "no_way_back");
            return planned;
        }
        plan = *std::move(back);
        RETURN_IF_ERROR(choose_threads(*look, plan));
        const auto facts = table_facts(*look, plan.database, plan.table);
        plan.rows = facts.ok() && *facts ? (*facts)->rows.value_or(0) : 0;
    }
    return planned;
}

}  // namespace shift::lhm
