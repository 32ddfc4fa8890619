#include "worker/doctor/rights_check.h"

#include <fmt/format.h>

#include <algorithm>

namespace shift {
namespace {

bool matches(std::string_view pattern, std::string_view name) {
    while (!pattern.empty()) {
        if (pattern[0] == '%') {
            for (std::size_t skip = 0; skip <= name.size(); ++skip) {
                if (matches(pattern.substr(1), name.substr(skip))) {
                    return true;
                }
            }
            return false;
        }
        const bool escaped = pattern[0] == '\\' && pattern.size() > 1;
        if (name.empty()) {
            return false;
        }
        if (escaped ? pattern[1] != name[0] : pattern[0] != '_' && pattern[0] != name[0]) {
            return false;
        }
        pattern.remove_prefix(escaped ? 2 : 1);
        name.remove_prefix(1);
    }
    return name.empty();
}

}  // namespace

bool matches_schema_pattern(const std::string& pattern, const std::string& name) {
    return matches(pattern, name);
}

std::vector<std::string> Grants::missing(const std::vector<std::string>& wanted,
                                         const std::string& database) const {
    std::vector<std::string> lacking;
    for (const std::string& right : wanted) {
        const bool here = global.contains(right) ||
                          std::any_of(schemas.begin(), schemas.end(), [&](const OfSchema& schema) {
                              return !database.empty() && schema.right == right &&
                                     matches_schema_pattern(schema.pattern, database);
                          });
        if (!here) {
            lacking.push_back(right);
        }
    }
    return lacking;
}

Result<Grants> read_grants(Connection& connection) {
    Grants grants;
    ASSIGN_OR_RETURN(const auto user, connection.query_value("SELECT CURRENT_USER()"));
    const std::string name = user.value_or("");
    const std::size_t at = name.rfind('@');
    grants.account = connection.quote(name.substr(0, at)) + "@" +
                     connection.quote(at == std::string::npos ? "%" : name.substr(at + 1));
    // Source: information_schema writes grantees as 'name'@'host' on both families of servers.
    const std::string grantee = connection.quote(fmt::format(
        "'{}'@'{}'", name.substr(0, at), at == std::string::npos ? "%" : name.substr(at + 1)));
    ASSIGN_OR_RETURN(const auto global,
                     connection.query("SELECT PRIVILEGE_TYPE FROM "
                                      "information_schema.USER_PRIVILEGES WHERE GRANTEE=" +
                                      grantee));
    for (const Row& row : global) {
        grants.global.insert(row[0].value_or(""));
    }
    ASSIGN_OR_RETURN(const auto schemas,
                     connection.query("SELECT TABLE_SCHEMA, PRIVILEGE_TYPE FROM "
                                      "information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE=" +
                                      grantee));
    for (const Row& row : schemas) {
        grants.schemas.push_back({row[0].value_or(""), row[1].value_or("")});
    }
    const auto roles = connection.query_value("SELECT CURRENT_ROLE()");
    grants.has_roles = roles.ok() && *roles && **roles != "NONE";
    return grants;
}

}  // namespace shift
