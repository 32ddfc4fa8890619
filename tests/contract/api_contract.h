#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/json.h"

namespace shift::testing {

// What every stand-in for the shift API must answer as the real shift-api does.
struct ContractCall {
    std::string method;
    // Behind /api/v1/. "{id}" is the case's migration.
    std::string path;
    // Its id is added for POST (id, or migration_id for files); "lock_version": "now" becomes the
    // present one.
    Json body = nullptr;
    int status = 200;
    // Members that the answer must have with these values; {} must be empty. Null: any body.
    Json shows = nullptr;
};

struct ContractCase {
    std::string name;
    std::string ddl = "ALTER TABLE t ADD COLUMN c INT";
    std::vector<ContractCall> calls;
};
std::vector<ContractCase> api_contract();

// One API under test: sends a call, gives status and parsed body (null when it is not JSON).
struct ContractAnswer {
    int status = 0;
    Json body;
    bool body_is_known = true;
};
using ContractApi = std::function<ContractAnswer(const std::string& method, const std::string& path,
                                                 const Json& body)>;

// Runs one case on a migration of its own. "" or the first difference.
std::string run_contract_case(const ContractCase& test, const ContractApi& api);

}  // namespace shift::testing
