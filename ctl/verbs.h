#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ctl/commands_api.h"
#include "ctl/commands_daemon.h"
#include "ctl/commands_doctor.h"
#include "ctl/commands_inquire.h"
#include "ctl/commands_log.h"
#include "ctl/commands_takeover.h"
#include "ctl/commands_workers.h"

namespace CLI {
class App;
}

namespace shift::ctl {

// What the verb of the command line does; empty until one was read.
using Run = std::function<int(Session&)>;

// The verbs in groups. A group owns what the parser writes its options to, so it must outlive the
// parsing and the run.

// Asked of the daemon, or told it.
class DaemonVerbs {
  public:
    void add_to(CLI::App& app, Run& run);
    // After parsing: what the parser cannot express. "" or what is wrong.
    std::string finish(const CLI::App& app);

  private:
    void add_status(CLI::App& app, Run& run);
    void add_drain(CLI::App& app, Run& run);
    void add_inquiries(CLI::App& app, Run& run);
    void add_takeover(CLI::App& app, Run& run);

    StatusOptions status_;
    MigrationId status_id_ = 0;
    std::string watch_;
    DrainOptions drain_;
    double drain_timeout_s_ = 0;
    HistoryOptions history_;
    FinalInsertOptions final_insert_;
    TakeoverOptions takeover_;
    MigrationId id_ = 0;
};

// Sent to the shift API.
class ApiVerbs {
  public:
    void add_to(CLI::App& app, Run& run);

  private:
    void add_submit(CLI::App& app, Run& run);
    void add_action(CLI::App& app, Run& run, const std::string& verb,
                    const std::string& description, bool with_auto_run = false);

    SubmitOptions submit_;
    int max_threads_running_ = 0;
    int max_replication_lag_ = 0;
    double submit_timeout_s_ = 0;
    ApproveOptions approve_;
    ActionOptions action_;
    MigrationId id_ = 0;
};

// Done with what is on this host.
class LocalVerbs {
  public:
    void add_to(CLI::App& app, Run& run);

  private:
    LogOptions log_;
    StopWorkersOptions stop_workers_;
    DoctorOptions doctor_;
};

}  // namespace shift::ctl
