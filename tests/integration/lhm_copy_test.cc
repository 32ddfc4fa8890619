// Chunks, throttling, retries, verification: spec/integration/{chunker,chunk_insert,entangler,
// sql_retry}_spec.rb of Large Hadron Migrator through shift-lhm, and what LHM has not.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "common/state_file.h"
#include "tests/integration/support/fake_api.h"
#include "tests/integration/support/lhm_fixture.h"

namespace shift::testing {
namespace {

class LhmCopy : public LhmTest {
  protected:
    std::string chunks(const std::string& table = "users") {
        const auto status = lhm_.run({"status", "app." + table, "--json"});
        const std::size_t at = status.text.find("\"chunks\":");
        return at == std::string::npos
                   ? ""
                   : status.text.substr(at + 9, status.text.find(',', at) - at - 9);
    }
    // Of the state file that is kept last; 0 = none.
    // A file that is being written (.tmp) is not kept yet.
    std::int64_t rows_saved() {
        for (const auto& entry :
             std::filesystem::recursive_directory_iterator(std::string(dir_ / "lhm/state"))) {
            const bool is_kept = entry.is_regular_file() && entry.path().extension() != ".tmp";
            const auto state =
                is_kept ? parse_state_file(slurp(entry.path())) : Result<StateFile>(Error{});
            if (state.ok()) {
                return state->tbl_progress;
            }
        }
        return 0;
    }
    void hold() { spit(dir_ / "hold", ""); }
    void let_go() { (void)::unlink((dir_ / "hold").c_str()); }
    // The triggers are made, then a row is locked, then the copy begins.
    Db start_with_a_locked_row(const std::vector<std::string>& more,
                               const std::string& table = "users") {
        hold();
        std::vector<std::string> all = {
            "--add-column",        "x int", "--throttle-file", dir_ / "hold",
            "--throttle-interval", "50ms",  "--execute"};
        all.insert(all.end(), more.begin(), more.end());
        lhm_.start(Lhm::quick("change-table", "app." + table, all));
        EXPECT_TRUE(poll_until([&] {
            return lhm_.output().find("hold exists") != std::string::npos;
        })) << lhm_.output();
        Db holder = server_.connect("app");
        holder.execute("BEGIN");
        holder.execute("SELECT * FROM " + table + " WHERE id = 30 FOR UPDATE");
        let_go();
        return holder;
    }
};

// ---- chunks (CK-01, CK-09, CK-10, CK-11; the chunk math of the unit specs)

TEST_F(LhmCopy, AreOfTheStrideAndTheLastOneOfTheRest) {
    struct Case {
        int rows;
        int stride;
        const char* chunks;
    };
    for (const Case& one : {Case{1, 10, "1"}, Case{11, 10, "2"}, Case{20, 10, "2"},
                            Case{10, 3, "4"}, Case{0, 5, "0"}}) {
        SCOPED_TRACE(one.rows);
        make_users(one.rows);
        db_.execute("UPDATE users SET id = id * id + 1000 ORDER BY id DESC");  // sparse
        change("users",
               {"--add-column", "x int", "--stride", std::to_string(one.stride), "--no-switch"});
        EXPECT_EQ(count("lhmn_users"), one.rows);
        EXPECT_EQ(chunks(), one.chunks);
        EXPECT_EQ(lhm_.run({"switch", "app.users"}).code, 0);
        db_.execute("DROP TABLE users, " + quote_name(archive_of(db_, "app")));
    }
}

TEST_F(LhmCopy, ChunksOfWideRowsHaveFewOfThem) {
    db_.execute("CREATE TABLE w (id INT NOT NULL PRIMARY KEY, a MEDIUMTEXT)");
    db_.execute("INSERT INTO w SELECT seq, REPEAT('x', 10000) FROM seq_1_to_2000");
    db_.execute("ANALYZE TABLE w");
    const auto answer =
        change("w", {"--add-column", "x int", "--chunk-mib-max", "1", "--no-switch"});
    EXPECT_GE(std::stoi(chunks("w")), 15);  // 20 MiB
    EXPECT_TRUE(answer.says("%, verification ")) << answer.text;
}

TEST_F(LhmCopy, StartAndLimitBoundTheCopy) {
    make_users(100);
    const auto answer = change(
        "users", {"--add-column", "x int", "--start", "20", "--limit", "70", "--stride", "7"});
    EXPECT_TRUE(answer.says("no differences")) << answer.text;
    EXPECT_EQ(db_.scalar("SELECT CONCAT(MIN(id), '-', MAX(id), '-', COUNT(*)) FROM users"),
              "20-70-51");
    const auto bad =
        lhm_.plan("app.users", {"--add-column", "y int", "--start", "9", "--limit", "5"});
    EXPECT_EQ(bad.code, 1) << bad.text;
    EXPECT_TRUE(bad.says("impossible chunk options")) << bad.text;
    const auto text = lhm_.plan("app.users", {"--add-column", "y int", "--start", "1 OR 1=1"});
    EXPECT_EQ(text.code, 1) << text.text;
}

TEST_F(LhmCopy, AnyUniqueKeyCanBeWalked) {
    db_.execute(
        "CREATE TABLE k (a INT NOT NULL PRIMARY KEY, b VARCHAR(9) NOT NULL, UNIQUE KEY by_b (b))");
    db_.execute("INSERT INTO k SELECT seq, CONCAT('b', 500 - seq) FROM seq_1_to_300");
    const auto plan = lhm_.plan("app.k", {"--add-column", "x int", "--key", "by_b"});
    EXPECT_TRUE(plan.says("copy key    by_b (b)")) << plan.text;
    change("k", {"--add-column", "x int", "--key", "by_b", "--stride", "40"});
    EXPECT_EQ(count("k"), 300);
    EXPECT_EQ(lhm_.plan("app.k", {"--add-column", "y int", "--key", "nonsense"}).code, 1);
}

// One of them waits for a locked row, the others copy what lies behind it.
TEST_F(LhmCopy, SeveralConnectionsShareTheRanges) {
    db_.execute("CREATE TABLE w (id INT NOT NULL PRIMARY KEY, a VARCHAR(50))");
    db_.execute("INSERT INTO w SELECT seq, REPEAT('x', seq % 50) FROM seq_1_to_5000");
    Db holder = start_with_a_locked_row({"--threads", "4", "--stride", "50"}, "w");
    EXPECT_TRUE(poll_until([&] {
        return db_.integer("SELECT COUNT(*) FROM lhmn_w WHERE id BETWEEN 51 AND 100") == 50;
    })) << lhm_.output();
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM lhmn_w WHERE id = 30"), 0);
    holder.execute("COMMIT");
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("copy: 100% complete, 5,000 rows")) << answer.text;
    EXPECT_TRUE(answer.says("verified 5000 rows")) << answer.text;
}

// A REPEATABLE READ transaction that changes a row which is not copied yet locks the gap it finds
// in the shadow. Fences of chunks that met a lock end it behind them.
TEST_F(LhmCopy, AnUncopiedRowThatIsChangedDoesNotHoldUpTheChunksBeforeIt) {
    db_.execute("CREATE TABLE w (id INT NOT NULL PRIMARY KEY, a VARCHAR(50))");
    db_.execute("INSERT INTO w SELECT seq, 'x' FROM seq_1_to_2000");
    Db holder = start_with_a_locked_row({"--threads", "1", "--stride", "500"}, "w");
    EXPECT_TRUE(poll_until([&] {
        return db_.integer("SELECT COUNT(*) FROM lhmn_w WHERE id IN (125, 250)") == 2;
    })) << lhm_.output();
    Db writer = server_.connect("app");
    writer.execute("BEGIN");
    writer.execute("UPDATE w SET a = 'y' WHERE id = 1000");
    holder.execute("COMMIT");
    EXPECT_TRUE(poll_until([&] {
        return db_.integer("SELECT COUNT(*) FROM lhmn_w WHERE id <= 250") == 250;
    })) << lhm_.output();
    writer.execute("COMMIT");
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("verified 2000 rows")) << answer.text;
    EXPECT_EQ(db_.scalar("SELECT a FROM w WHERE id = 1000"), "y");
}

