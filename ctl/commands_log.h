#pragma once

#include <string>

#include "common/migration.h"
#include "ctl/session.h"

namespace shift::ctl {

struct LogOptions {
    MigrationId id = 0;
    bool follow = false;  // prints what is added until Ctrl-C
    std::string since;    // only lines from then on
};
// The log of a migration: the local file if this host has one, else what the API was sent. Gives
// the exit code.
int run_log(const Session& session, const LogOptions& options);

}  // namespace shift::ctl
