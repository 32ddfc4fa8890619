#pragma once

#include <string>
#include <vector>

#include "common/event_log.h"
#include "common/job.h"
#include "tests/integration/support/child_process.h"
#include "tests/integration/support/mariadb_server.h"
#include "tests/integration/support/temp_dir.h"
#include "tests/integration/support/wait.h"

namespace shift::testing {

// One migration as the supervisor would drive it, on the real shift-worker: attempts in order, each
// told what the earlier ones left in their events.
class WorkerDriver {
  public:
    WorkerDriver(MariadbServer& server, const TempDir& dir, MigrationId id,
                 const std::string& statement, const std::string& table);

    void start(Step step);
    // As on a host that never ran it: `text` is what the supervisor fetched from the API.
    void start_with_api_state(Step step, const std::string& text);
    // The outcome event; {} when the worker died without one.
    Json finish(milliseconds deadline = seconds(180));
    Json run(Step step) {
        start(step);
        return finish();
    }
    std::string outcome_of(Step step) { return string_or(run(step), "outcome", "none"); }

    std::vector<Json> events() const;
    std::vector<Json> events(const std::string& kind) const;
    // Of the attempt that runs now; false when the worker ended without such an event.
    bool wait_for_event(const std::string& kind);
    pid_t engine() const;  // 0 when the attempt has none yet
    void kill_engine(int signo);  // waits until it has one
    std::uint64_t thread(const std::string& role) const;
    // One command over worker.sock; the answer after the greeting.
    std::string command(const std::string& line) const;
    ChildProcess& worker() { return worker_; }
    const std::string& attempt_dir() const { return attempt_dir_; }
    std::string log() const { return slurp(job.files_dir + "ptosc-output.log"); }
    std::string state_file() const { return slurp(job.files_dir + "statefile.txt"); }

    Job job;

  private:
    void spawn(Step step, const std::string* api_state);

    std::string dir_;
    std::string attempt_dir_;
    ChildProcess worker_;
    std::optional<ExitStatus> exit_;
};

}  // namespace shift::testing
