// The swap: atomic or under LOCK TABLES, bounded stalls, who is in the way, a later switch, the way
// back (spec/integration/{atomic_switcher,locked_switcher,lock_wait_timeout}_spec.rb of LHM).

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "tests/integration/support/lhm_fixture.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

class LhmSwap : public LhmTest {
  protected:
    // A migration of app.users that is ready for its swap.
    void make_ready(const std::vector<std::string>& more = {}) {
        make_users(100);
        std::vector<std::string> all = {"--add-column", "x int", "--no-switch"};
        all.insert(all.end(), more.begin(), more.end());
        const auto answer = change("users", all);
        ASSERT_TRUE(answer.says("to swap:")) << answer.text;
        ASSERT_EQ(db_.triggers("app").size(), 3u);
    }
};

// Writes to one row again and again; the longest time a write took.
class Stall {
  public:
    Stall(MariadbServer& server, std::string sql)
        : thread_([this, &server, sql = std::move(sql)] {
              Db db = server.connect("app");
              while (!stopping_) {
                  const auto begun = std::chrono::steady_clock::now();
                  if (const unsigned error = db.try_execute(sql); error != 0) {
                      error_ = error;
                  }
                  longest_ms_ = std::max<std::int64_t>(longest_ms_,
                                                       std::chrono::duration_cast<milliseconds>(
                                                           std::chrono::steady_clock::now() - begun)
                                                           .count());
                  ++count_;
                  std::this_thread::sleep_for(milliseconds(2));
              }
          }) {}
    ~Stall() { stop(); }
    Stall(const Stall&) = delete;
    Stall& operator=(const Stall&) = delete;
    void stop() {
        stopping_ = true;
        if (thread_.joinable()) {
            thread_.join();
        }
    }
    std::int64_t longest_ms() const { return longest_ms_; }
    unsigned error() const { return error_; }

  private:
    std::atomic<bool> stopping_{false};
    std::atomic<std::int64_t> longest_ms_{0};
    std::atomic<std::int64_t> count_{0};
    std::atomic<unsigned> error_{0};
    std::thread thread_;
};

// ---- AS-05, AS-06, LS: what goes where

TEST_F(LhmSwap, TheShadowTakesThePlaceAndTheOriginalIsTheArchive) {
    for (const bool locked : {false, true}) {
        make_users(10);
        const std::string original = db_.show_create("app", "users");
        change("users", locked
                            ? std::vector<std::string>{"--add-column", "x int", "--locked-switch"}
                            : std::vector<std::string>{"--add-column", "x int"});
        const std::string archive = archive_of(db_, "app");
        EXPECT_EQ(archive.substr(0, 7), "lhma_20");
        EXPECT_EQ(archive.substr(archive.size() - 6), "_users");
        EXPECT_EQ(db_.columns("app", archive).size() + 1, db_.columns("app", "users").size());
        EXPECT_EQ(db_.triggers("app"), Names{});
        EXPECT_EQ(db_.tables("app"), (Names{archive, "users"}));
        db_.execute("DROP TABLE users, " + quote_name(archive));
    }
}

// ---- AS-01, AS-02, L13, LW-01: LHM waits longer than the application does; everything queues.

TEST_F(LhmSwap, ATransactionInTheWayIsNamedAndStallsNobodyForLong) {
    for (const bool locked : {false, true}) {
        SCOPED_TRACE(locked);
        make_ready();
        Db holder = server_.connect("app");
        holder.execute("BEGIN");
        holder.execute("SELECT * FROM users LIMIT 1");  // holds the metadata lock
        Stall stall(server_, "UPDATE users SET comment = 'x' WHERE id = 50");
        lhm_.start(Lhm::quick("switch", "app.users", locked ? Names{"--locked-switch"} : Names{}));
        ASSERT_TRUE(poll_until([&] {
            return lhm_.output().find("waiting: table app.users") != std::string::npos;
        })) << lhm_.output();
        ASSERT_TRUE(poll_until([&] {
            return lhm_.output().find("thread " + std::to_string(holder.thread_id())) !=
                   std::string::npos;
        })) << lhm_.output();
        holder.execute("COMMIT");
        const auto answer = lhm_.finish();
        stall.stop();
        EXPECT_EQ(answer.code, 0) << answer.text;
        EXPECT_EQ(stall.error(), 0u);
        // One try waits for a second at most; the machine may be slow, but not by LHM's minute.
        EXPECT_LT(stall.longest_ms(), stretched(milliseconds(6000)).count());
        EXPECT_NE(column("users", "x"), "");
        db_.execute("DROP TABLE users, " + quote_name(archive_of(db_, "app")));
    }
}