// MariaDB would make the copiers wait for each other, and the application for all of them.
TEST_F(LhmCopy, ConnectionsTakeTurnsWhereTheCounterIsLocked) {
    make_users(10);
    EXPECT_TRUE(lhm_.plan("app.users", {"--add-column", "x int", "--threads", "4"})
                    .says("copy        2 connections in turns,"));
    EXPECT_TRUE(lhm_.plan("app.users", {"--add-column", "x int", "--threads", "1"})
                    .says("copy        1 connection,"));
    db_.execute("CREATE TABLE w (id INT NOT NULL PRIMARY KEY)");
    EXPECT_TRUE(lhm_.plan("app.w", {"--add-column", "x int", "--threads", "4"})
                    .says("copy        4 connections,"));
}

// What small writes take decides how hard it works. Here somebody holds the row that is written for
// it.
TEST_F(LhmCopy, WorksLessWhileSmallWritesAreSlow) {
    db_.execute("CREATE TABLE w (id INT NOT NULL PRIMARY KEY)");
    db_.execute("INSERT INTO w SELECT seq FROM seq_1_to_800");
    const auto copy = [&](std::vector<std::string> more) {
        more.insert(more.end(), {"--add-column", "x int", "--stride", "10", "--delay", "40ms",
                                 "--threads", "4", "--throttle-interval", "20ms", "--execute"});
        lhm_.start(Lhm::quick("change-table", "app.w", more));
        Db holder = server_.connect("app");
        while (lhm_.process().running()) {
            holder.try_execute("BEGIN");
            holder.try_execute("SELECT * FROM lhmc_w WHERE kind = 'pace' FOR UPDATE");
            std::this_thread::sleep_for(milliseconds(100));
            holder.try_execute("COMMIT");
        }
        const auto answer = lhm_.finish();
        EXPECT_EQ(answer.code, 0) << answer.text;
        EXPECT_EQ(count("w"), 800);
        EXPECT_FALSE(db_.table_exists("app", "lhmc_w"));
        db_.execute("ALTER TABLE w DROP COLUMN x");
        return answer;
    };
    const auto slow = copy({"--max-write-time", "20ms"});
    EXPECT_TRUE(slow.says("(limit 20.0): 2 of 4 connections work, chunks take 100 %")) << slow.text;
    EXPECT_FALSE(copy({"--max-write-time", "1h"}).says("small writes take"));
    EXPECT_FALSE(copy({"--max-write-time", "20ms", "--no-pace"}).says("small writes take"));
}

