// The lhm engine through the daemon: a migration's whole way, pause, cancel and other hosts, what
// people are shown, and kill -9 of worker, daemon or both at random moments. SHIFT_SEED=<printed>
// replays a run's decisions; SHIFT_FULL=1 runs more of them on 200,000 rows.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <random>
#include <thread>

#include "common/state_file.h"
#include "tests/integration/support/crash_dir.h"
#include "tests/integration/support/ctl.h"
#include "tests/integration/support/key_writers.h"
#include "tests/integration/support/lhm.h"
#include "tests/integration/support/scenario.h"
#include "tests/integration/support/worker_driver.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Names = std::vector<std::string>;

Change lhm_change() {
    return {.ddl =
                "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 7, ADD INDEX by_two "
                "(name, amount)",
            .final_insert = "INSERT INTO versions (v) VALUES (1)",
            .custom_options = {{"engine", "lhm"}}};
}

ScenarioOptions small_chunks(bool real_api = false) {
    ScenarioOptions options;
    options.real_api = real_api;
    options.chunk_rows = 50;
    options.chunk_pause_s = 0.01;
    return options;
}

// Table t with a writer on it, the table of final inserts.
class Supervised {
  public:
    explicit Supervised(const ScenarioOptions& options = small_chunks(), int rows = 1500)
        : s(options), writers(s.server(), "app", "t", 1, base_seed()) {
        Writers::make_table(s.db(), "app", "t", rows);
        s.db().execute("CREATE TABLE app.versions (v INT)");
        writers.set_rest(milliseconds{5});
        writers.start();
    }
    // The table is changed, and nothing else is.
    void expect_changed() {
        writers.stop();
        EXPECT_THAT(writers.errors(), IsEmpty());
        EXPECT_THAT(s.db().columns("app", "t"), Contains("extra"));
        EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
        EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.versions"), 1);
        EXPECT_EQ(s.leftovers("app", {"t", "versions"}), "");
        EXPECT_EQ(s.db().tables("pending_drops").size(), 1U);
    }
    void expect_unchanged() {
        writers.stop();
        EXPECT_THAT(writers.errors(), IsEmpty());
        EXPECT_THAT(s.db().columns("app", "t"), Not(Contains("extra")));
        EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
        EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.versions"), 0);
        EXPECT_EQ(s.leftovers("app", {"t", "versions"}), "");
    }
    // The last state file that the API has.
    StateFile api_state(MigrationId id) {
        auto state = parse_state_file(s.file(id, 1));
        EXPECT_TRUE(state.ok()) << s.file(id, 1);
        return state.ok() ? *state : StateFile{};
    }

    Scenario s;
    Writers writers;
};

// ---- the way

TEST(LhmSupervised, AMigrationGoesFromTheRequestToTheSwappedTable) {
    Supervised run(small_chunks(true));
    Scenario& s = run.s;
    Change change = lhm_change();
    // Runs as in any session, not with the engine's settings.
    change.final_insert =
        "INSERT INTO versions (v) VALUES (@@session.time_zone = @@global.time_zone AND "
        "@@session.max_error_count = @@global.max_error_count)";
    const MigrationId id = s.submit(change);
    s.bring_to_copied(id);
    EXPECT_EQ(run.api_state(id).engine, "lhm");
    EXPECT_EQ(run.api_state(id).step, "copied");
    EXPECT_THAT(run.api_state(id).verified, HasSubstr("no differences"));
    EXPECT_THAT(s.supervisor().journal_rows("SELECT 1 FROM event WHERE kind = 'fact' AND detail "
                                            "LIKE '%\"verified\"%'"),
                Not(IsEmpty()));
    EXPECT_EQ(s.db().triggers("app").size(), 3U);
    EXPECT_EQ(s.columns(id).at("copy_percentage"), 100);
    s.rename(id);
    s.await_status(id, 8);
    s.await_idle();
    run.expect_changed();
    EXPECT_EQ(s.db().scalar("SELECT v FROM app.versions"), "1");
    // The old table is called as after any other engine.
    EXPECT_THAT(s.db().tables("pending_drops").at(0), ::testing::MatchesRegex("20[0-9]+_t"));
    const std::string log = s.file(id, 0);
    EXPECT_THAT(log, HasSubstr("no differences"));
    EXPECT_THAT(log, HasSubstr("swapped t and lhmn_t"));
    for (const auto& row : s.supervisor().journal_rows("SELECT DISTINCT engine FROM attempt")) {
        EXPECT_EQ(row[0], "lhm");
    }
    for (const char* event : {"shadow", "triggers", "swap"}) {
        EXPECT_THAT(s.supervisor().journal_rows(
                        "SELECT 1 FROM event WHERE kind = 'intent' AND detail LIKE '%\"" +
                        std::string(event) + "\"%'"),
                    Not(IsEmpty()))
            << event;
    }
}

