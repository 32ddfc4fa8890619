#include "worker/lhm/proof.h"

#include <fmt/format.h>

#include <algorithm>

#include "worker/mysql/inspect.h"
#include "worker/mysql/sha1.h"

namespace shift::lhm {

Result<CopyFacts> look_at_copy(Connection& connection, const Plan& plan) {
    CopyFacts facts;
    ASSIGN_OR_RETURN(facts.original_sha1, definition_hash(connection, plan.database, plan.table));
    ASSIGN_OR_RETURN(const std::string shadow,
                     table_definition(connection, plan.database, plan.names.shadow));
    facts.shadow_sha1 = shadow.empty() ? "" : sha1_hex(without_indexes(shadow, plan.deferred));
    ASSIGN_OR_RETURN(facts.triggers, read_trigger_facts(connection, plan.database, plan.table,
                                                        plan.names.triggers()));
    return facts;
}

Result<Lives> look_at_lives(Connection& connection, const Plan& plan) {
    Lives lives;
    ASSIGN_OR_RETURN(lives.original, table_life(connection, plan.database, plan.table));
    ASSIGN_OR_RETURN(lives.shadow, table_life(connection, plan.database, plan.names.shadow));
    return lives;
}

std::string difference(const Lives& then, const Lives& now, const Plan& plan) {
    std::string emptied;
    if (is_another_life(then.original, now.original)) {
        emptied = plan.table;
    } else if (is_another_life(then.shadow, now.shadow)) {
        emptied = plan.names.shadow;
    }
    return emptied.empty()
               ? ""
               : fmt::format("table {} was emptied (TRUNCATE), made again or rebuilt", emptied);
}

std::string difference(const Checkpoint& saved, const CopyFacts& now) {
    if (now.original_sha1 != saved.original_sha1) {
        return now.original_sha1.empty() ? "the table is gone"
                                         : "the table's definition was changed by somebody else";
    }
    if (now.shadow_sha1 != saved.shadow_sha1) {
        return now.shadow_sha1.empty() ? "the shadow table is gone"
                                       : "the shadow table's definition was changed";
    }
    for (const TriggerFact& wanted : saved.triggers) {
        const auto it =
            std::find_if(now.triggers.begin(), now.triggers.end(),
                         [&wanted](const TriggerFact& fact) { return fact.name == wanted.name; });
        if (it == now.triggers.end()) {
            return fmt::format(
                "the trigger {} is gone: rows that were written since may be missing", wanted.name);
        }
        if (!(*it == wanted)) {
            return fmt::format(
                "the trigger {} was made again: rows that were written in between may be missing",
                wanted.name);
        }
    }
    return "";
}

std::string difference(const Checkpoint& saved, const Plan& plan) {
    if (saved.change_sha1 != change_sha1(plan.statements, plan.names)) {
        return "it is of another change";
    }
    if (saved.server.id != plan.server.id) {
        return fmt::format("it was begun on server {}, this is {}", saved.server.id,
                           plan.server.id);
    }
    if (saved.key_signature != sha1_hex(plan.key.signature())) {
        return "the table would be walked by another key";
    }
    const auto is_bad = [&plan](const std::optional<KeyValue>& key) {
        return key && !is_key_value(plan.key, *key);
    };
    bool bad = is_bad(saved.end) || is_bad(saved.ledger.low) || is_bad(saved.ledger.frontier);
    for (const Range& range : saved.ledger.done) {
        bad = bad || is_bad(range.after) || is_bad(range.up_to);
    }
    return bad ? "its boundaries are no values of the key" : "";
}

}  // namespace shift::lhm
