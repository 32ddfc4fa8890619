// The ways in which Large Hadron Migrator loses or changes rows, stalls or breaks the application,
// each as what must happen instead. Where a race matters it is made, not waited for.

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "tests/integration/support/lhm_fixture.h"

namespace shift::testing {
namespace {

class LhmHoles : public LhmTest {
  protected:
    // A migration of app.users in the middle of its copy, held there by a flag file.
    void start_held(const std::vector<std::string>& arguments, const std::string& table = "users") {
        std::vector<std::string> all = {"--stride",
                                        "20",
                                        "--delay",
                                        "50ms",
                                        "--throttle-file",
                                        dir_ / "hold",
                                        "--throttle-interval",
                                        "50ms",
                                        "--execute"};
        all.insert(all.end(), arguments.begin(), arguments.end());
        lhm_.start(Lhm::quick("change-table", "app." + table, all));
        await_copying(table);
        spit(dir_ / "hold", "");
        // Held: no rows come any more.
        std::int64_t seen = -1;
        ASSERT_TRUE(poll_until([&] {
            const std::int64_t rows = count("lhmn_" + table);
            const bool same = rows == seen;
            seen = rows;
            std::this_thread::sleep_for(milliseconds(150));
            return same;
        }));
    }
    void let_go() { (void)::unlink((dir_ / "hold").c_str()); }
    Lhm::Answer finish_well() {
        let_go();
        const auto answer = lhm_.finish();
        EXPECT_EQ(answer.code, 0) << answer.text;
        EXPECT_TRUE(answer.says("no differences")) << answer.text;
        return answer;
    }
    std::string difference_to_archive(const std::string& columns,
                                      const std::string& table = "users") {
        return row_difference(
            db_, "SELECT " + columns + " FROM " + table + " ORDER BY 1",
            "SELECT " + columns + " FROM " + quote_name(archive_of(db_, "app")) + " ORDER BY 1");
    }
};

// L1: REPLACE leaves the row of the old key behind.
TEST_F(LhmHoles, AnUpdateThatChangesTheKeyMovesTheRow) {
    make_users(300);
    start_held({"--add-column", "x int"});
    db_.execute("UPDATE users SET id = id + 10000 WHERE id <= 30");                // copied
    db_.execute("UPDATE users SET id = id + 20000 WHERE id BETWEEN 250 AND 260");  // not yet
    db_.execute("UPDATE users SET id = 5 WHERE id = 290");  // back into the copied part
    db_.execute("UPDATE users SET id = id + 1 WHERE id > 10000 ORDER BY id DESC");
    finish_well();
    EXPECT_EQ(count("users"), 300);
    EXPECT_EQ(difference_to_archive("id, reference, username"), "");
}

// L2: DELETE by id alone removes siblings.
TEST_F(LhmHoles, ADeleteTakesItsOwnRowOnly) {
    db_.execute(
        "CREATE TABLE c (shop_id INT NOT NULL, id INT NOT NULL, a INT, PRIMARY KEY (shop_id, id))");
    db_.execute("INSERT INTO c SELECT seq DIV 100, seq % 100, seq FROM seq_0_to_499");
    start_held({"--add-column", "x int"}, "c");
    db_.execute("DELETE FROM c WHERE shop_id = 0 AND id = 3");
    db_.execute("DELETE FROM c WHERE shop_id = 4 AND id = 3");
    finish_well();
    EXPECT_EQ(count("c"), 498);
    EXPECT_EQ(difference_to_archive("shop_id, id, a", "c"), "");
}

// L3: rows whose id is NULL are never copied.
TEST_F(LhmHoles, RowsWithANullIdAreCopied) {
    db_.execute("CREATE TABLE n (id INT NULL, pk VARCHAR(20) NOT NULL PRIMARY KEY, UNIQUE (id))");
    db_.execute(
        "INSERT INTO n SELECT IF(seq % 3 = 0, NULL, seq), CONCAT('k', seq) FROM seq_1_to_90");
    change("n", {"--add-column", "x int", "--stride", "10"});
    EXPECT_EQ(count("n"), 90);
}

// L4: a row that is deleted between the copy's read and its insert comes back.
TEST_F(LhmHoles, ARowThatIsBeingDeletedDoesNotComeBack) {
    make_users(100);
    spit(dir_ / "hold", "");
    lhm_.start(
        Lhm::quick("change-table", "app.users",
                   {"--stride", "20", "--throttle-file", dir_ / "hold", "--throttle-interval",
                    "50ms", "--add-column", "x int", "--no-verify", "--no-switch", "--execute"}));
    ASSERT_TRUE(poll_until([&] { return lhm_.output().find("hold exists") != std::string::npos; }))
        << lhm_.output();
    ASSERT_EQ(db_.integer("SELECT COUNT(*) FROM lhmn_users WHERE id = 90"), 0);
    Db application = server_.connect("app");
    application.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    application.execute("BEGIN");
    application.execute("DELETE FROM users WHERE id = 90");
    let_go();
    // The copy comes to the row and waits; the chunks before it are done.
    ASSERT_TRUE(poll_until([&] { return count("lhmn_users") >= 80; }));
    EXPECT_TRUE(stays_true([&] { return lhm_.process().running(); }, milliseconds(1500)));
    application.execute("COMMIT");
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM lhmn_users WHERE id = 90"), 0);
    EXPECT_EQ(count("lhmn_users"), 99);
}

TEST_F(LhmHoles, ADeleteThatIsRolledBackKeepsItsRow) {
    make_users(100);
    start_held({"--add-column", "x int", "--no-verify", "--no-switch"});
    Db application = server_.connect("app");
    application.execute("BEGIN");  // REPEATABLE READ: the trigger's DELETE locks the gap it meets
    application.execute("DELETE FROM users WHERE id = 90");
    let_go();
    ASSERT_TRUE(poll_until([&] {
        return lhm_.output().find("are locked by others") != std::string::npos;
    })) << lhm_.output();
    application.execute("ROLLBACK");
    EXPECT_EQ(lhm_.finish().code, 0) << lhm_.output();
    EXPECT_EQ(count("lhmn_users"), 100);
}

// L5, L6: INSERT IGNORE truncates without a word where ids are dense; SHOW WARNINGS is capped.
TEST_F(LhmHoles, AValueThatDoesNotFitStopsTheCopyAndIsNamed) {
    make_users(3000);
    db_.execute("UPDATE users SET username = 'far too long for it' WHERE id = 2711");
    const auto answer = lhm_.change("app.users", {"--alter", "MODIFY username VARCHAR(12)",
                                                  "--data-check", "0", "--stride", "2000"});
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("row (2711) of `app`.`users` cannot be copied: Data too long"))
        << answer.text;
    EXPECT_EQ(column("users", "username"), "varchar(255), YES, NULL");
    // Put right, it goes on.
    db_.execute("UPDATE users SET username = 'short' WHERE id = 2711");
    const auto resumed = lhm_.run(Lhm::quick("resume", "app.users", {}));
    EXPECT_EQ(resumed.code, 0) << resumed.text;
    EXPECT_EQ(column("users", "username"), "varchar(12), YES, NULL");
    EXPECT_EQ(count("users"), 3000);
}

// L7: a write that collides in a new unique key silently deletes another row.
TEST_F(LhmHoles, ACollisionInANewUniqueKeyBlocksAndLosesNothing) {
    make_users(200);
    start_held({"--add-unique-index", "username", "--conflict-patience", "1s"});
    EXPECT_EQ(
        db_.try_execute("INSERT INTO users (id, reference, username) VALUES (900, 900, 'user 7')"),
        0u);
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM lhmn_users WHERE id = 7"), 1);
    let_go();
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("row (900): Duplicate entry 'user 7'")) << answer.text;
    EXPECT_EQ(index("users", "index_users_on_username"), "");
    EXPECT_EQ(count("users"), 201);
    // The application puts it right; nothing of the copy is lost.
    db_.execute("UPDATE users SET username = 'user 900' WHERE id = 900");
    const auto resumed = lhm_.run(Lhm::quick("resume", "app.users", {}));
    EXPECT_EQ(resumed.code, 0) << resumed.text;
    EXPECT_EQ(index("users", "index_users_on_username"), "username unique");
    EXPECT_EQ(count("users"), 201);
    EXPECT_EQ(difference_to_archive("id, reference, username"), "");
}

