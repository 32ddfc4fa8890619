#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/migration.h"

namespace shift {

// Version of job.json, events.jsonl and worker.sock. A daemon understands every number ever
// released; a worker refuses a job with a newer one.
inline constexpr int kWorkerProtocol = 1;

// job.json: the frozen input of one attempt (one worker run for one step of a migration). Holds no
// secret: credentials are in the option file it names.
struct Job {
    int protocol = kWorkerProtocol;
    MigrationId migration = 0;
    std::int64_t claim = 0;    // our running number of the claim; newer claims void older ones
    std::int64_t attempt = 0;  // unique in the journal; also the name of the attempt directory
    Step step = Step::kPrepare;
    std::string engine = "pt-osc";  // pt-osc | lhm | direct (chosen by the supervisor)
    std::string run_host;

    // Target. `database` is where the table lives after overrides.
    std::string host;
    int port = 0;
    std::string database;
    std::string table;  // "" only for pause/cancel when nobody knows
    Mode mode = Mode::kTable;
    Action action = Action::kAlter;
    Runtype runtype = Runtype::kLong;
    std::string ddl_statement;
    std::string final_insert;
    CustomOptions options;

    // MySQL option files (0600). `mysql_defaults_file` is the worker's own, `pt_osc_defaults_file`
    // the one handed to pt-osc; often the same.
    std::string mysql_defaults_file;
    std::string pt_osc_defaults_file;

    std::string pt_osc_path;
    std::string pt_osc_flavour = "auto";              // auto | stock | square
    std::map<std::string, std::string> lhm_settings;  // the configuration's lhm_* keys
    std::string cache_dir;  // what is known of installed tools; "" = nowhere
    bool enable_trash = true;
    std::string pending_drops_db;  // "" = the migration's own database
    std::chrono::seconds ddl_timeout{3600};
    std::int64_t direct_rows_max = 0;  // 0 = no limit
    std::string files_dir;             // LOG_DIR/id-N/: statefile.txt, ptosc-output.log
    int tries = 1;                     // which try of this step of this claim, from 1

    // Intents and facts earlier attempts of this migration left (event objects, oldest first,
    // kinds of is_durable_event()): what may be ours on the server.
    Json history = Json::array();
};

Json to_json(const Job& job);
// Errors: kInvalidArgument - not a job, or a newer protocol.
Result<Job> parse_job(std::string_view text);

// Names inside an attempt directory.
struct AttemptFiles {
    explicit AttemptFiles(std::string directory) : dir(std::move(directory)) {}
    std::string dir;
    std::string job() const { return dir + "/job.json"; }
    std::string events() const { return dir + "/events.jsonl"; }
    std::string reserve() const { return dir + "/reserve"; }
    std::string worker_lock() const { return dir + "/worker.lock"; }
    std::string engine_lock() const { return dir + "/engine.lock"; }
    std::string socket() const { return dir + "/worker.sock"; }
    std::string closed() const { return dir + "/closed"; }
    std::string worker_log() const { return dir + "/worker.log"; }
    std::string credentials() const { return dir + "/credentials.cnf"; }
    std::string api_state_file() const { return dir + "/statefile.api"; }
};
// The descriptor number at which the worker finds the locked worker.lock.
inline constexpr int kWorkerLockFd = 3;

}  // namespace shift
