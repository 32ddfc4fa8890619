// Changes that the server makes in the table's definition alone: nothing is copied, and whatever
// dies, waits or changes in between, the table ends as the server's own ALTER makes it.

#include <gtest/gtest.h>

#include "tests/integration/support/lhm_fixture.h"

namespace shift::testing {
namespace {

class LhmInstant : public LhmTest {
  protected:
    static constexpr int kRows = 200;

    LhmInstant() { make_users(kRows); }
    static std::vector<std::string> instant(std::vector<std::string> more) {
        more.insert(more.begin(), {"--instant", "auto"});
        return more;
    }
    // Another one after whatever copies or empties the table.
    std::string life() {
        return db_.scalar(
            "SELECT TABLE_ID FROM information_schema.INNODB_SYS_TABLES WHERE NAME = 'app/users'");
    }
    void make_ready() {
        const auto answer =
            change("users", instant({"--add-column", "x int not null default 7", "--no-switch"}));
        ASSERT_TRUE(answer.says("to swap:")) << answer.text;
        ASSERT_EQ(db_.triggers("app"), Names{});
        ASSERT_EQ(column("users", "x"), "");
    }
    void expect_changed() {
        EXPECT_EQ(db_.integer("SELECT SUM(x) FROM users"), 7 * kRows);
        EXPECT_EQ(leftovers(), "");
    }
};

TEST_F(LhmInstant, TheTableItselfIsChanged) {
    const std::string before = life();
    const auto plan = lhm_.plan("app.users", instant({"--add-column", "x int not null default 7"}));
    EXPECT_TRUE(plan.says("ALGORITHM=INSTANT")) << plan.text;
    EXPECT_EQ(leftovers(), "");
    const auto answer =
        change("users", instant({"--add-column", "x int not null default 7", "--rename-column",
                                 "comment:`re mark`", "--remove-index", "username,created_at"}));
    EXPECT_TRUE(answer.says("no row was copied and no old table is left")) << answer.text;
    expect_changed();
    EXPECT_NE(column("users", "re mark"), "");
    EXPECT_EQ(life(), before);
    EXPECT_EQ(db_.tables("app"), Names{"users"});
}

TEST_F(LhmInstant, AnIndexIsDroppedWithoutACopyAndOneIsBuiltByTheEngine) {
    const std::string before = life();
    db_.execute("CREATE INDEX by_comment ON users (comment)");
    const auto dropped = change("users", instant({"--remove-index", "comment"}));
    EXPECT_TRUE(dropped.says("ALGORITHM=NOCOPY")) << dropped.text;
    EXPECT_EQ(index("users", "by_comment"), "");
    EXPECT_EQ(life(), before);
    const auto added = change("users", instant({"--add-index", "comment"}));
    EXPECT_TRUE(added.says("the old table is")) << added.text;
}

TEST_F(LhmInstant, RowsAreCopiedWhereTheServerWouldCopyThem) {
    for (const char* alter : {"MODIFY reference BIGINT", "ADD COLUMN y INT, ALGORITHM=COPY",
                              "ADD COLUMN z INT, LOCK=NONE"}) {
        SCOPED_TRACE(alter);
        const std::string before = life();
        const auto answer = change("users", instant({"--alter", alter}));
        EXPECT_TRUE(answer.says("the old table is")) << answer.text;
        EXPECT_NE(life(), before);
    }
    for (const Names& asked : {Names{"--instant", "no"}, Names{"--rollback-window", "1h"},
                               Names{"--filter", "where id > 3"}}) {
        Names all = {"--add-column", "x int"};
        all.insert(all.end(), asked.begin(), asked.end());
        const auto plan = lhm_.plan("app.users", asked[0] == "--instant" ? all : instant(all));
        EXPECT_TRUE(plan.says("rows are copied: ")) << plan.text;
    }
}

TEST_F(LhmInstant, ADroppedColumnStaysInTheOldTableUnlessToldOtherwise) {
    const auto kept = change("users", instant({"--remove-column", "comment"}));
    EXPECT_TRUE(kept.says("the old table is")) << kept.text;
    EXPECT_EQ(db_.integer("SELECT COUNT(comment) FROM " + quote_name(archive_of(db_, "app"))),
              count("users"));
    const auto gone = change("users", {"--remove-column", "description", "--instant", "yes"});
    EXPECT_TRUE(gone.says("no old table is left")) << gone.text;
    EXPECT_EQ(column("users", "description"), "");
}

TEST_F(LhmInstant, AKillAnywhereIsFinished) {
    for (const char* point : {"lhm-shadow", "lhm-instant-try", "lhm-shadow-made", "lhm-swap",
                              "lhm-swapped", "lhm-clean-up", "lhm-cleaned-up"}) {
        SCOPED_TRACE(point);
        const std::vector<std::string> all =
            Lhm::quick("change-table", "app.users",
                       instant({"--add-column", "x int not null default 7", "--execute"}));
        lhm_.die_at(point);
        EXPECT_EQ(lhm_.run(all).code, -1);
        auto answer = lhm_.run(Lhm::quick("resume", "app.users", {}));
        if (answer.code != 0) {  // it had not begun
            EXPECT_EQ(column("users", "x"), "");
            EXPECT_EQ(lhm_.run({"cleanup", "app.users", "--run"}).code, 0);
            answer = lhm_.run(all);
        }
        EXPECT_EQ(answer.code, 0) << answer.text;
        expect_changed();
        db_.execute("ALTER TABLE users DROP COLUMN x");
    }
}

TEST_F(LhmInstant, ATransactionInTheWayIsNamedAndTheChangeHappensBehindIt) {
    Db holder = server_.connect("app");
    holder.execute("BEGIN");
    holder.execute("SELECT * FROM users LIMIT 1");  // holds the metadata lock
    lhm_.start(Lhm::quick("change-table", "app.users",
                          instant({"--add-column", "x int not null default 7", "--execute"})));
    ASSERT_TRUE(poll_until([&] {
        return lhm_.output().find("thread " + std::to_string(holder.thread_id())) !=
               std::string::npos;
    })) << lhm_.output();
    EXPECT_EQ(column("users", "x"), "");
    holder.execute("COMMIT");
    EXPECT_EQ(lhm_.finish().code, 0) << lhm_.output();
    expect_changed();
}

// The server's word for the empty table is not its word for this one, weeks later.
TEST_F(LhmInstant, WhatIsRefusedAtTheSwapIsCopiedAfterAll) {
    make_ready();
    const std::string variable = "innodb_instant_alter_column_allowed";
    const std::string allowed = db_.scalar("SELECT @@global." + variable);
    db_.execute("SET GLOBAL " + variable + " = 'never'");
    const auto answer = lhm_.run(Lhm::quick("switch", "app.users", {}));
    db_.execute("SET GLOBAL " + variable + " = '" + allowed + "'");
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("without copying after all")) << answer.text;
    EXPECT_TRUE(answer.says("no differences")) << answer.text;
    expect_changed();
    EXPECT_NE(archive_of(db_, "app"), "");
}

TEST_F(LhmInstant, ATableThatSomebodyAlteredMeanwhileStaysAsItIs) {
    make_ready();
    db_.execute("ALTER TABLE users ADD COLUMN theirs INT");
    const auto answer = lhm_.run(Lhm::quick("switch", "app.users", {}));
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("changed by somebody else")) << answer.text;
    EXPECT_NE(column("users", "theirs"), "");
    EXPECT_EQ(column("users", "x"), "");
}

TEST_F(LhmInstant, ACleanupTakesOneThatIsReadyAway) {
    make_ready();
    EXPECT_EQ(lhm_.run({"cleanup", "app.users", "--run"}).code, 0);
    EXPECT_EQ(leftovers(), "");
    EXPECT_EQ(column("users", "x"), "");
}

}  // namespace
}  // namespace shift::testing
