// The real shift-worker on job.json files, a real MariaDB and the real pt-online-schema-change:
// each step with each outcome, and every kill in between. Looks at the tables first, at the events
// second.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "common/event_log.h"
#include "common/job.h"
#include "common/text.h"
#include "tests/integration/support/child_process.h"
#include "tests/integration/support/mariadb_server.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/temp_dir.h"
#include "tests/integration/support/wait.h"
#include "tests/integration/support/worker_driver.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using Names = std::vector<std::string>;

class Worker : public ::testing::Test {
  protected:
    Worker() : server_(shared_server()), db_(connect_to_empty(server_)) {
        db_.execute("CREATE DATABASE shop");
        db_.execute("USE shop");
    }

    // reset() ends every session, so it comes first.
    static Db connect_to_empty(MariadbServer& server) {
        server.reset();
        return server.connect();
    }
    void make_table(int rows, const std::string& name = "t") {
        const std::string table = quote_name(name);
        db_.execute("CREATE TABLE " + table +
                    " (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(50), n INT) ENGINE=InnoDB");
        if (rows > 0) {
            db_.execute("INSERT INTO " + table + " (a, n) SELECT seq, seq FROM seq_1_to_" +
                        std::to_string(rows));
        }
    }
    WorkerDriver driver(MigrationId id, const std::string& statement,
                        const std::string& table = "t") {
        return WorkerDriver(server_, dir_, id, statement, table);
    }
    // With a copy of about `rows`/200 * 50 ms.
    WorkerDriver slow_driver(MigrationId id, const std::string& statement) {
        WorkerDriver slow(server_, dir_, id, statement, "t");
        slow.job.pt_osc_path = small_step_pt_osc(dir_.path(), 200, 0.05);
        return slow;
    }
    bool has_ours() { return !db_.triggers("shop").empty() || db_.tables("shop") != Names{"t"}; }
    static std::string message(const Json& outcome) { return string_or(outcome, "message", ""); }

    TempDir dir_;
    MariadbServer& server_;
    Db db_;
};

// ---- the whole way

TEST_F(Worker, LongAlterUnderWritesKeepsEveryRow) {
    Writers::make_table(db_, "shop", "t", 3000);
    db_.execute("CREATE DATABASE pd");
    WorkerDriver d = driver(1, "ALTER TABLE t ADD COLUMN extra INT");
    d.job.pending_drops_db = "pd";
    Writers writers(server_, "shop", "t", 2);
    writers.start();
    EXPECT_EQ(d.outcome_of(Step::kPrepare), "prepared");
    ASSERT_EQ(d.events(event::kStats).size(), 1u);
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
    EXPECT_EQ(db_.triggers("shop").size(), 3u);
    EXPECT_EQ(d.events(event::kProgress).back().at("percent"), 100.0);
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
    writers.stop();
    EXPECT_EQ(writers.errors(), Names{});
    EXPECT_GT(writers.committed(), 0);
    EXPECT_EQ(Writers::difference(db_, "shop", "t"), "");
    EXPECT_FALSE(has_ours());
    const auto columns = db_.columns("shop", "t");
    EXPECT_NE(std::find(columns.begin(), columns.end(), "extra"), columns.end());
    const Names trash = db_.tables("pd");
    ASSERT_EQ(trash.size(), 1u);
    EXPECT_TRUE(trash[0].ends_with("_t")) << trash[0];
    EXPECT_EQ(trash[0].size(), std::string("20261123181052123_t").size());
    EXPECT_EQ(d.events(event::kStats).back().at("when"), "end");
}

TEST_F(Worker, WithoutTrashTheOldTableIsDropped) {
    make_table(100);
    WorkerDriver d = driver(2, "ALTER TABLE t ADD COLUMN b INT");
    d.job.enable_trash = false;
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
    EXPECT_EQ(db_.tables("shop"), Names{"t"});
}

TEST_F(Worker, OddNamesWorkToTheEnd) {
    int id = 10;
    for (const std::string name : {"a b", "a`b", "a-b", "select", "a,b", "a.b", "a\"b", "a=b"}) {
        SCOPED_TRACE(name);
        make_table(50, name);
        WorkerDriver d =
            driver(++id, "ALTER TABLE " + quote_name(name) + " ADD COLUMN `x y` INT", name);
        d.job.enable_trash = false;
        EXPECT_EQ(d.outcome_of(Step::kPrepare), "prepared");
        EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
        EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
        EXPECT_EQ(db_.tables("shop"), Names{name});
        db_.execute("DROP TABLE " + quote_name(name));
    }
}

TEST_F(Worker, ANameOf64BytesFits) {
    const std::string name(64, 'x');
    make_table(50, name);
    WorkerDriver d = driver(30, "ALTER TABLE " + name + " ADD COLUMN b INT", name);
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
    for (const std::string& table : db_.tables("shop")) {
        EXPECT_LE(table.size(), 64u);
    }
    EXPECT_EQ(db_.triggers("shop"), Names{});
}

// ---- prepare

