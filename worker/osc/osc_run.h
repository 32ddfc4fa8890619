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
    pid_t pid = 0;
    ExitStatus exit;
    OscSummary summary;
    bool stopped = false;          // because wants_stop() said so
    bool out_of_time = false;      // the deadline passed
    std::optional<Error> trouble;  // of on_tick()
};

// Runs the tool to its end under engine.lock: output to the log file line by line, TERM then KILL
// when it is to stop. Main thread only.
// Errors: kConflict - an engine of this attempt directory still runs; kIo.
Result<OscRun> run_dry_run(Context& context, const OscPlan& plan, const OscHooks& hooks);
Result<OscRun> run_copy_tool(Context& context, const OscPlan& plan, const OscHooks& hooks);

// Fills an OscPlan from the job; looks at the tool and asks the server what the plan depends on.
// Errors: kInvalidArgument, kNotFound - the tool or the statement cannot be used, said for people;
// trouble with the database as errc_of_mysql().
Result<OscPlan> make_osc_plan(Context& context);

bool version_is_below(const std::string& version, int major, int minor, int patch);

// The folder-independent name of our plugin, and where it is: beside this program (a build folder),
// else in the installed share directory. Errors: kNotFound.
inline constexpr const char* kPluginName = "shift_ptosc_plugin.pl";
Result<std::string> find_plugin();

}  // namespace shift
