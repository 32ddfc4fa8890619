// kill -9 of the supervisor at a seeded random moment of every step, then a restart: the right end,
// and the API told once. Replay one with SHIFT_SEED=<the printed seed>.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <map>
#include <ostream>
#include <random>
#include <thread>

#include "tests/integration/support/scenario.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::Not;

using Clock = std::chrono::steady_clock;

// One step of a migration that is killed in: how to get there, how to set it off, what must come of
// it.
struct Victim {
    const char* name;
    Change change;
    int rows;
    void (*bring_up)(Scenario&, MigrationId);
    void (*set_off)(Scenario&, MigrationId);
    bool (*is_over)(Scenario&, MigrationId);
    void (*check)(Scenario&, MigrationId);
    std::vector<std::string> history;
};
void PrintTo(const Victim& victim, std::ostream* out) {
    *out << victim.name;
}

Change long_alter() {
    return {.ddl = "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 7",
            .final_insert = "INSERT INTO versions (v) VALUES (1)"};
}

void bring_to_copying(Scenario& s, MigrationId id) {
    spit(s.dir() / "gate", "");  // stays in the middle of the copy
    s.bring_to_running(id);
    s.await_copying(id);
}

void expect_unchanged(Scenario& s) {
    EXPECT_THAT(s.db().columns("app", "t"), Not(Contains("extra")));
    EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.versions"), 0);
}

void expect_changed(Scenario& s) {
    EXPECT_THAT(s.db().columns("app", "t"), Contains("extra"));
    EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.versions"), 1) << "final insert ran once";
    EXPECT_EQ(s.leftovers("app", {"t", "versions"}), "");
    EXPECT_EQ(s.db().tables("pending_drops").size(), 1U);
}

