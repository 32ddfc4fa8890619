#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/json.h"
#include "ctl/render/view.h"

namespace shift::ctl {

// A migration as the API tells it, as a block.
std::string render_api_migration(const Json& migration, const std::vector<std::string>& actions,
                                 const View& view);
// "migration 7: awaiting start" and the verbs that are possible next.
std::string render_api_result(const Json& migration, const std::vector<std::string>& actions);
// The commands that `actions` (available_actions of the API) stand for: "start 7, delete 7".
std::string next_commands(std::int64_t id, const std::vector<std::string>& actions);

}  // namespace shift::ctl