TEST_F(Worker, PrepareRefusesWhatPtOscCannotDo) {
    db_.execute("CREATE TABLE trig (id INT PRIMARY KEY)");
    db_.execute("CREATE TRIGGER mine AFTER INSERT ON trig FOR EACH ROW SET @a = 1");
    db_.execute("CREATE TABLE nokey (a INT)");
    db_.execute("CREATE TABLE isam (id INT PRIMARY KEY) ENGINE=MyISAM");
    db_.execute("CREATE TABLE parent (id INT PRIMARY KEY) ENGINE=InnoDB");
    db_.execute(
        "CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id)) "
        "ENGINE=InnoDB");
    db_.execute("CREATE TABLE `qu'ote` (id INT PRIMARY KEY)");
    db_.execute(
        "CREATE TABLE t\xc3\xa4"
        "ble (id INT PRIMARY KEY)");
    db_.execute("CREATE TABLE tick (id INT PRIMARY KEY, `a``b` INT)");
    const Names before = db_.tables("shop");
    int id = 40;
    const std::vector<std::pair<std::string, std::string>> cases = {{"trig", "mine"},
                                                                    {"nokey", "PRIMARY KEY"},
                                                                    {"isam", "MyISAM"},
                                                                    {"parent", "child"},
                                                                    {"gone", "does not exist"},
                                                                    {"qu'ote", "'"},
                                                                    {"t\xc3\xa4"
                                                                     "ble",
                                                                     "ASCII"},
                                                                    {"tick", "backtick"}};
    for (const auto& [table, why] : cases) {
        SCOPED_TRACE(table);
        WorkerDriver d =
            driver(++id, "ALTER TABLE " + quote_name(table) + " ADD COLUMN b INT", table);
        const Json outcome = d.run(Step::kPrepare);
        EXPECT_EQ(outcome.at("outcome"), "failed");
        EXPECT_NE(message(outcome).find(why), std::string::npos) << message(outcome);
    }
    EXPECT_EQ(db_.tables("shop"), before);
    EXPECT_EQ(db_.triggers("shop"), Names{"mine"});
}

TEST_F(Worker, PrepareTellsTheRealReasonOfABadAlter) {
    make_table(10);
    WorkerDriver d = driver(60, "ALTER TABLE t ADD COLUMN a INT");
    const Json outcome = d.run(Step::kPrepare);
    EXPECT_EQ(outcome.at("outcome"), "failed");
    EXPECT_NE(message(outcome).find("Duplicate column name"), std::string::npos);
    EXPECT_FALSE(has_ours());
}

TEST_F(Worker, PrepareRefusesColumnRenamesThatLoseData) {
    make_table(10);
    WorkerDriver d = driver(61, "ALTER TABLE t RENAME COLUMN a TO z");
    const Json outcome = d.run(Step::kPrepare);
    EXPECT_EQ(outcome.at("outcome"), "failed");
    EXPECT_NE(message(outcome).find("CHANGE COLUMN"), std::string::npos);
}

TEST_F(Worker, AToolThatIsMissingOrBrokenFailsPrepare) {
    make_table(10);
    const std::string silent = dir_ / "silent";
    spit(silent, "#!/bin/sh\nexit 3\n", 0755);
    const std::string unreadable = dir_ / "not-executable";
    spit(unreadable, "#!/bin/sh\n", 0644);
    const std::string no_interpreter = dir_ / "no-interpreter";
    spit(no_interpreter, "#!/no/such/perl\n", 0755);
    int id = 70;
    for (const std::string& tool : {silent, unreadable, no_interpreter, dir_ / "missing"}) {
        SCOPED_TRACE(tool);
        WorkerDriver d = driver(++id, "ALTER TABLE t ADD COLUMN b INT");
        d.job.pt_osc_path = tool;
        const Json outcome = d.run(Step::kPrepare);
        EXPECT_EQ(outcome.at("outcome"), "failed");
        EXPECT_NE(message(outcome), "");
    }
}

TEST_F(Worker, AToolIsAskedWhatItIsOnceUntilItsFileChanges) {
    make_table(10);
    const std::string tool = dir_ / "counted";
    const std::string asked = dir_ / "asked";
    const auto put = [&](const std::string& comment) {
        spit(tool,
             "#!/bin/sh\n# " + comment + "\ncase \" $* \" in *\" --help \"*) echo >> " + asked +
                 " ;; esac\nexec " + pt_osc() + " \"$@\"\n",
             0755);
    };
    WorkerDriver d = driver(76, "ALTER TABLE t ADD COLUMN b INT");
    d.job.pt_osc_path = tool;
    d.job.cache_dir = dir_ / "cache";
    put("one");
    EXPECT_EQ(d.outcome_of(Step::kPrepare), "prepared");
    EXPECT_EQ(d.outcome_of(Step::kPrepare), "prepared");
    EXPECT_EQ(slurp(asked).size(), 1u);
    const auto changed = std::filesystem::last_write_time(tool);
    put("another size");
    std::filesystem::last_write_time(tool, changed);
    EXPECT_EQ(d.outcome_of(Step::kPrepare), "prepared");
    EXPECT_EQ(slurp(asked).size(), 2u);
    std::filesystem::last_write_time(tool, changed + seconds(1));
    EXPECT_EQ(d.outcome_of(Step::kPrepare), "prepared");
    EXPECT_EQ(slurp(asked).size(), 3u);
}

TEST_F(Worker, PrepareTriesAgainWhenTheServerIsAway) {
    WorkerDriver d = driver(80, "ALTER TABLE t ADD COLUMN b INT");
    d.job.port = free_port();
    EXPECT_EQ(d.outcome_of(Step::kPrepare), "retry");
    EXPECT_EQ(d.outcome_of(Step::kCancel), "retry");
}

