#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>

#include "common/clock.h"
#include "common/config.h"
#include "common/json.h"
#include "common/migration.h"
#include "common/result.h"

namespace shift::ctl {

// STATE_DIR/journal.db, read by people when no daemon answers. Read-only: the daemon may start at
// any moment. Answers have the shape of the daemon's own.
class JournalReader {
  public:
    // Errors: kNotFound - no journal there; kIo - it cannot be read, with native EACCES when that
    // is for want of permission; kInvalidArgument - its version is not known here.
    static Result<JournalReader> open(const Config& config);

    // As the daemon's `status`, with "state" "not running" and "journal_of", the time of the last
    // thing in it. Pids of workers that have ended are left out.
    Result<Json> status() const;
    // As the commands of these names. why(): kNotFound - the migration never was this host's.
    Result<Json> why(MigrationId id) const;
    Result<Json> events(std::int64_t migration, std::int64_t after, int limit) const;
    Result<Json> history(WallTime since, const std::string& table, int limit) const;
    // [{"cluster","host","port","databases":[...]}] of the migrations seen in the last 90 days.
    Result<Json> servers() const;

  private:
    struct Closer {
        void operator()(sqlite3* db) const noexcept { sqlite3_close(db); }
    };
    JournalReader(sqlite3* db, Config config) : db_(db), config_(std::move(config)) {}
    // Rows of `sql` as objects; `values` are bound as text.
    Result<Json> rows(const std::string& sql, const std::vector<std::string>& values = {}) const;
    Status check_version(int least) const;
    Result<Json> drain() const;

    std::unique_ptr<sqlite3, Closer> db_;
    Config config_;
    int version_ = 0;
};

}  // namespace shift::ctl
