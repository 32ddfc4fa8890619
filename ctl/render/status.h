#pragma once

#include <string>

#include "common/json.h"
#include "ctl/render/view.h"

namespace shift::ctl {

// The answer of the daemon's `status` (common/control_protocol.h), with a trailing newline. What
// needs people comes first, then what runs, then what waits.
std::string render_status(const Json& status, const View& view);
// "drain: ..." while there is one, else "": it holds every migration of the host.
std::string render_drain(const Json& status, const View& view);
// One member of its "migrations", as a block.
std::string render_migration(const Json& migration, const View& view);
// "2 still owed: 17 running, 18 delivering": what a drain waits for.
std::string render_owed(const Json& status);

}  // namespace shift::ctl
