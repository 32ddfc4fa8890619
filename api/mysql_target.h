#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/target.h"
#include "common/clock.h"

namespace shift::api {

// Targets reached over the MySQL protocol, for clusters with check_target. What was learnt about a
// table is kept for some seconds, a failed connection too: `staged` is asked every few seconds by
// every runner, and a dead target must not cost each of them the connect timeout.
class MysqlTargets final : public Targets {
  public:
    // `cut_shard_suffix`: look at database `a` for `a__shard1`, as the original does in its
    // development environment.
    MysqlTargets(const Clock& clock, bool cut_shard_suffix);

    std::unique_ptr<DdlTarget> target(const Cluster& cluster, const std::string& database) override;
    // Blocks: up to the connect timeout, 2 s.
    std::vector<std::string> databases(const Cluster& cluster) override;

    // What is known of one table; asks the server when that is too old.
    // Blocks: up to the connect timeout and one query timeout, 5 s, per query.
    // Errors: kUnavailable.
    Result<DdlTargetFacts> facts(const Cluster& cluster, const std::string& database,
                                 const std::string& table);

  private:
    struct Known {
        SteadyTime learnt;
        Result<DdlTargetFacts> facts;
    };

    const Clock& clock_;
    const bool cut_shard_suffix_;
    std::mutex mutex_;
    std::map<std::vector<std::string>, Known> known_;  // cluster, database, table
};

}  // namespace shift::api