TEST_F(LhmSwap, PatienceEndsAndEverythingIsKept) {
    make_ready();
    Db holder = server_.connect("app");
    holder.execute("BEGIN");
    holder.execute("SELECT * FROM users LIMIT 1");
    const auto answer = lhm_.run(Lhm::quick("switch", "app.users", {"--tries", "2"}));
    EXPECT_EQ(answer.code, 75) << answer.text;
    EXPECT_EQ(answer.count("waiting: table app.users"), 2) << answer.text;
    EXPECT_TRUE(answer.says("in 2 tries")) << answer.text;
    EXPECT_EQ(db_.triggers("app").size(), 3u);
    holder.execute("COMMIT");
    db_.execute("UPDATE users SET username = 'later' WHERE id = 1");
    const auto again = lhm_.run(Lhm::quick("switch", "app.users", {}));
    EXPECT_EQ(again.code, 0) << again.text;
    EXPECT_EQ(db_.scalar("SELECT username FROM users WHERE id = 1"), "later");
}

TEST_F(LhmSwap, WhoIsInTheWayIsKilledOnlyByARule) {
    // Killing needs certainty: only where the server tells who holds the table.
    MariadbOptions options;
    options.arguments = {"--performance-schema=ON",
                         "--performance-schema-instrument=wait/lock/metadata/sql/mdl=ON"};
    MariadbServer server(options);
    const TempDir dir;
    Lhm lhm(server, dir);
    Db db = server.connect();
    db.execute("CREATE DATABASE app");
    db.execute("CREATE TABLE app.users (id INT PRIMARY KEY)");
    ASSERT_EQ(lhm.change("app.users", {"--add-column", "x int", "--no-switch"}).code, 0);
    Db holder = server.connect("app");
    holder.execute("BEGIN");
    holder.execute("SELECT * FROM users LIMIT 1");
    std::this_thread::sleep_for(milliseconds(2100));  // older than the rule's age
    const auto other_user = lhm.run(Lhm::quick(
        "switch", "app.users", {"--tries", "2", "--kill-blockers", "1", "--kill-users", "web"}));
    EXPECT_EQ(other_user.code, 75) << other_user.text;
    EXPECT_EQ(holder.try_execute("SELECT 1"), 0u);
    const auto answer = lhm.run(Lhm::quick(
        "switch", "app.users", {"--kill-blockers", "1", "--kill-users", "root", "--tries", "20"}));
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("killing thread " + std::to_string(holder.thread_id()))) << answer.text;
    EXPECT_NE(holder.try_execute("SELECT 1"), 0u);
}

// AS-03
TEST_F(LhmSwap, OtherErrorsAreNotTriedAgain) {
    make_ready();
    db_.execute("DROP TABLE lhmn_users");  // AS-04
    const auto answer = lhm_.run(Lhm::quick("switch", "app.users", {}));
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_EQ(answer.count("waiting: table app.users"), 0) << answer.text;
    EXPECT_TRUE(answer.says("shadow table")) << answer.text;
}

// ---- a later switch

TEST_F(LhmSwap, TheShadowStaysInStepUntilItIsSwitched) {
    make_ready();
    db_.execute("INSERT INTO users (id, username) VALUES (500, 'new')");
    db_.execute("UPDATE users SET id = 501 WHERE id = 3");
    db_.execute("DELETE FROM users WHERE id = 4");
    EXPECT_EQ(row_difference(db_, "SELECT id, username FROM users ORDER BY id",
                             "SELECT id, username FROM lhmn_users ORDER BY id"),
              "");
    EXPECT_TRUE(lhm_.run({"status", "app.users"}).says("copied"));
    EXPECT_TRUE(
        lhm_.run({"status", "app.users", "--json"}).says("\"verified\":\"verified 100 rows"))
        << lhm_.output();
    const auto answer = lhm_.run(Lhm::quick("switch", "app.users", {}));
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(count("users"), 100);
    EXPECT_TRUE(lhm_.run({"status", "app.users"}).says("nothing is known"));
}

