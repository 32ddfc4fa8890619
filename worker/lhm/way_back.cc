#include "worker/lhm/way_back.h"

#include <fmt/format.h>

#include "common/ddl.h"
#include "worker/lhm/checksum.h"

namespace shift::lhm {

Result<Plan> reverse_plan(const Plan& plan, const std::string& archive) {
    Plan back = plan;
    ASSIGN_OR_RETURN(back.map, reversed(plan.map, plan.original));
    back.original = plan.shadow;
    back.original.name = plan.table;
    back.shadow = plan.original;
    back.shadow.name = archive;
    back.names.shadow = archive;
    back.names.on_delete = plan.names.back_on_delete;
    back.names.on_update = plan.names.back_on_update;
    back.names.on_insert = plan.names.back_on_insert;
    back.key = plan.shadow_key.key;
    const auto key = shadow_key(back.key, back.map, back.shadow);
    if (!key) {
        return Error{Errc::kInvalidArgument,
                     "the change alters the key's columns so that rows could not be found again: "
                     "there is no way back for it"};
    }
    back.shadow_key = *key;
    back.stricter.clear();
    for (const Index* index : stricter_keys(back.map, back.original, back.shadow)) {
        back.stricter.push_back(*index);
    }
    back.filter = Filter{};
    back.note_kind = "back";
    back.left_out =
        row_hash(back.map, back.key, back.original_prefix(), back.shadow_prefix()).left_out;
    return back;
}

Status make_way_back(Workshop& workshop, const Plan& plan, const std::string& archive) {
    ASSIGN_OR_RETURN(const Plan back, reverse_plan(plan, archive));
    RETURN_IF_ERROR(
        workshop.listener.intent("scratch", {{"db", plan.database}, {"table", archive}}));
    RETURN_IF_ERROR(
        execute_patiently(workshop,
                          fmt::format("CREATE TABLE {} LIKE {}",
                                      qualified_name(plan.database, archive), plan.original_name()),
                          plan.database, plan.table));
    TriggerSpec spec = back.triggers(ConflictPolicy::kRecord);
    spec.table = plan.names.shadow;
    spec.read_table = plan.table;  // what the shadow is called after the swap
    return make_triggers(workshop, spec);
}

Status unmake_way_back(Workshop& workshop, const Plan& plan, const std::string& archive) {
    RETURN_IF_ERROR(remove_triggers(workshop, plan.database, plan.names.back_triggers()));
    return remove_table(workshop, plan.database, archive);
}

}  // namespace shift::lhm
