#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/json.h"
#include "common/result.h"

namespace shift {

// Where shift-worker is: worker_path, else beside the running program, in ../worker (a build
// folder), or the installed libexec folder. Errors: kNotFound, naming the places.
Result<std::string> find_worker(const Config& config);

// What the worker says of the configured pt-online-schema-change (`shift-worker
// --describe-engine`): path, version, flavour, meaning, native_resume, trouble. Blocks: well under
// a second, 30 s at most. Errors: kUnavailable.
Result<Json> describe_engine(const std::string& worker, const Config& config);

// What the worker says of database servers (`shift-worker --check`; worker/doctor/server_check.h):
// {"server","check","level","text","fix"} each. `servers` are "HOST:PORT/DATABASE,...". Blocks: up
// to two minutes. Errors: kUnavailable.
Result<std::vector<Json>> check_servers_with(const std::string& worker,
                                             const std::string& config_path,
                                             const std::vector<std::string>& servers);

// Whether any host's worker is on a table, and with `kill` (not 0) the end of that session
// (`shift-worker --who-holds`; worker/doctor/table_hold.h). Blocks: up to a minute.
// Errors: kUnavailable; what the worker says of it goes to our stderr.
Result<Json> who_holds_with(const std::string& worker, const std::string& config_path,
                            const std::string& server, const std::string& database,
                            const std::string& table, std::uint64_t kill = 0);

}  // namespace shift