// All migrations of one server share its connections: a lock of the server for each, whoever holds
// it.
TEST_F(LhmCopy, SharesTheServerWithOtherMigrations) {
    db_.execute("CREATE TABLE w (id INT NOT NULL PRIMARY KEY)");
    db_.execute("INSERT INTO w SELECT seq FROM seq_1_to_2000");
    const auto slots = [&] {
        std::int64_t count = 0;
        for (int number = 1; number <= 4; ++number) {
            count += db_.integer("SELECT COALESCE(IS_USED_LOCK('shift-lhm slot " +
                                 std::to_string(number) + "') <> CONNECTION_ID(), 0)");
        }
        return count;
    };
    const auto short_with = [&](int held) {
        return db_.integer("SELECT COALESCE(IS_USED_LOCK('shift-lhm short with " +
                           std::to_string(held) + "'), 0)") != 0;
    };
    for (int number = 1; number <= 4; ++number) {  // somebody has them all
        db_.execute("DO GET_LOCK('shift-lhm slot " + std::to_string(number) + "', 0)");
    }
    lhm_.start(
        Lhm::quick("change-table", "app.w",
                   {"--add-column", "x int", "--stride", "10", "--delay", "100ms", "--threads", "4",
                    "--throttle-interval", "20ms", "--throttle-file", dir_ / "hold", "--execute"}));
    ASSERT_TRUE(poll_until([&] { return short_with(0); })) << lhm_.output();
    ASSERT_TRUE(poll_until([&] { return count("lhmn_w") > 0; })) << "one works all the same";
    hold();
    EXPECT_TRUE(poll_until([&] {
        return lhm_.output().find("1 of 4 connections work") != std::string::npos;
    })) << lhm_.output();
    db_.execute("DO RELEASE_LOCK('shift-lhm slot 2')");
    EXPECT_TRUE(poll_until([&] { return slots() == 1 && short_with(1) && !short_with(0); }));
    for (const int number : {1, 3, 4}) {
        db_.execute("DO RELEASE_LOCK('shift-lhm slot " + std::to_string(number) + "')");
    }
    EXPECT_TRUE(poll_until([&] { return slots() == 4 && !short_with(1); }));

    db_.execute("DO GET_LOCK('shift-lhm short with 1', 0)");  // another one that has only one
    EXPECT_TRUE(poll_until([&] { return slots() == 2; }));
    db_.execute("DO RELEASE_LOCK('shift-lhm short with 1')");
    EXPECT_TRUE(poll_until([&] { return slots() == 4; }));
    let_go();
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(slots(), 0);
    EXPECT_EQ(count("w"), 2000);
}

// Rows that are taken out behind the copy's back tell whether their range is copied again. L12
TEST_F(LhmCopy, AKilledCopyGoesOnWhereItWas) {
    make_users(1000);
    lhm_.start(Lhm::quick(
        "change-table", "app.users",
        {"--add-column", "x int", "--stride", "20", "--delay", "10ms", "--throttle-file",
         dir_ / "hold", "--throttle-interval", "20ms", "--no-verify", "--no-switch", "--execute"}));
    ASSERT_TRUE(poll_until([&] {
        return db_.table_exists("app", "lhmn_users") && count("lhmn_users") >= 300;
    })) << lhm_.output();
    hold();
    ASSERT_TRUE(poll_until([&] { return rows_saved() >= 300; })) << lhm_.output();
    lhm_.kill9();
    EXPECT_EQ(lhm_.finish().code, -1);
    let_go();
    db_.execute("DELETE FROM lhmn_users WHERE id BETWEEN 100 AND 149");
    const auto answer = lhm_.run(Lhm::quick("resume", "app.users", {}));
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(count("lhmn_users"), 950) << answer.text;
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM lhmn_users WHERE id BETWEEN 100 AND 149"), 0);
}

// ---- warnings (CK-02 to CK-08)

TEST_F(LhmCopy, RowsThatAreThereAlreadyAreNoWarning) {
    make_users(200);
    hold();
    lhm_.start(
        Lhm::quick("change-table", "app.users",
                   {"--add-column", "x int", "--stride", "50", "--raise-on-warnings",
                    "--throttle-file", dir_ / "hold", "--throttle-interval", "50ms", "--execute"}));
    ASSERT_TRUE(poll_until([&] { return db_.triggers("app").size() == 3; }));
    db_.execute("UPDATE users SET id = id + 1000 WHERE id <= 100");  // these come by the triggers
    let_go();
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_FALSE(answer.says("Unexpected warning")) << answer.text;
    EXPECT_EQ(count("users"), 200);
}

