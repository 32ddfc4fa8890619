// Connections that break, hang and lead elsewhere, made by a proxy of our own: what the ProxySQL
// and toxiproxy specs of Large Hadron Migrator (proxysql_spec, lhm_spec "when running on a proxy")
// do.

#include <gtest/gtest.h>

#include "tests/integration/support/fault_proxy.h"
#include "tests/integration/support/lhm_fixture.h"

namespace shift::testing {
namespace {

class LhmProxy : public LhmTest {
  protected:
    LhmProxy() : proxy_(server_.port()) { lhm_.use_port(proxy_.port()); }

    std::vector<std::string> slow(const std::vector<std::string>& more = {}) {
        std::vector<std::string> all = {"--add-column", "x int", "--stride", "20",
                                        "--delay",      "30ms",  "--execute"};
        all.insert(all.end(), more.begin(), more.end());
        return Lhm::quick("change-table", "app.users", all);
    }
    FaultProxy proxy_;
};

// IT-36
TEST_F(LhmProxy, WithoutReconnectingALostServerIsAnError) {
    make_users(500);
    lhm_.start(slow({"--reconnect", "0"}));
    await_copying("users");
    proxy_.down();
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 69) << answer.text;
    EXPECT_TRUE(answer.says("to go on:")) << answer.text;
    proxy_.up();
    const auto resumed = lhm_.run(Lhm::quick("resume", "app.users", {}));
    EXPECT_EQ(resumed.code, 0) << resumed.text;
    EXPECT_EQ(count("users"), 500);
}

TEST_F(LhmProxy, AServerThatIsNotThereFromTheStartIsAnError) {
    make_users(5);
    proxy_.down();
    const auto answer = lhm_.run(slow());
    EXPECT_EQ(answer.code, 69) << answer.text;
}

// IT-37, PX-05
TEST_F(LhmProxy, AnOutageIsWaitedForAndToldOnce) {
    make_users(500);
    lhm_.start(slow());
    await_copying("users");
    proxy_.down();
    ASSERT_TRUE(poll_until([&] {
        return lhm_.output().find("Lost connection") != std::string::npos;
    })) << lhm_.output();
    std::this_thread::sleep_for(milliseconds(1500));
    db_.execute("UPDATE users SET username = 'during the outage' WHERE id = 500");
    proxy_.up();
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(answer.count("Lost connection to MySQL"), 1) << answer.text;
    EXPECT_EQ(answer.count("successfully reconnected"), 1) << answer.text;
    EXPECT_EQ(answer.count("copy: 100% complete"), 1) << answer.text;
    EXPECT_EQ(count("users"), 500);
    EXPECT_EQ(db_.scalar("SELECT username FROM users WHERE id = 500"), "during the outage");
}

TEST_F(LhmProxy, ALookThatLosesItsSessionIsMadeAgain) {
    for (const bool forwards : {false, true}) {
        make_users(500);
        lhm_.start(slow());
        await_copying("users");
        proxy_.cut_at("INNODB_SYS_TABLES", forwards);
        const auto answer = lhm_.finish();
        EXPECT_EQ(answer.code, 0) << answer.text;
        EXPECT_TRUE(proxy_.has_cut());
        EXPECT_TRUE(answer.says("going on with the ")) << answer.text;
        EXPECT_EQ(count("users"), 500);
        db_.execute("DROP TABLE users, " + quote_name(archive_of(db_, "app")));
    }
}

// PX-04
TEST_F(LhmProxy, AnOutageThatLastsEndsInAResumableError) {
    make_users(500);
    lhm_.start(slow({"--reconnect", "2s"}));
    await_copying("users");
    proxy_.down();
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 69) << answer.text;
    EXPECT_TRUE(answer.says("tried to reconnect, but failed")) << answer.text;
    proxy_.up();
    EXPECT_EQ(lhm_.run(Lhm::quick("resume", "app.users", {})).code, 0) << lhm_.output();
}

// PX-06, PX-07: a new writer behind the same address.
TEST_F(LhmProxy, AnotherServerBehindTheSameAddressIsNotTouched) {
    MariadbServer other;
    Db there = other.connect();
    there.execute("CREATE DATABASE app");
    there.execute(
        "CREATE TABLE app.users (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, reference INT, "
        "username "
        "VARCHAR(255))");
    make_users(500);
    lhm_.start(slow());
    await_copying("users");
    proxy_.redirect(other.port());
    proxy_.cut();
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("wrong server")) << answer.text;
    EXPECT_EQ(there.tables("app"), Names{"users"});
    EXPECT_EQ(there.triggers("app"), Names{});
    EXPECT_EQ(column("users", "x"), "");
    // Back home it goes on.
    proxy_.redirect(server_.port());
    EXPECT_EQ(lhm_.run(Lhm::quick("resume", "app.users", {})).code, 0) << lhm_.output();
    EXPECT_EQ(count("users"), 500);
}

TEST_F(LhmProxy, AServerThatBecameReadOnlyIsNotWrittenTo) {
    make_users(500);
    lhm_.start(slow({"--reconnect", "3s"}));
    await_copying("users");
    db_.execute("SET GLOBAL read_only = 1");
    proxy_.cut();
    const auto answer = lhm_.finish();
    EXPECT_NE(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("takes no writes any more")) << answer.text;
    db_.execute("SET GLOBAL read_only = 0");
    EXPECT_EQ(lhm_.run(Lhm::quick("resume", "app.users", {})).code, 0) << lhm_.output();
}