TEST_F(Worker, WrongPasswordIsSaidWithoutThePassword) {
    WorkerDriver d = driver(81, "ALTER TABLE t ADD COLUMN b INT");
    spit(d.job.mysql_defaults_file, "[client]\nuser=shift\npassword=other-pl4nted\n", 0600);
    const Json outcome = d.run(Step::kPrepare);
    EXPECT_EQ(outcome.at("outcome"), "failed");
    EXPECT_EQ(outcome.at("reason"), "access_denied");
    EXPECT_EQ(slurp(d.attempt_dir() + "/events.jsonl").find("other-pl4nted"), std::string::npos);
    EXPECT_EQ(slurp(d.attempt_dir() + "/worker.log").find("other-pl4nted"), std::string::npos);
}

TEST_F(Worker, PendingDropsDatabaseIsLookedForAtPrepare) {
    make_table(10);
    for (const char* statement : {"ALTER TABLE t ADD COLUMN b INT", "DROP TABLE t"}) {
        WorkerDriver d = driver(82, statement);
        d.job.pending_drops_db = "nowhere";
        d.job.action = std::string(statement).starts_with("DROP") ? Action::kDrop : Action::kAlter;
        const Json outcome = d.run(Step::kPrepare);
        EXPECT_EQ(outcome.at("outcome"), "failed");
        EXPECT_NE(message(outcome).find("nowhere"), std::string::npos);
    }
    EXPECT_TRUE(db_.table_exists("shop", "t"));
}

TEST_F(Worker, DuplicatesUnderANewUniqueKeyAreRefused) {
    make_table(100);
    db_.execute("UPDATE t SET a = '7' WHERE id IN (1, 2)");
    WorkerDriver d = driver(83, "ALTER TABLE t ADD UNIQUE KEY ua (a)");
    Json outcome = d.run(Step::kPrepare);
    EXPECT_EQ(outcome.at("outcome"), "failed");
    EXPECT_NE(message(outcome).find("`a`"), std::string::npos);
    // They may also come after prepare: the copy counts, and so does the swap.
    outcome = d.run(Step::kRun);
    EXPECT_EQ(outcome.at("outcome"), "error");
    EXPECT_EQ(outcome.at("reason"), "rows_missing");
    outcome = d.run(Step::kRename);
    EXPECT_EQ(outcome.at("outcome"), "failed");
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM t"), 100);
    EXPECT_EQ(db_.triggers("shop"), Names{});
}

TEST_F(Worker, UniqueKeyWithoutDuplicatesGoesThrough) {
    make_table(100);
    WorkerDriver d = driver(84, "ALTER TABLE t ADD UNIQUE KEY ua (a)");
    EXPECT_EQ(d.outcome_of(Step::kPrepare), "prepared");
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM t"), 100);
}

// ---- copy: stops, kills, other people's tables

TEST_F(Worker, KilledWorkerLeavesACopyThatTheNextAttemptReplaces) {
    Writers::make_table(db_, "shop", "t", 6000);
    WorkerDriver d = slow_driver(100, "ALTER TABLE t ADD COLUMN extra INT");
    Writers writers(server_, "shop", "t");
    writers.start();
    d.start(Step::kRun);
    ASSERT_TRUE(d.wait_for_event(event::kProgress));
    const pid_t engine = d.engine();
    d.worker().kill9();
    EXPECT_EQ(d.finish(), Json::object());
    // The kernel tells the engine, which stops and keeps everything.
    EXPECT_TRUE(poll_until([&] { return command_line(engine).empty(); }));
    EXPECT_EQ(db_.triggers("shop").size(), 3u);
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
    writers.stop();
    EXPECT_EQ(writers.errors(), Names{});
    EXPECT_EQ(Writers::difference(db_, "shop", "t"), "");
    EXPECT_EQ(db_.triggers("shop"), Names{});
}