// MariaDB says no more than a Note when it rounds a DECIMAL.
TEST_F(LhmCopy, AnyWarningStopsTheCopyWhereThatIsWanted) {
    db_.execute("CREATE TABLE w (id INT NOT NULL PRIMARY KEY, a DECIMAL(10,4))");
    db_.execute("INSERT INTO w SELECT seq, seq / 7 FROM seq_1_to_100");
    const std::string warning =
        "Unexpected warning found for inserted row: Data truncated for column 'a' (1265)";
    const std::vector<std::string> rounds = {"--alter", "MODIFY a DECIMAL(8,2)", "--allow-loss"};
    std::vector<std::string> raises = rounds;
    raises.push_back("--raise-on-warnings");
    const auto raised = lhm_.change("app.w", raises);
    EXPECT_EQ(raised.code, 1) << raised.text;
    EXPECT_TRUE(raised.says(warning + ", in the rows behind")) << raised.text;
    EXPECT_EQ(column("w", "a"), "decimal(10,4), YES, NULL");
    EXPECT_EQ(lhm_.run({"cleanup", "app.w", "--run"}).code, 0);
    const auto told = change("w", rounds);
    EXPECT_EQ(told.count(warning), 1) << told.text;  // once, not once a row
    EXPECT_EQ(column("w", "a"), "decimal(8,2), YES, NULL");
}

// What the dry run did not look at.
TEST_F(LhmCopy, AValueThatWouldChangeStopsTheCopyAndIsNamed) {
    db_.execute("CREATE TABLE w (id INT NOT NULL PRIMARY KEY, a DATETIME(3))");
    db_.execute("INSERT INTO w SELECT seq, '2020-01-01 10:00:00' FROM seq_1_to_100");
    db_.execute("UPDATE w SET a = '2020-01-01 10:00:00.5' WHERE id = 77");
    const auto stopped = lhm_.change(
        "app.w", {"--alter", "MODIFY a DATETIME", "--data-check", "0", "--stride", "10"});
    EXPECT_EQ(stopped.code, 1) << stopped.text;
    EXPECT_TRUE(
        stopped.says("row (77) of `app`.`w` cannot be copied: a '2020-01-01 10:00:00.500' "
                     "would become '2020-01-01 10:00:00'"))
        << stopped.text;
    EXPECT_LT(count("lhmn_w"), 100);
    const auto resumed = lhm_.run(Lhm::quick("resume", "app.w", {"--allow-loss"}));
    EXPECT_EQ(resumed.code, 0) << resumed.text;
    EXPECT_EQ(count("w"), 100);
}

// ---- the binary log's cache (CK-16, CK-17)

TEST_F(LhmCopy, AChunkTooLargeForTheBinaryLogIsMadeSmaller) {
    db_.execute("CREATE TABLE big (id INT NOT NULL PRIMARY KEY, a VARCHAR(200))");
    db_.execute("INSERT INTO big SELECT seq, REPEAT('x', 180) FROM seq_1_to_2000");
    const std::string before = db_.scalar("SELECT @@GLOBAL.max_binlog_cache_size");
    const std::string cache = db_.scalar("SELECT @@GLOBAL.binlog_cache_size");
    db_.execute("SET GLOBAL binlog_cache_size = 8192");
    db_.execute("SET GLOBAL max_binlog_cache_size = 8192");
    const auto smaller =
        lhm_.change("app.big", {"--add-column", "x int", "--stride", "1000", "--no-switch"});
    EXPECT_EQ(lhm_.run({"cleanup", "app.big", "--run"}).code, 0);
    const auto refused = lhm_.change("app.big", {"--add-column", "x int", "--stride", "1000",
                                                 "--min-stride", "500", "--backoff-factor", "0.9"});
    db_.execute("SET GLOBAL max_binlog_cache_size = " + before);
    db_.execute("SET GLOBAL binlog_cache_size = " + cache);
    EXPECT_EQ(smaller.code, 0) << smaller.text;
    EXPECT_TRUE(smaller.says("the binary log's cache is too small for the chunk")) << smaller.text;
    EXPECT_EQ(refused.code, 1) << refused.text;
    EXPECT_TRUE(refused.says("cannot reduce the chunk below 500")) << refused.text;
}

// ---- retries (SR-01 to SR-03)

TEST_F(LhmCopy, ALockedRowIsTriedAgainAsOftenAsAllowed) {
    for (const bool enough : {true, false}) {
        make_users(50);
        Db holder =
            start_with_a_locked_row({"--tries", enough ? "100" : "2", "--retry-interval", "200ms"});
        ASSERT_TRUE(poll_until([&] {
            return lhm_.output().find("1 tries in") != std::string::npos;
        })) << lhm_.output();
        if (enough) {
            holder.execute("ROLLBACK");
        }
        const auto answer = lhm_.finish();
        EXPECT_EQ(answer.code, enough ? 0 : 75) << answer.text;
        if (!enough) {
            EXPECT_TRUE(answer.says("given up after 2 tries")) << answer.text;
            EXPECT_TRUE(answer.says("to go on: ")) << answer.text;
            holder.execute("ROLLBACK");
        }
        db_.execute("DROP TABLE users");
    }
}

TEST_F(LhmCopy, WithoutALimitALockedRowIsWaitedForAndItsHolderIsNamed) {
    make_users(50);
    Db holder = start_with_a_locked_row({});
    ASSERT_TRUE(poll_until([&] {
        return lhm_.output().find("thread " + std::to_string(holder.thread_id())) !=
               std::string::npos;
    })) << lhm_.output();
    // Nobody waits behind the copy meanwhile.
    Db application = server_.connect("app");
    application.execute("SET SESSION innodb_lock_wait_timeout = 3");
    for (int id = 1; id < 30; ++id) {
        EXPECT_EQ(application.try_execute("UPDATE users SET username = 'x' WHERE id = " +
                                          std::to_string(id)),
                  0u);
    }
    holder.execute("ROLLBACK");
    EXPECT_EQ(lhm_.finish().code, 0) << lhm_.output();
}