std::vector<Victim> victims() {
    return {
        {"Prepare",
         long_alter(),
         200,
         [](Scenario& s, MigrationId) { (void)s; },
         [](Scenario&, MigrationId) {},  // submitting it sets it off
         [](Scenario& s, MigrationId id) { return s.status(id) == 1; },
         [](Scenario& s, MigrationId) {
             expect_unchanged(s);
             EXPECT_EQ(s.leftovers("app", {"t", "versions"}), "");
         },
         {"0>1 next_step"}},
        {"Copy",
         long_alter(),
         1500,
         [](Scenario& s, MigrationId id) {
             s.bring_to_prepared(id);
             s.approve(id);
         },
         [](Scenario& s, MigrationId id) { s.start_run(id); },
         [](Scenario& s, MigrationId id) { return s.status(id) == 4; },
         [](Scenario& s, MigrationId id) {
             expect_unchanged(s);
             EXPECT_EQ(s.db().triggers("app").size(), 3U);
             EXPECT_EQ(s.db().checksum("app", s.shadow_table(id), Writers::columns()),
                       s.db().checksum("app_ledger", "t", Writers::columns()));
         },
         {"0>1 next_step", "1>2 approve", "2>3 start", "3>4 next_step"}},
        {"ShortAlter",
         {.ddl = "ALTER TABLE t ADD INDEX (amount)",
          .runtype = 2,
          .final_insert = "INSERT INTO versions (v) VALUES (1)"},
         3000,
         [](Scenario& s, MigrationId id) {
             s.bring_to_prepared(id);
             s.approve(id);
         },
         [](Scenario& s, MigrationId id) { s.start_run(id); },
         [](Scenario& s, MigrationId id) { return s.status(id) == 8; },
         [](Scenario& s, MigrationId) {
             EXPECT_EQ(
                 s.db().integer("SELECT COUNT(DISTINCT INDEX_NAME) FROM "
                                "information_schema.STATISTICS WHERE TABLE_SCHEMA = 'app' AND "
                                "TABLE_NAME = 't' AND COLUMN_NAME = 'amount'"),
                 1)
                 << "the ALTER ran once";
             EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.versions"), 1);
         },
         {"0>1 next_step", "1>2 approve", "2>3 start", "3>8 complete"}},
        {"Drop",
         {.ddl = "DROP TABLE t", .action = 1, .runtype = 2},
         200,
         [](Scenario& s, MigrationId id) {
             s.bring_to_prepared(id);
             s.approve(id);
         },
         [](Scenario& s, MigrationId id) { s.start_run(id); },
         [](Scenario& s, MigrationId id) { return s.status(id) == 8; },
         [](Scenario& s, MigrationId) {
             EXPECT_FALSE(s.db().table_exists("app", "t"));
             EXPECT_EQ(s.db().tables("pending_drops").size(), 1U);
         },
         {"0>1 next_step", "1>2 approve", "2>3 start", "3>8 complete"}},
        {"Rename",
         long_alter(),
         300,
         [](Scenario& s, MigrationId id) { s.bring_to_copied(id); },
         [](Scenario& s, MigrationId id) { s.rename(id); },
         [](Scenario& s, MigrationId id) { return s.status(id) == 8; },
         [](Scenario& s, MigrationId) { expect_changed(s); },
         {"0>1 next_step", "1>2 approve", "2>3 start", "3>4 next_step", "4>5 rename",
          "5>8 complete"}},
        {"Pause",
         long_alter(),
         3000,
         bring_to_copying,
         [](Scenario& s, MigrationId id) { s.pause(id); },
         [](Scenario& s, MigrationId id) { return s.status(id) == 12; },
         [](Scenario& s, MigrationId id) {
             EXPECT_THAT(s.supervisor().workers(), IsEmpty());
             // And it can go on to the end.
             std::filesystem::remove(s.dir() / "gate");
             s.resume(id);
             s.await_status(id, 4);
             s.rename(id);
             s.await_status(id, 8);
             expect_changed(s);
         },
         {"0>1 next_step", "1>2 approve", "2>3 start", "3>11 pause", "11>12 next_step",
          "12>3 resume", "3>4 next_step", "4>5 rename", "5>8 complete"}},
        {"CancelOfACopy",
         long_alter(),
         3000,
         bring_to_copying,
         [](Scenario& s, MigrationId id) { s.cancel(id); },
         [](Scenario& s, MigrationId id) {
             return !s.model().staged(id) && s.text(id, "run_host").empty() &&
                    s.leftovers("app", {"t", "versions"}).empty();
         },
         [](Scenario& s, MigrationId) {
             expect_unchanged(s);
             EXPECT_THAT(s.supervisor().workers(), IsEmpty());
         },
         {"0>1 next_step", "1>2 approve", "2>3 start", "3>9 cancel"}},
        {"CancelAfterTheCopy",
         long_alter(),
         300,
         [](Scenario& s, MigrationId id) { s.bring_to_copied(id); },
         [](Scenario& s, MigrationId id) { s.cancel(id); },
         [](Scenario& s, MigrationId id) {
             return !s.model().staged(id) && s.text(id, "run_host").empty() &&
                    s.leftovers("app", {"t", "versions"}).empty();
         },
         [](Scenario& s, MigrationId) { expect_unchanged(s); },
         {"0>1 next_step", "1>2 approve", "2>3 start", "3>4 next_step", "4>9 cancel"}},
    };
}

ScenarioOptions options() {
    ScenarioOptions options;
    options.chunk_rows = 50;
    options.chunk_pause_s = 0.02;
    return options;
}

// Runs the step once; killed after `fraction` of `duration` when it is not negative. How long it
// took.
Clock::duration run_once(const Victim& victim, double fraction, Clock::duration duration,
                         milliseconds gap, std::uint64_t seed) {
    Scenario s(options());
    Writers::make_table(s.db(), "app", "t", victim.rows);
    s.db().execute("CREATE TABLE app.versions (v INT)");
    const bool traffic = victim.change.action == 2;
    Writers writers(s.server(), "app", "t", 1, seed);
    if (traffic) {
        writers.start();
    }
    const MigrationId id = s.submit(victim.change);
    victim.bring_up(s, id);
    const auto begin = Clock::now();
    victim.set_off(s, id);
    if (fraction >= 0) {
        std::this_thread::sleep_for(std::chrono::duration_cast<milliseconds>(duration * fraction));
        s.supervisor().kill9();
        std::this_thread::sleep_for(gap);
        s.supervisor().start();
    }
    s.await(std::string(victim.name) + " is over", [&] { return victim.is_over(s, id); });
    const auto took = Clock::now() - begin;
    s.await_idle();
    if (std::string(victim.name) == "Copy") {
        writers.stop();  // its check compares the copy with the ledger
    }
    victim.check(s, id);
    s.await_idle();
    writers.stop();
    EXPECT_THAT(writers.errors(), IsEmpty());
    EXPECT_THAT(s.model().history(id), ElementsAreArray(victim.history));
    if (traffic) {
        EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    }
    // Told once: every transition of ours that reached the API moved it.
    for (const char* endpoint : {"next_step", "complete", "fail", "error", "offer"}) {
        int moved = 0;
        for (const std::string& line : s.model().history(id)) {
            moved += line.find(std::string(" ") + endpoint) != std::string::npos ? 1 : 0;
        }
        EXPECT_EQ(s.api().count(endpoint, id, true), moved) << endpoint;
    }
    EXPECT_EQ(s.text(id, "run_host"), "");
    return took;
}

