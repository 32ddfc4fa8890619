#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/result.h"

namespace shift {

struct Migration;

using Millis = std::chrono::milliseconds;

// The daemon's YAML. The first block are the keys of the original runner, same names and meanings;
// `%hostname%` in any value becomes the host's name, ${NAME} an environment variable. Unknown keys
// are errors that name the nearest known one.
struct Config {
    // Database credentials of the worker. With mysql_user empty, mysql_defaults_file serves both.
    std::string mysql_user;
    std::string mysql_password;
    std::string mysql_cert;
    std::string mysql_key;
    std::string mysql_root_ca;        // mysql_rootCA
    std::string mysql_defaults_file;  // handed to pt-osc

    std::string rest_api;  // "http://host:3000/api/v1/"; the trailing slash is optional
    std::string rest_cert;
    std::string rest_key;

    std::string log_dir;  // ends in '/' after loading; created when missing
    std::string pt_osc_path = "pt-online-schema-change";
    // How pt-osc is worked with: auto (by its features), stock (with our plugin), square (the patch
    // with --save-state).
    std::string pt_osc_flavour = "auto";
    std::string pending_drops_db;  // "" = old tables stay in their own database
    bool enable_trash = true;      // false: old tables are dropped
    Millis log_sync_interval{10'000};
    Millis state_sync_interval{10'000};
    std::string stop_file_path;

    std::string host_override;
    int port_override = 0;
    std::string database_override;

    // New keys.
    std::string state_dir;       // default LOG_DIR/supervisor-state
    std::string run_host;        // how we pin migrations; default the host's name
    std::string control_socket;  // default STATE_DIR/control.sock
    // Groups whose members may look at the daemon, and steer it. One that does not exist is nobody:
    // then root and the daemon's own user remain.
    std::string control_read_group = "shift";
    std::string control_write_group = "shift-admin";
    std::string rest_ca;
    bool rest_verify = true;
    Millis rest_timeout{30'000};
    Millis poll_interval_min{10'000};  // poll_interval: 10-20 (or one number)
    Millis poll_interval_max{20'000};
    Millis claim_grace{60'000};
    Millis recheck_interval{180'000};  // how often claimed migrations are read back
    Millis report_flush_timeout{30'000};
    Millis retry_backoff_min{2'000};
    Millis retry_backoff_max{300'000};
    std::string engine = "pt-osc";
    // lhm_* keys as they stand in the file, by the engine's own names ("chunk-time"): how the lhm
    // engine copies.
    std::map<std::string, std::string> lhm;
    int max_workers = 4;               // copies at a time
    int max_running_per_host = 1;      // copies at a time on one database host:port
    int max_short_steps = 8;           // prepare, rename and direct steps at a time
    int attempts_max = 5;              // tries of prepare, copy and direct steps before giving up
    std::int64_t direct_rows_max = 0;  // 0 = no limit
    Millis ddl_timeout{3'600'000};
    int journal_retention_days = 90;   // finished migrations stay in the journal; 0 = for ever
    int attempts_retention_days = 30;  // attempt directories and log_dir/id-N; 0 = for ever
    std::string metrics_listen;        // "9812" (on 127.0.0.1), "10.0.0.7:9812"; "" = no metrics
    std::string worker_path;  // default: beside the daemon, else the installed libexec folder
    std::string log_level = "info";
};

// Reads and validates. Values are resolved (%hostname%, ${NAME}, defaults that depend on others).
// Errors: kNotFound - no such file; kInvalidArgument - "FILE:LINE: key: what is wrong".
Result<Config> load_config(const std::string& path);
Result<Config> parse_config(const std::string& text, const std::string& name);

// Where the configuration is when --config was not given: ./config/<ENVIRONMENT>-config.yaml if it
// exists, else /etc/shift-supervisor/<ENVIRONMENT>-config.yaml. ENVIRONMENT unset = what the
// packaged service runs with (`etc`/environment, which its unit reads), else development.
inline constexpr const char* kEtcDir = "/etc/shift-supervisor";
std::string default_config_path(const std::string& etc = kEtcDir);

// The control socket of the packaged service, for those who may talk to the daemon and not read its
// configuration.
inline constexpr const char* kServiceSocket = "/run/shift-supervisor/control.sock";

// Every key a file may hold, for messages, completion and the manual.
std::vector<std::string> config_keys();

// Names of keys whose value differs and that a running daemon cannot take over (SIGHUP).
std::vector<std::string> not_reloadable(const Config& running, const Config& fresh);

// host_override, port_override and database_override in the place of what the API says.
void apply_overrides(const Config& config, Migration& migration);

std::string host_name();

}  // namespace shift
