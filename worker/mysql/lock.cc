#include "worker/mysql/lock.h"

#include <fmt/format.h>

#include "common/text.h"
#include "worker/mysql/sha1.h"

namespace shift {

std::string database_lock_name(std::string_view schema, std::string_view table, bool fold_case) {
    std::string key;
    key.append(schema);
    key.push_back('\0');
    key.append(table);
    if (fold_case) {
        key = to_lower_ascii(key);
    }
    return "shift:" + sha1_hex(key);
}

Result<bool> take_database_lock(Connection& connection, const std::string& name) {
    ASSIGN_OR_RETURN(const auto taken, connection.query_value(fmt::format("SELECT GET_LOCK({}, 1)",
                                                                          connection.quote(name))));
    return taken.value_or("") == "1";
}

Result<std::optional<LockHolder>> database_lock_holder(Connection& connection,
                                                       const std::string& name) {
    ASSIGN_OR_RETURN(const auto id, connection.query_value(fmt::format("SELECT IS_USED_LOCK({})",
                                                                       connection.quote(name))));
    if (!id) {
        return std::optional<LockHolder>();
    }
    LockHolder holder;
    holder.thread_id = std::strtoull(id->c_str(), nullptr, 10);
    ASSIGN_OR_RETURN(const auto rows,
                     connection.query(fmt::format("SELECT USER, HOST FROM "
                                                  "information_schema.PROCESSLIST WHERE ID={}",
                                                  holder.thread_id)));
    if (!rows.empty()) {
        holder.user = rows[0][0].value_or("");
        holder.host = rows[0][1].value_or("");
    }
    return std::optional<LockHolder>(holder);
}

}  // namespace shift
