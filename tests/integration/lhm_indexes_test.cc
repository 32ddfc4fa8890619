// Secondary indexes that are built after the copy: the table ends as if they had always been there,
// whatever dies or waits in between.

#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/support/lhm_fixture.h"

namespace shift::testing {
namespace {

class LhmIndexes : public LhmTest {
  protected:
    static constexpr int kRows = 5000;

    LhmIndexes() {
        db_.execute(
            "CREATE TABLE orders (id INT NOT NULL AUTO_INCREMENT, no INT NOT NULL, word "
            "VARCHAR(40), "
            "amount INT NOT NULL, PRIMARY KEY (no), UNIQUE KEY by_id_word (id, word), KEY id (id), "
            "KEY `b``y, word` (word(10)) COMMENT 'a, b', KEY by_amount (amount, word), "
            "FULLTEXT KEY words (word)) ENGINE=InnoDB");
        db_.execute(
            "INSERT INTO orders (no, word, amount) SELECT seq, CONCAT('word ', seq), seq % 97 FROM "
            "seq_1_to_" +
            std::to_string(kRows));
    }
    // What the server's own ALTER makes of the table, by the name of ours.
    std::string wanted(const std::string& alter) {
        db_.execute("CREATE TABLE other LIKE orders");
        db_.execute("ALTER TABLE other " + alter);
        const std::string text = definition("other");
        db_.execute("DROP TABLE other");
        return text;
    }
    std::string definition(const std::string& table) {
        std::string text = db_.rows("SHOW CREATE TABLE " + table).at(0).at(1).value();
        text.replace(text.find(table), table.size(), "orders");
        const std::size_t counter = text.find(" AUTO_INCREMENT=");
        return counter == std::string::npos
                   ? text
                   : text.erase(counter, text.find(' ', counter + 1) - counter);
    }
    std::vector<std::string> begin(std::vector<std::string> more) {
        more.insert(more.begin(), {"--alter", kAlter, "--defer-indexes", "yes", "--execute"});
        return Lhm::quick("change-table", "app.orders", more);
    }
    void expect_same_rows() {
        const std::string list = "SELECT id, no, word, amount FROM ";
        EXPECT_EQ(row_difference(db_, list + "orders ORDER BY no",
                                 list + archive_of(db_, "app") + " ORDER BY no"),
                  "");
    }

    static constexpr const char* kAlter = "ADD COLUMN x INT NOT NULL DEFAULT 3, ADD KEY by_x (x)";
};

TEST_F(LhmIndexes, AreBuiltAfterTheCopyAndInTheSameOrder) {
    const std::string as_the_server_does = wanted(kAlter);
    const auto plan = lhm_.plan("app.orders", {"--alter", kAlter, "--defer-indexes", "yes"});
    EXPECT_TRUE(plan.says("indexes     b`y, word, by_amount, by_x: built after the copy"))
        << plan.text;
    lhm_.start(begin({"--stride", "50", "--delay", "5ms"}));
    await_copying("orders");
    EXPECT_EQ(index("lhmn_orders", "by_amount"), "");
    EXPECT_EQ(index("lhmn_orders", "by_x"), "");
    EXPECT_EQ(index("lhmn_orders", "by_id_word"), "id,word unique");
    EXPECT_EQ(index("lhmn_orders", "id"), "id");
    db_.execute("UPDATE orders SET amount = amount + 1, word = 'changed' WHERE no % 50 = 0");
    const auto answer = lhm_.finish();
    ASSERT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("built b`y, word, by_amount, by_x in ")) << answer.text;
    EXPECT_TRUE(answer.says("no differences")) << answer.text;
    EXPECT_EQ(definition("orders"), as_the_server_does);
    expect_same_rows();
}

TEST_F(LhmIndexes, AreKeptInStepOfASmallTableUnlessToldOtherwise) {
    const auto plan = lhm_.plan("app.orders", {"--alter", kAlter});
    EXPECT_TRUE(plan.says("kept in step during the copy: the table is small")) << plan.text;
    const auto answer = change("orders", {"--alter", kAlter});
    EXPECT_FALSE(answer.says("built ")) << answer.text;
    EXPECT_EQ(index("orders", "by_x"), "x");
}

// A transaction that wrote the table holds the shadow's lock: the build begins when it has ended.
TEST_F(LhmIndexes, WaitForTransactionsThatWroteTheTable) {
    Db holder = server_.connect("app");
    lhm_.start(begin({"--stride", "500", "--delay", "20ms"}));
    await_copying("orders");
    holder.execute("BEGIN");
    holder.execute("UPDATE orders SET amount = 1 WHERE no = 1");
    ASSERT_TRUE(poll_until([&] { return lhm_.output().find("indexes") != std::string::npos; }))
        << lhm_.output();
    EXPECT_EQ(index("lhmn_orders", "by_x"), "");
    holder.execute("COMMIT");
    const auto answer = lhm_.finish();
    ASSERT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(index("orders", "by_x"), "x");
    expect_same_rows();
}

// The build of so many rows takes a while, in which the rows are compared, from the first one on.
class LhmLargeIndexes : public LhmIndexes {
  protected:
    static constexpr int kMany = 200'000;
    static constexpr const char* kVerified = "verified 200000 rows in ";
    static constexpr const char* kEarly = " rows while indexes were built";

