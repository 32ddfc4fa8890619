#pragma once

#include <string>

#include "worker/context.h"
#include "worker/verdict.h"

namespace shift {

// Runs the attempt of `dir` to its outcome event. The exit code of the process: 0 once an outcome
// was written (whatever it is), or when the attempt is closed already.
// REQUIRES: the current directory is `dir`; SIGTERM and SIGINT are blocked.
int run_attempt(const std::string& dir);

// What an error without an answer of its own means for a step: trouble that goes away is tried
// again; the rest fails a step that left nothing behind, breaks off a copy, and is tried again
// where failing is not allowed (rename, pause, cancel). Pure.
Verdict verdict_of_error(const Error& error, const Job& job);

// The table's name without a database prefix: from the statement where it can be read, else the
// job's, else the state file's; "" when nobody knows. Pure.
std::string table_of_job(const Job& job, const std::optional<StateFile>& state);

}  // namespace shift
