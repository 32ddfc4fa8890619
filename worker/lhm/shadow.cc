#include "worker/lhm/shadow.h"

#include <fmt/format.h>

#include <utility>

#include "common/ddl.h"
#include "common/test_points.h"
#include "worker/lhm/leftovers.h"
#include "worker/mysql/errors.h"
#include "worker/mysql/lock_holders.h"

namespace shift::lhm {
namespace {

Status announce(Workshop& workshop, const char* what, const std::string& database,
                const std::string& table) {
    return workshop.listener.intent(what, {{"db", database}, {"table", table}});
}

}  // namespace

std::string tell_who_holds(Workshop& workshop, const Error& error, const std::string& database,
                           const std::string& table) {
    std::string text;
    Json evidence = Json::object();
    if (auto look = workshop.database.look(); look.ok()) {
        const auto holders =
            table_lock_holders(**look, database, table, workshop.database.own_threads());
        if (holders.ok()) {
            text = holders_text(database, table, *holders);
            evidence = holders_evidence(database, table, *holders);
        }
    }
    if (text.empty()) {
        text = fmt::format("table {}.{}: {}", database, table, error.message);
    }
    workshop.listener.waits_for_lock(text, evidence);
    return text;
}

Status run_as_people(Connection& locked, const std::string& sql, std::string& words) {
    RETURN_IF_ERROR(locked.use_server_sql_mode());
    RETURN_IF_ERROR(locked.execute("SET SESSION time_zone=DEFAULT"));
    Status status = locked.execute(sql);
    words = status.ok() ? "" : locked.server_words();
    if (locked.lost()) {
        return status;
    }
    RETURN_IF_ERROR(prepare_session(locked));
    return status;
}

Status execute_patiently(Workshop& workshop, const std::string& sql, const std::string& database,
                         const std::string& table) {
    bool told = false;
    const Status ended = patiently(
        workshop.stop, [&] { return workshop.stop.is_urgent(); },
        [&]() -> Status {
            ASSIGN_OR_RETURN(Connection * locked, workshop.database.locked());
            Status status = locked->execute(sql);
            if (!status.ok() && is_lock_wait(status.error()) && !std::exchange(told, true)) {
                (void)tell_who_holds(workshop, status.error(), database, table);
            }
            return status;
        });
    if (told) {
        workshop.listener.goes_on();
    }
    return ended;
}

Result<std::optional<Refusal>> make_shadow(Workshop& workshop, Plan& plan, const Options& options) {
    ASSIGN_OR_RETURN(Connection * locked, workshop.database.locked());
    crash_point("lhm-shadow");
    RETURN_IF_ERROR(announce(workshop, "control", plan.database, plan.names.control));
    RETURN_IF_ERROR(locked->execute(control_table_statement(
        plan.database, plan.names.control,
        locked->quote(control_mark(plan.copy_id, options.owner, plan.table)))));
    RETURN_IF_ERROR(announce(workshop, "shadow", plan.database, plan.names.shadow));
    RETURN_IF_ERROR(execute_patiently(
        workshop, fmt::format("CREATE TABLE {} LIKE {}", plan.shadow_name(), plan.original_name()),
        plan.database, plan.table));
    if (options.default_engine) {
        ASSIGN_OR_RETURN(const auto engine, locked->query_value("SELECT @@default_storage_engine"));
        RETURN_IF_ERROR(locked->execute(fmt::format("ALTER TABLE {} ENGINE={}", plan.shadow_name(),
                                                    engine.value_or("InnoDB"))));
    }
    for (const ChangeStatement& statement : plan.statements) {
        std::string words;
        // An empty table is copied in no time, and nothing of an instant change stays in its
        // metadata.
        (void)locked->execute("SET SESSION alter_algorithm='COPY'").ok();  // MariaDB 10.3 to 11.4
        Status done = run_as_people(*locked, statement.sql, words);
        if (!locked->lost()) {
            (void)locked->execute("SET SESSION alter_algorithm=DEFAULT").ok();
        }
        if (!done.ok() && is_algorithm_refused(done.error())) {  // a copy and people's LOCK=NONE
            done = run_as_people(*locked, statement.sql, words);
        }
        if (done.ok()) {
            continue;
        }
        if (is_transient(done.error())) {
            return done.error();
        }
        return std::optional(Refusal{
            "statement", fmt::format("the change does not work: {}: {}", statement.sql, words)});
    }
    crash_point("lhm-shadow-made");
    return std::optional<Refusal>();
}

Status remove_triggers(Workshop& workshop, const std::string& database,
                       const std::vector<std::string>& names) {
    for (const std::string& name : names) {
        RETURN_IF_ERROR(execute_patiently(
            workshop, "DROP TRIGGER IF EXISTS " + qualified_name(database, name), database, name));
    }
    return Ok{};
}

Status remove_table(Workshop& workshop, const std::string& database, const std::string& table) {
    RETURN_IF_ERROR(execute_patiently(
        workshop, "DROP TABLE IF EXISTS " + qualified_name(database, table), database, table));
    workshop.listener.fact("dropped", {{"db", database}, {"table", table}});
    return Ok{};
}

Status remove_all(Workshop& workshop, const std::string& database, const std::string& table) {
    ASSIGN_OR_RETURN(Connection * locked, workshop.database.locked());
    ASSIGN_OR_RETURN(const Leftovers left, find_leftovers(*locked, database, table));
    std::vector<std::string> triggers;
    for (const Trigger& trigger : left.triggers) {
        triggers.push_back(trigger.name);
    }
    RETURN_IF_ERROR(remove_triggers(workshop, database, triggers));
    const Names names = names_for(table);
    // The control table last: it is the proof that the others are ours.
    for (const auto& [is_there, name] :
         {std::pair(left.shadow, &names.shadow), std::pair(left.placeholder, &names.placeholder),
          std::pair(left.control, &names.control)}) {
        if (is_there) {
            RETURN_IF_ERROR(remove_table(workshop, database, *name));
        }
    }
    return Ok{};
}

Status make_triggers(Workshop& workshop, const TriggerSpec& spec) {
    RETURN_IF_ERROR(workshop.listener.intent(
        "triggers", {{"db", spec.database},
                     {"table", spec.table},
                     {"names", {spec.on_delete, spec.on_update, spec.on_insert}}}));
    ASSIGN_OR_RETURN(Connection * locked, workshop.database.locked());
    RETURN_IF_ERROR(prepare_session(*locked));
    crash_point("lhm-triggers");
    for (const TriggerText& text : trigger_texts(spec)) {
        RETURN_IF_ERROR(
            execute_patiently(workshop, create_statement(spec, text), spec.database, spec.table));
    }
    crash_point("lhm-triggers-made");
    return Ok{};
}

Status carry_counter(Workshop& workshop, const Plan& plan) {
    ASSIGN_OR_RETURN(Connection * locked, workshop.database.locked());
    ASSIGN_OR_RETURN(const TableShape original, read_shape(*locked, plan.database, plan.table));
    ASSIGN_OR_RETURN(const TableShape shadow,
                     read_shape(*locked, plan.database, plan.names.shadow));
    bool counts = false;
    for (const Column& column : shadow.columns) {
        counts = counts || column.auto_increment;
    }
    if (!counts || original.auto_increment <= shadow.auto_increment) {
        return Ok{};
    }
    return execute_patiently(workshop,
                             fmt::format("ALTER TABLE {} AUTO_INCREMENT = {}", plan.shadow_name(),
                                         original.auto_increment),
                             plan.database, plan.names.shadow);
}

}  // namespace shift::lhm