    LhmLargeIndexes() {
        db_.execute("ALTER TABLE orders DROP KEY words");
        db_.execute(
            "INSERT INTO orders (no, word, amount) SELECT seq, MD5(seq), seq % 97 FROM seq_" +
            std::to_string(kRows + 1) + "_to_" + std::to_string(kMany));
    }
    // Until all rows are copied, and the build waits for a transaction.
    void hold_build(const std::vector<std::string>& more) {
        lhm_.start(begin(more));
        await_copying("orders");
        holder_.execute("BEGIN");
        holder_.execute("UPDATE orders SET amount = 1 WHERE no = 1");
        ASSERT_TRUE(poll_until([&] { return count("lhmn_orders") == kMany; })) << lhm_.output();
    }

    Db holder_ = server_.connect("app");
};

// A row that differs ends that, and is put right afterwards.
TEST_F(LhmLargeIndexes, RowsAreComparedMeanwhile) {
    hold_build({});
    db_.execute("UPDATE lhmn_orders SET word = 'wrong' WHERE no = 20000");
    holder_.execute("COMMIT");
    const auto answer = lhm_.finish();
    ASSERT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says(kEarly)) << answer.text;
    EXPECT_FALSE(answer.says("compared 0 rows")) << answer.text;
    EXPECT_TRUE(answer.says(kVerified)) << answer.text;
    EXPECT_TRUE(answer.says("1 ranges differed in 1 rows ((20000))")) << answer.text;
    expect_same_rows();
}

TEST_F(LhmLargeIndexes, NoRowIsComparedMeanwhileWhereThatIsNotWanted) {
    hold_build({"--no-early-verify"});
    holder_.execute("COMMIT");
    const auto answer = lhm_.finish();
    ASSERT_EQ(answer.code, 0) << answer.text;
    EXPECT_FALSE(answer.says(kEarly)) << answer.text;
    EXPECT_TRUE(answer.says(kVerified)) << answer.text;
}

// What was compared when the run died is compared again, for it is in no state file.
TEST_F(LhmLargeIndexes, ADeathMeanwhileLosesNothing) {
    lhm_.die_at("lhm-verified", 2);
    hold_build({});
    holder_.execute("COMMIT");
    const auto died = lhm_.finish();
    EXPECT_EQ(died.code, -1) << died.text;
    EXPECT_FALSE(died.says("built ")) << died.text;
    const auto answer = lhm_.run(Lhm::quick("resume", "app.orders", {}));
    ASSERT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says(kVerified)) << answer.text;
    EXPECT_EQ(index("orders", "by_x"), "x");
    expect_same_rows();
}

TEST_F(LhmIndexes, AreBuiltByTheNextRunWhenOneIsKilledOrStopped) {
    Db holder = server_.connect("app");
    for (const int signal : {SIGKILL, SIGINT}) {
        SCOPED_TRACE(signal);
        lhm_.start(signal == SIGKILL ? begin({"--stride", "500", "--delay", "20ms"})
                                     : Lhm::quick("resume", "app.orders", {}));
        if (signal == SIGKILL) {
            await_copying("orders");
            holder.execute("BEGIN");
            holder.execute("UPDATE orders SET amount = 0 WHERE no = 1");
        }
        ASSERT_TRUE(poll_until([&] { return lhm_.output().find("indexes") != std::string::npos; }))
            << lhm_.output();
        lhm_.process().signal(signal);
        const auto stopped = lhm_.finish();
        EXPECT_EQ(stopped.code, signal == SIGKILL ? -1 : 75) << stopped.text;
        EXPECT_EQ(index("lhmn_orders", "by_x"), "");
    }
    EXPECT_TRUE(lhm_.run({"status", "app.orders"}).says("indexes"));
    ASSERT_TRUE(poll_until([&] {  // the dead run's statement waits for its lock a little longer
        return db_.integer(
                   "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE "
                   "'ALTER TABLE%lhmn_orders%'") == 0;
    }));
    holder.execute("COMMIT");
    // One that somebody (a server thread of a dead run) made meanwhile is no trouble.
    db_.execute("ALTER TABLE lhmn_orders ADD KEY by_amount (amount, word)");
    const auto answer = lhm_.run(Lhm::quick("resume", "app.orders", {}));
    ASSERT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("built b`y, word, by_x in ")) << answer.text;
    EXPECT_EQ(index("orders", "by_amount"), "amount,word");
    EXPECT_EQ(leftovers(), "");
    expect_same_rows();
}

// What is missing at the swap is built then.
TEST_F(LhmIndexes, ThatSomebodyDroppedAreThereAfterTheSwap) {
    const auto copied = lhm_.run(begin({"--no-switch"}));
    ASSERT_EQ(copied.code, 0) << copied.text;
    db_.execute("ALTER TABLE lhmn_orders DROP KEY by_amount");
    const auto answer = lhm_.run({"switch", "app.orders"});
    ASSERT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(index("orders", "by_amount"), "amount,word");
}

}  // namespace
}  // namespace shift::testing
