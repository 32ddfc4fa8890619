#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "worker/lhm/change.h"
#include "worker/lhm/settings.h"

namespace shift::lhm {

// A migration that can be kept in a repository: what LHM's Ruby block says, as YAML.
//
//   table: app.users
//   changes:
//     - add_column: arbitrary INT(12)
//     - rename_column: {from: fnord, to: glorp}
//     - add_index: [arbitrary_id, created_at]
//     - add_unique_index: {columns: [name], name: by_name}
//     - remove_index: [a, b]
//     - ddl: ALTER TABLE %s ADD COLUMN x INT
//   options:
//     throttler: time
//     max_lag: 5
struct PlanFile {
    Change change;
    SettingValues settings;
    bool no_switch = false;  // under options
};

// Errors: kInvalidArgument - "line 3: what is wrong".
Result<PlanFile> parse_plan_file(std::string_view text);
std::string format_plan_file(const PlanFile& plan);

// Steps as a command line words them. Errors: kInvalidArgument.
//   add_column / change_column  "name definition"       rename_column  "from:to"
//   add_index ...               "a,b(10)" or "index_name=a,b(10)"
Result<ChangeStep> parse_step(ChangeStep::Verb verb, const std::string& words);

}  // namespace shift::lhm
