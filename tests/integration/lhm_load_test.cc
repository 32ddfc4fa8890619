// Ten ALTERs in a row under traffic, what the traffic feels, odd names, two tables: the rows are
// compared one by one, without any checksum of ours.

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "tests/integration/support/lhm_fixture.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

class LhmLoad : public LhmTest {
  protected:
    // Every row as the writers' ledger has it.
    std::string difference(const std::string& database,
                           const std::string& columns = Writers::columns()) {
        return row_difference(
            db_, "SELECT " + columns + " FROM " + quote_name(database) + ".t ORDER BY id",
            "SELECT " + std::string(Writers::columns()) + " FROM " +
                quote_name(database + "_ledger") + ".t ORDER BY id");
    }
};

TEST_F(LhmLoad, TenChangesInARowLoseNothing) {
    Writers::make_table(db_, "shop", "t", sized(3000, 200'000));
    Writers writers(server_, "shop", "t", 4, base_seed());
    writers.set_rest(milliseconds(2));
    writers.start();
    const std::vector<std::vector<std::string>> changes = {
        {"--add-column", "extra INT NOT NULL DEFAULT 3"},
        {"--alter",
         "MODIFY payload VARCHAR(300) CHARACTER SET utf8mb4, ADD INDEX by_amount (amount, name)"},
        {"--alter", "ADD COLUMN stamp TIMESTAMP NULL, DROP COLUMN extra"},
        {"--alter", "MODIFY amount BIGINT"},
        {"--add-index", "payload(20)", "--remove-index", "by_amount="},
        {"--alter", "PARTITION BY HASH (id) PARTITIONS 4"},
        {"--alter", "REMOVE PARTITIONING"},
        {"--alter", "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"},
        {"--alter",
         "ADD COLUMN name_length INT AS (CHAR_LENGTH(name)) STORED, ADD UNIQUE KEY pair (name, "
         "id)"},
        {"--alter",
         "DROP KEY pair, DROP COLUMN name_length, ENGINE=InnoDB ROW_FORMAT=COMPRESSED "
         "KEY_BLOCK_SIZE=8"},
    };
    int number = 0;
    for (const auto& change : changes) {
        SCOPED_TRACE(change[1]);
        ++number;
        const std::int64_t before = writers.committed();
        const auto answer = lhm_.change("shop.t", change);
        EXPECT_EQ(answer.code, 0) << answer.text;
        EXPECT_TRUE(answer.says("no differences")) << answer.text;
        EXPECT_TRUE(poll_until([&] { return writers.committed() > before + 20; }));
        // The writers stand still for a look at every row.
        writers.stop();
        EXPECT_EQ(difference("shop"), "");
        db_.execute("DROP TABLE shop." + quote_name(archive_of(db_, "shop")));
        if (HasFailure()) {
            return;
        }
        writers.start();
    }
    writers.stop();
    EXPECT_EQ(writers.errors(), Names{});
    EXPECT_EQ(db_.triggers("shop"), Names{});
    EXPECT_EQ(db_.tables("shop"), Names{"t"});
    std::cout << writers.committed() << " transactions beside " << number << " changes\n";
}

// Chunks lock their rows before the shadow's, and lock no gap: who changes one row a transaction
// never waits for the copy while the copy waits for him.
TEST_F(LhmLoad, SingleStatementsOfAnApplicationMeetNoDeadlockAndNoLockTimeout) {
    db_.execute(
        "CREATE TABLE w (id INT NOT NULL PRIMARY KEY, n INT NOT NULL, v VARCHAR(50), KEY (n))");
    const int rows = sized(3000, 100'000);
    db_.execute("INSERT INTO w SELECT seq * 2, seq % 97, 'x' FROM seq_1_to_" +
                std::to_string(rows));
    std::atomic<bool> is_over{false};
    std::atomic<int> statements{0};
    std::mutex mutex;
    std::map<unsigned, int> errors;
    std::vector<std::thread> application;
    for (std::uint64_t i = 0; i < 4; ++i) {
        application.emplace_back([&, i] {
            Db db = server_.connect("app");
            std::mt19937_64 random(base_seed() + i);
            while (!is_over) {
                const std::string id =
                    std::to_string(1 + random() % (2 * static_cast<unsigned>(rows)));
                const auto kind = random() % 10;
                const unsigned error = db.try_execute(
                    kind < 6   ? "UPDATE w SET n = n + 1, v = 'changed' WHERE id = " + id
                    : kind < 8 ? "INSERT IGNORE INTO w (id, n, v) VALUES (" + id + ", 1, 'new')"
                               : "DELETE FROM w WHERE id = " + id);
                if (error != 0) {
                    const std::lock_guard lock(mutex);
                    ++errors[error];
                }
                ++statements;
                std::this_thread::sleep_for(milliseconds(1));
            }
        });
    }
    const auto answer = change(
        "w", {"--add-column", "x int", "--threads", "2", "--stride", "50", "--delay", "5ms"});
    is_over = true;
    for (std::thread& one : application) {
        one.join();
    }
    EXPECT_TRUE(answer.says("no differences")) << answer.text;
    EXPECT_EQ(errors, (std::map<unsigned, int>{})) << "by the server's error number";
    EXPECT_GT(statements, 300);
}

struct Odd {
    const char* name;
    std::string database;
    std::string table;
    std::string column;
};
class LhmNamesTest : public LhmTest, public ::testing::WithParamInterface<Odd> {};

std::string repeated(const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) {
        all += text;
    }
    return all;
}

// Names with blanks, backticks, dots, quotes, other scripts, 64 characters.
TEST_P(LhmNamesTest, AreWorkedWith) {
    const Odd& odd = GetParam();
    const std::string name = quote_name(odd.database) + "." + quote_name(odd.table);
    db_.execute("CREATE DATABASE IF NOT EXISTS " + quote_name(odd.database));
    db_.execute("CREATE TABLE " + name + " (id INT NOT NULL, " + quote_name(odd.column) +
                " VARCHAR(20) COLLATE utf8mb4_unicode_ci NOT NULL, a INT, PRIMARY KEY (" +
                quote_name(odd.column) + ", id))");
    db_.execute("INSERT INTO " + name +
                " SELECT seq, CONCAT('r', seq % 50), seq FROM seq_1_to_400");
    lhm_.start(Lhm::quick("change-table", name,
                          {"--add-column", "x int", "--add-index", quote_name(odd.column) + ",a",
                           "--stride", "20", "--delay", "15ms", "--no-switch", "--execute"}));
    for (int i = 1; i <= 30; ++i) {
        db_.execute("UPDATE " + name +
                    " SET a = -a, id = id + 1000 WHERE id = " + std::to_string(i * 10));
        db_.execute("DELETE FROM " + name + " WHERE id = " + std::to_string(i * 10 + 1));
    }
    const auto ready = lhm_.finish();
    ASSERT_EQ(ready.code, 0) << ready.text;
    EXPECT_TRUE(ready.says("no differences")) << ready.text;
    EXPECT_TRUE(lhm_.run({"status", name}).says("copied"));
    const auto answer = lhm_.run(Lhm::quick("switch", name, {}));
    ASSERT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(db_.columns(odd.database, odd.table).back(), "x");
    EXPECT_EQ(db_.triggers(odd.database), Names{});
    const std::string archive = archive_of(db_, odd.database);
    const std::string list = "id, a, " + quote_name(odd.column);
    EXPECT_EQ(row_difference(db_, "SELECT " + list + " FROM " + name + " ORDER BY id",
                             "SELECT " + list + " FROM " + quote_name(odd.database) + "." +
                                 quote_name(archive) + " ORDER BY id"),
              "");
    EXPECT_TRUE(lhm_.run({"cleanup", quote_name(odd.database) + "." + quote_name(odd.table)})
                    .says("Everything is clean"));
    if (odd.database != "app") {
        db_.execute("DROP DATABASE " + quote_name(odd.database));
    }
}

INSTANTIATE_TEST_SUITE_P(
    Odd, LhmNamesTest,
    ::testing::Values(
        Odd{"Blanks", "my app", "order details", "the key"},
        Odd{"Backticks", "a`b", "c``d`", "e`f"}, Odd{"Dots", "app.v2", "users.old", "a.b"},
        Odd{"Quotes", "o'app", "it's \"quoted\"", "say \"x\" 'y'"},
        Odd{"Backslash", "app", "back\\slash\\", "c\\"}, Odd{"Percent", "app", "100%_done", "%s{}"},
        Odd{"ReservedWords", "app", "select", "key"},
        Odd{"Unicode", "\u65e5\u672c", "\u00fcbersicht \u0434\u0430\u043d\u043d\u044b\u0445",
            "\u043a\u043b\u044e\u0447"},
        Odd{"SixtyFour", std::string(64, 'd'), std::string(64, 't'), std::string(64, 'c')},
        Odd{"SixtyFourAlike", "app", std::string(60, 't') + "_one", std::string(64, 'k')},
        Odd{"LongUnicode", "app", repeated("\u65e5", 40), repeated("\u672c", 30)}),
    [](const auto& one) { return std::string(one.param.name); });

TEST_F(LhmLoad, LongNamesThatBeginAlikeDoNotCollide) {
    const std::string one = std::string(60, 't') + "_one";
    const std::string two = std::string(60, 't') + "_two";
    for (const std::string& table : {one, two}) {
        db_.execute("CREATE TABLE " + table + " (id INT NOT NULL PRIMARY KEY)");
        db_.execute("INSERT INTO " + table + " SELECT seq FROM seq_1_to_100");
        EXPECT_EQ(lhm_.change("app." + table, {"--add-column", "x int", "--no-switch"}).code, 0)
            << lhm_.output();
    }
    EXPECT_EQ(db_.triggers("app").size(), 6u);
    for (const std::string& table : {one, two}) {
        EXPECT_EQ(lhm_.run({"switch", "app." + table}).code, 0) << lhm_.output();
    }
    EXPECT_EQ(db_.triggers("app"), Names{});
}

}  // namespace
}  // namespace shift::testing
