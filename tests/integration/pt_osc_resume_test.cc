// An interrupted copy goes on from its last chunk and is never wrong: the real shift-worker, the
// real pt-online-schema-change, kill -9 at random moments, and writers that also move and delete
// keys. SHIFT_SEED=<printed> replays a run's decisions; SHIFT_FULL=1 runs 200 of them on 300,000
// rows.

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <random>
#include <thread>

#include "common/event_log.h"
#include "common/state_file.h"
#include "common/text.h"
#include "tests/integration/support/key_writers.h"
#include "tests/integration/support/mariadb_server.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/temp_dir.h"
#include "tests/integration/support/wait.h"
#include "tests/integration/support/worker_driver.h"

namespace shift::testing {
namespace {

using Names = std::vector<std::string>;

const KeyKind kAccented = {"Accented",
                           "`größe 列` BIGINT NOT NULL, UNIQUE KEY `nach größe` (`größe 列`)",
                           "`größe 列`", "%N%"};

// Database shop with table t on a server of its own; a session in it.
Db make_shop(MariadbServer& server, int rows) {
    Db db = server.connect();
    db.execute("CREATE DATABASE shop");
    db.execute("USE shop");
    make_keyed_table(db, kIntKey, rows);
    return db;
}

constexpr const char* kAlter =
    "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 5, MODIFY a VARCHAR(80) CHARACTER SET "
    "utf8mb4, ADD INDEX by_a (a)";

// After which the rows are counted only where something else asks for it.
constexpr const char* kPlainAlter = "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 5";

class PtOscResume : public ::testing::Test {
  protected:
    PtOscResume() : server_(shared_server()), db_(connect_to_empty(server_)) {
        db_.execute("CREATE DATABASE shop");
        db_.execute("USE shop");
    }
    static Db connect_to_empty(MariadbServer& server) {
        server.reset();
        return server.connect();
    }
    WorkerDriver driver(MigrationId id, int chunk_rows, double pause_s,
                        const std::string& statement = kAlter) {
        WorkerDriver d(server_, dir_, id, statement, "t");
        d.job.pt_osc_path = small_step_pt_osc(dir_.path(), chunk_rows, pause_s);
        d.job.enable_trash = false;
        return d;
    }
    // As the supervisor: the next attempt starts when neither worker nor engine lives.
    static void await_death(WorkerDriver& d) {
        const pid_t engine = d.engine();
        ASSERT_TRUE(poll_until([&] { return engine == 0 || command_line(engine).empty(); }));
    }
    // "" when the new table holds exactly the original's rows.
    std::string copy_difference(const KeyKind& kind, const std::string& shadow) {
        const std::string columns = std::string(kind.columns) + ", a, n";
        const std::string original = db_.checksum("shop", "t", columns);
        const std::string copy = db_.checksum("shop", shadow, columns);
        return original == copy ? "" : original + " and " + copy;
    }
    StateFile state(const WorkerDriver& d) { return parse_state_file(d.state_file()).value(); }
    // What the plugin saved last under `key`; "" when it has none.
    static std::string saved(const WorkerDriver& d, const std::string& key) {
        const std::string path = d.job.files_dir + "ptosc-state.txt";
        if (std::filesystem::exists(path)) {
            for (const std::string& line : split(slurp(path), '\n')) {
                if (line.starts_with(key + " ")) {
                    return line.substr(key.size() + 1);
                }
            }
        }
        return "";
    }
    // Chunks copied so far, to the chunk.
    static std::int64_t chunks(const WorkerDriver& d) {
        const std::string text = saved(d, "chunks");
        return text.empty() ? 0 : std::stoll(text);
    }
    std::int64_t status_counter(const std::string& name) {
        return std::stoll(*db_.rows("SHOW GLOBAL STATUS LIKE '" + name + "'").at(0).at(1));
    }
    // The remark a worker wrote into the log file, "" when none has `part`.
    static std::string remark(const WorkerDriver& d, const std::string& part) {
        for (const std::string& line : split(d.log(), '\n')) {
            if (line.find(part) != std::string::npos) {
                return line;
            }
        }
        return "";
    }
    // A copy in the middle, stopped as a pause stops it. Everything is kept.
    WorkerDriver stopped_copy(MigrationId id, const KeyKind& kind = kIntKey,
                              const std::string& statement = kAlter) {
        make_keyed_table(db_, kind, 6000);
        WorkerDriver d = driver(id, 200, 0.1, statement);
        d.start(Step::kRun);
        EXPECT_TRUE(poll_until([&] { return chunks(d) >= 5; }));
        (void)d.command(R"({"command":"stop","reason":"pause"})");
        EXPECT_EQ(d.finish().at("outcome"), "stopped");
        EXPECT_EQ(d.outcome_of(Step::kPause), "paused");
        EXPECT_EQ(db_.triggers("shop").size(), 3u);
        return d;
    }
    // As a failover shows it: same tables and triggers, another identity.
    static void begin_on_another_server(const WorkerDriver& d) {
        const std::string path = d.job.files_dir + "statefile.txt";
        std::string text = slurp(path);
        const std::size_t at = text.find("\nserver: ");
        ASSERT_NE(at, std::string::npos);
        text.replace(at + 9, text.find('\n', at + 1) - at - 9, "\"db-before:3306:7\"");
        spit(path, text);
    }
    // Runs it to the swap; the copy must be right whatever was met.
    void finish_and_compare(WorkerDriver& d, const KeyKind& kind = kIntKey) {
        EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
        EXPECT_EQ(copy_difference(kind, state(d).mig_tbl), "");
        EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
        EXPECT_EQ(db_.triggers("shop"), Names{});
        EXPECT_EQ(db_.tables("shop"), Names{"t"});
    }

