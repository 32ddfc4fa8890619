#include "worker/lhm/preflight.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/ddl.h"
#include "common/test_points.h"
#include "common/text.h"
#include "worker/lhm/leftovers.h"
#include "worker/lhm/switcher.h"
#include "worker/mysql/errors.h"
#include "worker/mysql/inspect.h"

namespace shift::lhm {
namespace {

// With a binary log a trigger takes SUPER besides its own right (MySQL, MariaDB 10.11).
constexpr int kNeedsSuper = 1419;
constexpr const char* kDirect = "run the change as a direct ALTER";

std::optional<Refusal> refuse(std::string reason, std::string message) {
    return Refusal{std::move(reason), std::move(message)};
}

std::string table_text(const TableShape& shape) {
    return shape.database + "." + shape.name;
}

Result<std::optional<Refusal>> check_engine(Connection&, const TableShape& shape) {
    const bool known = iequals_ascii(shape.engine, "InnoDB") ||
                       iequals_ascii(shape.engine, "MyISAM") || iequals_ascii(shape.engine, "Aria");
    if (!known) {
        return refuse("engine",
                      fmt::format("table {} is {}: only InnoDB, MyISAM and Aria tables can "
                                  "be kept in step; {}",
                                  table_text(shape), shape.engine, kDirect));
    }
    if (shape.definition.find("WITH SYSTEM VERSIONING") != std::string::npos) {
        return refuse(
            "system_versioning",
            fmt::format("table {} keeps the history of its rows, which a copy would lose; "
                        "{}",
                        table_text(shape), kDirect));
    }
    return std::optional<Refusal>();
}

Result<std::optional<Refusal>> check_foreign_keys(Connection& connection, const TableShape& shape) {
    ASSIGN_OR_RETURN(const auto to_us, foreign_keys_to(connection, shape.database, shape.name));
    if (!to_us.empty()) {
        return refuse(
            "referenced_by_foreign_keys",
            fmt::format("table {} is referenced by foreign keys ({}), which would go on "
                        "pointing at the old table after the swap: drop them first, or {}",
                        table_text(shape), listed(to_us), kDirect));
    }
    ASSIGN_OR_RETURN(const auto ours, foreign_keys_of(connection, shape.database, shape.name));
    if (!ours.empty()) {
        return refuse(
            "has_foreign_keys",
            fmt::format("table {} has foreign keys ({}): the copy would not have them, and "
                        "cascades change rows without firing triggers; drop them first, "
                        "or {}",
                        table_text(shape), listed(ours), kDirect));
    }
    return std::optional<Refusal>();
}

Result<std::optional<Refusal>> check_user_triggers(Connection& connection,
                                                   const TableShape& shape) {
    ASSIGN_OR_RETURN(const auto triggers, triggers_of(connection, shape.database, shape.name));
    std::vector<std::string> foreign;
    for (const Trigger& trigger : triggers) {
        if (!copy_id_in(trigger.body)) {
            foreign.push_back(trigger.name);
        }
    }
    if (foreign.empty()) {
        return std::optional<Refusal>();
    }
    return refuse(
        "has_triggers",
        fmt::format("table {} has triggers ({}), which would stay with the old table at the "
                    "swap and cannot be moved in the same moment: drop them first and "
                    "make them again afterwards, or {}",
                    table_text(shape), listed(foreign), kDirect));
}

// The value of such a conversion depends on the time zone of the session that makes it, and the
// triggers run in the application's.
std::optional<Refusal> check_time_zones(const Plan& plan) {
    for (const ColumnPair& pair : plan.map.pairs) {
        if ((pair.from.data_type == "timestamp") != (pair.to.data_type == "timestamp")) {
            return refuse(
                "time_zone",
                fmt::format("column {} changes from {} to {}, and what that gives depends "
                            "on the time zone of each session that writes: {}",
                            pair.from.name, pair.from.data_type, pair.to.data_type, kDirect));
        }
    }
    return std::nullopt;
}

Result<bool> is_transactional_table(Connection& connection, const TableShape& shape) {
    return is_transactional(connection, shape.engine);
}

Result<std::optional<Refusal>> check_right_to_triggers(Connection& connection, const Plan& plan) {
    const std::string trigger = qualified_name(plan.database, plan.names.on_delete);
    // Marked as ours: who is killed before it is gone leaves it to a cleanup.
    const Status made = connection.execute(
        fmt::format("CREATE TRIGGER {} AFTER DELETE ON {} FOR EACH ROW BEGIN /* {} */ END", trigger,
                    plan.shadow_name(), plan.mark()));
    if (made.ok()) {
        crash_point("lhm-trial-trigger");
        RETURN_IF_ERROR(connection.execute("DROP TRIGGER " + trigger));
        return std::optional<Refusal>();
    }
    const std::string words = connection.server_words();
    if (made.error().native == kNeedsSuper) {
        return refuse(
            "needs_super",
            fmt::format("the server writes a binary log and lets only SUPER make triggers: "
                        "SET GLOBAL log_bin_trust_function_creators=1, or grant SUPER "
                        "({})",
                        words));
    }
    if (is_access_denied(made.error())) {
        return refuse("missing_privilege",
                      fmt::format("our user may not make triggers: GRANT TRIGGER ON {}.* ({})",
                                  quote_identifier(plan.database), words));
    }
    return made.error();
}

Result<std::optional<Refusal>> check_right_to_lock(Connection& connection, const Plan& plan) {
    const Status locked = connection.execute("LOCK TABLES " + plan.shadow_name() + " WRITE");
    if (locked.ok()) {
        RETURN_IF_ERROR(connection.execute("UNLOCK TABLES"));
        return std::optional<Refusal>();
    }
    if (is_access_denied(locked.error())) {
        return refuse("missing_privilege",
                      fmt::format("the new table may refuse a write, so the swap holds both tables "
                                  "while it looks for the last time, and our user may not: GRANT "
                                  "LOCK TABLES ON {}.* ({})",
                                  quote_identifier(plan.database), connection.server_words()));
    }
    return locked.error();
}

}  // namespace

Result<std::optional<Refusal>> check_table(Connection& connection, const TableShape& shape) {
    for (const auto check : {check_engine, check_foreign_keys, check_user_triggers}) {
        ASSIGN_OR_RETURN(auto refused, check(connection, shape));
        if (refused) {
            return refused;
        }
    }
    return std::optional<Refusal>();
}

Result<std::optional<Refusal>> check_server(Connection& connection) {
    ASSIGN_OR_RETURN(const std::string variable, read_only_variable(connection));
    if (!variable.empty()) {
        return refuse("read_only",
                      fmt::format("the server takes no writes ({} is on): connect to the one that "
                                  "does",
                                  variable));
    }
    ASSIGN_OR_RETURN(const std::string source, silent_replication_source(connection));
    if (!source.empty()) {
        return refuse("is_replica",
                      fmt::format("the server is a replica of {}, and triggers do not fire for "
                                  "replicated rows: run it on the source, or stop the replication "
                                  "first",
                                  source));
    }
    return std::optional<Refusal>();
}

Result<std::optional<Refusal>> check_shadow(Connection& connection, Plan& plan) {
    ASSIGN_OR_RETURN(const auto keys,
                     foreign_keys_of(connection, plan.database, plan.names.shadow));
    if (!keys.empty()) {
        return refuse(
            "adds_foreign_keys",
            fmt::format("the change adds foreign keys ({}), whose checks and cascades would "
                        "work on the copy already: {}",
                        listed(keys), kDirect));
    }
    if (auto refused = check_time_zones(plan)) {
        return refused;
    }
    if (!notices_repeats(plan.map, plan.shadow)) {
        return refuse("no_key_left",
                      "the changed table has no unique key over copied NOT NULL columns, so a row "
                      "that comes twice could not be noticed: keep one, or split the change");
    }
    ASSIGN_OR_RETURN(const bool from, is_transactional_table(connection, plan.original));
    ASSIGN_OR_RETURN(const bool to, is_transactional_table(connection, plan.shadow));
    if (!from || !to) {
        plan.notes.push_back(fmt::format(
            "{} has no transactions: what a rolled-back or half-failed statement leaves behind is "
            "only found by the verification, so let no writes run during the swap",
            from ? plan.shadow.engine : plan.original.engine));
    }
    ASSIGN_OR_RETURN(const auto account, connection.query_value("SELECT CURRENT_USER()"));
    plan.notes.push_back(fmt::format(
        "the triggers work with the rights of {}: without that account writes to the table fail",
        account.value_or("our account")));
    if (!plan.stricter.empty()) {
        std::vector<std::string> names;
        for (const Index& index : plan.stricter) {
            names.push_back(index.name);
        }
        plan.notes.push_back(
            fmt::format("rows that unique keys of the new table refuse ({}) stop the "
                        "migration and are named; none is dropped",
                        listed(names)));
    }
    return std::optional<Refusal>();
}

Result<std::optional<Refusal>> check_rights(Connection& connection, const Plan& plan,
                                            const Options& options) {
    ASSIGN_OR_RETURN(auto refused, check_right_to_triggers(connection, plan));
    if (!refused && Switcher::holds_tables(plan, options)) {
        ASSIGN_OR_RETURN(refused, check_right_to_lock(connection, plan));
    }
    return refused;
}

}  // namespace shift::lhm
