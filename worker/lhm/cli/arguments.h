#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "worker/lhm/plan_file.h"
#include "worker/mysql/connection.h"

namespace shift::lhm {

enum class Verb { kChangeTable, kResume, kSwitch, kRevert, kStatus, kCleanup };
enum class ProgressStyle { kAuto, kBar, kPercent, kDots, kNone };

// A whole command line of shift-lhm.
struct Arguments {
    Verb verb = Verb::kStatus;
    MysqlTarget target;
    bool asks_password = false;
    QualifiedTable table;  // "" = not given (status, cleanup)
    std::string database;  // of a cleanup
    PlanFile plan;         // of change-table; of the others what overrides the earlier settings
    bool execute = false;
    std::string state_file;  // "" = the usual place
    bool json = false;
    ProgressStyle progress = ProgressStyle::kAuto;
    bool run = false;  // of a cleanup
    std::optional<WallTime> until;
};

// nullopt: help, the version or an error was printed; `exit_code` says which.
std::optional<Arguments> parse_arguments(int argc, char** argv, int& exit_code);

}  // namespace shift::lhm