TEST_F(LhmSwap, AnAlteredTableIsNotSwitched) {
    make_ready();
    db_.execute("ALTER TABLE users ADD COLUMN theirs INT");
    const auto answer = lhm_.run(Lhm::quick("switch", "app.users", {}));
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("changed by somebody else")) << answer.text;
    EXPECT_NE(column("users", "theirs"), "");
}

// Where clocks go back, 02:15 comes twice, and a server in such a zone tells when a trigger was
// made in its sessions' zones.
TEST_F(LhmSwap, TriggersThatWereMadeInTheHourThatComesTwiceAreKnownAgain) {
    constexpr std::int64_t kSummer = 1792887300;  // 2026-10-25 00:15 UTC; an hour later is winter
    for (const std::int64_t at : {kSummer, kSummer + 3600}) {
        SCOPED_TRACE(at);
        const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
        const std::map<std::string, std::string> environment = {
            {"TZ", "Europe/Berlin"},
            {"LD_PRELOAD", libfaketime()},
            {"FAKETIME", std::to_string(at - now) + "s"},
            {"FAKETIME_DONT_FAKE_MONOTONIC", "1"}};
        for (const auto& [name, value] : environment) {
            ::setenv(name.c_str(), value.c_str(), 1);
        }
        MariadbServer server;
        for (const auto& [name, value] : environment) {
            ::unsetenv(name.c_str());
        }
        const TempDir dir;
        Lhm lhm(server, dir);
        Db db = server.connect();
        db.execute("CREATE DATABASE app");
        db.execute("CREATE TABLE app.users (id INT PRIMARY KEY)");
        EXPECT_EQ(db.scalar("SELECT HOUR(NOW())"), "2");
        const auto ready = lhm.change("app.users", {"--add-column", "x int", "--no-switch"});
        EXPECT_EQ(ready.code, 0) << ready.text;
        const auto answer = lhm.run(Lhm::quick("switch", "app.users", {"--locked-switch"}));
        EXPECT_EQ(answer.code, 0) << answer.text;
    }
}

// ---- TRUNCATE passes the triggers

TEST_F(LhmSwap, RowsThatWereTruncatedAfterTheComparisonDoNotComeBack) {
    for (const char* truncate :
         {"TRUNCATE TABLE users", "ALTER TABLE users TRUNCATE PARTITION p0"}) {
        SCOPED_TRACE(truncate);
        make_users(0);
        db_.execute("ALTER TABLE users DROP KEY index_users_on_reference");
        db_.execute(
            "ALTER TABLE users PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (1000), "
            "PARTITION p1 VALUES LESS THAN MAXVALUE)");
        fill("users", 100);
        change("users", {"--add-column", "x int", "--no-switch"});
        db_.execute(truncate);
        db_.execute("INSERT INTO users (id, username) VALUES (7, 'after'), (2000, 'after')");
        const auto answer = lhm_.run(Lhm::quick("switch", "app.users", {}));
        EXPECT_EQ(answer.code, 0) << answer.text;
        EXPECT_TRUE(answer.says("users was emptied")) << answer.text;
        EXPECT_NE(column("users", "x"), "");
        EXPECT_EQ(db_.scalar("SELECT GROUP_CONCAT(id ORDER BY id) FROM users"), "7,2000");
        db_.execute("DROP TABLE users, " + quote_name(archive_of(db_, "app")));
    }
}

TEST_F(LhmSwap, AnEmptiedShadowIsFilledAgain) {
    make_ready();
    db_.execute("TRUNCATE TABLE lhmn_users");
    const auto answer = lhm_.run(Lhm::quick("switch", "app.users", {}));
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("lhmn_users was emptied")) << answer.text;
    EXPECT_EQ(count("users"), 100);
}

// A table that says nothing of its life; so it is for an account without PROCESS.
TEST_F(LhmSwap, WhereATruncateCannotBeSeenTheRowsAreCounted) {
    db_.execute("CREATE TABLE m (id INT NOT NULL PRIMARY KEY) ENGINE=MyISAM");
    for (const bool truncated : {true, false}) {
        db_.execute("INSERT INTO m SELECT seq FROM seq_1_to_50");
        change("m", {"--ddl", truncated ? "ALTER TABLE %s COMMENT 'x'" : "ALTER TABLE %s FORCE",
                     "--no-switch"});
        if (truncated) {
            db_.execute("TRUNCATE TABLE m");
            db_.execute("INSERT INTO m VALUES (60)");
        }
        const auto answer = lhm_.run(Lhm::quick("switch", "app.m", {}));
        EXPECT_EQ(answer.code, 0) << answer.text;
        EXPECT_EQ(answer.says("m has 1 rows, lhmn_m has 51"), truncated) << answer.text;
        EXPECT_EQ(db_.scalar("SELECT MAX(id) FROM m"), truncated ? "60" : "50");
        EXPECT_EQ(count("m"), truncated ? 1 : 50);
        db_.execute("TRUNCATE TABLE m");
    }
}