TEST_F(LhmHoles, ACollisionAlreadyInTheRowsIsNamedByTheCopy) {
    make_users(200);
    db_.execute("UPDATE users SET username = 'twice' WHERE id IN (50, 150)");
    const auto answer = lhm_.change(
        "app.users", {"--add-unique-index", "username", "--data-check", "0", "--stride", "30"});
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("row (150) of `app`.`users` cannot be copied: Duplicate entry 'twice'"))
        << answer.text;
    EXPECT_EQ(count("users"), 200);
}

// L8: a row with id 0 gets another number, in the copy and in the triggers.
TEST_F(LhmHoles, ARowWithIdZeroKeepsIt) {
    make_users(100);
    db_.execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')");
    db_.execute("INSERT INTO users (id, reference, username) VALUES (0, 0, 'zero')");
    start_held({"--add-column", "x int"});
    db_.execute("UPDATE users SET username = 'still zero' WHERE id = 0");
    db_.execute("DELETE FROM users WHERE id = 0");
    db_.execute("INSERT INTO users (id, reference, username) VALUES (0, -1, 'again')");
    finish_well();
    EXPECT_EQ(db_.scalar("SELECT username FROM users WHERE id = 0"), "again");
    EXPECT_EQ(count("users"), 101);
}

// L9: a trigger's error fails the application's write.
TEST_F(LhmHoles, AWriteThatTheNewTableRefusesSucceeds) {
    make_users(200);
    start_held({"--alter",
                "MODIFY username VARCHAR(10) NOT NULL, MODIFY reference TINYINT UNSIGNED",
                "--conflict-patience", "1s"});
    EXPECT_EQ(
        db_.try_execute(
            "INSERT INTO users (id, reference, username) VALUES (901, NULL, 'much too long')"),
        0u);
    EXPECT_EQ(db_.try_execute("UPDATE users SET username = NULL WHERE id = 3"), 0u);
    EXPECT_EQ(db_.try_execute("UPDATE users SET reference = 70000 WHERE id = 4"), 0u);
    let_go();
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("cannot be null") || answer.says("Data too long")) << answer.text;
    EXPECT_EQ(
        db_.scalar(
            "SELECT GROUP_CONCAT(code ORDER BY code) FROM lhmc_users WHERE kind = 'conflict'"),
        "1048,1264,1406");
    db_.execute("UPDATE users SET username = 'ok', reference = NULL WHERE id IN (901, 3, 4)");
    EXPECT_EQ(lhm_.run(Lhm::quick("resume", "app.users", {})).code, 0);
    EXPECT_EQ(difference_to_archive("id, reference, username"), "");
}