    TempDir dir_;
    MariadbServer& server_;
    Db db_;
};

// ---- random kills

class RandomKills : public PtOscResume, public ::testing::WithParamInterface<KeyKind> {
  protected:
    void one_run(const KeyKind& kind, MigrationId id, std::uint64_t seed);
    void await_moment(WorkerDriver& d, int chunks_max, std::mt19937_64& random);
    void kill_something(WorkerDriver& d, std::mt19937_64& random);
    static void copy_to_end(WorkerDriver& d);
    void expect_kept(const WorkerDriver& d);
    int kills_ = 0;
    // Of the copy from the moment its first boundary was saved; "" before.
    std::string copy_id_;
    std::size_t log_begin_ = 0;
    int runs_after_ = 0;
    int resumes_ = 0;  // of all runs
};

// Once a boundary is saved, every later run goes on from it: no clean restart, no first row.
void RandomKills::expect_kept(const WorkerDriver& d) {
    if (copy_id_.empty()) {
        if (!saved(d, "row").empty()) {
            copy_id_ = saved(d, "copy_id");
            log_begin_ = d.log().size();
        }
        return;
    }
    EXPECT_EQ(saved(d, "copy_id"), copy_id_) << "another copy was begun";
    const std::string log = d.log().substr(log_begin_);
    for (const char* part : {"starts over", "copying from the first row", "resume refused"}) {
        EXPECT_EQ(log.find(part), std::string::npos) << part << " in " << log;
    }
    runs_after_ += d.engine() != 0 ? 1 : 0;
    int said = 0;
    for (const std::string& line : split(log, '\n')) {
        said += line.find("going on with the copy after") != std::string::npos ? 1 : 0;
    }
    EXPECT_GE(said, runs_after_) << log;
}

// Some time after the start, or some chunks later and a little after that; early enough that the
// copy does not end before all kills.
void RandomKills::await_moment(WorkerDriver& d, int chunks_max, std::mt19937_64& random) {
    // Not poll_until(): its stretched deadlines would stretch the kills.
    const auto at_most = [&](unsigned ms) {
        const auto end = std::chrono::steady_clock::now() + milliseconds(random() % ms);
        while (d.worker().running() && std::chrono::steady_clock::now() < end) {
            std::this_thread::sleep_for(milliseconds(2));
        }
    };
    if (random() % 4 == 0) {
        at_most(1'500);
        return;
    }
    const auto goal =
        chunks(d) + static_cast<std::int64_t>(random() % static_cast<unsigned>(chunks_max));
    (void)poll_until([&] { return !d.worker().running() || chunks(d) >= goal; });
    at_most(150);
}

void RandomKills::kill_something(WorkerDriver& d, std::mt19937_64& random) {
    const auto target = random() % 3;
    const pid_t engine = d.engine();
    if (target != 1 || engine == 0) {
        d.worker().kill9();
    }
    if (target != 0 && engine != 0) {
        ::kill(engine, SIGKILL);
    }
    ++kills_;
}

// As the daemon does it: what says "retry" (a lock not to be had on a busy machine) is tried again.
void RandomKills::copy_to_end(WorkerDriver& d) {
    constexpr int kTries = 4;
    for (int tried = 1;; ++tried) {
        d.start(Step::kRun);
        const Json end = d.finish();
        const std::string outcome = string_or(end, "outcome", "died");
        if (outcome != "retry" || tried == kTries) {
            EXPECT_EQ(outcome, "copied") << end.dump();
            return;
        }
        std::cout << "tried again: " << end.dump() << std::endl;
    }
}

void RandomKills::one_run(const KeyKind& kind, MigrationId id, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const int rows = sized(20'000, 300'000);
    const int chunk = sized(250, 2'000);
    kills_ = 0;
    copy_id_.clear();
    runs_after_ = 0;
    make_keyed_table(db_, kind, rows);
    const std::int64_t sent_before = status_counter("Com_insert_select");
    const std::int64_t deadlocks_before = status_counter("Innodb_deadlocks");
    WorkerDriver d = driver(id, chunk, 0.05);
    const int wanted = 3 + static_cast<int>(random() % 4);
    int inserted = 0;
    {
        KeyWriter first(server_, kind, rows, seed + 1);
        KeyWriter second(server_, kind, rows, seed + 2);
        KeyWriter third(server_, kind, rows, seed + 3);
        std::string outcome;
        for (int kill = 0; kill < wanted && outcome != "copied"; ++kill) {
            d.start(Step::kRun);
            await_moment(d, rows / chunk / (wanted + 1), random);
            kill_something(d, random);
            outcome = string_or(d.finish(), "outcome", "died");
            EXPECT_TRUE(outcome == "died" || outcome == "retry" || outcome == "copied") << outcome;
            await_death(d);
            expect_kept(d);
        }
        if (outcome != "copied") {
            copy_to_end(d);
            expect_kept(d);
        }
        for (KeyWriter* writer : {&first, &second, &third}) {
            writer->stop();
            EXPECT_EQ(writer->error(), "");
            inserted += writer->inserted();
        }
    }
    EXPECT_GE(kills_, 3) << "the copy was faster than the kills";
    EXPECT_EQ(copy_difference(kind, state(d).mig_tbl), "");
    resumes_ += runs_after_;
    // Nothing of note is copied twice: what was saved is a chunk behind at most. The server's own
    // count of chunks, which no other statement here adds to; a deadlock makes the tool send again.
    const std::int64_t sent = status_counter("Com_insert_select") - sent_before;
    const std::int64_t again = status_counter("Innodb_deadlocks") - deadlocks_before;
    EXPECT_LE(sent, chunks(d) + 2 * kills_ + again);
    EXPECT_GE(sent, chunks(d));
    EXPECT_LE(chunks(d), (rows + inserted) / chunk + 1 + 2 * kills_);
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
    EXPECT_EQ(db_.triggers("shop"), Names{});
    EXPECT_EQ(db_.tables("shop"), Names{"t"});
    std::cout << kind.name << " SHIFT_SEED=" << seed << ": " << kills_ << " kills, "
              << state(d).runs << " runs, " << state(d).chunks << " chunks, " << inserted
              << " inserts beside it" << std::endl;
    db_.execute("DROP TABLE t");
}

TEST_P(RandomKills, EndWithTheSameRows) {
    const std::uint64_t base = base_seed();
    const int runs = std::getenv("SHIFT_SEED") != nullptr ? 1 : sized(4, 40);
    for (int run = 0; run < runs; ++run) {
        const std::uint64_t seed = base + static_cast<std::uint64_t>(run) * 1000;
        SCOPED_TRACE("SHIFT_SEED=" + std::to_string(seed));
        one_run(GetParam(), 1000 + run, seed);
        if (HasFailure()) {
            return;
        }
    }
    if (runs > 1) {
        EXPECT_GT(resumes_, 0) << "no kill met a copy that had a boundary";
    }
}

INSTANTIATE_TEST_SUITE_P(Keys, RandomKills,
                         ::testing::Values(kIntKey, kCompositeKey, kTextKey, kBinaryKey,
                                           kUniqueOnlyKey),
                         [](const auto& one) { return std::string(one.param.name); });

// ---- what a resume keeps

TEST_F(PtOscResume, CopiesAtMostTwoChunksAgainPerKill) {
    MariadbOptions options;
    options.arguments = {"--general-log=1", "--log-output=TABLE"};
    MariadbServer logged(options);
    constexpr int kRows = 10'000;
    constexpr int kChunk = 200;
    Db db = make_shop(logged, kRows);
    WorkerDriver d(logged, dir_, 50, kAlter, "t");
    d.job.pt_osc_path = small_step_pt_osc(dir_.path(), kChunk, 0.02);
    int kills = 0;
    for (const bool both : {true, false, true}) {
        d.start(Step::kRun);
        const auto before = chunks(d);
        ASSERT_TRUE(poll_until([&] { return chunks(d) >= before + 5; })) << d.log();
        d.kill_engine(SIGKILL);
        if (both) {
            d.worker().kill9();
        }
        d.finish();
        await_death(d);
        ++kills;
    }
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
    // The server's own account of what was sent.
    const std::int64_t sent = db.integer(
        "SELECT COUNT(*) FROM mysql.general_log WHERE command_type IN ('Query', 'Execute') AND "
        "argument LIKE 'INSERT%copy nibble%'");
    EXPECT_GE(sent, kRows / kChunk);
    EXPECT_LE(sent, kRows / kChunk + 2 * kills);
    EXPECT_EQ(state(d).runs, kills + 1);
    // A chunk that was committed but not yet saved when the engine died finds its rows copied, and
    // does not count them again.
    EXPECT_LE(state(d).tbl_progress, kRows);
    EXPECT_GE(state(d).tbl_progress, kRows - kills * kChunk);
}

TEST_F(PtOscResume, ProgressCountsAllRuns) {
    WorkerDriver d = stopped_copy(51);
    const StateFile before = state(d);
    d.start(Step::kRun);
    ASSERT_TRUE(d.wait_for_event(event::kProgress));
    const Json first = d.events(event::kProgress).front();
    EXPECT_GE(first.at("rows").get<std::int64_t>(), before.tbl_progress);
    EXPECT_GT(first.at("percent").get<double>(), 10.0);
    EXPECT_EQ(d.finish().at("outcome"), "copied");
    double last = 0;
    for (const Json& event : d.events(event::kProgress)) {
        EXPECT_GE(event.at("percent").get<double>(), last);
        last = event.at("percent").get<double>();
    }
    EXPECT_EQ(last, 100.0);
    EXPECT_EQ(state(d).tbl_progress, 6000);
}

// The tool exits in its signal handler, which runs as soon as the chunk's statement is over.
TEST_F(PtOscResume, AStopThatMeetsAChunkCountsItsRows) {
    make_keyed_table(db_, kIntKey, 6000);
    WorkerDriver d = driver(58, 200, 0.2, kPlainAlter);
    d.start(Step::kRun);
    ASSERT_TRUE(poll_until([&] { return chunks(d) >= 1; })) << d.log();
    Db holder = server_.connect("shop");
    holder.execute("BEGIN");
    holder.execute("SELECT * FROM t FOR UPDATE");
    ASSERT_TRUE(poll_until([&] { return status_counter("Innodb_row_lock_current_waits") == 1; }))
        << d.log();
    d.kill_engine(SIGTERM);
    holder.execute("ROLLBACK");
    d.finish();
    await_death(d);
    EXPECT_LT(chunks(d), 30);
    EXPECT_EQ(saved(d, "rows"),
              std::to_string(db_.integer("SELECT COUNT(*) FROM " + quote_name(state(d).mig_tbl))));
}

TEST_F(PtOscResume, GoesOnOnAnotherHostFromTheStateFileAlone) {
    WorkerDriver first = stopped_copy(52);
    const std::string carried = first.state_file();
    WorkerDriver second(server_, dir_, 53, kAlter,
                        "t");  // another folder: nothing but the API's copy
    second.job = first.job;
    second.job.claim = 2;
    second.job.history = Json::array();
    second.job.files_dir = dir_ / "elsewhere/";
    second.job.attempt = 0;
    second.job.migration = 52;
    second.start_with_api_state(Step::kRun, carried);
    EXPECT_EQ(second.finish().at("outcome"), "copied");
    EXPECT_NE(remark(second, "going on with the copy after"), "");
    EXPECT_EQ(copy_difference(kIntKey, state(second).mig_tbl), "");
    EXPECT_EQ(second.outcome_of(Step::kRename), "completed");
}

TEST_F(PtOscResume, ACopiedTableIsNotCopiedAgain) {
    make_keyed_table(db_, kIntKey, 500);
    WorkerDriver d = driver(54, 100, 0);
    ASSERT_EQ(d.outcome_of(Step::kRun), "copied");
    const auto before = chunks(d);
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
    EXPECT_EQ(d.engine(), 0);
    EXPECT_EQ(chunks(d), before);
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
}

TEST_F(PtOscResume, ATableOfOneChunkCanBeResumed) {
    make_keyed_table(db_, kIntKey, 50);
    WorkerDriver d(server_, dir_, 55, kAlter, "t");
    d.job.enable_trash = false;
    d.job.pt_osc_path = small_step_pt_osc(dir_.path(), 1000, 0);
    spit(dir_ / "gate", "");  // the one chunk is copied, and its end waits
    d.start(Step::kRun);
    ASSERT_TRUE(d.wait_for_event(event::kEngine));
    ASSERT_TRUE(poll_until([&] {
        return db_.table_exists("shop", "_55_t_new") &&
               db_.integer("SELECT COUNT(*) FROM _55_t_new") == 50;
    }));
    d.kill_engine(SIGKILL);
    EXPECT_EQ(d.finish().at("outcome"), "retry");
    std::filesystem::remove(dir_ / "gate");
    finish_and_compare(d);
}

TEST_F(PtOscResume, AColumnWithANonAsciiNameIsPreparedCopiedAndGoneOnWith) {
    const std::string alter = "ALTER TABLE t ADD COLUMN `naïve 列` INT NOT NULL DEFAULT 5";
    make_keyed_table(db_, kAccented, 100);
    WorkerDriver first = driver(57, 200, 0, alter);
    const Json prepared = first.run(Step::kPrepare);
    EXPECT_EQ(prepared.at("outcome"), "prepared") << prepared;
    db_.execute("DROP TABLE t");
    WorkerDriver d = stopped_copy(58, kAccented, alter);
    db_.execute("UPDATE t SET `größe 列` = 100000 WHERE `größe 列` = 3");
    finish_and_compare(d, kAccented);
    EXPECT_NE(remark(d, "going on with the copy after"), "");
    EXPECT_EQ(db_.integer("SELECT SUM(`naïve 列`) FROM t"), 30'000);
}

TEST_F(PtOscResume, OptionsChangedWhilePausedTakeEffect) {
    WorkerDriver d = stopped_copy(56);
    d.job.options.max_threads_running = 77;
    d.start(Step::kRun);
    ASSERT_TRUE(d.wait_for_event(event::kEngine));
    ASSERT_TRUE(poll_until(
        [&] { return command_line(d.engine()).find("Threads_running=77") != std::string::npos; }));
    EXPECT_EQ(d.finish().at("outcome"), "copied");
    EXPECT_NE(remark(d, "going on with the copy after"), "");
}

// ---- what moved while nobody looked: seen before a row is copied

TEST_F(PtOscResume, ADroppedTriggerIsSeenAndTheCopyStartsOver) {
    WorkerDriver d = stopped_copy(60);
    db_.execute("DROP TRIGGER pt_osc_shop_t_upd");
    db_.execute("UPDATE t SET a = 'lost otherwise' WHERE id < 500");
    finish_and_compare(d);
    EXPECT_NE(remark(d, "starts over: 2 of the 3 triggers"), "");
}

TEST_F(PtOscResume, ATriggerMadeAgainIsSeenAndTheCopyStartsOver) {
    WorkerDriver d = stopped_copy(61);
    const auto rows = db_.rows("SHOW CREATE TRIGGER pt_osc_shop_t_upd");
    db_.execute("DROP TRIGGER pt_osc_shop_t_upd");
    db_.execute("UPDATE t SET a = 'lost otherwise' WHERE id < 500");
    std::this_thread::sleep_for(milliseconds(50));  // the server keeps hundredths of a second
    db_.execute(*rows.at(0).at(2));
    finish_and_compare(d);
    EXPECT_NE(remark(d, "was dropped and made again"), "");
}

TEST_F(PtOscResume, AnAlteredOriginalIsSeenAndTheCopyStartsOver) {
    WorkerDriver d = stopped_copy(62);
    // With the triggers in place, as a person in a hurry does it.
    db_.execute("ALTER TABLE t ALTER COLUMN n SET DEFAULT 3");
    finish_and_compare(d);
    EXPECT_NE(remark(d, "table t was altered meanwhile"), "");
}

TEST_F(PtOscResume, AnAlteredNewTableIsSeenAndTheCopyStartsOver) {
    WorkerDriver d = stopped_copy(63);
    db_.execute("ALTER TABLE _63_t_new DROP INDEX by_a");
    finish_and_compare(d);
    EXPECT_NE(remark(d, "new table _63_t_new was altered meanwhile"), "");
}

TEST_F(PtOscResume, ADroppedNewTableIsSeenAndTheCopyStartsOver) {
    WorkerDriver d = stopped_copy(64);
    db_.execute("DROP TRIGGER pt_osc_shop_t_ins");
    db_.execute("DROP TRIGGER pt_osc_shop_t_upd");
    db_.execute("DROP TRIGGER pt_osc_shop_t_del");
    db_.execute("DROP TABLE _64_t_new");
    finish_and_compare(d);
    EXPECT_NE(remark(d, "the new table _64_t_new is gone"), "");
}

// The triggers are on the original and stay; everything before the boundary would be missing.
TEST_F(PtOscResume, AnEmptiedNewTableIsSeenAndTheCopyStartsOver) {
    WorkerDriver d = stopped_copy(641);
    db_.execute("TRUNCATE TABLE _641_t_new");
    finish_and_compare(d);
    EXPECT_NE(remark(d, "starts over: the new table _641_t_new was emptied"), "");
}

TEST_F(PtOscResume, ANewTableMadeAgainIsSeenAndTheCopyStartsOver) {
    WorkerDriver d = stopped_copy(642);
    const std::string definition = db_.show_create("shop", "_642_t_new");
    db_.execute("DROP TABLE _642_t_new");
    db_.execute(definition);
    finish_and_compare(d);
    EXPECT_NE(remark(d, "starts over: the new table _642_t_new was emptied"), "");
}

// With triggers as they were, too: whichever of the two is looked at first.
TEST_F(PtOscResume, ANewTableWithTriggersMadeAgainIsSeenAndTheCopyStartsOver) {
    WorkerDriver d = stopped_copy(643);
    const std::string definition = db_.show_create("shop", "_643_t_new");
    std::vector<std::string> triggers;
    for (const std::string& name : db_.triggers("shop")) {
        triggers.push_back(*db_.rows("SHOW CREATE TRIGGER " + quote_name(name)).at(0).at(2));
        db_.execute("DROP TRIGGER " + quote_name(name));
    }
    db_.execute("DROP TABLE _643_t_new");
    db_.execute(definition);
    std::this_thread::sleep_for(milliseconds(50));  // the server keeps hundredths of a second
    for (const std::string& trigger : triggers) {
        db_.execute(trigger);
    }
    finish_and_compare(d);
    EXPECT_NE(remark(d, "the copy starts over: "), "");
}

// TRUNCATE fires no trigger: what was copied would come back with the swap.
TEST_F(PtOscResume, AnEmptiedOriginalIsSeenAndTheCopyStartsOver) {
    WorkerDriver d = stopped_copy(644);
    db_.execute("TRUNCATE TABLE t");
    db_.execute("INSERT INTO t (a, n) SELECT 'after', seq FROM seq_1_to_300");
    finish_and_compare(d);
    EXPECT_NE(remark(d, "starts over: table t was emptied"), "");
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM t"), 300);
}

// Of what a paused copy may meet, nothing that leaves the rows where they are costs the copy.
TEST_F(PtOscResume, WhatMovesNoRowIsNoReasonToStartOver) {
    MariadbOptions options;
    options.durable = true;
    MariadbServer server(options);
    Db db = make_shop(server, 6000);
    WorkerDriver d(server, dir_, 645, kAlter, "t");
    d.job.pt_osc_path = small_step_pt_osc(dir_.path(), 200, 0.1);
    d.start(Step::kRun);
    ASSERT_TRUE(poll_until([&] { return chunks(d) >= 5; }));
    (void)d.command(R"({"command":"stop","reason":"pause"})");
    EXPECT_EQ(d.finish().at("outcome"), "stopped");
    EXPECT_TRUE(state(d).orig_life.starts_with("id."));
    EXPECT_TRUE(state(d).new_life.starts_with("id."));
    db.execute("ANALYZE TABLE t, _645_t_new");
    db.execute("CHECK TABLE t, _645_t_new");
    db.execute("FLUSH TABLES");
    db.execute("ALTER TABLE t COMMENT=''");
    db.execute("ALTER TABLE t ADD INDEX of_a_day (a), ALGORITHM=INPLACE");
    db.execute("ALTER TABLE t DROP INDEX of_a_day");
    db.execute("DELETE FROM t WHERE id < 10");
    server.restart();
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
    EXPECT_NE(remark(d, "going on with the copy after"), "");
    EXPECT_EQ(remark(d, "starts over"), "");
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
    EXPECT_EQ(server.connect("shop").integer("SELECT COUNT(*) FROM t"), 5991);
}

// An OPTIMIZE under a running copy looks as a TRUNCATE does: the rows tell one from the other.
TEST_F(PtOscResume, ARebuiltTableUnderTheCopyIsCountedAndAnEmptiedOneIsFound) {
    MigrationId id = 646;
    for (const bool empties : {false, true}) {
        SCOPED_TRACE(empties);
        make_keyed_table(db_, kIntKey, 4000);
        WorkerDriver d = driver(id, 200, 0.1, kPlainAlter);
        d.start(Step::kRun);
        ASSERT_TRUE(poll_until([&] { return chunks(d) >= 5; }));
        db_.execute(empties ? "TRUNCATE TABLE _647_t_new" : "OPTIMIZE TABLE t");
        const Json outcome = d.finish();
        EXPECT_NE(remark(d, "was emptied (TRUNCATE), made again or rebuilt meanwhile)"), "");
        EXPECT_EQ(outcome.at("outcome"), empties ? "error" : "copied") << outcome;
        if (empties) {
            EXPECT_EQ(outcome.at("reason"), "rows_missing");
        }
        finish_and_compare(d);
        EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM t"), 4000);
        db_.execute("DROP TABLE t");
        ++id;
    }
}

// Without PROCESS nobody sees a table's number: a new table made again is told by its time, and
// what nothing shows is found by the row count before the swap.
TEST_F(PtOscResume, WithoutProcessTheRowCountFindsWhatNothingShows) {
    db_.execute("CREATE USER IF NOT EXISTS few@'%' IDENTIFIED BY 'few'");
    db_.execute("GRANT SUPER ON *.* TO few@'%'");  // triggers beside a binary log
    db_.execute("GRANT ALL ON shop.* TO few@'%'");
    for (const bool recreates : {true, false}) {
        SCOPED_TRACE(recreates);
        make_keyed_table(db_, kIntKey, 6000);
        WorkerDriver d = driver(recreates ? 648 : 649, 200, 0.1, kPlainAlter);
        d.job.mysql_defaults_file = dir_ / "few.cnf";
        spit(d.job.mysql_defaults_file, "[client]\nuser=few\npassword=few\n", 0600);
        d.start(Step::kRun);
        ASSERT_TRUE(poll_until([&] { return chunks(d) >= 5; })) << d.log();
        (void)d.command(R"({"command":"stop","reason":"pause"})");
        EXPECT_EQ(d.finish().at("outcome"), "stopped");
        EXPECT_EQ(state(d).orig_life, "");
        EXPECT_TRUE(state(d).new_life.starts_with("made.")) << state(d).new_life;
        const std::string shadow = state(d).mig_tbl;
        if (recreates) {
            const std::string definition = db_.show_create("shop", shadow);
            db_.execute("DROP TABLE " + shadow);
            std::this_thread::sleep_for(milliseconds(1100));  // CREATE_TIME has whole seconds
            db_.execute(definition);
        } else {
            db_.execute("TRUNCATE TABLE " + shadow);
        }
        EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
        EXPECT_EQ(remark(d, "starts over: the new table").empty(), !recreates);
        const Json outcome = d.run(Step::kRename);
        EXPECT_EQ(outcome.at("outcome"), recreates ? "completed" : "failed");
        EXPECT_EQ(string_or(outcome, "reason", "") == "rows_missing", !recreates) << outcome;
        EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM t"), 6000);
        EXPECT_EQ(db_.tables("shop"), Names{"t"});
        db_.execute("DROP TABLE t");
    }
    db_.execute("DROP USER few@'%'");
}

TEST_F(PtOscResume, AnotherServerIsSeenAndTheCopyStartsOver) {
    WorkerDriver d = stopped_copy(65);
    begin_on_another_server(d);
    finish_and_compare(d);
    EXPECT_NE(remark(d, "the copy was begun on db-before:3306:7"), "");
}

// A second server with the first one's data, as a restored or promoted one has.
TEST_F(PtOscResume, AReplacedServerIsSeenAndTheCopyStartsOver) {
    const auto data_of = [](const MariadbServer& server) {
        return std::filesystem::path(server.socket()).parent_path() / "data";
    };
    MariadbServer first;
    MariadbOptions options;
    options.arguments = {"--server-id=7"};
    MariadbServer second(options);
    make_shop(first, 6000);
    WorkerDriver d(first, dir_, 656, kAlter, "t");
    d.job.enable_trash = false;
    d.job.pt_osc_path = small_step_pt_osc(dir_.path(), 200, 0.1);
    d.start(Step::kRun);
    ASSERT_TRUE(poll_until([&] { return chunks(d) >= 5; }));
    (void)d.command(R"({"command":"stop","reason":"pause"})");
    EXPECT_EQ(d.finish().at("outcome"), "stopped");
    const std::string begun_on = state(d).server;
    first.stop();
    second.stop();
    std::filesystem::remove_all(data_of(second));
    std::filesystem::copy(data_of(first), data_of(second),
                          std::filesystem::copy_options::recursive);
    second.start();
    d.job.port = second.port();
    ASSERT_EQ(second.connect().triggers("shop").size(), 3u);
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied") << d.log();
    EXPECT_NE(remark(d, "starts over: the server is"), "");
    EXPECT_NE(remark(d, "the copy was begun on " + begun_on), "");
    EXPECT_NE(state(d).server, begun_on);
    Db db = second.connect("shop");
    EXPECT_EQ(db.checksum("shop", "t", "id, a, n"), db.checksum("shop", "_656_t_new", "id, a, n"));
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
    EXPECT_EQ(db.tables("shop"), Names{"t"});
}

TEST_F(PtOscResume, AnotherAlterIsSeenAndTheCopyStartsOver) {
    WorkerDriver d = stopped_copy(66);
    d.job.ddl_statement = "ALTER TABLE t ADD COLUMN other INT";
    finish_and_compare(d);
    EXPECT_NE(remark(d, "the ALTER is another one"), "");
    const auto columns = db_.columns("shop", "t");
    EXPECT_NE(std::find(columns.begin(), columns.end(), "other"), columns.end());
}

TEST_F(PtOscResume, AUsersNewTriggerStopsTheResumeAndLosesNothing) {
    WorkerDriver d = stopped_copy(67);
    db_.execute("CREATE TRIGGER mine BEFORE INSERT ON t FOR EACH ROW SET NEW.n = 1");
    const Json outcome = d.run(Step::kRun);
    EXPECT_EQ(outcome.at("outcome"), "error");
    EXPECT_EQ(outcome.at("reason"), "has_triggers");
    EXPECT_EQ(db_.triggers("shop").size(), 4u);
    EXPECT_GT(db_.integer("SELECT COUNT(*) FROM _67_t_new"), 0);
    db_.execute("DROP TRIGGER mine");
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
    EXPECT_NE(remark(d, "going on with the copy after"), "");
    EXPECT_EQ(copy_difference(kIntKey, "_67_t_new"), "");
}

TEST_F(PtOscResume, AnAlteredOriginalDuringTheCopyIsNotCalledCopied) {
    make_keyed_table(db_, kIntKey, 4000);
    WorkerDriver d = driver(68, 200, 0.1);
    d.start(Step::kRun);
    ASSERT_TRUE(poll_until([&] { return chunks(d) >= 3; }));
    db_.execute("ALTER TABLE t ALTER COLUMN n SET DEFAULT 3");
    const Json outcome = d.finish();
    EXPECT_EQ(outcome.at("outcome"), "error");
    EXPECT_EQ(outcome.at("reason"), "moved_during_copy");
    finish_and_compare(d);
}

TEST_F(PtOscResume, ATriggerMadeAgainAfterTheCopyPreventsTheSwap) {
    make_keyed_table(db_, kIntKey, 500);
    WorkerDriver d = driver(73, 200, 0);
    ASSERT_EQ(d.outcome_of(Step::kRun), "copied");
    const auto rows = db_.rows("SHOW CREATE TRIGGER pt_osc_shop_t_ins");
    db_.execute("DROP TRIGGER pt_osc_shop_t_ins");
    db_.execute("INSERT INTO t (a, n) VALUES ('lost otherwise', 1)");
    std::this_thread::sleep_for(milliseconds(50));
    db_.execute(*rows.at(0).at(2));
    const Json outcome = d.run(Step::kRename);
    EXPECT_EQ(outcome.at("outcome"), "failed");
    EXPECT_EQ(outcome.at("reason"), "moved_since_copy");
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM t"), 501);
    EXPECT_EQ(db_.tables("shop"), Names{"t"});
}

// A replica that became the primary has the triggers and may lack the last chunks.
TEST_F(PtOscResume, ARenameOnAnotherServerCountsTheRows) {
    MigrationId id = 770;
    for (const bool lacks_rows : {true, false}) {
        SCOPED_TRACE(lacks_rows);
        make_keyed_table(db_, kIntKey, 500);
        WorkerDriver d = driver(++id, 200, 0, kPlainAlter);
        ASSERT_EQ(d.outcome_of(Step::kRun), "copied");
        begin_on_another_server(d);
        if (lacks_rows) {
            db_.execute("DELETE FROM " + state(d).mig_tbl + " WHERE id > 490");
        }
        const Json outcome = d.run(Step::kRename);
        EXPECT_NE(remark(d, "rows in one snapshot: 500 in t"), "");
        EXPECT_EQ(outcome.at("outcome"), lacks_rows ? "failed" : "completed");
        if (lacks_rows) {
            EXPECT_EQ(outcome.at("reason"), "rows_missing");
            const std::string message = string_or(outcome, "message", "");
            EXPECT_NE(message.find("490 rows, the original 500"), std::string::npos) << message;
            EXPECT_NE(message.find("copied on db-before:3306:7"), std::string::npos) << message;
            EXPECT_NE(message.find("run the migration anew"), std::string::npos) << message;
        }
        EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM t"), 500);
        EXPECT_EQ(db_.triggers("shop"), Names{});
        EXPECT_EQ(db_.tables("shop"), Names{"t"});
        db_.execute("DROP TABLE t");
    }
}

// What a server that is not durable lost by its restart is missed before the swap.
TEST_F(PtOscResume, ARenameAfterARestartCountsTheRowsUnlessTheServerIsDurable) {
    for (const bool durable : {false, true}) {
        SCOPED_TRACE(durable);
        MariadbOptions options;
        options.durable = durable;
        MariadbServer server(options);
        make_shop(server, 500);
        WorkerDriver d(server, dir_, durable ? 775 : 776, kPlainAlter, "t");
        d.job.pt_osc_path = small_step_pt_osc(dir_.path(), 200, 0);
        ASSERT_EQ(d.outcome_of(Step::kRun), "copied");
        server.stop();
        std::this_thread::sleep_for(seconds(4));  // told apart by its start, to 3 s
        server.start();
        if (!durable) {
            server.connect("shop").execute("DELETE FROM _776_t_new WHERE id > 490");
        }
        const Json outcome = d.run(Step::kRename);
        EXPECT_EQ(outcome.at("outcome"), durable ? "completed" : "failed") << outcome;
        EXPECT_EQ(remark(d, "rows in one snapshot").empty(), durable);
        EXPECT_EQ(server.connect("shop").integer("SELECT COUNT(*) FROM t"), 500);
    }
}

// The triggers worked while nothing ran; that no chunk is missing is shown and not concluded.
TEST_F(PtOscResume, ACopyOfSeveralRunsIsCountedBeforeTheSwap) {
    WorkerDriver d = stopped_copy(777, kIntKey, kPlainAlter);
    ASSERT_EQ(d.outcome_of(Step::kRun), "copied");
    ASSERT_EQ(state(d).runs, 2);
    db_.execute("DELETE FROM _777_t_new WHERE id = 5");
    const Json outcome = d.run(Step::kRename);
    EXPECT_EQ(outcome.at("outcome"), "failed");
    EXPECT_EQ(outcome.at("reason"), "rows_missing");
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM t"), 6000);
    EXPECT_EQ(db_.tables("shop"), Names{"t"});
}

TEST_F(PtOscResume, DuplicatesAreShownAndNeverLost) {
    make_keyed_table(db_, kIntKey, 500);
    db_.execute("UPDATE t SET a = 'same' WHERE id IN (7, 8, 9)");
    WorkerDriver d = driver(74, 200, 0, "ALTER TABLE t ADD UNIQUE KEY only_one (a)");
    for (const Step step : {Step::kPrepare, Step::kRun}) {
        const Json outcome = d.run(step);
        EXPECT_EQ(outcome.at("outcome"), step == Step::kPrepare ? "failed" : "error");
        EXPECT_NE(string_or(outcome, "message", "").find("(same) (3 times)"), std::string::npos)
            << outcome;
    }
    EXPECT_EQ(d.outcome_of(Step::kCancel), "cancelled");
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM t"), 500);
    EXPECT_EQ(db_.tables("shop"), Names{"t"});
}

// A new table that was made for an ALTER that failed is found again.
TEST_F(PtOscResume, AFailedAlterAtTheRunLeavesNothingBehind) {
    make_keyed_table(db_, kIntKey, 500);
    WorkerDriver d = driver(75, 200, 0, "ALTER TABLE t DROP COLUMN gone");
    d.job.runtype = Runtype::kNoCheckAlter;
    const Json outcome = d.run(Step::kRun);
    EXPECT_EQ(outcome.at("outcome"), "error");
    EXPECT_NE(string_or(outcome, "message", "").find("gone"), std::string::npos) << outcome;
    EXPECT_EQ(d.outcome_of(Step::kRun), "error") << "and not another table beside it";
    EXPECT_EQ(db_.tables("shop"), (Names{"t", "_75_t_new"}));
    EXPECT_EQ(d.outcome_of(Step::kCancel), "cancelled");
    EXPECT_EQ(db_.tables("shop"), Names{"t"});
}

// A load that goes away again costs no copied row and no person.
TEST_F(PtOscResume, ACriticalLoadIsWaitedOutAndTheCopyGoesOn) {
    make_keyed_table(db_, kIntKey, 6000);
    WorkerDriver d = driver(76, 200, 0.1);
    d.job.options.max_threads_running = 4;
    d.start(Step::kRun);
    ASSERT_TRUE(poll_until([&] { return chunks(d) >= 3; }));
    std::vector<std::thread> load;
    for (int i = 0; i < 8; ++i) {
        load.emplace_back([this] { server_.connect().execute("SELECT SLEEP(2)"); });
    }
    const Json outcome = d.finish();
    for (std::thread& thread : load) {
        thread.join();
    }
    EXPECT_EQ(outcome.at("outcome"), "retry");
    EXPECT_EQ(outcome.at("reason"), "overload");
    EXPECT_GT(outcome.at("retry_after_s").get<int>(), 0);
    EXPECT_NE(string_or(outcome, "message", "").find("critical threshold"), std::string::npos);
    EXPECT_EQ(db_.triggers("shop").size(), 3u);
    const auto before = chunks(d);
    finish_and_compare(d);
    EXPECT_NE(remark(d, "going on with the copy after"), "");
    EXPECT_LE(state(d).chunks, 6000 / 200 + 2) << before;
}

// ---- state files that cannot be trusted

TEST_F(PtOscResume, AnEmptyOrBrokenStateFileStartsOver) {
    MigrationId id = 690;
    for (const std::string text : {"", "step: [", "---\nstep: copy\n", "\xFF\xFE"}) {
        SCOPED_TRACE(clean_utf8(text));
        WorkerDriver d = stopped_copy(++id);
        spit(d.job.files_dir + "statefile.txt", text);
        finish_and_compare(d);
        db_.execute("DROP TABLE t");
    }
}

TEST_F(PtOscResume, ABoundaryThatIsNoBoundaryIsRefused) {
    WorkerDriver d = stopped_copy(70);
    std::filesystem::remove(d.job.files_dir + "ptosc-state.txt");
    std::string text = d.state_file();
    const std::size_t at = text.find("row_enc:");
    ASSERT_NE(at, std::string::npos);
    text.insert(text.find("- ", at) + 2, "\"b31\\nend\\nrow b00\"\n  - ");
    spit(d.job.files_dir + "statefile.txt", text);
    finish_and_compare(d);
    EXPECT_NE(remark(d, "a boundary value of a wrong shape"), "");
}

// The server's crash took committed chunks with it: rows are copied again into what is there.
TEST_F(PtOscResume, AServerThatWasNotDurableIsCopiedFromTheFirstRow) {
    for (const bool durable : {false, true}) {
        SCOPED_TRACE(durable);
        MariadbOptions options;
        options.durable = durable;
        MariadbServer server(options);
        make_shop(server, 6000);
        WorkerDriver d(server, dir_, durable ? 71 : 72, kAlter, "t");
        d.job.pt_osc_path = small_step_pt_osc(dir_.path(), 200, 0.05);
        d.start(Step::kRun);
        ASSERT_TRUE(poll_until([&] { return chunks(d) >= 5; }));
        server.kill9();
        EXPECT_EQ(d.finish().at("outcome"), "retry");
        std::this_thread::sleep_for(seconds(4));  // told apart by its start, to 3 s
        server.start();
        EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
        EXPECT_EQ(remark(d, "from the first row on").empty(), durable);
        Db db = server.connect();
        EXPECT_EQ(db.checksum("shop", "t", "id, a, n"),
                  db.checksum("shop", state(d).mig_tbl, "id, a, n"));
        EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
    }
}

// ---- tools that differ

// Square's patched tool, as far as a stand-in can speak for it (tests/stand_ins/).
class SquareStandIn : public PtOscResume {
  protected:
    WorkerDriver square_driver(MigrationId id) {
        WorkerDriver d(server_, dir_, id, kAlter, "t");
        d.job.enable_trash = false;
        d.job.pt_osc_path = dir_ / "square";
        spit(d.job.pt_osc_path,
             "#!/bin/sh\ncase \" $* \" in *\" --execute \"*) exec " + stand_in() +
                 " \"$@\" --chunk-size 200 --chunk-time 0 --sleep 0.1 ;; esac\nexec " + stand_in() +
                 " \"$@\"\n",
             0755);
        return d;
    }
    static std::string stand_in() {
        return std::string(SHIFT_SOURCE_ROOT) + "/tests/stand_ins/square_pt_osc.pl";
    }
    WorkerDriver stopped(MigrationId id) {
        make_keyed_table(db_, kIntKey, 6000);
        WorkerDriver d = square_driver(id);
        d.start(Step::kRun);
        EXPECT_TRUE(poll_until([&] { return !d.state_file().empty() && !state(d).row.empty(); }))
            << d.log();
        (void)d.command(R"({"command":"stop","reason":"pause"})");
        EXPECT_EQ(d.finish().at("outcome"), "stopped");
        return d;
    }
};

TEST_F(SquareStandIn, GoesOnFromItsOwnStateFileWithTodaysOptions) {
    WorkerDriver d = stopped(90);
    EXPECT_EQ(d.events(event::kEngine).back().at("flavour"), "square");
    d.job.options.max_threads_running = 77;
    d.start(Step::kRun);
    // The patch takes its options from the file, so they are changed there.
    ASSERT_TRUE(poll_until([&] {
        return !slurp(d.job.files_dir + "square-state.yaml").empty() &&
               slurp(d.job.files_dir + "square-state.yaml").find("Threads_running=77") !=
                   std::string::npos;
    }));
    EXPECT_EQ(d.finish().at("outcome"), "copied");
    EXPECT_NE(remark(d, "going on with the copy"), "");
    EXPECT_EQ(copy_difference(kIntKey, state(d).mig_tbl), "");
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
    EXPECT_EQ(db_.tables("shop"), Names{"t"});
}

TEST_F(SquareStandIn, ProgressGoesOnAfterAResume) {
    WorkerDriver d = stopped(99);
    const auto before = state(d).tbl_progress;
    EXPECT_GT(before, 0);
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
    std::vector<double> percents;
    for (const Json& event : d.events(event::kProgress)) {
        const auto percent = event.at("percent").get<double>();
        EXPECT_GE(event.at("rows").get<std::int64_t>(), before);
        if (percents.empty() || percent > percents.back()) {
            percents.push_back(percent);
        }
        EXPECT_EQ(percent, percents.back()) << "it fell";
    }
    EXPECT_GE(percents.size(), 3u) << "between the begin and 100 it moved";
    EXPECT_EQ(percents.back(), 100.0);
}

TEST_F(SquareStandIn, AFileThatAKillTruncatedIsNotTheOneGoneOnWith) {
    WorkerDriver d = stopped(91);
    spit(d.job.files_dir + "square-state.yaml", "");
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
    EXPECT_NE(remark(d, "going on with the copy"), "");
    EXPECT_EQ(copy_difference(kIntKey, state(d).mig_tbl), "");
}

TEST_F(SquareStandIn, KillsAtAnyMomentEndWithTheSameRows) {
    make_keyed_table(db_, kIntKey, 6000);
    std::mt19937_64 random(base_seed());
    WorkerDriver d = square_driver(92);
    KeyWriter writer(server_, kIntKey, 6000, random());
    for (int kill = 0; kill < 4; ++kill) {
        d.start(Step::kRun);
        (void)poll_until([&] { return !d.worker().running(); }, milliseconds(random() % 1500));
        const pid_t engine = d.engine();
        d.worker().kill9();
        if (engine != 0) {
            ::kill(engine, SIGKILL);
        }
        d.finish();
        await_death(d);
    }
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
    writer.stop();
    EXPECT_EQ(writer.error(), "");
    EXPECT_EQ(copy_difference(kIntKey, state(d).mig_tbl), "");
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
}

TEST_F(SquareStandIn, AStateFileFromTheApiIsNeverLoadedByTheTool) {
    WorkerDriver first = stopped(93);
    const std::string carried = first.state_file();
    WorkerDriver second = square_driver(94);
    second.job.migration = 93;
    second.job.claim = 2;
    second.start_with_api_state(Step::kRun, carried);
    EXPECT_EQ(second.finish().at("outcome"), "copied");
    EXPECT_NE(remark(second, "never loaded"), "");
    EXPECT_EQ(copy_difference(kIntKey, state(second).mig_tbl), "");
}

TEST_F(SquareStandIn, CancelAndRenameNeedOnlyTheStateFile) {
    for (const bool swap : {true, false}) {
        make_keyed_table(db_, kIntKey, 2000);
        WorkerDriver first = square_driver(swap ? 95 : 96);
        ASSERT_EQ(first.outcome_of(Step::kRun), "copied");
        const std::string carried = first.state_file();
        WorkerDriver second = square_driver(swap ? 97 : 98);
        second.job.migration = first.job.migration;
        second.job.claim = 2;
        second.start_with_api_state(swap ? Step::kRename : Step::kCancel, carried);
        EXPECT_EQ(second.finish().at("outcome"), swap ? "completed" : "cancelled");
        EXPECT_EQ(db_.tables("shop"), Names{"t"});
        EXPECT_EQ(db_.triggers("shop"), Names{});
        db_.execute("DROP TABLE t");
    }
}

// What the original runner uploads: the patch's dump of its whole option parser, perl tags and all.
std::string original_state(const std::string& step, const std::string& row) {
    std::string text =
        "--- \ndb: shop\ndsn: \n  A: ~\n  D: shop\n  F: /etc/my.cnf\n  P: 3306\n  S: ~\n"
        "  h: db1\n  p: ~\n  t: t\n  u: ~\nmig_tbl: _t_new\nold_tbl: ~\n"
        "options: !!perl/hash:OptionParser \n  DSNParser: !!perl/hash:DSNParser \n"
        "    opts: &1 \n      A: \n        copy: 1\n        dsn: charset\n  opts: \n";
    for (const char* name : {"alter",
                             "alter-foreign-keys-method",
                             "analyze-before-swap",
                             "ask-pass",
                             "charset",
                             "check-alter",
                             "check-interval",
                             "check-plan",
                             "chunk-index",
                             "chunk-index-columns",
                             "chunk-size",
                             "chunk-size-limit",
                             "chunk-time",
                             "config",
                             "critical-load",
                             "data-dir",
                             "database",
                             "default-engine",
                             "defaults-file",
                             "drop-new-table",
                             "drop-old-table",
                             "drop-triggers",
                             "dry-run",
                             "execute",
                             "exit-at",
                             "force",
                             "help",
                             "host",
                             "load-state",
                             "max-flow-ctl",
                             "max-lag",
                             "max-load",
                             "new-table-name",
                             "null-to-not-null",
                             "only-same-schema-fks",
                             "password",
                             "pause-file",
                             "pid",
                             "plugin",
                             "port",
                             "print",
                             "progress",
                             "quiet",
                             "recurse",
                             "recursion-method",
                             "save-state",
                             "set-vars",
                             "sleep",
                             "slave-password",
                             "slave-user",
                             "socket",
                             "statistics",
                             "swap-tables",
                             "tries",
                             "user",
                             "version",
                             "version-check"}) {
        text += std::string("    ") + name + ": \n      attributes: &" + name +
                " {}\n      default: ~\n      desc: \"a text: with 'marks' # and more\"\n"
                "      got: 0\n      group: default\n      is_cumulative: ~\n"
                "      is_negatable: ''\n      is_required: ~\n      long: " +
                name + "\n      parsed: 1\n      short: ~\n      spec: !!perl/regexp (?-xism:^" +
                name +
                ")\n      type: s\n      value: !!perl/code \"{ system('touch /nowhere') }\"\n";
    }
    return text + "orig_tbl: t\nrow: " + row + "\nstep: " + step + "\ntbl_progress: 300\n";
}

// A host that never ran the copy finishes or clears up what the original left behind.
TEST_F(PtOscResume, RenameAndCancelWorkFromTheOriginalsStateFile) {
    MigrationId id = 780;
    EXPECT_GT(split(original_state("copy", "~"), '\n').size(), 850u);
    struct Case {
        Step step;
        int missing;
        const char* outcome;
    };
    for (const Case& one : {Case{Step::kRename, 0, "completed"}, Case{Step::kRename, 7, "failed"},
                            Case{Step::kCancel, 7, "cancelled"}}) {
        SCOPED_TRACE(one.outcome);
        make_keyed_table(db_, kIntKey, 300);
        db_.execute("CREATE TABLE _t_new LIKE t");
        db_.execute("ALTER TABLE _t_new ADD COLUMN extra INT");
        db_.execute("INSERT INTO _t_new SELECT *, NULL FROM t WHERE id > " +
                    std::to_string(one.missing));
        db_.execute(
            "CREATE TRIGGER pt_osc_shop_t_del AFTER DELETE ON t FOR EACH ROW DELETE IGNORE FROM "
            "`shop`.`_t_new` WHERE `shop`.`_t_new`.`id` <=> OLD.`id`");
        for (const char* event : {"INSERT", "UPDATE"}) {
            db_.execute("CREATE TRIGGER pt_osc_shop_t_" + to_lower_ascii(event).substr(0, 3) +
                        " AFTER " + event +
                        " ON t FOR EACH ROW REPLACE INTO `shop`.`_t_new` (`id`, `a`, `n`) VALUES "
                        "(NEW.`id`, NEW.`a`, NEW.`n`)");
        }
        db_.execute("INSERT INTO t (a, n) VALUES ('by the trigger', 1)");
        WorkerDriver d = driver(++id, 200, 0, "ALTER TABLE t ADD COLUMN extra INT");
        d.start_with_api_state(one.step, original_state("copy", "\n  - 144251"));
        const Json outcome = d.finish();
        EXPECT_EQ(string_or(outcome, "outcome", "none"), one.outcome) << outcome;
        EXPECT_EQ(string_or(outcome, "reason", "") == "rows_missing",
                  std::string(one.outcome) == "failed");
        const auto columns = db_.columns("shop", "t");
        EXPECT_EQ(std::find(columns.begin(), columns.end(), "extra") != columns.end(),
                  std::string(one.outcome) == "completed");
        EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM t"), 301);
        EXPECT_EQ(db_.triggers("shop"), Names{});
        EXPECT_EQ(db_.tables("shop"), Names{"t"});
        db_.execute("DROP TABLE t");
    }
}

TEST_F(PtOscResume, AToolThatRefusesThePluginCopiesWithoutIt) {
    make_keyed_table(db_, kIntKey, 500);
    WorkerDriver d(server_, dir_, 80, kAlter, "t");
    d.job.enable_trash = false;
    // One of the subs our plugin needs is gone, as in a version nobody tried.
    spit(dir_ / "Strange.pm",
         "package Strange;\nINIT { undef &NibbleIterator::nibble_index if $ENV{SHIFT_OSC_STATE}; "
         "}\n1;\n");
    spit(dir_ / "strange",
         "#!/bin/sh\nexec perl -I" + dir_.path() + " -MStrange " + pt_osc() + " \"$@\"\n", 0755);
    d.job.pt_osc_path = dir_ / "strange";
    finish_and_compare(d);
    EXPECT_NE(remark(d, "does not take our plugin"), "");
}

// Nothing says how far it was, so nothing is guessed.
TEST_F(PtOscResume, AToolWithoutPluginsStartsOverAfterKillAndPauseAndIsRight) {
    make_keyed_table(db_, kIntKey, 6000);
    WorkerDriver d(server_, dir_, 81, kAlter, "t");
    d.job.enable_trash = false;
    d.job.pt_osc_path = dir_ / "plain";
    spit(d.job.pt_osc_path,
         "#!/bin/sh\ncase \" $* \" in *\" --help \"*) " + pt_osc() +
             " \"$@\" | grep -v -- --plugin ;; *) exec " +
             small_step_pt_osc(dir_.path(), 200, 0.1) + " \"$@\" ;; esac\n",
         0755);
    KeyWriter writer(server_, kIntKey, 6000, base_seed());
    const auto copied = [&] {
        return db_.table_exists("shop", "_81_t_new")
                   ? db_.integer("SELECT COUNT(*) FROM shop._81_t_new WHERE id <= 6000")
                   : 0;
    };
    for (const bool killed : {true, false}) {
        SCOPED_TRACE(killed);
        d.start(Step::kRun);
        // The engine starts once the table of the run before is gone.
        ASSERT_TRUE(poll_until([&] { return d.engine() != 0 && copied() >= 1000; })) << d.log();
        EXPECT_EQ(d.events(event::kEngine).back().at("flavour"), "basic");
        if (killed) {
            d.worker().kill9();
            d.kill_engine(SIGKILL);
            d.finish();
            await_death(d);
        } else {
            (void)d.command(R"({"command":"stop","reason":"pause"})");
            EXPECT_EQ(d.finish().at("outcome"), "stopped");
            EXPECT_EQ(d.outcome_of(Step::kPause), "paused");
        }
    }
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied") << d.log();
    writer.stop();
    EXPECT_EQ(writer.error(), "");
    EXPECT_NE(remark(d, "the copy starts over"), "");
    EXPECT_EQ(copy_difference(kIntKey, state(d).mig_tbl), "");
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
    EXPECT_EQ(db_.triggers("shop"), Names{});
    EXPECT_EQ(db_.tables("shop"), Names{"t"});
}

// The versions Debian 12 cannot install: PT_OSC_MATRIX names a folder that holds them as
// pt-online-schema-change-<version>.
class PtOscMatrix : public PtOscResume, public ::testing::WithParamInterface<const char*> {};

TEST_P(PtOscMatrix, GoesOnAfterKills) {
    const char* folder = std::getenv("PT_OSC_MATRIX");
    const std::string tool =
        std::string(folder == nullptr ? "" : folder) + "/pt-online-schema-change-" + GetParam();
    if (folder == nullptr || !std::filesystem::exists(tool)) {
        GTEST_SKIP() << "pt-online-schema-change " << GetParam()
                     << " is not there (PT_OSC_MATRIX=folder)";
    }
    for (const KeyKind* kind : {&kIntKey, &kCompositeKey, &kTextKey, &kUniqueOnlyKey}) {
        SCOPED_TRACE(kind->name);
        make_keyed_table(db_, *kind, 6000);
        WorkerDriver d(server_, dir_, 100 + (MigrationId(kind->name[0])), kAlter, "t");
        d.job.enable_trash = false;
        const bool is_square = std::string(GetParam()).ends_with("square");
        // The worker looks at Square's file once a second.
        d.job.pt_osc_path = small_step_pt_osc(dir_.path(), 200, is_square ? 0.3 : 0.05, tool);
        // Square's tool has no plugin of ours: its own file says how far it is.
        const auto rows_saved = [&]() -> std::int64_t {
            if (!is_square) {
                return chunks(d) * 200;
            }
            const std::string path = d.job.files_dir + "square-state.yaml";
            const auto file = parse_state_file(std::filesystem::exists(path) ? slurp(path) : "");
            return file.ok() && !file->row.empty() ? file->tbl_progress : 0;
        };
        KeyWriter writer(server_, *kind, 6000, 7);
        for (int kill = 0; kill < 2; ++kill) {
            d.start(Step::kRun);
            const auto before = rows_saved();
            EXPECT_TRUE(poll_until([&] {
                return rows_saved() >= before + 1000 || !d.worker().running();
            })) << d.log();
            ASSERT_TRUE(d.worker().running()) << "ended before the kill\n" << d.log();
            EXPECT_EQ(d.events(event::kEngine).back().at("flavour"),
                      is_square ? "square" : "stock");
            if (is_square) {  // the last whole file is kept by the worker, once a second
                EXPECT_TRUE(poll_until([&] { return !state(d).row.empty(); }));
            }
            d.worker().kill9();
            d.kill_engine(SIGKILL);
            d.finish();
            await_death(d);
        }
        EXPECT_EQ(d.outcome_of(Step::kRun), "copied") << d.log();
        EXPECT_NE(remark(d, "going on with the copy after"), "");
        EXPECT_EQ(remark(d, "starts over"), "");
        writer.stop();
        EXPECT_EQ(writer.error(), "");
        EXPECT_EQ(copy_difference(*kind, state(d).mig_tbl), "");
        EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
        db_.execute("DROP TABLE t");
    }
}

INSTANTIATE_TEST_SUITE_P(Versions, PtOscMatrix,
                         ::testing::Values("2.2.14-square", "3.0.9", "3.3.1", "3.5.7", "3.6.0",
                                           "3.7.0", "3.7.1"),
                         [](const auto& one) {
                             std::string name = one.param;
                             std::replace_if(
                                 name.begin(), name.end(),
                                 [](char c) { return c == '.' || c == '-'; }, '_');
                             return "v" + name;
                         });

}  // namespace
}  // namespace shift::testing