TEST_F(LhmSwap, ATruncateDuringTheComparisonIsSeenAndAllIsComparedAgain) {
    make_users(300);
    lhm_.start(
        Lhm::quick("change-table", "app.users",
                   {"--add-column", "x int", "--stride", "3", "--delay", "30ms", "--execute"}));
    ASSERT_TRUE(poll_until([&] { return lhm_.output().find("verify\n") != std::string::npos; }))
        << lhm_.output();
    db_.execute("TRUNCATE TABLE users");
    db_.execute("INSERT INTO users (id) VALUES (1000)");
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("meanwhile: all is compared again")) << answer.text;
    EXPECT_EQ(db_.scalar("SELECT GROUP_CONCAT(id) FROM users"), "1000");
}

// Its rows would be taken out one by one.
TEST_F(LhmSwap, ACopyOfALargeTableThatWasEmptiedIsNotGoneOnWith) {
    db_.execute("CREATE TABLE big (id INT NOT NULL PRIMARY KEY)");
    db_.execute("INSERT INTO big SELECT seq FROM seq_1_to_100100");
    change("big", {"--add-column", "x int", "--no-switch", "--no-verify"});
    db_.execute("TRUNCATE TABLE big");
    const auto answer = lhm_.run(Lhm::quick("switch", "app.big", {}));
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("cannot be gone on with: table big was emptied")) << answer.text;
    EXPECT_EQ(count("big"), 0);
    EXPECT_EQ(column("big", "x"), "");
}

// A TRUNCATE that waits for the same lock goes first: nothing can be done about it but say so.
TEST_F(LhmSwap, ATruncateJustBeforeTheRenameIsTold) {
    make_ready();
    Db holder = server_.connect("app");
    holder.execute("BEGIN");
    holder.execute("SELECT * FROM users LIMIT 1");
    const auto waits = [this](const std::string& verb) {
        return db_.integer(
                   "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE "
                   "'%metadata lock%' AND INFO LIKE '" +
                   verb + " %'") > 0;
    };
    std::thread truncate([this] { server_.connect("app").execute("TRUNCATE TABLE users"); });
    EXPECT_TRUE(poll_until([&] { return waits("TRUNCATE"); }));
    lhm_.start(Lhm::quick("switch", "app.users", {}));
    EXPECT_TRUE(poll_until([&] { return waits("RENAME"); })) << lhm_.output();
    holder.execute("COMMIT");
    truncate.join();
    const auto answer = lhm_.finish();
    // Where the machine was slow the RENAME had given up, and the next try sees it.
    const bool is_swapped = answer.code == 0;
    EXPECT_TRUE(answer.says(is_swapped ? "in the moment of the swap" : "blocked (emptied)"))
        << answer.text;
    EXPECT_EQ(count(is_swapped ? archive_of(db_, "app") : "users"), 0);
}

TEST_F(LhmSwap, ARefusedRowBlocksTheSwitchAndIsNamed) {
    make_ready({"--add-unique-index", "username"});
    db_.execute("INSERT INTO users (id, username) VALUES (600, 'user 1')");
    const auto blocked = lhm_.run(Lhm::quick("switch", "app.users", {}));
    EXPECT_EQ(blocked.code, 1) << blocked.text;
    EXPECT_TRUE(blocked.says("row (600): Duplicate entry 'user 1'")) << blocked.text;
    db_.execute("DELETE FROM users WHERE id = 600");
    EXPECT_EQ(lhm_.run(Lhm::quick("switch", "app.users", {})).code, 0) << lhm_.output();
    EXPECT_EQ(index("users", "index_users_on_username"), "username unique");
}

// ---- writes through the swap