TEST_F(LhmCopy, ATransactionInTheWayOfTheTriggersIsNamed) {
    make_users(50);
    Db holder = server_.connect("app");
    holder.execute("BEGIN");
    holder.execute("SELECT * FROM users LIMIT 1");
    lhm_.start(Lhm::quick("change-table", "app.users", {"--add-column", "x int", "--execute"}));
    // Who, from where, since when.
    const std::string who = "thread " + std::to_string(holder.thread_id()) +
                            " (root@localhost), idle in a transaction for ";
    ASSERT_TRUE(poll_until([&] {
        return lhm_.output().find(who) != std::string::npos || !lhm_.process().running();
    })) << lhm_.output();
    const std::string since = lhm_.output().substr(lhm_.output().find(who) + who.size(), 1);
    EXPECT_NE(since.find_first_of("123456789"), std::string::npos) << lhm_.output();
    holder.execute("COMMIT");
    EXPECT_EQ(lhm_.finish().code, 0) << lhm_.output();
}

TEST_F(LhmCopy, TheSwitchIsTriedForItsPatienceOnly) {
    make_users(20);
    change("users", {"--add-column", "x int", "--no-switch"});
    Db holder = server_.connect("app");
    holder.execute("BEGIN");
    holder.execute("SELECT * FROM users LIMIT 1");
    const auto late = lhm_.run({"switch", "app.users", "--switch-patience", "2s"});
    EXPECT_EQ(late.code, 75) << late.text;
    EXPECT_TRUE(late.says("the swap did not get its lock in ")) << late.text;
    EXPECT_TRUE(late.says("thread " + std::to_string(holder.thread_id()) + " (root@localhost)"))
        << late.text;
    EXPECT_EQ(db_.triggers("app").size(), 3u);
    holder.execute("COMMIT");
    const auto switched = lhm_.run({"switch", "app.users"});
    EXPECT_EQ(switched.code, 0) << switched.text;
}

TEST_F(LhmCopy, AKilledSessionIsReplaced) {
    make_users(600);
    lhm_.start(
        Lhm::quick("change-table", "app.users",
                   {"--add-column", "x int", "--stride", "20", "--delay", "40ms", "--execute"}));
    await_copying("users");
    for (int i = 0; i < 4; ++i) {
        for (const std::string& id :
             db_.column("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'shift'")) {
            db_.try_execute("KILL " + id);
        }
        std::this_thread::sleep_for(milliseconds(120));
    }
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(count("users"), 600);
    EXPECT_EQ(leftovers(), "");
}

// ---- triggers (EN-01 to EN-06)

TEST_F(LhmCopy, TriggersReplayEachWriteUntilTheyAreGone) {
    make_users(0);
    change("users", {"--add-column", "x int", "--no-switch"});
    EXPECT_EQ(db_.triggers("app"), (Names{"lhmt_del_users", "lhmt_ins_users", "lhmt_upd_users"}));
    db_.execute("INSERT INTO users (id, username) VALUES (1, 'a'), (2, 'b')");
    EXPECT_EQ(count("lhmn_users"), 2);
    db_.execute("UPDATE users SET username = 'c' WHERE id = 1");
    EXPECT_EQ(db_.scalar("SELECT username FROM lhmn_users WHERE id = 1"), "c");
    db_.execute("DELETE FROM users WHERE id = 2");
    EXPECT_EQ(count("lhmn_users"), 1);
    for (const std::string& body :
         db_.column("SELECT ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE "
                    "TRIGGER_SCHEMA = 'app'")) {
        EXPECT_EQ(body.find("REPLACE"), std::string::npos) << body;
        EXPECT_NE(body.find("/* shift-lhm "), std::string::npos) << body;
    }
    EXPECT_EQ(lhm_.run({"cleanup", "app.users", "--run"}).code, 0);
    db_.execute("INSERT INTO users (id, username) VALUES (3, 'a')");
    EXPECT_EQ(count(archive_of(db_, "app")), 1);  // nothing is replayed any more
}

