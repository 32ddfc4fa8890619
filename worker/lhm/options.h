#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "worker/lhm/chunk_size.h"
#include "worker/lhm/triggers.h"

// Everything that can be asked of the engine. Defaults are what an unattended migration wants.

namespace shift::lhm {

// How often and how long something is tried again. Names and default numbers are LHM's.
struct RetryOptions {
    int tries = 20;  // of one statement, the first included; lock waits of a chunk are not counted
                     // unless `count_lock_waits`
    std::chrono::milliseconds base_interval{1000};
    double multiplier = 1.0;
    double rand_factor = 0.0;
    std::chrono::seconds elapsed_max{0};  // 0 = no limit
    bool count_lock_waits = false;
    // How long a lost connection is tried to be made again; 0 = not at all.
    std::chrono::seconds reconnect_max{120};
};

// The copy takes only rows that match. `join` stands behind the table's name, `where` is a
// condition.
struct Filter {
    std::string join;   // "INNER JOIN users ON users.id = permissions.user_id"
    std::string where;  // "permissions.created_at > '2013-07-10'"
    bool empty() const { return join.empty() && where.empty(); }
};
// LHM's one text: "where ...", or "inner join ... [where ...]". Errors: kInvalidArgument.
Result<Filter> parse_filter(const std::string& text);

// "Threads_running=25": a status variable and the value it may have at most.
struct LoadLimit {
    std::string variable;
    double value_max = 0;
};
// "Threads_running=25,Innodb_row_lock_current_waits:5". Errors: kInvalidArgument.
Result<std::vector<LoadLimit>> parse_load_limits(const std::string& text);

struct ThrottleOptions {
    // After every chunk of every connection.
    std::chrono::milliseconds delay{0};
    bool watch_replicas = true;
    std::string recursion_method;  // as pt-osc's --recursion-method
    std::chrono::seconds lag_max{10};
    std::optional<int> threads_running_max;  // LHM's healthy range ends here
    std::vector<LoadLimit> max_load;         // beyond: wait
    std::vector<LoadLimit> critical_load;    // beyond: stop, with everything kept
    std::string query;                       // waits while it gives a number above 0
    std::string http;                        // waits while a GET answers anything but 200
    std::string file;                        // waits while it exists
    std::chrono::milliseconds interval{1000};
};

// How the work follows what the application feels (Pace).
struct PaceOptions {
    bool adapt = true;
    // What a small write may take; 0 = several times what it took before the copy.
    std::chrono::milliseconds write_max{0};
    // Connections of all migrations together on one server (HostBudget); 0 = no limit, nullopt =
    // those of one migration, kHostThreads at least.
    std::optional<int> host_threads;
};
inline constexpr int kHostThreads = 4;

struct KillRule {
    std::chrono::seconds age_min{0};  // 0 = nothing is killed
    std::vector<std::string> users;   // only these; empty = anybody but the system's
};

struct SwapOptions {
    bool locked = false;  // hold both tables by LOCK TABLES while looking for the last time
    std::chrono::seconds patience{600};  // how long the lock is tried for
    std::chrono::milliseconds pause_min{500};
    std::chrono::milliseconds pause_max{10'000};
    KillRule kill;
    std::string archive;  // the original's name after the swap; "" = lhma_<time>_<table>
    std::chrono::seconds rollback_window{0};  // > 0: the archive is kept in step
};

// Secondary indexes after the copy: kAuto - for tables of some size without replicas.
enum class DeferIndexes { kAuto, kYes, kNo };

// Changing the table itself where no row need be touched: kAuto - unless columns are dropped.
enum class Instant { kAuto, kYes, kNo };

struct Options {
    // Who this is, for others that find it on the server: "shift-lhm", "shift-supervisor 17".
    std::string owner = "shift-lhm";
    int threads = 0;  // connections that copy; 0 = what the server allows, 2 at most
    ChunkSize::Options chunk;
    // Of a chunk whose rows are not a fixed number, by the average row of the server's statistics.
    double chunk_mib_max = 64;
    bool fences = true;  // Copier
    // Bounds of the copy, one word per column of the key; empty = the whole table.
    std::vector<std::string> start;
    std::vector<std::string> limit;
    Filter filter;
    std::string key;  // walk the table by this one
    bool fail_on_warnings = false;
    bool allow_loss = false;  // conversions may round and cut values, as ALTER TABLE would
    ConflictPolicy conflicts = ConflictPolicy::kRecord;
    // How long a conflict is waited with, for the application may put it right.
    std::chrono::seconds conflict_patience{30};
    // How many times dearer a write of the application may become by the triggers; beyond, they are
    // taken away again. 0 = whatever it costs.
    double write_cost_max = 0;
    bool default_engine = false;  // the shadow gets the server's default engine
    bool verify = true;
    bool verify_early = true;  // EarlyComparison
    // Before the first chunk, once a second and before the swap: stops unless it gives a number
    // above 0. LHM's verifier.
    std::string verifier_query;
    std::chrono::seconds data_check_max{60};  // how long the dry run may look through the rows
    RetryOptions retry;
    ThrottleOptions throttle;
    PaceOptions pace;
    SwapOptions swap;
    DeferIndexes defer_indexes = DeferIndexes::kAuto;
    Instant instant = Instant::kAuto;
};

}  // namespace shift::lhm