TEST_F(LhmSwap, NoWriteIsLostInTheMomentOfTheSwap) {
    const auto locks = [this] {
        return db_.rows("SHOW GLOBAL STATUS LIKE 'Com_lock_tables'")[0][1].value_or("");
    };
    for (const bool locked : {false, true}) {
        const std::string before = locks();
        Writers::make_table(db_, "shop", "t", 2000);
        Writers writers(server_, "shop", "t", 3, base_seed());
        writers.start();
        const auto answer =
            lhm_.change("shop.t", locked ? Names{"--add-column=x int", "--locked-switch"}
                                         : Names{"--add-column=x int"});
        const std::int64_t at_swap = writers.committed();
        EXPECT_TRUE(poll_until([&] { return writers.committed() > at_swap + 50; }));
        writers.stop();
        EXPECT_EQ(answer.code, 0) << answer.text;
        EXPECT_TRUE(answer.says("no differences")) << answer.text;
        EXPECT_FALSE(answer.says("was emptied")) << answer.text;
        EXPECT_EQ(locks() != before, locked);
        EXPECT_EQ(writers.errors(), Names{});
        EXPECT_EQ(Writers::difference(db_, "shop", "t"), "");
        db_.execute("DROP DATABASE shop");
        db_.execute("DROP DATABASE shop_ledger");
    }
}

// A write between the last look and the RENAME: its row is in the archive alone.
TEST_F(LhmSwap, ALateWriteIsAddedOrNamedAndNeverOverwritesTheNewTable) {
    make_ready();
    lhm_.die_at("lhm-swapped");
    EXPECT_EQ(lhm_.run(Lhm::quick("switch", "app.users", {})).code, -1);
    const std::string archive = archive_of(db_, "app");
    ASSERT_NE(archive, "");
    // The old triggers are there and cannot reach the table they write to.
    const std::string old = quote_name(archive);
    db_.execute("INSERT INTO " + old + " (id, username) VALUES (777, 'late')");
    db_.execute("UPDATE " + old + " SET username = 'late' WHERE id = 5");
    db_.execute("UPDATE users SET username = 'newer' WHERE id IN (5, 6)");
    EXPECT_TRUE(lhm_.run({"cleanup", "app"}).says("was stopped in its swap")) << lhm_.output();
    const auto blocked = lhm_.run(Lhm::quick("resume", "app.users", {}));
    EXPECT_EQ(blocked.code, 1) << blocked.text;
    EXPECT_TRUE(blocked.says("late_conflict")) << blocked.text;
    EXPECT_TRUE(blocked.says("row (5)")) << blocked.text;
    EXPECT_EQ(db_.scalar("SELECT GROUP_CONCAT(username ORDER BY id) FROM users WHERE id IN (5, 6, "
                         "777)"),
              "newer,newer,late");
    db_.execute("DELETE FROM " + old + " WHERE id = 5");
    const auto done = lhm_.run(Lhm::quick("resume", "app.users", {}));
    EXPECT_EQ(done.code, 0) << done.text;
    EXPECT_EQ(leftovers(), "");
    EXPECT_EQ(count("users"), 101);
}

TEST_F(LhmSwap, AKillBehindTheRenameIsFinished) {
    for (const char* point : {"lhm-swapped", "lhm-clean-up", "lhm-cleaned-up"}) {
        SCOPED_TRACE(point);
        make_ready();
        lhm_.die_at(point);
        EXPECT_EQ(lhm_.run(Lhm::quick("switch", "app.users", {})).code, -1);
        const auto answer = lhm_.run(Lhm::quick("resume", "app.users", {}));
        EXPECT_EQ(answer.code, 0) << answer.text;
        EXPECT_NE(column("users", "x"), "");
        EXPECT_EQ(leftovers(), "");
        db_.execute("DROP TABLE users, " + quote_name(archive_of(db_, "app")));
    }
}

TEST_F(LhmSwap, ACleanupByOthersLeavesARunningSwapItsTables) {
    make_ready();
    Db holder = server_.connect("app");
    holder.execute("BEGIN");
    holder.execute("SELECT * FROM users LIMIT 1");
    lhm_.start(Lhm::quick("switch", "app.users", {"--rollback-window", "1h"}));
    ASSERT_TRUE(poll_until([&] {
        return lhm_.output().find("waiting: table app.users") != std::string::npos;
    })) << lhm_.output();
    const std::string stand_in = archive_of(db_, "app");
    EXPECT_NE(stand_in, "");
    const TempDir elsewhere;
    Lhm other(server_, elsewhere);
    const auto cleaned = other.run({"cleanup", "app", "--run"});
    EXPECT_EQ(archive_of(db_, "app"), stand_in) << cleaned.text;
    holder.execute("COMMIT");
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(count(archive_of(db_, "app")), 100);
}

