#include "worker/lhm/instant.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/ddl.h"
#include "common/test_points.h"
#include "common/text.h"
#include "worker/lhm/names.h"
#include "worker/mysql/alter_words.h"
#include "worker/mysql/errors.h"
#include "worker/mysql/inspect.h"

namespace shift::lhm {
namespace {

// Why nobody wants it here; "" when it is to be tried.
std::string why_not_wanted(const Plan& plan, const Options& options) {
    if (options.instant == Instant::kNo) {
        return "told so";
    }
    if (plan.is_partial) {
        return "rows are left out";
    }
    if (options.default_engine) {
        return "the engine changes";
    }
    if (options.swap.rollback_window.count() > 0) {
        return "a way back needs the old table";
    }
    if (!options.verifier_query.empty()) {
        return "a verifier is asked while rows are copied";
    }
    if (options.instant == Instant::kAuto && !plan.map.dropped.empty()) {
        return "columns are dropped, which the old table keeps";
    }
    return "";
}

// An index that is built reads the whole table, and a replica stands still as long.
bool builds_an_index(const Plan& plan) {
    return std::any_of(
        plan.shadow.indexes.begin(), plan.shadow.indexes.end(), [&plan](const Index& index) {
            return std::none_of(plan.original.indexes.begin(), plan.original.indexes.end(),
                                [&index](const Index& old) {
                                    return old.name == index.name &&
                                           old.columns.size() == index.columns.size();
                                });
        });
}

// On the empty stand-in. "" = the server does it; else its words.
Result<std::string> try_on(Workshop& workshop, const Plan& plan, const std::string& algorithm) {
    ASSIGN_OR_RETURN(Connection * locked, workshop.database.locked());
    const std::string& name = plan.names.placeholder;
    RETURN_IF_ERROR(workshop.listener.intent("scratch", {{"db", plan.database}, {"table", name}}));
    RETURN_IF_ERROR(
        execute_patiently(workshop,
                          fmt::format("CREATE TABLE {} LIKE {}",
                                      qualified_name(plan.database, name), plan.original_name()),
                          plan.database, plan.table));
    crash_point("lhm-instant-try");
    std::string words;
    const Status tried = run_as_people(*locked, instant_statement(plan, name, algorithm), words);
    if (!tried.ok() && (is_transient(tried.error()) || locked->lost())) {
        return tried.error();
    }
    if (tried.ok()) {
        ASSIGN_OR_RETURN(const std::string made,
                         definition_hash(*locked, plan.database, name, plan.table));
        ASSIGN_OR_RETURN(const std::string wanted,
                         definition_hash(*locked, plan.database, plan.names.shadow, plan.table));
        words = made == wanted ? "" : "it would make another table of it";
    }
    RETURN_IF_ERROR(remove_table(workshop, plan.database, name));
    return words;
}

}  // namespace

bool is_instant_algorithm(const std::string& word) {
    return word == kAlgorithmInstant || word == kAlgorithmNocopy;
}

std::string instant_statement(const Plan& plan, const std::string& table,
                              const std::string& algorithm) {
    std::string sql =
        fmt::format("ALTER TABLE {} ALGORITHM={}", qualified_name(plan.database, table), algorithm);
    for (const ChangeStatement& statement : plan.statements) {
        const auto alter = alter_specification(statement.sql);
        if (!alter.ok() || alter->ignore || alter->online || alter->offline) {
            return "";
        }
        const std::vector<std::string> words = alter_words(alter->specification);
        const auto has = [&words](const char* word) {
            return std::find(words.begin(), words.end(), word) != words.end();
        };
        // The last one of a statement counts; a list of partitions takes nothing behind it.
        if (has("ALGORITHM") || has("LOCK") || has("PARTITION") || has("PARTITIONING")) {
            return "";
        }
        sql += ",\n" + alter->specification;
    }
    return sql;
}

Status choose_instant(Workshop& workshop, Plan& plan, const Options& options) {
    plan.instant.clear();
    plan.instant_note = why_not_wanted(plan, options);
    if (!plan.instant_note.empty()) {
        return Ok{};
    }
    if (instant_statement(plan, plan.table, kAlgorithmInstant).empty()) {
        plan.instant_note = "it is not one plain ALTER TABLE";
        return Ok{};
    }
    ASSIGN_OR_RETURN(plan.instant_note, try_on(workshop, plan, kAlgorithmInstant));
    if (plan.instant_note.empty()) {
        plan.instant = kAlgorithmInstant;
    } else if (plan.flavour.is_mariadb && !builds_an_index(plan)) {
        ASSIGN_OR_RETURN(const std::string words, try_on(workshop, plan, kAlgorithmNocopy));
        plan.instant = words.empty() ? kAlgorithmNocopy : "";
    }
    if (!plan.instant.empty()) {
        plan.instant_note.clear();
        plan.notes.clear();  // of triggers and rows
    }
    return Ok{};
}

Status alter_instantly(Workshop& workshop, const Plan& plan, const std::string& algorithm) {
    ASSIGN_OR_RETURN(Connection * locked, workshop.database.locked());
    std::string words;
    return run_as_people(*locked, instant_statement(plan, plan.table, algorithm), words);
}

Result<bool> has_altered_instantly(Connection& look, const std::string& database,
                                   const std::string& table, const std::string& definition_before) {
    ASSIGN_OR_RETURN(const std::string now, definition_hash(look, database, table));
    if (now.empty() || now == definition_before) {
        return false;
    }
    ASSIGN_OR_RETURN(const std::string wanted,
                     definition_hash(look, database, names_for(table).shadow, table));
    return wanted.empty() || wanted == now;
}

}  // namespace shift::lhm
