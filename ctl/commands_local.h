#pragma once

#include "ctl/session.h"

namespace shift::ctl {

// The log of a migration: the local file if this host has one, else what the API was sent. With
// `follow`, prints what is added until Ctrl-C.
int run_log(const Session& session, MigrationId id, bool follow);

// Reads the configuration as the daemon would and says what it came to.
int run_check_config(const Session& session);

// Looks at what the daemon needs on this host and says, line by line, what works and what it means.
// Exit code: that of the first thing that does not.
int run_doctor(const Session& session);

}  // namespace shift::ctl
