#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/attempt_folder.h"
#include "common/job.h"
#include "common/result.h"
#include "supervisor/core/model.h"

namespace shift {

// Worker processes and their attempt directories. Which attempt lives is decided by its locks, the
// same way for a child of ours and for one adopted after a restart.
class Workers {
  public:
    using Life = AttemptLife;
    virtual ~Workers() = default;

    // Creates the directory with job.json and credentials, locks worker.lock and starts the worker
    // holding it. `api_state_file` is the API's copy of the state file, "" = none.
    // Errors: kUnavailable, kIo - nothing runs.
    virtual Result<ProcessIdentity> spawn(const Job& job, const std::string& api_state_file) = 0;

    virtual Life look(const AttemptRecord& attempt) = 0;
    // Events after attempt.last_seq, oldest first; a caller that lost what it was told before (its
    // journal could not be written) is told again.
    virtual std::vector<Json> new_events(const AttemptRecord& attempt) = 0;
    // Asks the worker to stop over worker.sock; `reason`: pause drain cancel shutdown.
    virtual void ask_to_stop(const AttemptRecord& attempt, const std::string& reason) = 0;
    // How its process ended ("signal 9, Killed"); "" when that is not known, as of one that was
    // started by another daemon.
    virtual std::string death_of(const AttemptRecord&) const { return {}; }
    // Signals exactly that process; a gone one is ignored.
    virtual void signal(const ProcessIdentity& process, int signo) = 0;
    // Marks the directory `closed` and removes credentials, sockets and locks.
    virtual void close(const AttemptRecord& attempt) = 0;

    // The highest number of an attempt directory that exists, 0 = none: a journal that was lost or
    // put back from a copy must not give a number twice.
    virtual std::int64_t highest_attempt() { return 0; }

    // The migration's files under log_dir.
    virtual std::uint64_t log_size(MigrationId id) = 0;
    // The local state file if it is whole (parses), else "".
    virtual std::string state_file(MigrationId id) = 0;
    virtual std::string log_path(MigrationId id) const = 0;
    virtual std::string state_path(MigrationId id) const = 0;
    // Bytes of an owed call's file, read when it is sent.
    virtual Result<std::string> contents_of(const OwedCall& call) = 0;
    virtual bool stop_file_exists() = 0;
    // Resident memory of exactly that process; 0 when it is gone.
    virtual std::uint64_t resident_bytes(const ProcessIdentity& process) const = 0;

    // Retention. None of these waits for the disk. Closed attempt directories older than `before`
    // go; one with a held lock never does.
    virtual void discard_old_attempts(WallTime before) = 0;
    // Tells, later, of which migrations there are files in log_dir that nobody wrote to since
    // `before`.
    virtual void find_old_files(WallTime before,
                                std::function<void(const std::vector<MigrationId>&)> found) = 0;
    // The migration's folder under log_dir is out of the way at once and removed in the background.
    virtual void discard_files(MigrationId id) = 0;
};

}  // namespace shift