TEST_F(LhmHoles, AConflictThatIsRolledBackBlocksNothing) {
    make_users(200);
    start_held({"--alter", "MODIFY username VARCHAR(10)"});
    db_.execute("BEGIN");
    db_.execute("UPDATE users SET username = 'much too long' WHERE id = 3");
    db_.execute("ROLLBACK");
    finish_well();
}

TEST_F(LhmHoles, AMissingShadowDoesNotFailTheApplication) {
    make_users(200);
    start_held({"--add-column", "x int"});
    lhm_.kill9();
    db_.execute("DROP TABLE lhmn_users");
    EXPECT_EQ(db_.try_execute("INSERT INTO users (id, username) VALUES (902, 'a')"), 0u);
    EXPECT_EQ(db_.try_execute("UPDATE users SET username = 'b' WHERE id = 3"), 0u);
    EXPECT_EQ(db_.try_execute("DELETE FROM users WHERE id = 4"), 0u);
    db_.execute("DROP TABLE lhmc_users");
    EXPECT_EQ(db_.try_execute("INSERT INTO users (id, username) VALUES (903, 'a')"), 0u);
    EXPECT_EQ(count("users"), 201);
}

TEST_F(LhmHoles, TheApplicationMayBeToldInstead) {
    make_users(200);
    start_held({"--alter", "MODIFY username VARCHAR(10)", "--conflicts", "fail"});
    EXPECT_EQ(db_.try_execute("UPDATE users SET username = 'much too long' WHERE id = 3"), 1406u);
    finish_well();
}

