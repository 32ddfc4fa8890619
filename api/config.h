#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"

namespace shift::api {

// A database cluster that migrations may name.
struct Cluster {
    std::string name;
    std::string rw_host;  // "" or port 0: its migrations are never listed for runners
    int port = 3306;
    // Credentials for looking at the target: a defaults file, or a name and password.
    std::string mysql_defaults_file;
    std::string user;
    std::string password;
    bool check_target = false;  // compare DDL with the live target
};

struct ApiConfig {
    std::string listen = "127.0.0.1";
    int port = 3000;  // 0: a free one; `listen: HOST:PORT` sets both
    std::string store;
    std::string environment = "production";
    std::chrono::milliseconds scheduler_interval{15'000};
    int parallel_limit = 1;  // ALTERs at a time on one cluster
    std::vector<Cluster> clusters;

    const Cluster* find_cluster(const std::string& name) const;
};

// Errors: kNotFound - no such file; kInvalidArgument - "FILE:LINE: key: what is wrong"; an unknown
// key names the nearest known one.
Result<ApiConfig> load_config(const std::string& path);
Result<ApiConfig> parse_config(const std::string& text, const std::string& name);

}  // namespace shift::api
