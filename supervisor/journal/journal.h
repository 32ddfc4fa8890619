#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/result.h"
#include "supervisor/core/model.h"

namespace shift {

// The durable memory of the supervisor. Intent before acting, fact after: writes gather in one
// transaction per loop turn; nothing outside the process is touched before commit() returned ok.
//
// Errors: a failed write or commit is sticky. Everything after it fails with the same error until
// the journal is opened anew, because what is on disk is not known.
class Journal {
  public:
    virtual ~Journal() = default;

    // Writes since the last commit become durable together. Cheap when there were none.
    virtual Status commit() = 0;

    virtual Status put(const MigrationRecord& record) = 0;  // insert or replace
    virtual Status put(const AttemptRecord& record) = 0;    // insert or replace
    virtual Status put(OwedCall& call) = 0;                 // insert (assigns id) or replace
    virtual Status add(const EventRecord& event) = 0;
    virtual Status put_setting(const std::string& key, const std::string& value) = 0;

    static constexpr int kClosedMax = 1000;
    // Everything a start needs.
    struct Contents {
        // Open ones, and the kClosedMax last of those that may move again.
        std::vector<MigrationRecord> migrations;
        std::vector<AttemptRecord> attempts;  // not ended
        std::vector<OwedCall> calls;          // pending, in order
        std::map<std::string, std::string> settings;
        std::int64_t last_attempt = 0;  // highest attempt id ever
    };
    virtual Result<Contents> load() = 0;
    // kNotFound when never seen.
    virtual Result<MigrationRecord> find(MigrationId id) = 0;
    // Durable worker events of all attempts of a migration, oldest first (Job::history).
    virtual Result<Json> history(MigrationId id) = 0;
};

}  // namespace shift
