#pragma once

#include <string>

#include "common/json.h"
#include "ctl/render/view.h"

namespace shift::ctl {

// The answer of `history`: one line a migration, what changed last first.
std::string render_history(const Json& history, const View& view);
// A list of events, one line each.
std::string render_events(const Json& events, const View& view);
// The answer of `why`.
std::string render_why(const Json& why, const View& view);

}  // namespace shift::ctl
