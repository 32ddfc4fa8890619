#include "worker/lhm/conflicts.h"

#include <fmt/format.h>

#include <functional>
#include <thread>

#include "common/ddl.h"
#include "common/text.h"
#include "worker/lhm/retry.h"
#include "worker/lhm/statements.h"

namespace shift::lhm {
namespace {

constexpr int kLockTries = 20;

std::string control_name(const Plan& plan) {
    return qualified_name(plan.database, plan.names.control);
}

// What key_for_people() of the triggers wrote: values without commas of their own.
KeyValue to_key(const Plan& plan, const std::optional<std::string>& text) {
    if (!text) {
        return {};
    }
    KeyValue key = split(*text, ',');
    return is_key_value(plan.key, key) ? key : KeyValue{};
}

Status repair_once(Connection& connection, const Plan& plan, const KeyValue& key) {
    RETURN_IF_ERROR(connection.execute("START TRANSACTION"));
    Status status = connection.execute(lock_row_statement(plan, key));
    if (status.ok()) {
        status = connection.execute(remove_row_statement(plan, key));
    }
    if (status.ok()) {
        status = connection.execute(copy_row_statement(plan, key));
    }
    if (status.ok()) {
        return connection.execute("COMMIT");
    }
    if (!connection.lost()) {
        (void)connection.execute("ROLLBACK").ok();
    }
    return status;
}

Status past_locks(const std::function<Status()>& attempt) {
    for (int tries = 1;; ++tries) {
        Status status = attempt();
        if (status.ok() || tries >= kLockTries || !is_lock_trouble(status.error())) {
            return status;
        }
        std::this_thread::sleep_for(lock_pause(tries));
    }
}

Status forget(Connection& connection, const Plan& plan, const Conflict& conflict) {
    return connection.execute(
        fmt::format("DELETE FROM {} WHERE id = {}", control_name(plan), conflict.id));
}

}  // namespace

Result<std::vector<Conflict>> read_conflicts(Connection& connection, const Plan& plan,
                                             std::int64_t rows_max) {
    ASSIGN_OR_RETURN(const auto rows,
                     connection.query(fmt::format(
                         "SELECT id, event, code, message, row_key, old_row_key FROM {} "
                         "WHERE kind = '{}' ORDER BY id LIMIT {}",
                         control_name(plan), plan.note_kind, rows_max)));
    std::vector<Conflict> conflicts;
    for (const Row& row : rows) {
        Conflict conflict;
        conflict.id = to_int(row[0]);
        conflict.event = row[1].value_or("");
        conflict.code = static_cast<int>(to_int(row[2]));
        conflict.message = row[3].value_or("");
        conflict.key = to_key(plan, row[4]);
        conflict.old_key = to_key(plan, row[5]);
        conflicts.push_back(std::move(conflict));
    }
    return conflicts;
}

std::string describe(const Plan& plan, const Conflict& conflict) {
    return fmt::format("row {}: {} ({}, by an {})", key_text(plan.key, conflict.key),
                       clean_utf8(conflict.message), conflict.code, conflict.event);
}

Status repair_row(Connection& connection, const Plan& plan, const KeyValue& key) {
    return past_locks([&] { return repair_once(connection, plan, key); });
}

Result<bool> add_late_row(Connection& connection, const Plan& plan, const KeyValue& key) {
    const Status added =
        past_locks([&] { return connection.execute(copy_row_statement(plan, key)); });
    if (added.ok()) {  // or the archive does not have it
        return true;
    }
    if (!is_data_error(added.error())) {
        return added.error();
    }
    ASSIGN_OR_RETURN(const auto equal, connection.query_value(equal_row_statement(plan, key)));
    return to_int(equal) > 0;
}

Result<std::vector<Conflict>> settle_conflicts(Connection& connection, const Plan& plan,
                                               std::int64_t rows_max) {
    ASSIGN_OR_RETURN(const auto conflicts, read_conflicts(connection, plan, rows_max));
    std::vector<Conflict> left;
    for (const Conflict& conflict : conflicts) {
        Status status = Ok{};
        for (const KeyValue& key : {conflict.old_key, conflict.key}) {
            if (!key.empty() && status.ok()) {
                status = repair_row(connection, plan, key);
            }
        }
        if (!status.ok() && !is_data_error(status.error())) {
            return std::move(status).error();
        }
        if (!status.ok() || conflict.key.empty()) {
            left.push_back(conflict);
            continue;
        }
        RETURN_IF_ERROR(forget(connection, plan, conflict));
    }
    return left;
}

Result<std::vector<Conflict>> settle_late_conflicts(Connection& connection, const Plan& plan,
                                                    std::int64_t rows_max) {
    ASSIGN_OR_RETURN(const auto conflicts, read_conflicts(connection, plan, rows_max));
    std::vector<Conflict> left;
    for (const Conflict& conflict : conflicts) {
        bool is_settled = !conflict.key.empty();
        if (is_settled) {
            ASSIGN_OR_RETURN(is_settled, add_late_row(connection, plan, conflict.key));
        }
        if (is_settled) {
            RETURN_IF_ERROR(forget(connection, plan, conflict));
        } else {
            left.push_back(conflict);
        }
    }
    return left;
}

}  // namespace shift::lhm