// MariaDB fires the trigger for a row that UPDATE IGNORE left alone.
TEST_F(LhmHoles, AnIgnoredUpdateChangesNothing) {
    make_users(200);
    start_held({"--add-column", "x int"});
    db_.execute("UPDATE IGNORE users SET id = 2 WHERE id = 1");
    db_.execute("UPDATE IGNORE users SET reference = 9 WHERE id = 8");
    db_.execute("INSERT IGNORE INTO users (id, reference) VALUES (3, 7000)");
    db_.execute(
        "REPLACE INTO users (id, reference, username) VALUES (5, 6, 'takes the place of 5 and 6')");
    db_.execute(
        "INSERT INTO users (id, reference) VALUES (10, 1) ON DUPLICATE KEY UPDATE username = "
        "'odku'");
    finish_well();
    EXPECT_EQ(difference_to_archive("id, reference, username"), "");
}

TEST_F(LhmHoles, ATruncatedTableIsFoundByTheVerification) {
    make_users(200);
    start_held({"--add-column", "x int"});
    db_.execute("TRUNCATE TABLE users");  // fires no trigger
    db_.execute("INSERT INTO users (id, username) VALUES (7, 'new')");
    let_go();
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("were copied again and agree now")) << answer.text;
    EXPECT_EQ(count("users"), 1);
}

// L11: id windows take ages over gaps.
TEST_F(LhmHoles, GapsInTheIdsCostNothing) {
    db_.execute("CREATE TABLE gaps (id BIGINT NOT NULL PRIMARY KEY, a INT)");
    db_.execute("INSERT INTO gaps SELECT seq * seq * 1000000007, seq FROM seq_1_to_500");
    db_.execute(
        "INSERT INTO gaps VALUES (-9223372036854775807, 1), (9223372036854775807, 2), (0, 3)");
    const auto answer = change("gaps", {"--add-column", "x int", "--stride", "50", "--no-switch"});
    EXPECT_EQ(count("lhmn_gaps"), 503);
    EXPECT_TRUE(lhm_.run({"status", "app.gaps", "--json"}).says("\"chunks\":11")) << answer.text;
}

// L15: LIKE '%users' also finds the triggers on admin_users.
TEST_F(LhmHoles, TwoTablesWhoseNamesEndAlikeDoNotDisturbEachOther) {
    make_users(300);
    db_.execute("CREATE TABLE admin_users LIKE users");
    db_.execute("INSERT INTO admin_users SELECT * FROM users");
    const TempDir other_dir;
    Lhm other(server_, other_dir);
    start_held({"--add-column", "x int"});
    other.start(
        Lhm::quick("change-table", "app.admin_users",
                   {"--add-column", "y int", "--stride", "20", "--delay", "30ms", "--execute"}));
    EXPECT_EQ(other.finish().code, 0) << other.output();
    EXPECT_NE(column("admin_users", "y"), "");
    // And a cleanup of one leaves the other alone.
    EXPECT_EQ(other.change("app.admin_users", {"--add-column", "z int", "--no-switch"}).code, 0)
        << other.output();
    EXPECT_EQ(db_.triggers("app").size(), 6u);
    EXPECT_EQ(other.run({"cleanup", "app.admin_users", "--run"}).code, 0) << other.output();
    EXPECT_EQ(db_.triggers("app"), (Names{"lhmt_del_users", "lhmt_ins_users", "lhmt_upd_users"}));
    EXPECT_TRUE(db_.table_exists("app", "lhmn_users"));
    // Of the two archives one is a shadow that was set aside.
    db_.execute("DROP TABLE " + quote_name(archive_of(db_, "app")));
    db_.execute("DROP TABLE " + quote_name(archive_of(db_, "app")));
    finish_well();
}

TEST_F(LhmHoles, BothMigrationsOfUsersAndAdminUsersFinish) {
    make_users(400);
    db_.execute("CREATE TABLE admin_users LIKE users");
    db_.execute("INSERT INTO admin_users SELECT * FROM users");
    const TempDir other_dir;
    Lhm other(server_, other_dir);
    const std::vector<std::string> arguments = {"--add-column", "x int", "--stride", "20",
                                                "--delay",      "20ms",  "--execute"};
    lhm_.start(Lhm::quick("change-table", "app.users", arguments));
    other.start(Lhm::quick("change-table", "app.admin_users", arguments));
    for (int i = 1; i <= 50; ++i) {
        db_.execute("UPDATE users SET username = 'u' WHERE id = " + std::to_string(i * 8));
        db_.execute("DELETE FROM admin_users WHERE id = " + std::to_string(i * 8));
    }
    for (Lhm* one : {&lhm_, &other}) {
        const auto answer = one->finish();
        EXPECT_EQ(answer.code, 0) << answer.text;
        EXPECT_TRUE(answer.says("no differences")) << answer.text;
    }
    EXPECT_EQ(count("users"), 400);
    EXPECT_EQ(count("admin_users"), 350);
    EXPECT_EQ(leftovers(), "");
}

