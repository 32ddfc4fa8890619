#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "worker/mysql/connection.h"

namespace shift {

// "shift:" + 40 hex digits of SHA-1(schema NUL table): one name for every tool of this project, at
// most 64 characters (MySQL's limit for GET_LOCK names). `fold_case` where the server compares
// table names without case.
std::string database_lock_name(std::string_view schema, std::string_view table, bool fold_case);

struct LockHolder {
    std::uint64_t thread_id = 0;
    std::string host;  // as the processlist shows it; "" when not visible to us
    std::string user;
};

// Takes the lock within about a second; it lives as long as the session.
// Returns: true when this session holds it now.
Result<bool> take_database_lock(Connection& connection, const std::string& name);
// Who holds it; nullopt when nobody does.
Result<std::optional<LockHolder>> database_lock_holder(Connection& connection,
                                                       const std::string& name);

}  // namespace shift