// L13: session settings are gone after a reconnect.
TEST_F(LhmProxy, SettingsAreMadeAgainAfterEveryReconnect) {
    make_users(600);
    db_.execute("UPDATE users SET username = 'far too long for it' WHERE id = 590");
    db_.execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')");
    db_.execute("INSERT INTO users (id, username) VALUES (0, 'zero')");
    db_.execute("SET GLOBAL sql_mode = ''");  // what a session has that nobody prepared
    lhm_.start(
        slow({"--change-column", "username varchar(12)", "--data-check", "0", "--threads", "2"}));
    await_copying("users");
    for (int i = 0; i < 3; ++i) {
        proxy_.cut();
        std::this_thread::sleep_for(milliseconds(150));
    }
    const auto answer = lhm_.finish();
    db_.execute("SET GLOBAL sql_mode = DEFAULT");
    EXPECT_EQ(answer.code, 1) << answer.text;  // strict, so it is noticed
    EXPECT_TRUE(answer.says("row (590)")) << answer.text;
    EXPECT_EQ(db_.scalar("SELECT username FROM lhmn_users WHERE id = 0"), "zero");
}

// L14: the answer of a RENAME is lost, and the retry reports the failure of a swap that happened.
TEST_F(LhmProxy, ASwapWhoseAnswerIsLostIsASuccess) {
    make_users(100);
    proxy_.cut_at("RENAME TABLE", true);
    const auto answer = lhm_.run(slow());
    EXPECT_TRUE(proxy_.has_cut());
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("app.users is changed")) << answer.text;
    EXPECT_NE(column("users", "x"), "");
    EXPECT_EQ(leftovers(), "");
}

TEST_F(LhmProxy, ASwapThatNeverArrivedIsSentAgain) {
    make_users(100);
    proxy_.cut_at("RENAME TABLE", false);
    const auto answer = lhm_.run(slow());
    EXPECT_TRUE(proxy_.has_cut());
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_NE(column("users", "x"), "");
    EXPECT_EQ(leftovers(), "");
}

// Every statement that changes something, lost on its way there or back. What cannot be told apart
// is refused or goes on; nothing is half done at the end.
TEST_F(LhmProxy, AnyStatementMayBeLost) {
    const std::vector<const char*> statements = {"CREATE TABLE `app`.`lhmc",
                                                 "CREATE TABLE `app`.`lhmn",
                                                 "ALTER TABLE `app`.`lhmn",
                                                 "CREATE TRIGGER `app`.`lhmt_del",
                                                 "CREATE TRIGGER `app`.`lhmt_ins",
                                                 "LOCK IN SHARE MODE NOWAIT",
                                                 "INSERT INTO `app`.`lhmn",
                                                 "COMMIT",
                                                 "BIT_XOR",
                                                 "ANALYZE",
                                                 "DROP TRIGGER",
                                                 "DROP TABLE"};
    int number = 0;
    for (const char* statement : statements) {
        ++number;
        for (const bool forwards : {true, false}) {
            if (!full_run() && forwards == (number % 2 == 0)) {
                continue;  // one of the two
            }
            SCOPED_TRACE(std::string(statement) +
                         (forwards ? " (answer lost)" : " (never arrived)"));
            make_users(60);
            proxy_.cut_at(statement, forwards);
            auto answer = lhm_.run(slow());
            EXPECT_TRUE(proxy_.has_cut());
            for (int tries = 0; answer.code != 0 && tries < 3; ++tries) {
                const bool known = !lhm_.run({"status", "app.users"}).says("nothing is known");
                answer = known ? lhm_.run(Lhm::quick("resume", "app.users", {}))
                               : lhm_.run({"cleanup", "app.users", "--run"});
                if (!known && answer.code == 0) {
                    answer = lhm_.run(slow());
                }
            }
            EXPECT_EQ(answer.code, 0) << answer.text;
            EXPECT_NE(column("users", "x"), "");
            EXPECT_EQ(count("users"), 60);
            EXPECT_EQ(leftovers(), "");
            db_.execute("DROP DATABASE app");
            db_.execute("CREATE DATABASE app");
            db_.execute("USE app");
            if (HasFailure()) {
                return;
            }
        }
    }
}

// PX-03: every statement carries the tag that proxies route by.
TEST_F(LhmProxy, EveryStatementCarriesTheTag) {
    make_users(40);
    db_.execute("SET GLOBAL log_output = 'TABLE'");
    db_.execute("SET GLOBAL general_log = 1");
    const auto answer = lhm_.run(slow());
    db_.execute("SET GLOBAL general_log = 0");
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(db_.column("SELECT argument FROM mysql.general_log WHERE user_host LIKE 'shift%' AND "
                         "command_type = "
                         "'Query' AND argument NOT LIKE '%/*maintenance:lhm*/%' AND "
                         "argument NOT LIKE '%NEW.%' LIMIT 5"),
              Names{});
    EXPECT_GT(db_.integer(
                  "SELECT COUNT(*) FROM mysql.general_log WHERE argument LIKE '%maintenance:lhm%'"),
              20);
    db_.execute("TRUNCATE mysql.general_log");
}

TEST_F(LhmProxy, ASlowNetworkIsOnlySlow) {
    make_users(60);
    proxy_.delay(milliseconds(8));
    const auto answer = lhm_.run(slow());
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(count("users"), 60);
}

}  // namespace
}  // namespace shift::testing