TEST_F(LhmHoles, OneTableIsMigratedByOneAtATime) {
    make_users(300);
    start_held({"--add-column", "x int"});
    const TempDir other_dir;
    Lhm other(server_, other_dir);
    const auto refused = other.change("app.users", {"--add-column", "y int"});
    EXPECT_EQ(refused.code, 75) << refused.text;
    EXPECT_TRUE(refused.says("is busy: its database lock is held by thread")) << refused.text;
    finish_well();
    EXPECT_EQ(column("users", "y"), "");
}

// L17: a lag that is not known counts as 0.
TEST_F(LhmHoles, AReplicaThatCannotBeAskedHoldsTheCopy) {
    make_users(100);
    db_.execute("CREATE TABLE dsns (id INT, dsn VARCHAR(200))");
    db_.execute("INSERT INTO dsns VALUES (1, 'h=127.0.0.1,P=1')");
    lhm_.start({"change-table", "app.users", "--add-column", "x int", "--instant", "no",
                "--recursion-method", "dsn=D=app,t=dsns", "--execute"});
    ASSERT_TRUE(poll_until([&] {
        return lhm_.output().find("cannot be reached") != std::string::npos;
    })) << lhm_.output();
    EXPECT_LE(count("lhmn_users"), 1);  // the last row goes first
    db_.execute("DELETE FROM dsns");
    lhm_.process().signal(SIGINT);
    const auto stopped = lhm_.finish();
    EXPECT_EQ(stopped.code, 75) << stopped.text;
    EXPECT_TRUE(stopped.says("to go on:")) << stopped.text;
    const auto resumed = lhm_.run({"resume", "app.users"});
    EXPECT_EQ(resumed.code, 0) << resumed.text;
}

// L18: a filter that ends in a parenthesis gives unbalanced SQL.
TEST_F(LhmHoles, AFilterMayEndInAParenthesis) {
    make_users(20);
    change("users", {"--filter", "where users.id in (1, 2, 3)", "--add-column", "x int"});
    EXPECT_EQ(count("users"), 3);
}

// L19: that triggers may not be made is found out after the shadow was built.
TEST_F(LhmHoles, MissingRightsAreToldAtTheDryRun) {
    make_users(20);
    for (const char* at : {"127.0.0.1", "localhost"}) {
        const std::string account = std::string("'weak'@'") + at + "'";
        db_.execute("CREATE OR REPLACE USER " + account + " IDENTIFIED BY '" +
                    MariadbServer::password() + "'");
        db_.execute(
            "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX ON app.* TO " +
            account);
    }
    db_.execute("SET GLOBAL log_bin_trust_function_creators = 1");
    const auto answer = lhm_.plan("app.users", {"--add-column", "x int", "--user", "weak"});
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("GRANT TRIGGER")) << answer.text;
    for (const char* at : {"127.0.0.1", "localhost"}) {
        db_.execute(std::string("GRANT TRIGGER ON app.* TO 'weak'@'") + at + "'");
    }
    db_.execute("SET GLOBAL log_bin_trust_function_creators = 0");
    const auto super = lhm_.plan("app.users", {"--add-column", "x int", "--user", "weak"});
    EXPECT_EQ(super.code, 1) << super.text;
    EXPECT_TRUE(super.says("log_bin_trust_function_creators")) << super.text;
    EXPECT_EQ(db_.tables("app"), Names{"users"});
    db_.execute("SET GLOBAL log_bin_trust_function_creators = 1");
    EXPECT_EQ(lhm_.change("app.users", {"--add-column", "x int", "--user", "weak"}).code, 0)
        << lhm_.output();
    // What the new table may refuse is looked for while both tables are held.
    const std::vector<std::string> stricter = {"--add-unique-index", "username", "--user", "weak"};
    const std::vector<std::string> converts = {"--change-column", "comment VARCHAR(30)", "--user",
                                               "weak"};
    for (const auto& change : {stricter, converts}) {
        const auto lock = lhm_.plan("app.users", change);
        EXPECT_EQ(lock.code, 1) << lock.text;
        EXPECT_TRUE(lock.says("GRANT LOCK TABLES ON `app`.*")) << lock.text;
    }
    for (const char* at : {"127.0.0.1", "localhost"}) {
        db_.execute(std::string("GRANT LOCK TABLES ON app.* TO 'weak'@'") + at + "'");
    }
    EXPECT_EQ(lhm_.change("app.users", converts).code, 0) << lhm_.output();
    db_.execute("SET GLOBAL log_bin_trust_function_creators = 0");
}

