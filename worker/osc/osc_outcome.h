#pragma once

#include <string>

#include "worker/osc/osc_output.h"
#include "worker/osc/osc_process.h"

namespace shift {

// Never judged by the exit status alone: 3.6.0 and 3.7.0 exit 0 after failed copies, and the tool's
// codes are leftovers of errno.
enum class OscVerdict {
    kSuccess,
    kTerminated,     // by a signal that nobody here sent: start again
    kConnection,     // the server could not be reached or went away
    kLockWait,       // tries used up
    kOverload,       // the critical load was exceeded
    kRefused,        // the tool or the server says it cannot work
    kNotExecutable,  // the tool itself could not be started
    kUnknown,        // failed without a word
};

struct OscJudgement {
    OscVerdict verdict = OscVerdict::kUnknown;
    std::string reason;  // for people; "" only with kSuccess
};

OscJudgement judge_dry_run(const ExitStatus& exit, const OscSummary& summary);
OscJudgement judge_copy(const ExitStatus& exit, const OscSummary& summary);
// Square's tool with --exit-at copy says at its end that the table was not altered, which is right.
OscJudgement judge_square_copy(const ExitStatus& exit, const OscSummary& summary);

// Why the tool will not chunk as it should, when it sees next to no rows where the server's
// statistics see many; "" when both agree. Pure.
std::string doubt_of_estimate(std::int64_t tool_rows, std::int64_t server_rows);

}  // namespace shift
