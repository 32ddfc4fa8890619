#pragma once

#include <chrono>
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

}  // namespace shift
