#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/job.h"
#include "common/result.h"

namespace shift {

// STATE_DIR/attempts/N from outside: for the supervisor, and for people when none runs.

enum class AttemptLife {
    kAlive,         // worker.lock is held
    kOrphanEngine,  // the worker is gone, its engine still holds engine.lock
    kDead,          // both locks are free: nothing of the attempt can act any more
};

// Errors: kIo - a lock cannot be looked at; whoever asks must take that for alive.
Result<AttemptLife> look_at_attempt(const AttemptFiles& files);

// "STATE_DIR/attempts/N"
std::string attempt_folder(const std::string& state_dir, std::int64_t attempt);

// Numbers of the attempts that have a folder, rising. Errors: kIo, with native EACCES when it is
// not for us to see; a missing folder has none.
Result<std::vector<std::int64_t>> list_attempts(const std::string& state_dir);

}  // namespace shift