TEST_F(Worker, AKilledEngineIsTriedAgain) {
    make_table(10'000);
    WorkerDriver d = slow_driver(101, "ALTER TABLE t ADD COLUMN b INT");
    for (const int signo : {SIGKILL, SIGTERM}) {
        d.start(Step::kRun);
        ASSERT_TRUE(d.wait_for_event(event::kProgress));
        d.kill_engine(signo);
        const Json outcome = d.finish();
        EXPECT_EQ(outcome.at("outcome"), "retry");
        EXPECT_EQ(outcome.at("reason"), "engine_killed");
        EXPECT_EQ(db_.triggers("shop").size(), 3u);
    }
    EXPECT_EQ(d.outcome_of(Step::kCancel), "cancelled");
    EXPECT_EQ(db_.triggers("shop"), Names{});
}

TEST_F(Worker, StopKeepsEverythingAndPauseFindsNothingRunning) {
    make_table(10'000);
    WorkerDriver d = slow_driver(102, "ALTER TABLE t ADD COLUMN b INT");
    d.start(Step::kRun);
    ASSERT_TRUE(d.wait_for_event(event::kProgress));
    EXPECT_NE(d.command(R"({"command":"status"})").find("percent"), std::string::npos);
    const std::string answer = d.command(R"({"command":"stop","reason":"pause"})");
    EXPECT_NE(answer.find("\"protocol\":1"), std::string::npos);
    EXPECT_NE(answer.find("\"ok\":true"), std::string::npos);
    EXPECT_EQ(d.finish().at("outcome"), "stopped");
    EXPECT_EQ(d.outcome_of(Step::kPause), "paused");
    EXPECT_EQ(db_.triggers("shop").size(), 3u);
    EXPECT_NE(slurp(d.job.files_dir + "statefile.txt").find("_102_t_new"), std::string::npos);
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
}

TEST_F(Worker, TerminationStopsWithinTenSeconds) {
    make_table(10'000);
    WorkerDriver d = slow_driver(103, "ALTER TABLE t ADD COLUMN b INT");
    d.start(Step::kRun);
    ASSERT_TRUE(d.wait_for_event(event::kProgress));
    d.worker().signal(SIGTERM);
    EXPECT_EQ(d.finish(seconds(10)).at("outcome"), "stopped");
}

TEST_F(Worker, LosingTheDatabaseLockStopsTheCopy) {
    make_table(40'000);
    WorkerDriver d = slow_driver(104, "ALTER TABLE t ADD COLUMN b INT");
    d.start(Step::kRun);
    ASSERT_TRUE(d.wait_for_event(event::kProgress));
    db_.execute("KILL " + std::to_string(d.thread("lock")));
    const Json outcome = d.finish();
    EXPECT_EQ(outcome.at("outcome"), "retry");
    EXPECT_EQ(outcome.at("reason"), "lock_lost");
    EXPECT_TRUE(command_line(d.engine()).empty());
}

TEST_F(Worker, AnotherWorkerOnTheTableIsBusyNotFailed) {
    make_table(100'000);
    WorkerDriver first = slow_driver(105, "ALTER TABLE t ADD COLUMN b INT");
    first.start(Step::kRun);
    ASSERT_TRUE(first.wait_for_event(event::kProgress));
    WorkerDriver second = driver(106, "ALTER TABLE t ADD COLUMN c INT");
    for (const Step step : {Step::kRun, Step::kRename, Step::kCancel}) {
        const Json outcome = second.run(step);
        EXPECT_EQ(outcome.at("outcome"), "retry");
        EXPECT_EQ(outcome.at("reason"), "table_busy");
        EXPECT_NE(message(outcome).find("thread"), std::string::npos);
    }
    first.worker().signal(SIGTERM);
    first.finish();
    EXPECT_EQ(db_.triggers("shop").size(), 3u);
}

TEST_F(Worker, ATableThatOnlyLooksOursIsNeverDropped) {
    make_table(10);
    db_.execute("CREATE TABLE _107_t_new (users_data INT)");
    WorkerDriver d = driver(107, "ALTER TABLE t ADD COLUMN b INT");
    EXPECT_EQ(d.outcome_of(Step::kPrepare), "failed");
    const Json outcome = d.run(Step::kRun);
    EXPECT_EQ(outcome.at("outcome"), "error");
    EXPECT_NE(message(outcome).find("_107_t_new"), std::string::npos);
    EXPECT_EQ(db_.columns("shop", "_107_t_new"), Names{"users_data"});
}

TEST_F(Worker, EngineInheritsNothingButItsLock) {
    make_table(10'000);
    WorkerDriver d = slow_driver(108, "ALTER TABLE t ADD COLUMN b INT");
    d.start(Step::kRun);
    ASSERT_TRUE(d.wait_for_event(event::kProgress));
    bool has_engine_lock = false;
    const std::string folder = "/proc/" + std::to_string(d.engine()) + "/fd";
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        std::error_code gone;
        const std::string target = std::filesystem::read_symlink(entry.path(), gone).native();
        has_engine_lock |= target.ends_with("/engine.lock");
        for (const char* ours : {"/worker.lock", "/events.jsonl", "/worker.sock", "/job.json"}) {
            EXPECT_FALSE(target.ends_with(ours)) << target;
        }
    }
    EXPECT_TRUE(has_engine_lock);
    EXPECT_EQ(command_line(d.engine()).find(MariadbServer::password()), std::string::npos);
    d.worker().signal(SIGTERM);
    d.finish();
}

// ---- rename

TEST_F(Worker, ABlockedSwapIsGivenBackAndWorksLater) {
    make_table(100);
    WorkerDriver d = driver(120, "ALTER TABLE t ADD COLUMN b INT");
    ASSERT_EQ(d.outcome_of(Step::kRun), "copied");
    Db reader = server_.connect("shop");
    reader.execute("BEGIN");
    reader.execute("SELECT * FROM t LIMIT 1");
    const Json outcome = d.run(Step::kRename);
    EXPECT_EQ(outcome.at("outcome"), "retry");
    EXPECT_EQ(outcome.at("reason"), "lock_wait");
    EXPECT_EQ(db_.triggers("shop").size(), 3u);
    reader.execute("ROLLBACK");
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
    EXPECT_EQ(db_.triggers("shop"), Names{});
}

TEST_F(Worker, MissingTriggersPreventTheSwap) {
    make_table(100);
    WorkerDriver d = driver(121, "ALTER TABLE t ADD COLUMN b INT");
    ASSERT_EQ(d.outcome_of(Step::kRun), "copied");
    db_.execute("DROP TRIGGER pt_osc_shop_t_upd");
    const Json outcome = d.run(Step::kRename);
    EXPECT_EQ(outcome.at("outcome"), "failed");
    EXPECT_NE(message(outcome).find("untouched"), std::string::npos);
    EXPECT_EQ(db_.triggers("shop"), Names{});
    EXPECT_EQ(db_.columns("shop", "t"), (Names{"id", "a", "n"}));
}

TEST_F(Worker, AnOriginalAlteredSinceTheCopyIsNotSwappedAway) {
    make_table(100);
    WorkerDriver d = driver(122, "ALTER TABLE t ADD COLUMN b INT");
    ASSERT_EQ(d.outcome_of(Step::kRun), "copied");
    db_.execute("ALTER TABLE t ADD COLUMN meanwhile INT");
    EXPECT_EQ(d.run(Step::kRename).at("reason"), "moved_since_copy");
    EXPECT_EQ(db_.columns("shop", "t"), (Names{"id", "a", "n", "meanwhile"}));
}

// Another host has only the state file, or not even that.
TEST_F(Worker, RenameOnAnotherHostNeedsNoHistory) {
    for (const bool with_state : {true, false}) {
        SCOPED_TRACE(with_state);
        db_.execute("DROP TABLE IF EXISTS t");
        make_table(100);
        WorkerDriver d = driver(123, "ALTER TABLE t ADD COLUMN b INT");
        ASSERT_EQ(d.outcome_of(Step::kRun), "copied");
        d.job.history = Json::array();
        const std::string state = slurp(d.job.files_dir + "statefile.txt");
        std::filesystem::remove_all(d.job.files_dir);
        if (with_state) {
            std::filesystem::create_directories(d.attempt_dir() + "/../2");
            spit(d.attempt_dir() + "/../2/statefile.api", state);
        }
        d.job.enable_trash = false;
        EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
        EXPECT_FALSE(has_ours());
        std::filesystem::remove_all(dir_ / "m123");
    }
}

// kill -9 at random moments, again and again: in the end swapped once, inserted once, clean.
TEST_F(Worker, RenameSurvivesKillsAtAnyMoment) {
    const std::uint64_t seed = base_seed();
    std::cout << "SHIFT_SEED=" << seed << "\n";
    std::mt19937_64 random(seed);
    db_.execute("CREATE DATABASE pd");
    for (int round = 0; round < sized(6, 60); ++round) {
        SCOPED_TRACE(round);
        db_.execute("DROP TABLE IF EXISTS t, done");
        make_table(500);
        db_.execute("CREATE TABLE done (x INT) ENGINE=InnoDB");
        WorkerDriver d = driver(200 + round, "ALTER TABLE t ADD COLUMN b INT");
        d.job.pending_drops_db = "pd";
        d.job.final_insert = "INSERT INTO done VALUES (1)";
        ASSERT_EQ(d.outcome_of(Step::kRun), "copied");
        Json outcome;
        for (int kill = 0; kill < 6 && outcome.empty(); ++kill) {
            d.start(Step::kRename);
            std::this_thread::sleep_for(milliseconds(random() % 250));
            d.worker().kill9();
            outcome = d.finish();
        }
        if (outcome.empty()) {
            outcome = d.run(Step::kRename);
        }
        EXPECT_EQ(outcome.at("outcome"), "completed") << to_line(outcome);
        EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM done"), 1);
        EXPECT_EQ(db_.columns("shop", "t"), (Names{"id", "a", "n", "b"}));
        EXPECT_EQ(db_.tables("shop"), (Names{"done", "t"}));
        EXPECT_EQ(db_.triggers("shop"), Names{});
        EXPECT_TRUE(db_.rows("XA RECOVER").empty());
        EXPECT_EQ(db_.tables("pd").size(), static_cast<std::size_t>(round + 1));
    }
}

// ---- cancel

TEST_F(Worker, CancelKnowsItsOwnFromNothingButTheId) {
    make_table(10'000);
    db_.execute("CREATE TRIGGER mine BEFORE DELETE ON t FOR EACH ROW SET @a = 1");
    WorkerDriver d = slow_driver(140, "ALTER TABLE t ADD COLUMN b INT");
    db_.execute("DROP TRIGGER mine");
    d.start(Step::kRun);
    ASSERT_TRUE(d.wait_for_event(event::kProgress));
    d.worker().kill9();
    d.finish();
    ASSERT_TRUE(poll_until([&] { return command_line(d.engine()).empty(); }));
    db_.execute("CREATE TRIGGER mine BEFORE DELETE ON t FOR EACH ROW SET @a = 1");
    d.job.history = Json::array();
    std::filesystem::remove_all(d.job.files_dir);
    d.job.enable_trash = false;
    EXPECT_EQ(d.outcome_of(Step::kCancel), "cancelled");
    EXPECT_EQ(db_.tables("shop"), Names{"t"});
    EXPECT_EQ(db_.triggers("shop"), Names{"mine"});
    EXPECT_EQ(d.outcome_of(Step::kCancel), "cancelled");  // again is fine
}

TEST_F(Worker, CancelMovesTheShadowToTrash) {
    make_table(100);
    db_.execute("CREATE DATABASE pd");
    WorkerDriver d = driver(141, "ALTER TABLE t ADD COLUMN b INT");
    d.job.pending_drops_db = "pd";
    ASSERT_EQ(d.outcome_of(Step::kRun), "copied");
    EXPECT_EQ(d.outcome_of(Step::kCancel), "cancelled");
    EXPECT_FALSE(has_ours());
    ASSERT_EQ(db_.tables("pd").size(), 1u);
    EXPECT_TRUE(db_.tables("pd")[0].ends_with("__141_t_new"));
}

TEST_F(Worker, CancelAdoptsWhatTheOriginalRunnerLeft) {
    make_table(10);
    db_.execute("CREATE TABLE _t_new LIKE t");
    db_.execute(
        "CREATE TRIGGER pt_osc_shop_t_ins AFTER INSERT ON t FOR EACH ROW REPLACE INTO "
        "`shop`.`_t_new` (`id`) VALUES (NEW.`id`)");
    db_.execute("CREATE TRIGGER mine AFTER UPDATE ON t FOR EACH ROW SET @a = 1");
    WorkerDriver d = driver(142, "ALTER TABLE t ADD COLUMN b INT");
    d.job.enable_trash = false;
    std::filesystem::create_directories(d.job.files_dir);
    spit(d.job.files_dir + "statefile.txt",
         "---\ndb: shop\nmig_tbl: _t_new\nold_tbl: ~\norig_tbl: t\nrow:\n  - 3\nstep: copy\n"
         "tbl_progress: 3\n");
    EXPECT_EQ(d.outcome_of(Step::kCancel), "cancelled");
    EXPECT_EQ(db_.tables("shop"), Names{"t"});
    EXPECT_EQ(db_.triggers("shop"), Names{"mine"});
}

// Whoever can write the API's state file must not choose which table is dropped.
TEST_F(Worker, AForgedStateFileDropsNobodysTable) {
    make_table(10);
    make_table(10, "users");
    WorkerDriver d = driver(143, "ALTER TABLE t ADD COLUMN b INT");
    d.job.enable_trash = false;
    std::filesystem::create_directories(d.job.files_dir);
    spit(d.job.files_dir + "statefile.txt",
         "db: shop\nmig_tbl: users\norig_tbl: t\nstep: copy\ntbl_progress: 3\n");
    EXPECT_EQ(d.outcome_of(Step::kCancel), "cancelled");
    EXPECT_EQ(db_.tables("shop"), (Names{"t", "users"}));
}

TEST_F(Worker, ACancelThatCameTooLateCompletes) {
    make_table(100);
    db_.execute("CREATE DATABASE pd");
    WorkerDriver d = driver(144, "ALTER TABLE t ADD COLUMN b INT");
    ASSERT_EQ(d.outcome_of(Step::kRun), "copied");
    // As a worker leaves it that dies right after the swap.
    db_.execute("RENAME TABLE t TO `20260101000000000_t`, _144_t_new TO t");
    d.job.pending_drops_db = "pd";
    EXPECT_EQ(d.outcome_of(Step::kCancel), "completed");
    EXPECT_FALSE(has_ours());
    EXPECT_EQ(db_.tables("pd"), Names{"20260101000000000_t"});
}

TEST_F(Worker, CancelOfAnUnknownTableSaysSo) {
    WorkerDriver d = driver(145, "", "");
    const Json outcome = d.run(Step::kCancel);
    EXPECT_EQ(outcome.at("outcome"), "cancelled");
    EXPECT_NE(message(outcome), "");
}

// ---- direct statements

WorkerDriver as_short(WorkerDriver d, Action action = Action::kAlter, Mode mode = Mode::kTable) {
    d.job.runtype = Runtype::kShort;
    d.job.action = action;
    d.job.mode = mode;
    return d;
}

TEST_F(Worker, CreateIsTriedAndTakenBackThenDone) {
    WorkerDriver d = as_short(driver(160, "CREATE TABLE c (a INT)", "c"), Action::kCreate);
    EXPECT_EQ(d.outcome_of(Step::kPrepare), "prepared");
    EXPECT_EQ(db_.tables("shop"), Names{});
    EXPECT_EQ(d.outcome_of(Step::kRun), "completed");
    EXPECT_EQ(db_.tables("shop"), Names{"c"});
    WorkerDriver again =
        as_short(driver(161, "CREATE TABLE IF NOT EXISTS c (a INT)", "c"), Action::kCreate);
    EXPECT_EQ(again.outcome_of(Step::kPrepare), "failed");
    EXPECT_EQ(again.outcome_of(Step::kRun), "failed");
    EXPECT_EQ(db_.tables("shop"), Names{"c"});
    WorkerDriver bad = as_short(driver(162, "CREATE TABLE x (a INT, a INT)", "x"), Action::kCreate);
    EXPECT_EQ(bad.outcome_of(Step::kPrepare), "failed");
}

TEST_F(Worker, ViewsComeAndGo) {
    make_table(3);
    WorkerDriver create = as_short(driver(163, "CREATE VIEW v AS SELECT * FROM t", "v"),
                                   Action::kCreate, Mode::kView);
    EXPECT_EQ(create.outcome_of(Step::kPrepare), "prepared");
    EXPECT_EQ(create.outcome_of(Step::kRun), "completed");
    WorkerDriver drop = as_short(driver(164, "DROP VIEW v", "v"), Action::kDrop, Mode::kView);
    EXPECT_EQ(drop.outcome_of(Step::kPrepare), "prepared");
    EXPECT_TRUE(drop.events(event::kStats).at(0).at("table_rows").is_null());
    EXPECT_EQ(drop.outcome_of(Step::kRun), "completed");
    EXPECT_EQ(db_.tables("shop"), Names{"t"});
}

TEST_F(Worker, DropMovesToTrashWithOrWithoutTriggers) {
    db_.execute("CREATE DATABASE pd");
    int id = 165;
    for (const std::string target : {"pd", ""}) {
        SCOPED_TRACE(target);
        make_table(10);
        db_.execute("CREATE TRIGGER mine BEFORE INSERT ON t FOR EACH ROW SET NEW.n = 4711");
        WorkerDriver d = as_short(driver(++id, "DROP TABLE t"), Action::kDrop);
        d.job.pending_drops_db = target;
        EXPECT_EQ(d.outcome_of(Step::kPrepare), "prepared");
        EXPECT_EQ(d.outcome_of(Step::kRun), "completed");
        EXPECT_FALSE(db_.table_exists("shop", "t"));
        const Names trash = db_.tables(target.empty() ? "shop" : target);
        ASSERT_EQ(trash.size(), 1u);
        EXPECT_TRUE(trash[0].ends_with("_t"));
        if (target == "pd") {
            EXPECT_NE(d.log().find("4711"), std::string::npos);  // the trigger's text
            EXPECT_EQ(db_.triggers("shop"), Names{});
        } else {
            EXPECT_EQ(db_.triggers("shop"), Names{"mine"});  // still on the renamed table
        }
    }
}

TEST_F(Worker, DirectAlterIsDoneExactlyOnceAcrossAKill) {
    make_table(400'000);
    db_.execute("CREATE TABLE done (x INT) ENGINE=InnoDB");
    WorkerDriver d = as_short(driver(170, "ALTER TABLE t ADD INDEX (a), ALGORITHM=COPY"));
    d.job.final_insert = "INSERT INTO done VALUES (1)";
    d.start(Step::kRun);
    ASSERT_TRUE(poll_until([&] {
        return db_.integer(
                   "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE "
                   "'ALTER TABLE t%'") > 0;
    }));
    d.worker().kill9();
    d.finish();
    EXPECT_EQ(d.outcome_of(Step::kRun), "completed");
    const std::string definition = db_.show_create("shop", "t");
    EXPECT_NE(definition.find("KEY `a`"), std::string::npos);
    EXPECT_EQ(definition.find("KEY `a_2`"), std::string::npos) << definition;
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM done"), 1);
    EXPECT_EQ(d.outcome_of(Step::kRun), "completed");  // again: nothing left to do
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM done"), 1);
}

TEST_F(Worker, DirectAlterSurvivesTheLossOfItsConnection) {
    make_table(400'000);
    WorkerDriver d = as_short(driver(171, "ALTER TABLE t ADD INDEX (a), ALGORITHM=COPY"));
    d.start(Step::kRun);
    ASSERT_TRUE(poll_until([&] {
        return db_.integer(
                   "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE "
                   "'ALTER TABLE t%'") > 0;
    }));
    db_.execute("KILL " + std::to_string(d.thread("lock")));
    EXPECT_EQ(d.finish().at("outcome"), "completed");
    const std::string definition = db_.show_create("shop", "t");
    EXPECT_NE(definition.find("KEY `a`"), std::string::npos);
    EXPECT_EQ(definition.find("KEY `a_2`"), std::string::npos) << definition;
}

TEST_F(Worker, CancelEndsADirectAlterPauseDoesNot) {
    make_table(400'000);
    WorkerDriver d = as_short(driver(172, "ALTER TABLE t ADD INDEX (a), ALGORITHM=COPY"));
    for (const std::string reason : {"cancel", "pause"}) {
        SCOPED_TRACE(reason);
        d.start(Step::kRun);
        ASSERT_TRUE(poll_until([&] {
            return db_.integer(
                       "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE "
                       "'ALTER TABLE t%'") > 0;
        }));
        d.command(R"({"command":"stop","reason":")" + reason + "\"}");
        const bool changed = d.finish().at("outcome") == "completed";
        EXPECT_EQ(changed, db_.show_create("shop", "t").find("KEY `a`") != std::string::npos);
        EXPECT_EQ(changed, reason == "pause");
    }
}

TEST_F(Worker, DirectAlterWaitsForALockAndThenGivesBack) {
    make_table(10);
    Db reader = server_.connect("shop");
    reader.execute("BEGIN");
    reader.execute("SELECT * FROM t LIMIT 1");
    WorkerDriver d = as_short(driver(173, "ALTER TABLE t COMMENT 'x'"));
    const Json outcome = d.run(Step::kRun);
    EXPECT_EQ(outcome.at("outcome"), "retry");
    EXPECT_EQ(outcome.at("reason"), "lock_wait");
    reader.execute("ROLLBACK");
    EXPECT_EQ(d.outcome_of(Step::kRun), "completed");
}

TEST_F(Worker, DirectAlterKeepsItsTimeout) {
    make_table(400'000);
    WorkerDriver d = as_short(driver(174, "ALTER TABLE t ADD INDEX (a), ALGORITHM=COPY"));
    d.job.ddl_timeout = std::chrono::seconds(1);
    const Json outcome = d.run(Step::kRun);
    if (outcome.at("outcome") != "completed") {  // a fast machine may do it in a second
        EXPECT_EQ(outcome.at("reason"), "ddl_timeout");
        EXPECT_EQ(db_.show_create("shop", "t").find("KEY `a`"), std::string::npos);
    }
}

TEST_F(Worker, RebuildsOfLargeTablesAreRefusedWhenAsked) {
    make_table(5000);
    db_.execute("ANALYZE TABLE t");
    WorkerDriver rebuild = as_short(driver(175, "ALTER TABLE t MODIFY a BIGINT"));
    rebuild.job.direct_rows_max = 100;
    EXPECT_EQ(rebuild.run(Step::kPrepare).at("reason"), "too_large");
    WorkerDriver instant = as_short(driver(176, "ALTER TABLE t ADD COLUMN b INT"));
    instant.job.direct_rows_max = 100;
    EXPECT_EQ(instant.outcome_of(Step::kPrepare), "prepared");
    EXPECT_EQ(db_.tables("shop"), Names{"t"});
}

// ---- final insert

TEST_F(Worker, FinalInsertIsCheckedAndLeavesNothing) {
    make_table(3);
    db_.execute("CREATE TABLE done (x INT PRIMARY KEY) ENGINE=InnoDB");
    db_.execute("CREATE TABLE isam (x INT PRIMARY KEY) ENGINE=MyISAM");
    int id = 190;
    const std::vector<std::pair<std::string, bool>> cases = {
        {"INSERT INTO done VALUES (1)", true},
        {"INSERT INTO isam VALUES (1)", true},
        {"INSERT INTO gone VALUES (1)", false},
        {"INSERT INTO done VALUES (1", false},
        {"DELETE FROM done", false},
        {"INSERT INTO done VALUES (1); DROP", false},
        {"INSERT INTO isam VALUES (1, 2)", false}};
    for (const auto& [statement, good] : cases) {
        SCOPED_TRACE(statement);
        WorkerDriver d = as_short(driver(++id, "ALTER TABLE t COMMENT 'x'"));
        d.job.final_insert = statement;
        EXPECT_EQ(d.outcome_of(Step::kPrepare), good ? "prepared" : "failed");
    }
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM done"), 0);
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM isam"), 0);
}

TEST_F(Worker, AFailingFinalInsertSaysThatTheTableWasChanged) {
    make_table(3);
    db_.execute("CREATE TABLE done (x INT PRIMARY KEY) ENGINE=InnoDB");
    db_.execute("INSERT INTO done VALUES (1)");
    WorkerDriver d = as_short(driver(198, "ALTER TABLE t COMMENT 'changed'"));
    d.job.final_insert = "INSERT INTO done VALUES (1)";
    const Json outcome = d.run(Step::kRun);
    EXPECT_EQ(outcome.at("outcome"), "failed");
    EXPECT_TRUE(message(outcome).starts_with("table WAS changed:")) << message(outcome);
    EXPECT_NE(db_.show_create("shop", "t").find("changed"), std::string::npos);
}

TEST_F(Worker, AnUnknownPlainFinalInsertIsNeverSentAgain) {
    make_table(3);
    db_.execute("CREATE TABLE isam (x INT) ENGINE=MyISAM");
    WorkerDriver d = as_short(driver(199, "ALTER TABLE t COMMENT 'changed'"));
    d.job.final_insert = "INSERT INTO isam VALUES (1)";
    // As a worker leaves it that dies after sending the statement.
    d.job.history = {{{"event", "no_return"}, {"what", "ddl"}},
                     {{"event", "intent"}, {"what", "final_insert"}, {"mode", "plain"}}};
    Json outcome = d.run(Step::kRun);
    EXPECT_EQ(outcome.at("outcome"), "undecided");
    EXPECT_EQ(outcome.at("evidence").at("statement"), "INSERT INTO isam VALUES (1)");
    EXPECT_NE(d.log().find("final-insert 199 --done or --run-again"), std::string::npos);
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM isam"), 0);
    // A person decides.
    d.job.history.push_back({{"event", "fact"}, {"what", "final_insert"}, {"state", "run-again"}});
    EXPECT_EQ(d.outcome_of(Step::kRun), "completed");
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM isam"), 1);
}

TEST_F(Worker, APreparedFinalInsertIsCommittedByTheNextAttempt) {
    make_table(3);
    db_.execute("CREATE TABLE done (x INT) ENGINE=InnoDB");
    {
        Db dead = server_.connect("shop");
        dead.execute("XA START 'shift-300'");
        dead.execute("INSERT INTO done VALUES (1)");
        dead.execute("XA END 'shift-300'");
        dead.execute("XA PREPARE 'shift-300'");
    }
    WorkerDriver d = as_short(driver(300, "ALTER TABLE t COMMENT 'changed'"));
    d.job.final_insert = "INSERT INTO done VALUES (1)";
    d.job.history = {
        {{"event", "no_return"}, {"what", "ddl"}},
        {{"event", "intent"}, {"what", "final_insert"}, {"mode", "xa"}, {"xid", "shift-300"}}};
    EXPECT_EQ(d.outcome_of(Step::kRun), "completed");
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM done"), 1);
    EXPECT_TRUE(db_.rows("XA RECOVER").empty());
}

// ---- the process

TEST_F(Worker, AClosedAttemptEndsAtOnce) {
    WorkerDriver d = driver(310, "ALTER TABLE t ADD COLUMN b INT");
    std::filesystem::create_directories(dir_ / "m310/1");
    spit(dir_ / "m310/1/closed", "");
    d.start(Step::kRun);
    EXPECT_EQ(d.finish(), Json::object());
    EXPECT_TRUE(d.events().empty());
}

TEST_F(Worker, HelpVersionAndNonsense) {
    EXPECT_EQ(run_tool({program("shift-worker"), "--help"}).status.code, 0);
    const ToolResult version = run_tool({program("shift-worker"), "--version"});
    EXPECT_EQ(version.status.code, 0);
    EXPECT_TRUE(version.out.starts_with("shift-worker "));
    EXPECT_EQ(run_tool({program("shift-worker")}).status.code, 64);
    EXPECT_EQ(run_tool({program("shift-worker"), "--nonsense"}).status.code, 64);
    EXPECT_EQ(run_tool({program("shift-worker"), "--attempt-dir", "/no/such"}).status.code, 64);
}

TEST_F(Worker, ALongAttemptPathHasItsSocket) {
    make_table(10'000);
    WorkerDriver d = slow_driver(311, "ALTER TABLE t ADD COLUMN b INT");
    d.job.attempt = 1;
    const std::string deep = dir_ / std::string(100, 'p') + "/" + std::string(100, 'q');
    std::filesystem::create_directories(deep);
    d.job.step = Step::kRun;
    spit(deep + "/job.json", to_line(to_json(d.job)));
    SpawnOptions options;
    options.argv = {program("shift-worker"), "--attempt-dir", deep};
    options.output = deep + "/worker.log";
    ChildProcess worker(options);
    EXPECT_TRUE(poll_until([&] { return std::filesystem::exists(deep + "/worker.sock"); }));
    worker.signal(SIGTERM);
    EXPECT_TRUE(worker.wait());
}

}  // namespace
}  // namespace shift::testing
