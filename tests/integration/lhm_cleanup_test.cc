// What migrations leave on a server, and who may take it away (spec/integration/cleanup_spec.rb).

#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/support/lhm_fixture.h"

namespace shift::testing {
namespace {

class LhmCleanup : public LhmTest {
  protected:
    // A migration that died in the middle of its copy.
    void leave(const std::string& table) {
        lhm_.start(Lhm::quick(
            "change-table", "app." + table,
            {"--add-column", "x int", "--stride", "10", "--delay", "50ms", "--execute"}));
        await_copying(table);
        lhm_.kill9();
    }
};

// Also the trigger that only tries whether we may make one.
TEST_F(LhmCleanup, WhatIsKilledBeforeItBeganIsRemoved) {
    make_users(10);
    for (const char* point :
         {"lhm-shadow", "lhm-trial-trigger", "lhm-shadow-made", "lhm-triggers"}) {
        SCOPED_TRACE(point);
        lhm_.die_at(point);
        const Names all =
            Lhm::quick("change-table", "app.users", {"--add-column", "x int", "--execute"});
        EXPECT_EQ(lhm_.run(all).code, -1);
        EXPECT_EQ(lhm_.run({"cleanup", "app.users", "--run"}).code, 0);
        EXPECT_EQ(db_.triggers("app"), Names{});
    }
    change("users", {"--add-column", "x int"});
}

// CL-01, CL-04, CL-05, CL-06: what can go on goes only when its table is named.
TEST_F(LhmCleanup, ListsFirstAndDropsWithRun) {
    make_users(300);
    db_.execute("CREATE TABLE permissions LIKE users");
    db_.execute("INSERT INTO permissions SELECT * FROM users");
    leave("users");
    leave("permissions");
    const Names before = db_.tables("app");
    for (const std::vector<std::string>& how :
         {std::vector<std::string>{"cleanup"}, {"cleanup", "--run"}, {"cleanup", "app", "--run"}}) {
        const auto kept = lhm_.run(how);
        EXPECT_EQ(kept.code, 0);
        EXPECT_TRUE(kept.says("Everything is clean. Nothing to do.")) << kept.text;
        EXPECT_TRUE(
            kept.says("stays: app.users: it can be resumed, or switched; to give it up: "
                      "cleanup app.users"))
            << kept.text;
        EXPECT_EQ(db_.tables("app"), before);
        EXPECT_EQ(db_.triggers("app").size(), 6u);
    }
    for (const char* table : {"app.users", "app.permissions"}) {
        const auto listed = lhm_.run({"cleanup", table});
        EXPECT_EQ(listed.code, 0);
        for (const char* part :
             {"Would drop LHM backup tables: app.lhm", "app.lhmn_",
              "Would drop LHM triggers: ", "app.lhmt_del_", "app.lhmt_ins_", "Run with --run"}) {
            EXPECT_TRUE(listed.says(part)) << part << "\n" << listed.text;
        }
        EXPECT_EQ(lhm_.run({"cleanup", table, "--run"}).code, 0);
    }
    EXPECT_EQ(leftovers(), "");
    // Both shadows were set aside; such tables go with their database.
    EXPECT_TRUE(lhm_.run({"cleanup", "--run"}).says("only its name says that it is an old table"));
    EXPECT_EQ(db_.tables("app").size(), 4u);
    EXPECT_TRUE(lhm_.run({"cleanup", "app"}).says("Would drop LHM backup tables: app.lhma_"));
    const auto run = lhm_.run({"cleanup", "app", "--run"});
    EXPECT_EQ(run.code, 0) << run.text;
    EXPECT_TRUE(run.says("Dropped LHM backup tables: app.lhma_")) << run.text;
    EXPECT_EQ(db_.tables("app"), (Names{"permissions", "users"}));
    EXPECT_TRUE(lhm_.run({"cleanup", "--run"}).says("Everything is clean. Nothing to do."));
    EXPECT_EQ(lhm_.change("app.users", {"--add-column", "x int"}).code, 0) << lhm_.output();
}

TEST_F(LhmCleanup, ACopyThatWaitsForItsSwitchStays) {
    make_users(50);
    EXPECT_EQ(lhm_.change("app.users", {"--add-column", "x int", "--no-switch"}).code, 0)
        << lhm_.output();
    for (const std::vector<std::string>& how : {std::vector<std::string>{"cleanup", "--run"},
                                                {"cleanup", "app", "--run"},
                                                {"cleanup", "app.other", "--run"},
                                                {"cleanup", "--until", "2099-01-01", "--run"}}) {
        EXPECT_EQ(lhm_.run(how).code, 0);
        EXPECT_EQ(db_.triggers("app").size(), 3u);
        EXPECT_EQ(count("lhmn_users"), 50);
    }
    const auto switched = lhm_.run({"switch", "app.users"});
    EXPECT_EQ(switched.code, 0) << switched.text;
    EXPECT_NE(column("users", "x"), "");
}

// CL-02, CL-03
TEST_F(LhmCleanup, ArchivesGoByTheirAge) {
    db_.execute("CREATE TABLE lhma_2020_05_04_03_02_01_000_old (id INT)");
    db_.execute("CREATE TABLE lhma_2024_05_04_03_02_01_000_newer (id INT)");
    const auto listed = lhm_.run({"cleanup", "--until", "2021-01-01"});
    EXPECT_TRUE(listed.says("lhma_2020_05_04_03_02_01_000_old")) << listed.text;
    EXPECT_FALSE(listed.says("newer")) << listed.text;
    EXPECT_TRUE(lhm_.run({"cleanup", "--until", "2019-01-01"}).says("Everything is clean"));
    EXPECT_EQ(lhm_.run({"cleanup", "--until", "2021-01-01", "--run"}).code, 0);
    EXPECT_EQ(db_.tables("app"), Names{"lhma_2024_05_04_03_02_01_000_newer"});
    EXPECT_EQ(lhm_.run({"cleanup", "--until", "yesterday"}).code, 64);
}

// LHM's cleanup with `until` drops the triggers of running migrations.
TEST_F(LhmCleanup, ARunningMigrationIsNotTouched) {
    make_users(400);
    lhm_.start(
        Lhm::quick("change-table", "app.users",
                   {"--add-column", "x int", "--stride", "10", "--delay", "60ms", "--execute"}));
    await_copying("users");
    const TempDir other_dir;
    Lhm other(server_, other_dir);
    for (const std::vector<std::string>& how : {std::vector<std::string>{"cleanup", "--run"},
                                                {"cleanup", "app", "--run"},
                                                {"cleanup", "app.users", "--run"},
                                                {"cleanup", "--until", "2099-01-01", "--run"}}) {
        const auto answer = other.run(how);
        EXPECT_EQ(answer.code, 0) << answer.text;
        EXPECT_EQ(db_.triggers("app").size(), 3u) << answer.text;
    }
    EXPECT_TRUE(other.run({"cleanup"}).says("it is running"));
    const auto finished = lhm_.finish();
    EXPECT_EQ(finished.code, 0) << finished.text;
}

TEST_F(LhmCleanup, WhatIsNotProvedToBeOursStays) {
    make_users(5);
    db_.execute("CREATE TABLE lhmn_notes (id INT)");
    db_.execute("CREATE TABLE lhma_of_the_users_own (id INT)");
    db_.execute("CREATE TABLE lhmc_x (id INT) COMMENT='shift-lhm is a tool'");
    db_.execute("CREATE TRIGGER lhmt_ins_users AFTER INSERT ON users FOR EACH ROW SET @x = 1");
    db_.execute(
        "CREATE TRIGGER lhmt_upd_users AFTER UPDATE ON users FOR EACH ROW replace into lhmn_users "
        "(id) /* large "
        "hadron migration */ values (NEW.id)");
    const Names tables = db_.tables("app");
    const auto answer = lhm_.run({"cleanup", "--run"});
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("Everything is clean")) << answer.text;
    EXPECT_TRUE(answer.says("app.lhmn_notes: nothing but its name")) << answer.text;
    EXPECT_TRUE(answer.says("app.lhmt_upd_users: it is of Ruby's LHM")) << answer.text;
    EXPECT_EQ(db_.tables("app"), tables);
    EXPECT_EQ(db_.triggers("app").size(), 2u);
}

// CL-07, CL-08, CL-09
TEST_F(LhmCleanup, OneTablesMigrationIsSetAside) {
    make_users(300);
    db_.execute("CREATE TABLE admin_users LIKE users");
    db_.execute("INSERT INTO admin_users SELECT * FROM users");
    leave("users");
    leave("admin_users");
    const auto listed = lhm_.run({"cleanup", "app.users"});
    EXPECT_TRUE(listed.says("app.lhmt_upd_users")) << listed.text;
    EXPECT_FALSE(listed.says("admin")) << listed.text;
    EXPECT_EQ(lhm_.run({"cleanup", "app.users", "--run"}).code, 0);
    EXPECT_EQ(db_.triggers("app"),
              (Names{"lhmt_del_admin_users", "lhmt_ins_admin_users", "lhmt_upd_admin_users"}));
    EXPECT_TRUE(db_.table_exists("app", "lhmn_admin_users"));
    // Renamed and not dropped: dropping a large table stalls the server.
    const std::string aside = archive_of(db_, "app");
    EXPECT_EQ(aside.substr(aside.size() - 13), "_users_failed");
    EXPECT_EQ(lhm_.run({"cleanup", "app.users"}).count("Everything is clean"), 1);
}

TEST_F(LhmCleanup, CtrlCStopsSafelyAndSaysHowToGoOn) {
    make_users(400);
    lhm_.start(
        Lhm::quick("change-table", "app.users",
                   {"--add-column", "x int", "--stride", "10", "--delay", "60ms", "--execute"}));
    await_copying("users");
    lhm_.process().signal(SIGINT);
    const auto stopped = lhm_.finish();
    EXPECT_EQ(stopped.code, 75) << stopped.text;
    EXPECT_TRUE(stopped.says("to go on: ")) << stopped.text;
    EXPECT_TRUE(stopped.says("resume app.users --defaults-file")) << stopped.text;
    EXPECT_TRUE(lhm_.run({"status", "app.users"}).says("not running"));
    db_.execute("UPDATE users SET username = 'meanwhile' WHERE id IN (1, 399)");
    const auto again = lhm_.change("app.users", {"--add-column", "y int"});
    EXPECT_EQ(again.code, 1) << again.text;
    EXPECT_TRUE(again.says("resume it, or remove it")) << again.text;
    const auto resumed = lhm_.run(Lhm::quick("resume", "app.users", {}));
    EXPECT_EQ(resumed.code, 0) << resumed.text;
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM users WHERE username = 'meanwhile'"), 2);
    EXPECT_EQ(leftovers(), "");
}

TEST_F(LhmCleanup, AnotherHostResumesFromTheStateFileAlone) {
    make_users(400);
    const std::string file = dir_ / "state.yaml";
    lhm_.start(Lhm::quick("change-table", "app.users",
                          {"--add-column", "x int", "--stride", "10", "--delay", "60ms",
                           "--execute", "--state-file", file}));
    await_copying("users");
    lhm_.process().signal(SIGTERM);
    EXPECT_EQ(lhm_.finish().code, 75);
    const TempDir other_dir;
    Lhm other(server_, other_dir);
    const std::string carried = other_dir / "carried.yaml";
    spit(carried, slurp(file));
    const auto resumed = other.run(Lhm::quick("resume", "app.users", {"--state-file", carried}));
    EXPECT_EQ(resumed.code, 0) << resumed.text;
    EXPECT_EQ(count("users"), 400);
}

TEST_F(LhmCleanup, ADamagedStateFileIsToldAndNothingIsLost) {
    make_users(400);
    const std::string file = dir_ / "state.yaml";
    lhm_.start(Lhm::quick("change-table", "app.users",
                          {"--add-column", "x int", "--stride", "10", "--delay", "60ms",
                           "--execute", "--state-file", file}));
    await_copying("users");
    lhm_.kill9();
    const std::string good = slurp(file);
    for (const std::string& bad : {std::string(), good.substr(0, good.size() / 3),
                                   std::string("[1, 2"), std::string(300, '\xff')}) {
        spit(file, bad);
        const auto answer = lhm_.run(Lhm::quick("resume", "app.users", {"--state-file", file}));
        EXPECT_EQ(answer.code, 1) << answer.text;
        EXPECT_EQ(db_.triggers("app").size(), 3u);
    }
    // A boundary that is no key value gets into no statement.
    std::string evil = good;
    const std::size_t at = evil.find("ledger:");
    const std::size_t value = evil.find("\"=", at);
    ASSERT_NE(value, std::string::npos) << evil;
    evil.insert(value + 2, "1 OR SLEEP(1) -- ");
    spit(file, evil);
    const auto answer = lhm_.run(Lhm::quick("resume", "app.users", {"--state-file", file}));
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("no values of the key")) << answer.text;
    spit(file, good);
    EXPECT_EQ(lhm_.run(Lhm::quick("resume", "app.users", {"--state-file", file})).code, 0)
        << lhm_.output();
    EXPECT_EQ(count("users"), 400);
}

TEST_F(LhmCleanup, AMistypedWordIsToldWithWhatWasMeant) {
    const auto verb = lhm_.run({"change-tabel", "app.users"});
    EXPECT_EQ(verb.code, 64);
    EXPECT_TRUE(verb.says("unknown verb 'change-tabel', did you mean change-table?")) << verb.text;
    const auto option = lhm_.run({"change-table", "app.users", "--add-colum", "x int"});
    EXPECT_EQ(option.code, 64);
    EXPECT_TRUE(option.says("'--add-colum', did you mean --add-column?")) << option.text;
}

}  // namespace
}  // namespace shift::testing
