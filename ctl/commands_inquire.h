#pragma once

#include <string>

#include "common/migration.h"
#include "ctl/session.h"

namespace shift::ctl {

// Verbs that ask what happened and why. The daemon answers; when there is none, its journal does,
// and the exit code says so (69). Each gives the exit code.

struct HistoryOptions {
    std::string since;
    std::string table;
    int limit = 50;
};
int run_history(const Session& session, const HistoryOptions& options);

// The story of one migration, or with id 0 of the daemon itself.
int run_events(const Session& session, MigrationId id);

// One reason code with its evidence. What the daemon does not know, the API is asked.
int run_why(const Session& session, MigrationId id);

}  // namespace shift::ctl
