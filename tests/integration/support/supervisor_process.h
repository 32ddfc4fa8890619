#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/json.h"
#include "tests/integration/support/child_process.h"

namespace shift::testing {

// shift-supervisord with a configuration of its own in `folder`. Its intervals are short, its files
// are all below `folder`.
class SupervisorProcess {
  public:
    // `settings` (key of the YAML -> value as written there) are added to the defaults or replace
    // them; an empty value takes a key away.
    SupervisorProcess(const std::string& folder, const std::string& rest_api,
                      const std::map<std::string, std::string>& settings);
    ~SupervisorProcess();
    SupervisorProcess(const SupervisorProcess&) = delete;
    SupervisorProcess& operator=(const SupervisorProcess&) = delete;

    // What the next starts start; default "shift-supervisord".
    void set_program(const std::string& name) { program_ = name; }
    // Starts it and, with `ready`, waits until its control socket answers.
    void start(bool ready = true);
    void kill9() { process_.kill9(); }
    std::optional<ExitStatus> terminate() { return process_.terminate(); }
    void restart();
    bool running() { return process_.running(); }
    pid_t pid() const { return process_.pid(); }
    std::optional<ExitStatus> wait(milliseconds deadline = kDeadline) {
        return process_.wait(deadline);
    }
    void signal(int signo) { process_.signal(signo); }
    // Rewrites the configuration; takes effect at the next start (or SIGHUP).
    void set(const std::string& key, const std::string& value);
    // The next starts get it in their environment.
    void set_environment(const std::string& name, const std::string& value);

    // The `status` answer; null when nobody answers.
    Json status() const;
    // The entry of one migration in it; null when there is none.
    Json migration(std::int64_t id) const;
    Result<Json> control(const std::string& command, const Json& args) const;

    const std::string& config_file() const { return config_file_; }
    std::string log_file() const { return folder_ + "/supervisord.log"; }
    std::string state_dir() const { return folder_ + "/state"; }
    std::string journal() const { return state_dir() + "/journal.db"; }
    std::string log_dir() const { return folder_ + "/log/"; }
    std::string files_dir(std::int64_t id) const {
        return log_dir() + "id-" + std::to_string(id) + "/";
    }
    std::string stop_file() const { return folder_ + "/stop"; }
    std::string socket() const { return folder_ + "/ctl.sock"; }

    // Rows of a query on the journal (read-only), columns as text.
    std::vector<std::vector<std::string>> journal_rows(const std::string& sql) const;
    // The attempt folders, oldest first.
    std::vector<std::string> attempts() const;
    // Pids of living workers and engines started by this supervisor (found by their paths).
    std::vector<pid_t> workers() const;
    // Kills all workers and engines, for the end of a test.
    void kill_workers() const;
    // The ends of all logs, for failure messages.
    std::string logs() const;

  private:
    void write_config() const;
    void share_tool_cache() const;

    std::string folder_;
    std::string config_file_;
    std::string program_ = "shift-supervisord";
    std::map<std::string, std::string> settings_;
    std::map<std::string, std::string> environment_;
    ChildProcess process_;
};

// "'text'" as YAML wants it.
std::string yaml_quoted(const std::string& text);

}  // namespace shift::testing