TEST(LhmSupervised, AChangeOfTheDefinitionAloneWaitsForItsRenameAndCopiesNothing) {
    ScenarioOptions options = small_chunks(true);
    options.settings = {{"lhm_instant", "auto"}};
    Supervised run(options);
    Scenario& s = run.s;
    Change change = lhm_change();
    change.ddl = "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 7";
    const MigrationId id = s.submit(change);
    s.bring_to_copied(id);
    EXPECT_EQ(run.api_state(id).step, "copied");
    EXPECT_EQ(run.api_state(id).instant, "INSTANT");
    EXPECT_EQ(s.db().triggers("app"), Names{});
    EXPECT_THAT(s.db().columns("app", "t"), Not(Contains("extra")));
    EXPECT_EQ(s.columns(id).at("copy_percentage"), 100);
    s.rename(id);
    s.await_status(id, 8);
    s.await_idle();
    run.writers.stop();
    EXPECT_THAT(run.writers.errors(), IsEmpty());
    EXPECT_THAT(s.db().columns("app", "t"), Contains("extra"));
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.versions"), 1);
    EXPECT_EQ(s.leftovers("app", {"t", "versions"}), "");
    EXPECT_EQ(s.db().tables("pending_drops"), Names{});
}

TEST(LhmSupervised, TheConfigurationChoosesTheEngineAndTrashCanBeOff) {
    ScenarioOptions options = small_chunks();
    options.settings = {{"engine", "lhm"}, {"enable_trash", "false"}};
    Supervised run(options, 300);
    Change change = lhm_change();
    change.custom_options = Json::object();
    run.s.bring_to_completed(run.s.submit(change));
    run.s.await_idle();
    run.writers.stop();
    EXPECT_EQ(Writers::difference(run.s.db(), "app", "t"), "");
    EXPECT_THAT(run.s.db().columns("app", "t"), Contains("extra"));
    EXPECT_EQ(run.s.leftovers("app", {"t", "versions"}), "");
    EXPECT_THAT(run.s.db().tables("pending_drops"), IsEmpty());
}

struct Refused {
    const char* name;
    const char* prepare;
    const char* ddl;
    const char* says;
};
class LhmRefusals : public ::testing::TestWithParam<Refused> {};

