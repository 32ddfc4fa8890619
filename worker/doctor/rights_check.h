#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/result.h"
#include "worker/mysql/connection.h"

namespace shift {

// The rights of the session's user as the server's grant tables show them. Roles are not looked
// into: where there are some, what is missing here may come from them.
struct Grants {
    std::string account;  // 'name'@'host' as GRANT wants it
    bool has_roles = false;
    std::set<std::string> global;
    struct OfSchema {
        std::string pattern;  // with SQL wildcards
        std::string right;
    };
    std::vector<OfSchema> schemas;

    // Those of `wanted` that are not there on all of `database` ("" = globally).
    std::vector<std::string> missing(const std::vector<std::string>& wanted,
                                     const std::string& database) const;
};
Result<Grants> read_grants(Connection& connection);

// "shop_%" takes in "shop_eu"; a backslash takes a wildcard's meaning away.
bool matches_schema_pattern(const std::string& pattern, const std::string& name);

}  // namespace shift
