#pragma once

#include <vector>

#include "common/migration.h"
#include "ctl/session.h"

namespace shift::ctl {

// Verbs that find workers by STATE_DIR alone - locks, pids, worker.sock - so that they work without
// a daemon: when it is down, or its disk is full. The daemon reads the outcomes when it is back.
// Each gives the exit code.

int run_workers(const Session& session);

struct StopWorkersOptions {
    std::vector<MigrationId> ids;  // of migrations
    bool all = false;
    double timeout_s = 60;
};
// Asks them to stop with their state kept and waits until nothing of them can act any more. One
// that does not take the request gets SIGTERM, which means the same to it.
int run_stop_workers(const Session& session, const StopWorkersOptions& options);

}  // namespace shift::ctl