TEST_P(LhmRefusals, ReachTheApiBeforeAnythingIsCopied) {
    Scenario s(small_chunks());
    s.db().execute("USE app");
    s.db().execute("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20))");
    s.db().execute("INSERT INTO t VALUES (1, 'x'), (2, 'x')");
    if (*GetParam().prepare != '\0') {
        s.db().execute(GetParam().prepare);
    }
    const Names before = s.db().tables("app");
    Change change = lhm_change();
    change.ddl = GetParam().ddl;
    change.final_insert = "";
    const MigrationId id = s.submit(change);
    s.await_status(id, 10);
    EXPECT_THAT(s.text(id, "error_message"), HasSubstr(GetParam().says));
    EXPECT_EQ(s.db().tables("app"), before);
    EXPECT_THAT(s.db().triggers("app"), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    All, LhmRefusals,
    ::testing::Values(Refused{"NoKey", "ALTER TABLE t DROP PRIMARY KEY",
                              "ALTER TABLE t ADD COLUMN x INT", "unique key"},
                      Refused{"ForeignKey",
                              "CREATE TABLE child (t_id INT, FOREIGN KEY (t_id) REFERENCES t (id))",
                              "ALTER TABLE t ADD COLUMN x INT", "foreign key"},
                      Refused{"Duplicates", "", "ALTER TABLE t ADD UNIQUE KEY (a)", "a"},
                      Refused{"TakenName", "CREATE TABLE lhmn_t (id INT)",
                              "ALTER TABLE t ADD COLUMN x INT",
                              "lhmn_t exists and nothing says that we made it"},
                      Refused{"Loss", "ALTER TABLE t ADD COLUMN d DECIMAL(8,3) DEFAULT 1.234",
                              "ALTER TABLE t MODIFY d DECIMAL(8,2)", "allow it by allow-loss"},
                      Refused{"NoSuchColumn", "", "ALTER TABLE t DROP COLUMN nothing", "nothing"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(LhmSupervised, OneMigrationMayBeAllowedToRoundValues) {
    Scenario s(small_chunks(true));
    s.db().execute("USE app");
    s.db().execute("CREATE TABLE t (id INT PRIMARY KEY, d DECIMAL(8,3))");
    s.db().execute("INSERT INTO t VALUES (1, 1.234), (2, 2)");
    Change change = lhm_change();
    change.ddl = "ALTER TABLE t MODIFY d DECIMAL(8,2)";
    change.final_insert = "";
    change.custom_options = {{"engine", "lhm"}, {"allow_loss", true}};
    const MigrationId id = s.submit(change);
    s.bring_to_copied(id);
    s.rename(id);
    s.await_status(id, 8);
    EXPECT_EQ(s.db().scalar("SELECT GROUP_CONCAT(d ORDER BY id) FROM t"), "1.23,2.00");
}

// ---- pause, cancel, drain

TEST(LhmSupervised, APausedCopyGoesOnWhereItWasWithTodaysOptions) {
    Supervised run;
    Scenario& s = run.s;
    CopyGate gate(s);
    const MigrationId id = s.submit(lhm_change());
    s.bring_to_running(id);
    s.await_copying(id);
    std::filesystem::rename(s.dir() / "gate", s.dir() / "gate.off");
    s.await("some chunks", [&] { return s.db().integer("SELECT COUNT(*) FROM app.lhmn_t") > 200; });
    std::filesystem::rename(s.dir() / "gate.off", s.dir() / "gate");
    s.await("the reason why it waits is shown", [&] {
        return ctl(s, {"why", std::to_string(id)}).out.find("gate exists") != std::string::npos;
    });
    EXPECT_EQ(why_code(s, id), "throttled");
    s.pause(id);
    s.await_status(id, 12);
    s.await_idle();
    const StateFile kept = run.api_state(id);
    EXPECT_EQ(kept.step, "copy");
    EXPECT_GT(kept.tbl_progress, 100);
    EXPECT_EQ(s.db().triggers("app").size(), 3U);
    // A limit that is always exceeded.
    s.model().set(id, {{"custom_options", R"({"engine":"lhm","max_threads_running":"1"})"}});
    s.resume(id);
    s.await("the new limit holds the copy", [&] {
        return ctl(s, {"why", std::to_string(id)}).out.find("(max 1)") != std::string::npos;
    });
    s.pause(id);
    s.await_status(id, 12);
    s.model().set(id, {{"custom_options", R"({"engine":"pt-osc"})"}});
    gate.open();
    s.resume(id);
    s.await_status(id, 4);
    // Whatever the options say now, the copy is lhm's.
    EXPECT_THAT(s.file(id, 0), HasSubstr("the copy was begun with the engine lhm"));
    EXPECT_THAT(s.file(id, 0), HasSubstr("going on with the copy after"));
    EXPECT_EQ(run.api_state(id).copy_id, kept.copy_id);
    s.rename(id);
    s.await_status(id, 8);
    s.await_idle();
    run.expect_changed();
}

TEST(LhmSupervised, ACancelledCopyLeavesNothing) {
    for (const bool copied : {false, true}) {
        Supervised run;
        Scenario& s = run.s;
        const MigrationId id = s.submit(lhm_change());
        if (copied) {
            s.bring_to_copied(id);
        } else {
            spit(s.dir() / "gate", "");
            s.bring_to_running(id);
            s.await_copying(id);
        }
        s.cancel(id);
        s.await_idle();
        s.await("nothing is left", [&] { return s.leftovers("app", {"t", "versions"}).empty(); });
        run.expect_unchanged();
        // The half-made copy is trash as after any other engine.
        EXPECT_EQ(s.db().tables("pending_drops").size(), 1U);
    }
}

TEST(LhmSupervised, DrainOffersTheCopyAndAnotherHostFinishesIt) {
    Supervised run;
    Scenario& s = run.s;
    CopyGate gate(s);
    const MigrationId id = s.submit(lhm_change());
    s.bring_to_running(id);
    s.await_copying(id);
    ASSERT_TRUE(s.supervisor().control("drain", Json::object()).ok());
    s.await("it is offered", [&] { return s.model().staged(id); });
    s.await_idle();
    EXPECT_EQ(s.db().triggers("app").size(), 3U);
    EXPECT_EQ(run.api_state(id).step, "copy");
    const std::string copy_id = run.api_state(id).copy_id;
    gate.open();
    std::filesystem::create_directory(s.dir() / "b");
    SupervisorProcess other(
        s.dir() / "b", s.api().url(),
        std::map<std::string, std::string>{{"run_host", "host-b"}, {"lhm_stride", "50"}});
    other.start();
    s.await_status(id, 4);
    EXPECT_EQ(run.api_state(id).copy_id, copy_id);
    s.rename(id);
    s.await_status(id, 8);
    s.await("all is told", [&] { return s.text(id, "run_host").empty(); });
    run.expect_changed();
}

// ---- the swap

TEST(LhmSupervised, WhoHoldsTheTableIsShownAndTheSwapHappensWhenItIsFree) {
    Supervised run(small_chunks(), 200);
    Scenario& s = run.s;
    const MigrationId id = s.submit(lhm_change());
    s.bring_to_copied(id);
    Db holder = s.server().connect("app");
    holder.execute("BEGIN");
    holder.execute("SELECT * FROM t LIMIT 1");
    s.rename(id);
    s.await("the holder is named", [&] { return why_code(s, id) == "blocked-by-lock"; });
    EXPECT_THAT(ctl(s, {"why", std::to_string(id)}).out,
                HasSubstr("thread " + std::to_string(holder.thread_id())));
    holder.execute("COMMIT");
    s.await_status(id, 8);
    s.await_idle();
    run.expect_changed();
}

TEST(LhmSupervised, ARowThatTheNewTableRefusesHoldsTheSwapUntilItIsPutRight) {
    Supervised run(small_chunks(), 200);
    Scenario& s = run.s;
    Change change = lhm_change();
    change.ddl =
        "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 7, ADD CONSTRAINT few CHECK "
        "(amount < 2000000000)";
    const MigrationId id = s.submit(change);
    s.bring_to_copied(id);
    run.writers.stop();
    s.db().execute("UPDATE app.t SET amount = 2000000001 WHERE id = 5");
    s.rename(id);
    s.await("the row is named", [&] {
        return ctl(s, {"why", std::to_string(id)}).out.find("refuses") != std::string::npos;
    });
    EXPECT_EQ(s.status(id), 5);
    s.db().execute("UPDATE app.t SET amount = 5 WHERE id = 5");
    ASSERT_TRUE(s.supervisor().control("retry", {{"id", id}}).ok());
    s.await_status(id, 8);
    s.await_idle();
    EXPECT_EQ(s.leftovers("app", {"t", "versions"}), "");
}

TEST(LhmSupervised, ATableThatIsEmptiedBeforeItsSwapStaysSo) {
    Supervised run(small_chunks(), 200);
    Scenario& s = run.s;
    const MigrationId id = s.submit(lhm_change());
    s.bring_to_copied(id);
    run.writers.stop();
    for (const char* table : {"app.t", "app_ledger.t"}) {
        s.db().execute(std::string("TRUNCATE TABLE ") + table);
        s.db().execute(std::string("INSERT INTO ") + table + " (id, name) VALUES (5, 'after')");
    }
    s.rename(id);
    s.await_status(id, 8);
    s.await_idle();
    run.expect_changed();
    EXPECT_THAT(s.file(id, 0), HasSubstr("t was emptied"));
}

// A server that may have lost committed chunks: they are copied again, and nothing is given up.
TEST(LhmSupervised, ARestartOfTheServerBetweenCopyAndSwapCostsTheCopyOnly) {
    ScenarioOptions options = small_chunks();
    options.own_server = true;
    Supervised run(options, 300);
    Scenario& s = run.s;
    const MigrationId id = s.submit(lhm_change());
    s.bring_to_copied(id);
    run.writers.stop();
    // Starts are told in whole seconds: is_same_run().
    s.await("the server is old enough to be told from the next one", [&] {
        return s.db().integer(
                   "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE "
                   "VARIABLE_NAME = 'UPTIME'") > 3;
    });
    s.server().restart();
    s.reconnect();
    // As if a chunk had not survived.
    s.db().execute("DELETE FROM app.lhmn_t WHERE id BETWEEN 20 AND 60");
    s.rename(id);
    s.await_status(id, 8);
    s.await_idle();
    run.expect_changed();
    EXPECT_THAT(s.file(id, 0), HasSubstr("copied again from the first one"));
}

// Killed behind the RENAME, and every copy of the state file is lost: a write that only the old
// table has is still looked for before that table goes.
TEST(LhmSupervised, ALateWriteIsFoundWithoutAStateFile) {
    Supervised run(small_chunks(true), 200);
    Scenario& s = run.s;
    CrashDir crash(s.dir() / "crash");
    s.supervisor().terminate();
    s.supervisor().set_environment("SHIFT_CRASH_DIR", crash.path());
    s.supervisor().start();
    const MigrationId id = s.submit(lhm_change());
    s.bring_to_copied(id);
    run.writers.stop();
    Db holder = s.server().connect("app");
    holder.execute("BEGIN");
    holder.execute("SELECT * FROM t LIMIT 1");
    crash.arm({"lhm-clean-up 1"});  // its triggers are still there
    s.rename(id);
    s.await("the swap waits", [&] { return why_code(s, id) == "blocked-by-lock"; });
    s.supervisor().kill9();
    holder.execute("COMMIT");
    ASSERT_TRUE(poll_until([&] { return crash.left() == 0; }));
    const auto tables = s.db().tables("app");
    const auto old = std::find_if(tables.begin(), tables.end(),
                                  [](const std::string& name) { return name.starts_with("20"); });
    ASSERT_NE(old, tables.end());
    for (const std::string& table : {"app." + quote_name(*old), std::string("app_ledger.t")}) {
        s.db().execute("INSERT INTO " + table + " (id, name) VALUES (900001, 'late')");
    }
    ASSERT_TRUE(std::filesystem::remove(s.supervisor().files_dir(id) + "statefile.txt"));
    s.shift_api().call("POST", "migrations/write_file",
                       {{"migration_id", id}, {"file_type", 1}, {"contents", ""}});
    s.supervisor().start();
    s.await_status(id, 8);
    s.await_idle();
    run.expect_changed();
    EXPECT_EQ(s.db().scalar("SELECT name FROM app.t WHERE id = 900001"), "late");
}

TEST(LhmSupervised, ATableAlteredSinceTheCopyIsNotSwapped) {
    Supervised run(small_chunks(), 200);
    Scenario& s = run.s;
    const MigrationId id = s.submit(lhm_change());
    s.bring_to_copied(id);
    s.db().execute("ALTER TABLE app.t COMMENT 'of somebody else'");
    s.rename(id);
    s.await_status(id, 10);
    EXPECT_THAT(s.text(id, "error_message"), HasSubstr("the original table is untouched"));
    s.await_idle();
    run.expect_unchanged();
}

// ---- random kills

class LhmSupervisedKills : public ::testing::TestWithParam<KeyKind> {
  protected:
    void one_run(const KeyKind& kind, std::uint64_t seed);
};

void kill_something(Scenario& s, std::mt19937_64& random) {
    const auto target = random() % 3;
    if (target != 0) {
        s.supervisor().kill9();
    }
    if (target != 1) {
        for (const pid_t worker : s.supervisor().workers()) {
            ::kill(worker, SIGKILL);
        }
    }
    if (!s.supervisor().running()) {
        s.supervisor().start();
    }
}

void LhmSupervisedKills::one_run(const KeyKind& kind, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const int rows = sized(20'000, 200'000);
    ScenarioOptions options;
    options.settings = {{"lhm_stride", std::to_string(sized(200, 1000))},
                        {"lhm_delay", "0.02"},
                        {"attempts_max", "100"}};
    Scenario s(options);
    s.db().execute("CREATE DATABASE shop");
    s.db().execute("USE shop");
    make_keyed_table(s.db(), kind, rows);
    s.db().execute("CREATE TABLE versions (v INT)");
    KeyWriter first(s.server(), kind, rows, seed + 1);
    KeyWriter second(s.server(), kind, rows, seed + 2);
    Change change = lhm_change();
    change.database = "shop";
    change.ddl =
        "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 5, MODIFY a VARCHAR(80) "
        "CHARACTER SET utf8mb4, ADD INDEX by_a (a)";
    const MigrationId id = s.submit(change);
    s.bring_to_prepared(id);
    s.approve(id);
    s.start_run(id);
    const auto copied = [&] {
        try {
            return s.db().integer("SELECT COUNT(*) FROM shop.lhmn_t");
        } catch (const SqlError&) {
            return std::int64_t{0};
        }
    };
    int kills = 0;
    const int wanted = 3 + static_cast<int>(random() % 2);
    while (kills < wanted && s.status(id) == 3) {
        const std::int64_t goal =
            copied() +
            static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(rows / (wanted + 1)));
        (void)poll_until([&] { return copied() >= goal || s.status(id) != 3; });
        if (s.status(id) == 3) {
            kill_something(s, random);
            ++kills;
        }
    }
    EXPECT_GE(kills, 2) << "the copy was faster than the kills";
    s.await_status(id, 4, seconds{180});
    for (KeyWriter* writer : {&first, &second}) {
        writer->stop();
        EXPECT_EQ(writer->error(), "");
    }
    s.rename(id);
    // Once more around the swap.
    std::this_thread::sleep_for(milliseconds(random() % 400));
    kill_something(s, random);
    s.await_status(id, 8, seconds{120});
    s.await_idle();
    const std::string columns = std::string(kind.columns) + ", a, n";
    EXPECT_EQ(s.leftovers("shop", {"t", "versions"}), "");
    EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM shop.versions"), 1);
    EXPECT_THAT(s.db().columns("shop", "t"), Contains("extra"));
    ASSERT_THAT(s.db().tables("pending_drops"), ::testing::SizeIs(1));
    const std::string old = quote_name(s.db().tables("pending_drops").at(0));
    const std::string order = " ORDER BY " + std::string(kind.columns);
    EXPECT_EQ(row_difference(s.db(), "SELECT " + columns + " FROM shop.t" + order,
                             "SELECT " + columns + " FROM pending_drops." + old + order),
              "");
    EXPECT_THAT(s.model().history(id),
                ElementsAreArray(Names{"0>1 next_step", "1>2 approve", "2>3 start", "3>4 next_step",
                                       "4>5 rename", "5>8 complete"}));
    std::cout << kind.name << " SHIFT_SEED=" << seed << ": " << kills << " kills in the copy, "
              << first.inserted() + second.inserted() << " inserts beside it" << std::endl;
}

TEST_P(LhmSupervisedKills, EndWithTheSameRows) {
    const int runs = std::getenv("SHIFT_SEED") != nullptr ? 1 : sized(1, 20);
    for (int run = 0; run < runs; ++run) {
        const std::uint64_t seed = base_seed() + static_cast<std::uint64_t>(run) * 1000;
        SCOPED_TRACE("SHIFT_SEED=" + std::to_string(seed));
        one_run(GetParam(), seed);
        if (HasFailure()) {
            return;
        }
    }
}

// The others differ in the engine only, which lhm_kill_test kills with all of them.
std::vector<KeyKind> supervised_kinds() {
    std::vector<KeyKind> kinds = {kIntKey, kCompositeKey, kTextKey};
    if (sized(0, 1) == 1) {
        kinds.insert(kinds.end(), {kBinaryKey, kUniqueOnlyKey, kBigUnsignedKey, kDecimalKey,
                                   kDatetimeKey, kEnumKey, kUuidKey, kDoubleKey});
    }
    return kinds;
}

INSTANTIATE_TEST_SUITE_P(Keys, LhmSupervisedKills, ::testing::ValuesIn(supervised_kinds()),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace shift::testing
