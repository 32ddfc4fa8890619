#include "tests/integration/support/writers.h"

#include <random>

#include "tests/integration/support/wait.h"

namespace shift::testing {

namespace {

constexpr unsigned kServerGone = 2006;
constexpr unsigned kServerLost = 2013;

std::string in_database(const std::string& database, const std::string& table) {
    return quote_name(database) + "." + quote_name(table);
}

}  // namespace

void Writers::make_table(Db& db, const std::string& database, const std::string& table, int rows) {
    const std::string name = in_database(database, table);
    const std::string ledger = in_database(database + "_ledger", table);
    db.execute("CREATE DATABASE IF NOT EXISTS " + quote_name(database));
    db.execute("CREATE DATABASE IF NOT EXISTS " + quote_name(database + "_ledger"));
    db.execute("CREATE TABLE " + name +
               " (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(64) NOT NULL, "
               "amount INT NULL, payload VARCHAR(200) CHARACTER SET utf8mb4 NULL, "
               "KEY by_name (name)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4");
    db.execute("CREATE TABLE " + ledger + " LIKE " + name);
    if (rows > 0) {
        db.execute("INSERT INTO " + name +
                   " (id, name, amount, payload) SELECT seq, CONCAT('name-', seq % 977), seq * 7, "
                   "RPAD('', seq % 120, 'abc é') FROM " +
                   quote_name(database) + ".seq_1_to_" + std::to_string(rows));
        db.execute("INSERT INTO " + ledger + " SELECT * FROM " + name);
        db.execute("ANALYZE TABLE " + name);
    }
}

Writers::Writers(MariadbServer& server, std::string database, std::string table, int threads,
                 std::uint64_t seed)
    : server_(server),
      table_(in_database(database, table)),
      ledger_(in_database(database + "_ledger", table)),
      count_(threads),
      seed_(seed) {}

void Writers::start() {
    stopping_ = false;
    for (int i = 0; i < count_; ++i) {
        threads_.emplace_back([this, seed = seed_ + static_cast<std::uint64_t>(i)] { run(seed); });
    }
}

void Writers::stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) {
        thread.join();
    }
    threads_.clear();
}

std::vector<std::string> Writers::errors() const {
    const std::lock_guard guard(mutex_);
    return errors_;
}

void Writers::run(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::unique_ptr<Db> db;
    while (!stopping_) {
        try {
            if (!db) {
                db = std::make_unique<Db>(server_.connect());
                db->execute("SET SESSION innodb_lock_wait_timeout = 5");
            }
            one_transaction(*db, random());
            std::this_thread::sleep_for(rest_);
        } catch (const SqlError& error) {
            if (db) {
                (void)db->try_execute("ROLLBACK");
            }
            const bool expected = error.number == kLockWaitTimeout || error.number == kDeadlock ||
                                  error.number == kDuplicateKey;
            const bool lost = error.number == kServerGone || error.number == kServerLost || !db;
            if (lost) {
                db.reset();
                std::this_thread::sleep_for(milliseconds{20});
            }
            if (!expected && !(lost && tolerate_)) {
                const std::lock_guard guard(mutex_);
                if (errors_.size() < 20) {
                    errors_.emplace_back(std::to_string(error.number) + " " + error.what());
                }
            }
        }
    }
}

void Writers::one_transaction(Db& db, std::uint64_t random) {
    const std::uint64_t kind = random % 100;
    const std::string text = std::to_string(random);
    db.execute("START TRANSACTION");
    const std::vector<std::string> found = db.column(
        "SELECT id FROM " + ledger_ + " WHERE id >= " + std::to_string((random >> 8) % 400'000) +
        " ORDER BY id LIMIT 1 FOR UPDATE");
    const std::string id = found.empty() ? "" : found[0];
    if (kind < 45 || id.empty()) {
        db.execute("INSERT INTO " + table_ + " (name, amount, payload) VALUES ('w" + text + "', " +
                   std::to_string(random % 1000) + ", 'é " + text + "')");
        const std::string fresh = db.scalar("SELECT LAST_INSERT_ID()");
        db.execute("INSERT INTO " + ledger_ + " (id, name, amount, payload) VALUES (" + fresh +
                   ", 'w" + text + "', " + std::to_string(random % 1000) + ", 'é " + text + "')");
    } else if (kind < 75) {
        for (const std::string& name : {table_, ledger_}) {
            db.execute("UPDATE " + name + " SET amount = " + std::to_string(random % 5000) +
                       ", payload = NULL WHERE id = " + id);
        }
    } else if (kind < 90) {
        for (const std::string& name : {table_, ledger_}) {
            db.execute("DELETE FROM " + name + " WHERE id = " + id);
        }
    } else {
        // A changed primary key is a delete and an insert for whoever copies the table.
        const std::string moved = std::to_string(1'000'000 + (random >> 20) % 100'000'000);
        for (const std::string& name : {table_, ledger_}) {
            db.execute("UPDATE " + name + " SET id = " + moved + " WHERE id = " + id);
        }
    }
    if ((random >> 40) % 5 == 0) {
        db.execute("ROLLBACK");
        return;
    }
    db.execute("COMMIT");
    ++committed_;
}

std::string Writers::difference(Db& db, const std::string& database, const std::string& table) {
    const std::string is = db.checksum(database, table, columns());
    const std::string should = db.checksum(database + "_ledger", table, columns());
    if (is == should) {
        return "";
    }
    std::string text = "table " + is + ", ledger " + should + "; ids only in one or different:";
    const std::string name = in_database(database, table);
    const std::string ledger = in_database(database + "_ledger", table);
    for (const std::string& id :
         db.column("SELECT id FROM (SELECT " + std::string(columns()) + " FROM " + name +
                   " UNION ALL SELECT " + columns() + " FROM " + ledger + ") AS both_ GROUP BY " +
                   columns() + " HAVING COUNT(*) <> 2 LIMIT 20")) {
        text += " " + id;
    }
    return text;
}

}  // namespace shift::testing