// EN-05, LW-01: triggers and the swap wait for a lock for a second, on every session; the trigger
// that takes rows away is made first, so that no row is left behind that was deleted meanwhile.
TEST_F(LhmCopy, EverySessionWaitsForLocksForASecondAndTheTriggersHaveTheirOrder) {
    make_users(20);
    db_.execute("SET GLOBAL lock_wait_timeout = 77");
    db_.execute("SET GLOBAL log_output = 'TABLE'");
    db_.execute("SET GLOBAL general_log = 1");
    const auto answer = lhm_.change("app.users", {"--add-column", "x int"});
    db_.execute("SET GLOBAL general_log = 0");
    db_.execute("SET GLOBAL lock_wait_timeout = DEFAULT");
    EXPECT_EQ(answer.code, 0) << answer.text;
    const std::string ours = " FROM mysql.general_log WHERE user_host LIKE 'shift%' AND ";
    const auto made = db_.column("SELECT argument" + ours +
                                 "argument LIKE 'CREATE TRIGGER%SQLEXCEPTION%' ORDER BY "
                                 "event_time");
    ASSERT_EQ(made.size(), 3u);
    for (std::size_t i = 0; i < made.size(); ++i) {
        const std::string name = std::vector<std::string>{"lhmt_del_", "lhmt_upd_", "lhmt_ins_"}[i];
        EXPECT_NE(made[i].find(name), std::string::npos) << made[i];
    }
    EXPECT_EQ(db_.column("SELECT DISTINCT thread_id" + ours +
                         "command_type = 'Query' AND thread_id NOT IN (SELECT thread_id" + ours +
                         "argument LIKE 'SET SESSION lock_wait_timeout=1,%')"),
              Names{});
    EXPECT_EQ(db_.integer("SELECT COUNT(*)" + ours +
                          "argument LIKE '%lock_wait_timeout%' AND argument NOT LIKE "
                          "'%lock_wait_timeout=1%' AND argument NOT LIKE "
                          "'%innodb_lock_wait_timeout%'"),
              0);
    EXPECT_EQ(db_.integer("SELECT COUNT(*)" + ours + "argument LIKE 'RENAME TABLE%'"), 1);
    db_.execute("TRUNCATE mysql.general_log");
}

TEST_F(LhmCopy, ApplicationsSeeNothingOfTheTriggers) {
    make_users(5);
    change("users", {"--add-column", "x int", "--no-switch"});
    db_.execute("INSERT INTO users (username) VALUES ('a')");
    EXPECT_EQ(db_.affected_rows(), 1u);
    EXPECT_EQ(db_.scalar("SELECT LAST_INSERT_ID()"), db_.scalar("SELECT MAX(id) FROM users"));
    db_.execute("UPDATE users SET username = 'b' WHERE id <= 3");
    EXPECT_EQ(db_.affected_rows(), 3u);
    EXPECT_EQ(db_.rows("SHOW WARNINGS").size(), 0u);
    // The application's sql_mode does not matter to them.
    db_.execute("SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'");
    db_.execute("UPDATE users SET username = 'c\\' WHERE id = 1");
    EXPECT_EQ(db_.scalar("SELECT username FROM lhmn_users WHERE id = 1"), "c\\");
}

// ---- verification

TEST_F(LhmCopy, ARowThatDiffersIsFoundRepairedAndTold) {
    make_users(500);
    db_.execute("INSERT INTO users (id, username) VALUES (900, 'x'), (901, 'y')");
    hold();
    lhm_.start(Lhm::quick("change-table", "app.users",
                          {"--add-column", "x int", "--execute", "--throttle-file", dir_ / "late",
                           "--throttle-interval", "50ms", "--stride", "20", "--delay", "20ms"}));
    await_copying("users");
    ASSERT_TRUE(poll_until([&] { return count("lhmn_users") == 502 || !lhm_.process().running(); }))
        << lhm_.output();
    db_.execute("UPDATE lhmn_users SET username = 'wrong' WHERE id = 17");
    db_.execute("DELETE FROM lhmn_users WHERE id = 400");
    db_.execute("INSERT INTO lhmn_users (id, username) VALUES (5000, 'too many')");
    // Values that changed their places: a linear checksum would not see it.
    db_.execute("UPDATE lhmn_users SET username = IF(id = 900, 'y', 'x') WHERE id IN (900, 901)");
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("were copied again and agree now")) << answer.text;
    EXPECT_EQ(row_difference(db_, "SELECT id, username FROM users ORDER BY id",
                             "SELECT id, username FROM " + quote_name(archive_of(db_, "app")) +
                                 " ORDER BY id"),
              "");
}

TEST_F(LhmCopy, ConversionsAreComparedAfterTheConversion) {
    db_.execute(
        "CREATE TABLE v (id INT NOT NULL PRIMARY KEY, a INT, b DECIMAL(10,4), c VARCHAR(20) "
        "CHARACTER SET latin1, d "
        "CHAR(5), e ENUM('x','y'), f FLOAT, g DATE, h VARCHAR(20), i BINARY(4), j SET('p','q'), k "
        "VARCHAR(10), l "
        "TIME(2), m BIT(5), n INT UNSIGNED ZEROFILL, o JSON, p TEXT, q YEAR)");
    db_.execute(
        "INSERT INTO v SELECT seq, CAST(seq AS SIGNED) * -7, seq / 3, CONCAT('caf\u00e9', seq), "
        "LEFT(seq, 5), 1 + "
        "seq % 2, seq / 7, "
        "DATE_ADD('2000-01-01', INTERVAL seq DAY), seq * 12, UNHEX(LPAD(HEX(seq), 8, '0')), 1 + "
        "seq % 3, CONCAT(seq, ' '), "
        "SEC_TO_TIME(seq * 1.25), seq % 32, seq, JSON_OBJECT('a', seq), IF(seq % 5 = 0, NULL, "
        "seq), 1950 + seq % 150 "
        "FROM seq_1_to_800");
    const auto answer = change(
        "v", {"--allow-loss", "--alter",
              "MODIFY a BIGINT, MODIFY b DECIMAL(8,2), MODIFY c VARCHAR(30) CHARACTER SET utf8mb4, "
              "MODIFY d "
              "VARCHAR(9), MODIFY e ENUM('y','x','z'), MODIFY f DOUBLE, MODIFY g DATETIME, MODIFY "
              "h INT, MODIFY i "
              "VARBINARY(8), MODIFY j SET('p','q','r'), MODIFY k CHAR(10), MODIFY l TIME(4), "
              "MODIFY m BIT(9), "
              "MODIFY n BIGINT, MODIFY o LONGTEXT, MODIFY p VARCHAR(50), MODIFY q SMALLINT"});
    EXPECT_TRUE(answer.says("no differences")) << answer.text;
    EXPECT_EQ(db_.scalar("SELECT COUNT(*) FROM v n JOIN " + quote_name(archive_of(db_, "app")) +
                         " o USING (id) WHERE n.a = o.a AND n.b = ROUND(o.b, 2) AND n.c = "
                         "CONVERT(o.c USING utf8mb4) AND n.d = "
                         "o.d AND n.e = CAST(o.e AS CHAR) AND n.g = o.g AND n.h = o.h AND n.l = "
                         "o.l AND n.q = o.q"),
              "800");
}

