#pragma once

#include <optional>
#include <string>

#include "common/clock.h"
#include "common/job.h"
#include "common/log.h"
#include "common/state_file.h"
#include "common/stop_request.h"
#include "worker/history.h"
#include "worker/mysql/database.h"
#include "worker/reporter.h"

namespace shift {

// What every step works with. Owned by run_attempt(); references outlive the step.
struct Context {
    const Job& job;
    const AttemptFiles& files;
    const Clock& clock;
    Reporter& reporter;
    StopRequest& stop;
    Database& database;
    History history;
    // The latest state file of this migration, ours or the original's.
    std::optional<StateFile> state;
    // The table as the server knows it, without a database prefix; "" when nobody knows.
    std::string table;
    // Of the copy: pt-osc, lhm; direct.
    std::string engine;

    const std::string& db() const { return job.database; }
    std::string table_text() const { return db() + "." + table; }  // for messages
};

}  // namespace shift
