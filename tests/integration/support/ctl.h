#pragma once

#include <string>
#include <vector>

#include "common/json.h"
#include "tests/integration/support/child_process.h"
#include "tests/integration/support/scenario.h"

namespace shift::testing {

// shift-supervisorctl with the scenario's configuration.
ToolResult ctl(Scenario& s, const std::vector<std::string>& words,
               milliseconds deadline = kDeadline);
// The same with --json; {} and a failed test when it does not exit with `code`.
Json ctl_json(Scenario& s, const std::vector<std::string>& words, int code = 0);
// The reason code of `why ID`, "none" when it cannot be had.
std::string why_code(Scenario& s, MigrationId id);
// "" or what docs/status.schema.json has against what `--json status` printed.
std::string against_status_schema(const std::string& json);

}  // namespace shift::testing
