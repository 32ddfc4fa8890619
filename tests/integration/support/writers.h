#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/support/mariadb_server.h"

namespace shift::testing {

// Application traffic on one table while it migrates. Each transaction changes the table and, in
// the same transaction, a ledger table that nobody migrates; so the ledger is at any moment what
// the table must hold, whatever was killed in between. 20 % of the transactions roll back.
class Writers {
  public:
    // Makes `database`.`table` (id, name, amount, payload, updated; primary key id) with `rows`
    // rows and its ledger `database`_ledger.`table`.
    static void make_table(Db& db, const std::string& database, const std::string& table, int rows);
    // The columns make_table() gives the table: what the ledger is compared with.
    static const char* columns() { return "id, name, amount, payload"; }

    Writers(MariadbServer& server, std::string database, std::string table, int threads = 1,
            std::uint64_t seed = 1);
    ~Writers() { stop(); }
    Writers(const Writers&) = delete;
    Writers& operator=(const Writers&) = delete;

    void start();
    void stop();
    std::int64_t committed() const { return committed_; }
    // Errors an application would have seen; lock waits and deadlocks (which it must expect) are
    // retried and not counted.
    std::vector<std::string> errors() const;
    // Lets the writers go on through errors of a server that is being killed.
    void tolerate_lost_connections() { tolerate_ = true; }
    // Each writer rests this long after a transaction. Call before start().
    void set_rest(std::chrono::milliseconds rest) { rest_ = rest; }

    // "" when the table holds exactly what was written, else what differs. Call after stop().
    static std::string difference(Db& db, const std::string& database, const std::string& table);

  private:
    void run(std::uint64_t seed);
    void one_transaction(Db& db, std::uint64_t random);

    MariadbServer& server_;
    std::string table_;   // quoted, with database
    std::string ledger_;  // quoted, with database
    int count_;
    std::uint64_t seed_;
    // Some hundred transactions a second: a writer that never rests takes a processor for itself.
    std::chrono::milliseconds rest_{2};
    std::atomic<bool> stopping_{false};
    std::atomic<bool> tolerate_{false};
    std::atomic<std::int64_t> committed_{0};
    mutable std::mutex mutex_;
    std::vector<std::string> errors_;
    std::vector<std::thread> threads_;
};

}  // namespace shift::testing
