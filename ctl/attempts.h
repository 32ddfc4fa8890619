#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/attempt_folder.h"
#include "common/config.h"
#include "common/event_log.h"
#include "common/job.h"
#include "common/process_identity.h"
#include "common/result.h"

namespace shift::ctl {

// An attempt of STATE_DIR that has not been closed by the daemon, as its folder tells it.
struct OpenAttempt {
    std::int64_t number = 0;
    AttemptFiles files{""};
    Job job;  // what could be read of it
    AttemptLife life = AttemptLife::kDead;
    ProcessIdentity worker;
    ProcessIdentity engine;
    std::string phase;
    std::string outcome;  // of one that has ended; "" = none was written
    std::string message;
    EventReader events{"", 0};  // where reading them stopped
};

// Those that live and, with `ended` too, those whose end no daemon has seen yet.
// Errors: kIo, with native EACCES when STATE_DIR is not for us to see.
Result<std::vector<OpenAttempt>> open_attempts(const Config& config, bool ended);

// Looks anew at whether it lives and what it says.
void refresh(OpenAttempt& attempt);

// What an attempt that has ended leaves on its database server until the migration goes on: "new
// table `shop`.`_orders_new` and triggers ... on 10.0.0.5:3306"; "" when nothing is known of any.
// From the state file beside its log, so it also works where the server does not answer.
std::string left_on_server(const OpenAttempt& attempt);

// One command over worker.sock; the answer after the greeting. Blocks: two seconds at most.
// Errors: kUnavailable - nobody listens there; kDeadline - no answer.
Result<Json> ask_worker(const OpenAttempt& attempt, const Json& command);

}  // namespace shift::ctl