// ---- the way back

// Adds 1 to random rows' `amount`, whatever else the table's columns are called.
class Adders {
  public:
    Adders(MariadbServer& server, int threads, int rows) {
        for (int i = 0; i < threads; ++i) {
            threads_.emplace_back([this, &server, rows, i] {
                Db db = server.connect("app");
                std::mt19937_64 random(base_seed() + static_cast<std::uint64_t>(i));
                while (!stopping_) {
                    const auto id = random() % static_cast<std::uint64_t>(rows) + 1;
                    const unsigned error = db.try_execute(
                        "UPDATE w SET amount = amount + 1 WHERE id = " + std::to_string(id));
                    if (error == 0) {
                        ++added_;
                    } else if (error != 1213 && error != 1205) {
                        error_ = error;
                    }
                }
            });
        }
    }
    ~Adders() { stop(); }
    Adders(const Adders&) = delete;
    Adders& operator=(const Adders&) = delete;
    void stop() {
        stopping_ = true;
        for (std::thread& thread : threads_) {
            thread.join();
        }
        threads_.clear();
    }
    std::int64_t added() const { return added_; }
    unsigned error() const { return error_; }

  private:
    std::atomic<bool> stopping_{false};
    std::atomic<std::int64_t> added_{0};
    std::atomic<unsigned> error_{0};
    std::vector<std::thread> threads_;
};

// What the old triggers write after the RENAME fails in the stand-in, which lacks these columns.
TEST_F(LhmSwap, AWindowOverRenamedAndFilledColumnsLosesNothing) {
    db_.execute(
        "CREATE TABLE w (id INT NOT NULL PRIMARY KEY, amount BIGINT NOT NULL, payload "
        "VARCHAR(50))");
    db_.execute("INSERT INTO w SELECT seq, 0, CONCAT('p', seq) FROM seq_1_to_300");
    Adders adders(server_, 4, 300);
    const auto rows_and_sum = [this] {
        return db_.scalar("SELECT CONCAT(COUNT(*), ' ', SUM(amount)) FROM w");
    };
    const auto answer = lhm_.change(
        "app.w", {"--alter", "CHANGE payload data VARCHAR(50), ADD COLUMN y INT NOT NULL",
                  "--rollback-window", "1h"});
    EXPECT_EQ(answer.code, 0) << answer.text;
    const std::int64_t at_swap = adders.added();
    EXPECT_TRUE(poll_until([&] { return adders.added() > at_swap + 100; }));
    const auto reverted = lhm_.run(Lhm::quick("revert", "app.w", {}));
    EXPECT_EQ(reverted.code, 0) << reverted.text;
    const std::int64_t at_revert = adders.added();
    EXPECT_TRUE(poll_until([&] { return adders.added() > at_revert + 100; }));
    adders.stop();
    EXPECT_EQ(adders.error(), 0u);
    EXPECT_EQ(db_.columns("app", "w"), (Names{"id", "amount", "payload"}));
    EXPECT_EQ(rows_and_sum(), "300 " + std::to_string(adders.added()));
    EXPECT_EQ(db_.triggers("app"), Names{});
}

TEST_F(LhmSwap, AKillInASwapWithAWindowIsFinished) {
    // The last: the old triggers are gone, and the window is not noted yet (the second INSERT).
    const std::vector<std::pair<std::string, int>> points = {
        {"lhm-swap", 1}, {"lhm-swapped", 1}, {"lhm-clean-up", 1}, {"sql/INSERT INTO", 2}};
    for (const auto& [point, times] : points) {
        SCOPED_TRACE(point);
        make_ready();
        lhm_.die_at(point, times);
        EXPECT_EQ(lhm_.run(Lhm::quick("switch", "app.users", {"--rollback-window", "1h"})).code,
                  -1);
        db_.execute("UPDATE users SET username = 'meanwhile' WHERE id = 7");
        db_.execute("DELETE FROM users WHERE id = 8");
        const auto answer = lhm_.run(Lhm::quick("resume", "app.users", {}));
        EXPECT_EQ(answer.code, 0) << answer.text;
        EXPECT_TRUE(answer.says("it can be taken back")) << answer.text;
        EXPECT_NE(column("users", "x"), "");
        EXPECT_EQ(db_.triggers("app").size(), 3U);
        const auto reverted = lhm_.run(Lhm::quick("revert", "app.users", {}));
        EXPECT_EQ(reverted.code, 0) << reverted.text;
        EXPECT_EQ(column("users", "x"), "");
        EXPECT_EQ(count("users"), 99);
        EXPECT_EQ(db_.scalar("SELECT username FROM users WHERE id = 7"), "meanwhile");
        EXPECT_EQ(leftovers(), "");
        for (const std::string& table : db_.tables("app")) {
            db_.execute("DROP TABLE " + quote_name(table));
        }
    }
}