// Two values that are longer than max_allowed_packet (here 1 MiB) together: a checksum of both in
// one text would be NULL.
TEST_F(LhmCopy, AHugeRowThatDiffersIsFoundAndRepaired) {
    db_.execute("SET GLOBAL max_allowed_packet = 1048576");
    db_.execute("CREATE TABLE huge (id INT NOT NULL PRIMARY KEY, a LONGTEXT, b LONGBLOB)");
    db_.execute(
        "INSERT INTO huge SELECT seq, REPEAT('a', 600000), REPEAT('b', 600000) FROM seq_1_to_2");
    hold();
    lhm_.start(Lhm::quick("change-table", "app.huge",
                          {"--add-column", "x int", "--data-check", "0", "--throttle-file",
                           dir_ / "hold", "--throttle-interval", "50ms", "--execute"}));
    ASSERT_TRUE(poll_until([&] {
        return lhm_.output().find("hold exists") != std::string::npos || !lhm_.process().running();
    })) << lhm_.output();
    // The copy leaves a row alone that is there: it would be the newer one.
    db_.execute("DELETE FROM lhmn_huge");
    db_.execute(
        "INSERT INTO lhmn_huge (id, a, b) SELECT id, a, CONCAT(LEFT(b, 599999), 'x') FROM huge "
        "WHERE id = 1");
    let_go();
    const auto answer = lhm_.finish();
    db_.execute("SET GLOBAL max_allowed_packet = DEFAULT");
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("differed in 1 rows ((1))")) << answer.text;
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM huge JOIN " + quote_name(archive_of(db_, "app")) +
                          " o USING (id) WHERE huge.a = o.a AND huge.b = o.b"),
              2);
}

TEST_F(LhmCopy, VerificationCanBeLeftOut) {
    make_users(20);
    const auto answer = change("users", {"--add-column", "x int", "--no-verify"});
    EXPECT_FALSE(answer.says("verif")) << answer.text;
    EXPECT_EQ(count("users"), 20);
}

// A key whose order changes with its collation: ranges are other rows there.
TEST_F(LhmCopy, AKeyThatChangesItsOrderIsCopiedAndVerified) {
    db_.execute("CREATE TABLE o (k VARCHAR(20) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, a INT)");
    db_.execute(
        "INSERT INTO o SELECT CONCAT(ELT(1 + seq % 4, 'a', 'B', '\u00e9', '_'), seq), seq FROM "
        "seq_1_to_900");
    hold();
    lhm_.start(Lhm::quick(
        "change-table", "app.o",
        {"--alter", "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", "--stride", "50",
         "--throttle-file", dir_ / "hold", "--throttle-interval", "50ms", "--execute"}));
    ASSERT_TRUE(poll_until([&] { return db_.triggers("app").size() == 3; }));
    let_go();
    for (int i = 1; i <= 60; ++i) {
        db_.execute("UPDATE o SET k = CONCAT('moved', " + std::to_string(i) + ") WHERE k = 'B" +
                    std::to_string(i * 4 + 1) + "'");
        db_.execute("UPDATE o SET a = -a WHERE k = 'a" + std::to_string(i * 8) + "'");
        db_.execute("DELETE FROM o WHERE k = '_" + std::to_string(i * 4 + 3) + "'");
    }
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("no differences")) << answer.text;
    EXPECT_EQ(
        row_difference(db_, "SELECT k, a FROM o ORDER BY a",
                       "SELECT k, a FROM " + quote_name(archive_of(db_, "app")) + " ORDER BY a"),
        "");
}

// ---- replicas (CK-12 to CK-14)

