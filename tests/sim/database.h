#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/migration.h"
#include "tests/sim/events.h"

namespace shift::sim {

// The database servers, as far as a migration leaves traces on them: its shadow table and triggers,
// how often its table was changed, its final insert, and GET_LOCK. It is what makes the invariants
// mean something: it counts what really happened, whatever supervisors believe.
class Database {
  public:
    // One migration's traces.
    struct Change {
        std::string table;
        bool shadow = false;
        bool triggers = false;
        std::string copy_id;  // of the shadow and the triggers that are there
        std::int64_t rows = 0;
        std::int64_t rows_total = 0;
        bool copied = false;     // every row
        bool statement = false;  // a direct DDL runs in the server
        bool statement_killed = false;
        int ddls = 0;
        int swaps = 0;
        int inserts = 0;
        bool insert_prepared = false;  // XA PREPARE without COMMIT

        bool changed() const { return ddls + swaps > 0; }
        bool has_leftovers() const { return shadow || triggers || insert_prepared || statement; }
    };

    explicit Database(Events& events) : events_(events) {}

    Change& of(MigrationId id) { return changes_[id]; }
    std::map<MigrationId, Change>& changes() { return changes_; }

    // Connections break when it goes down, and with them every lock is gone.
    void go_down();
    void come_up() { up_ = true; }
    bool up() const { return up_; }

    // GET_LOCK of a table. `owner` is a connection: nobody else's for ever, never 0.
    bool lock(const std::string& table, std::int64_t owner);
    bool is_locked(const std::string& table) const { return locks_.contains(table); }
    bool holds(const std::string& table, std::int64_t owner) const;
    // The connection is gone; the server notices after a while.
    void hang_up(std::int64_t owner, Millis noticed_after);
    bool any_lock_held() const { return !locks_.empty(); }

    // A direct statement: goes on when its client dies, ends after `duration`, and then it has
    // happened unless it was killed. False: an earlier one still runs.
    bool run_ddl(MigrationId id, Millis duration);

  private:
    Events& events_;
    bool up_ = true;
    std::map<MigrationId, Change> changes_;
    std::map<std::string, std::int64_t> locks_;
};

}  // namespace shift::sim
