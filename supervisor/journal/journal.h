#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/result.h"
#include "supervisor/core/model.h"

namespace shift {

// Which migrations `history` lists.
struct HistoryFilter {
    WallTime since{};   // something changed then or later
    std::string table;  // "table" or "database.table"; "" = all
    int limit = 0;
};

// What may go.
struct Expiry {
    WallTime over_before{};       // completed, failed, cancelled or let go before this
    WallTime untouched_before{};  // handed on, and nothing more seen of it since
    WallTime reports_before{};    // delivered reports (log, progress, state file, statistics)
};

// The durable memory of the supervisor. Intent before acting, fact after: writes gather in one
// transaction per loop turn; nothing outside the process is touched before commit() returned ok.
//
// Errors: a failed write or commit is sticky. Everything after it fails with the same error until
// the journal is opened anew, because what is on disk is not known.
class Journal {
  public:
    virtual ~Journal() = default;

    // Writes since the last commit become durable together; false when there were none.
    virtual Result<bool> commit() = 0;

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
        // trouble_of() the last attempt of each migration that ended otherwise than by a stop.
        std::map<MigrationId, std::string> last_errors;
        std::map<std::string, std::string> settings;
        std::int64_t last_attempt = 0;  // highest attempt id ever
    };
    virtual Result<Contents> load() = 0;
    // kNotFound when never seen.
    virtual Result<MigrationRecord> find(MigrationId id) = 0;
    // Durable events of all attempts of a migration, and what people decided about it, oldest first
    // (Job::history).
    virtual Result<Json> history(MigrationId id) = 0;

    // For people. Lists of objects whose members are the columns of the views.
    // v_history of one migration (0 = the daemon itself) after row `after`, oldest first.
    virtual Result<Json> events(MigrationId id, std::int64_t after, int limit) = 0;
    // v_migrations, what changed last first.
    virtual Result<Json> list(const HistoryFilter& filter) = 0;

    // Retention (supervisor/retention.h). Each call does little; writes like any other.
    // Migrations that are over and old, or that this host has not touched for very long. Never the
    // one with the newest attempt: an attempt's number is its folder's name, not given out twice.
    virtual Result<std::vector<MigrationId>> expired(const Expiry& expiry, int limit) = 0;
    // Deletes at most rows_max rows of what belongs to it; false when nothing is left of it.
    virtual Result<bool> forget(MigrationId id, int rows_max) = 0;
    // The same for delivered reports and the daemon's own events.
    virtual Result<bool> prune(const Expiry& expiry, int rows_max) = 0;
};

}  // namespace shift
