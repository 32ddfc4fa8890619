#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "worker/context.h"
#include "worker/osc/osc_command.h"
#include "worker/osc/osc_output.h"
#include "worker/osc/osc_process.h"

namespace shift {

struct OscHooks {
    std::function<void(const OscLine&)> on_line = [](const OscLine&) {};
    // Called several times a second; an error stops the engine and is given back.
    std::function<Status()> on_tick = [] { return Status(Ok{}); };
    std::function<bool()> wants_stop = [] { return false; };
    std::chrono::seconds deadline{0};  // 0 = none
};

struct OscRun {
    ExitStatus exit;
    OscSummary summary;
    bool stopped = false;          // because wants_stop() said so
    bool out_of_time = false;      // the deadline passed
    std::optional<Error> trouble;  // of on_tick()
};

// Runs the tool to its end under engine.lock: output to the log file line by line, TERM then KILL
// when it is to stop. Main thread only.
// Errors: kConflict - an engine of this attempt directory still runs; kIo.
Result<OscRun> run_osc(Context& context, const std::vector<std::string>& argv,
                       const OscHooks& hooks);

// Fills an OscPlan from the job; looks up the tool and asks the server what the plan depends on.
// Errors: kInvalidArgument, kNotFound - the tool or the statement cannot be used, said for people;
// trouble with the database as errc_of_mysql().
Result<OscPlan> make_osc_plan(Context& context);

// "3.2.1", or "" when the tool does not say.
Result<std::string> osc_version(Context& context, const std::string& binary);
bool version_is_below(const std::string& version, int major, int minor, int patch);

}  // namespace shift