class KillTest : public ::testing::TestWithParam<Victim> {};

TEST_P(KillTest, SupervisorRestartsToTheRightEnd) {
    const Victim& victim = GetParam();
    const Clock::duration undisturbed =
        run_once(victim, -1, Clock::duration::zero(), milliseconds{0}, 1);
    ASSERT_FALSE(HasFailure()) << "without any kill";
    const std::uint64_t first = base_seed();
    const int seeds = std::getenv("SHIFT_SEED") != nullptr ? 1 : sized(2, 10);
    for (int i = 0; i < seeds; ++i) {
        const std::uint64_t seed = first + static_cast<std::uint64_t>(i);
        std::mt19937_64 random(seed);
        const double fraction = std::uniform_real_distribution<double>(0, 1.05)(random);
        const milliseconds gap(std::uniform_int_distribution<int>(0, 700)(random));
        std::cout << victim.name << ": seed " << seed << ": kill -9 at "
                  << static_cast<int>(fraction * 100) << " % of "
                  << std::chrono::duration_cast<milliseconds>(undisturbed).count()
                  << " ms, restart after " << gap.count() << " ms" << std::endl;
        SCOPED_TRACE("SHIFT_SEED=" + std::to_string(seed));
        run_once(victim, fraction, undisturbed, gap, seed);
        if (HasFailure()) {
            return;
        }
    }
}
INSTANTIATE_TEST_SUITE_P(Kill, KillTest, ::testing::ValuesIn(victims()),
                         [](const auto& one) { return std::string(one.param.name); });

// The worker dies instead: the copy is an error that resumes, everything else is tried again.
TEST(KillWorker, DuringACopyEndsTheEngineAndResumes) {
    Scenario s(options());
    Writers::make_table(s.db(), "app", "t", 1000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_running(id);
    s.await_copying(id);
    pid_t worker = 0;
    pid_t engine = 0;
    s.await("worker and engine are known", [&] {
        const Json shown = s.supervisor().migration(id);
        worker = static_cast<pid_t>(int_or(shown, "worker_pid", 0));
        engine = static_cast<pid_t>(int_or(shown, "engine_pid", 0));
        return worker > 0 && engine > 0;
    });
    ASSERT_EQ(::kill(worker, SIGKILL), 0);
    s.await("no orphan is left", [&] {
        return command_line(engine).find("pt-online-schema-change") == std::string::npos;
    });
    gate.open();
    s.await("the step ended or went on", [&] {
        const int status = s.status(id);
        return status == 13 || status == 4;
    });
    if (s.status(id) == 13) {
        s.resume(id);
        s.await_status(id, 4);
    }
    s.rename(id);
    s.await_status(id, 8);
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
}

// A restart (upgrade) in the middle of a copy: the worker and its engine are the same processes
// after it.
TEST(Restart, LeavesARunningCopyAlone) {
    ScenarioOptions with_gate = options();
    with_gate.chunk_pause_s = 0;
    Scenario s(with_gate);
    Writers::make_table(s.db(), "app", "t", 1000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_running(id);
    s.await_copying(id);
    const auto pids = [&] {
        const Json shown = s.supervisor().migration(id);
        return std::pair(int_or(shown, "worker_pid", 0), int_or(shown, "engine_pid", 0));
    };
    s.await("worker and engine are known", [&] { return pids().second > 0; });
    const auto before = pids();
    for (const bool orderly : {true, false}) {
        if (orderly) {
            const auto status = s.supervisor().terminate();
            ASSERT_TRUE(status.has_value());
            EXPECT_EQ(status->code, 0);
        } else {
            s.supervisor().kill9();
        }
        s.supervisor().start();
        s.await("adopted", [&] { return pids().second > 0; });
        EXPECT_EQ(pids(), before);
    }
    gate.open();
    s.await_status(id, 4);
    EXPECT_EQ(s.supervisor().attempts().size(), 2U) << "prepare and one copy";
}

}  // namespace
}  // namespace shift::testing