TEST_F(LhmCopy, AReplicaThatIsBehindHoldsTheCopyAndGetsAllOfIt) {
    MariadbOptions options;
    options.arguments = {"--server-id=2", "--report-host=127.0.0.1", "--skip-log-bin"};
    MariadbServer replica_server(options);
    Db replica = replica_server.connect();
    replica.execute("CREATE DATABASE app");
    replica.execute("SET GLOBAL gtid_slave_pos = '" +
                    db_.scalar("SELECT @@GLOBAL.gtid_binlog_pos") + "'");
    replica.execute(
        "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=" + std::to_string(server_.port()) +
        ", MASTER_USER='" + MariadbServer::user() + "', MASTER_PASSWORD='" +
        MariadbServer::password() + "', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos");
    replica.execute("START SLAVE");
    const auto is_in_step = [&] {
        return replica.scalar("SELECT @@GLOBAL.gtid_slave_pos") ==
               db_.scalar("SELECT @@GLOBAL.gtid_binlog_pos");
    };
    make_users(300);
    ASSERT_TRUE(poll_until(is_in_step));
    replica.execute("FLUSH TABLES WITH READ LOCK");
    db_.execute("UPDATE users SET username = 'late' WHERE id = 1");
    constexpr std::size_t kSecondsBehind = 32;
    ASSERT_TRUE(poll_until([&] {
        const auto status = replica.rows("SHOW SLAVE STATUS");
        return std::stoi(status.at(0).at(kSecondsBehind).value_or("0")) > 1;
    }));
    lhm_.start({"change-table", "app.users", "--add-column", "x int", "--instant", "no", "--stride",
                "50", "--max-lag", "1", "--throttle-interval", "100ms", "--execute"});
    ASSERT_TRUE(poll_until([&] {
        return lhm_.output().find(" s behind (max_replication_lag 1)") != std::string::npos ||
               !lhm_.process().running();
    })) << lhm_.output();
    EXPECT_TRUE(stays_true([&] { return count("lhmn_users") <= 1; }, milliseconds(1000)))
        << lhm_.output();
    replica.execute("UNLOCK TABLES");
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    ASSERT_TRUE(poll_until(is_in_step));
    EXPECT_EQ(replica.show_create("app", "users"), db_.show_create("app", "users"));
    EXPECT_EQ(replica.checksum("app", "users"), db_.checksum("app", "users"));
    EXPECT_EQ(replica.scalar("SELECT username FROM app.users WHERE id = 1"), "late");
    EXPECT_EQ(replica.triggers("app"), Names{});
    replica.execute("STOP SLAVE");
}

// ---- throttling

struct Held {
    const char* name;
    std::vector<std::string> arguments;  // DIR and URL are replaced
    const char* reason;
};
class LhmHeld : public LhmCopy, public ::testing::WithParamInterface<Held> {};

TEST_P(LhmHeld, TheCopyWaitsWhileThereIsAReason) {
    make_users(200);
    db_.execute("CREATE TABLE flag (a INT)");
    db_.execute("INSERT INTO flag VALUES (1)");
    FakeApi http;  // answers 404 to what it does not know
    std::vector<std::string> arguments = {"--add-column",        "x int", "--stride", "50",
                                          "--throttle-interval", "50ms",  "--execute"};
    for (std::string word : GetParam().arguments) {
        if (word == "FILE") {
            word = dir_ / "hold";
        } else if (word == "URL") {
            word = http.url() + "nothing";
        }
        arguments.push_back(word);
    }
    hold();
    lhm_.start(Lhm::quick("change-table", "app.users", arguments));
    ASSERT_TRUE(poll_until([&] {
        return lhm_.output().find(GetParam().reason) != std::string::npos;
    })) << lhm_.output();
    EXPECT_TRUE(stays_true([&] { return count("lhmn_users") <= 1; }, milliseconds(400)));
    if (std::string(GetParam().name) == "File") {
        let_go();
        EXPECT_EQ(lhm_.finish().code, 0) << lhm_.output();
        return;
    }
    if (std::string(GetParam().name) == "Query") {
        db_.execute("DELETE FROM flag");
        EXPECT_EQ(lhm_.finish().code, 0) << lhm_.output();
        return;
    }
    lhm_.process().signal(SIGINT);
    EXPECT_EQ(lhm_.finish().code, 75) << lhm_.output();
}

INSTANTIATE_TEST_SUITE_P(
    Reasons, LhmHeld,
    ::testing::Values(
        Held{"File", {"--throttle-file", "FILE"}, "hold exists"},
        Held{"Query",
             {"--throttle-query", "SELECT COUNT(*) FROM flag"},
             "the throttle query gives 1"},
        Held{"Http", {"--throttle-http", "URL"}, "answers 404"},
        Held{"NoHttp", {"--throttle-http", "http://127.0.0.1:1/"}, "does not answer"},
        Held{"Threads",
             {"--throttler", "threads_running", "--max-threads-running", "0"},
             "threads run (max 0)"},
        Held{"MaxLoad", {"--max-load", "Threads_connected=0"}, "(max 0)"},
        Held{
            "NoSuchVariable", {"--max-load", "Nonsense=0"}, "there is no status variable Nonsense"},
        Held{"BrokenQuery", {"--throttle-query", "SELECT nonsense"}, "the load is not known"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST_F(LhmCopy, ACriticalLoadStopsAndKeepsEverything) {
    make_users(200);
    const auto answer = lhm_.change(
        "app.users", {"--add-column", "x int", "--critical-load", "Threads_connected=0"});
    EXPECT_EQ(answer.code, 1) << answer.text;
    EXPECT_TRUE(answer.says("exceeds its critical limit")) << answer.text;
    const auto resumed =
        lhm_.run(Lhm::quick("resume", "app.users", {"--critical-load", "Threads_connected=1000"}));
    EXPECT_EQ(resumed.code, 0) << resumed.text;
}

}  // namespace
}  // namespace shift::testing
