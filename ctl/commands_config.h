#pragma once

#include "ctl/session.h"

namespace shift::ctl {

// Reads the configuration as the daemon would and says what it came to. Gives the exit code.
int run_check_config(const Session& session);

}  // namespace shift::ctl
