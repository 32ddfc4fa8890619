#pragma once

#include <string>
#include <vector>

#include "ctl/session.h"

namespace shift::ctl {

struct TakeoverOptions {
    std::string host;              // run_host of the host that will not come back
    std::vector<MigrationId> ids;  // only these; empty = all that can be found
    std::string server;            // "HOST:PORT" of the database, where nothing here knows it
    bool kill = false;             // end sessions of that host's workers without asking
    bool yes = false;              // take over without asking
    int scan = 200;                // how many of the newest migrations are looked at
};

// Gives the migrations that are pinned to another host to the daemon here. For each it first looks
// whether a worker of any host still holds the table's lock: shown, and ended when the person says
// so; a migration whose lock is not free is left alone.
// Gives the exit code: 0 all were taken; 75 some were left; 1 there is nothing to take over.
int run_takeover(const Session& session, const TakeoverOptions& options);

}  // namespace shift::ctl