// L20: without the triggers' definer every write of the application fails.
TEST_F(LhmHoles, AnAccountThatGoesTakesItsTriggersAlong) {
    make_users(200);
    for (const char* at : {"127.0.0.1", "localhost"}) {
        const std::string account = std::string("'brief'@'") + at + "'";
        db_.execute("CREATE OR REPLACE USER " + account + " IDENTIFIED BY '" +
                    MariadbServer::password() + "'");
        db_.execute("GRANT ALL ON *.* TO " + account);
    }
    start_held({"--add-column", "x int", "--user", "brief"});

    for (const char* at : {"127.0.0.1", "localhost"}) {
        db_.execute(std::string("DROP USER 'brief'@'") + at + "'");
    }
    EXPECT_TRUE(poll_until(
        [&] { return db_.try_execute("UPDATE users SET username = 'x' WHERE id = 1") == 0; }));
    EXPECT_TRUE(poll_until([&] { return db_.triggers("app").empty(); }));  // one after the other
}

// L21: what the triggers cost is not known, and there is no limit to it.
TEST_F(LhmHoles, TriggersThatCostTooMuchAreTakenAway) {
    make_users(200);
    const auto answer =
        lhm_.change("app.users", {"--add-column", "x int", "--max-write-cost", "0.0001"});
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("they were taken away")) << answer.text;
    EXPECT_EQ(db_.triggers("app"), Names{});
    EXPECT_EQ(db_.tables("app"), Names{"users"});
    const auto told = change("users", {"--add-column", "x int"});
    EXPECT_TRUE(told.says("an UPDATE of one row takes")) << told.text;
}

// As after the copy, where the triggers find the row: here the new table makes that dear.
TEST_F(LhmHoles, WhatTriggersCostIsMeasuredWithTheRowInBothTables) {
    make_users(3);
    const auto told = change(
        "users", {"--alter", "ADD h CHAR(64) AS (SHA2(REPEAT(username, 2000000), 256)) STORED"});
    const std::string words = "an UPDATE of one row takes ";
    const std::size_t at = told.text.find(words);
    ASSERT_NE(at, std::string::npos) << told.text;
    double before = 0;
    double after = 0;
    ASSERT_EQ(std::sscanf(told.text.c_str() + at + words.size(),
                          "%lf ms without the triggers and %lf ms", &before, &after),
              2)
        << told.text;
    EXPECT_GT(after, 2 * before + 2) << told.text;
}

// Somebody else's ALTER survives the swap of LHM as a lost change.
TEST_F(LhmHoles, ATableThatIsAlteredMeanwhileIsNotSwapped) {
    make_users(200);
    start_held({"--add-column", "x int"});
    db_.execute("ALTER TABLE users ADD COLUMN theirs INT");
    let_go();
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("definition was changed by somebody else")) << answer.text;
    EXPECT_NE(column("users", "theirs"), "");
}

TEST_F(LhmHoles, ATriggerThatIsDroppedStopsTheCopy) {
    make_users(200);
    start_held({"--add-column", "x int"});
    db_.execute("DROP TRIGGER lhmt_upd_users");
    let_go();
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("the trigger lhmt_upd_users is gone")) << answer.text;
}

TEST_F(LhmHoles, ATriggerThatWasMadeAgainIsNotBelieved) {
    make_users(200);
    start_held({"--add-column", "x int"});
    lhm_.kill9();
    const std::string create =
        db_.rows("SHOW CREATE TRIGGER lhmt_upd_users").at(0).at(2).value_or("");
    db_.execute("DROP TRIGGER lhmt_upd_users");
    db_.execute("UPDATE users SET username = 'missed' WHERE id = 1");
    db_.execute(
        "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'");
    db_.execute(create);
    let_go();
    const auto answer = lhm_.run(Lhm::quick("resume", "app.users", {}));
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("was made again")) << answer.text;
}

}  // namespace
}  // namespace shift::testing