TEST_F(LhmSwap, ASwapCanBeTakenBackWithAllWritesSince) {
    Writers::make_table(db_, "shop", "t", 3000);
    Writers writers(server_, "shop", "t", 3, base_seed());
    writers.start();
    const auto answer =
        lhm_.change("shop.t", {"--alter", "ADD COLUMN x INT, MODIFY name VARCHAR(100) NOT NULL",
                               "--rollback-window", "1h"});
    ASSERT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("it can be taken back")) << answer.text;
    EXPECT_EQ(db_.triggers("shop").size(), 3u);
    const std::int64_t at_swap = writers.committed();
    EXPECT_TRUE(poll_until([&] { return writers.committed() > at_swap + 200; }));
    EXPECT_TRUE(lhm_.run({"cleanup", "shop", "--run"}).says("it can be reverted until"));
    const auto reverted = lhm_.run(Lhm::quick("revert", "shop.t", {}));
    EXPECT_EQ(reverted.code, 0) << reverted.text;
    EXPECT_TRUE(reverted.says("no differences")) << reverted.text;
    const std::int64_t at_revert = writers.committed();
    EXPECT_TRUE(poll_until([&] { return writers.committed() > at_revert + 50; }));
    writers.stop();
    EXPECT_EQ(writers.errors(), Names{});
    EXPECT_EQ(db_.columns("shop", "t"), (Names{"id", "name", "amount", "payload"}));
    EXPECT_EQ(Writers::difference(db_, "shop", "t"), "");
    EXPECT_EQ(db_.triggers("shop"), Names{});
}

TEST_F(LhmSwap, ARowThatDoesNotFitBackIsNamed) {
    make_users(50);
    const auto answer = lhm_.change(
        "app.users", {"--alter", "MODIFY comment VARCHAR(100)", "--rollback-window", "1h"});
    ASSERT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(db_.try_execute("UPDATE users SET comment = REPEAT('x', 50) WHERE id = 7"), 0u);
    const auto refused = lhm_.run(Lhm::quick("revert", "app.users", {}));
    EXPECT_EQ(refused.code, 1) << refused.text;
    EXPECT_TRUE(refused.says("row (7)")) << refused.text;
    EXPECT_EQ(column("users", "comment"), "varchar(100), YES, NULL");
    db_.execute("UPDATE users SET comment = 'short' WHERE id = 7");
    const auto reverted = lhm_.run(Lhm::quick("revert", "app.users", {}));
    EXPECT_EQ(reverted.code, 0) << reverted.text;
    EXPECT_EQ(column("users", "comment"), "varchar(20), YES, Superfriends");
    EXPECT_EQ(db_.scalar("SELECT comment FROM users WHERE id = 7"), "short");
}

TEST_F(LhmSwap, ADroppedColumnHasNoWayBack) {
    make_users(5);
    const auto answer =
        lhm_.change("app.users", {"--remove-column", "comment", "--rollback-window", "1h"});
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("a way back could not keep its values")) << answer.text;
    EXPECT_NE(column("users", "comment"), "");
}

TEST_F(LhmSwap, AWindowThatIsOverIsClosed) {
    make_users(20);
    ASSERT_EQ(lhm_.change("app.users", {"--add-column", "x int", "--rollback-window", "1s"}).code,
              0);
    ASSERT_TRUE(poll_until([&] {
        return lhm_.run({"resume", "app.users"}).code == 0 && db_.triggers("app").empty();
    }));
    EXPECT_EQ(leftovers(), "");
    EXPECT_EQ(lhm_.run({"revert", "app.users"}).code, 1);
}

}  // namespace
}  // namespace shift::testing
