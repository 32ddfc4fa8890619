// The daemon is restarted and upgraded while a copy runs: worker and pt-osc stay the same
// processes, the journal is brought up to date, progress goes on, and nothing is told twice. The
// new program is shift-supervisord as a release to come would be (tests/next): its journal has one
// version more.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/support/invariants.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/scenario.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Upgrade : public ::testing::TestWithParam<bool> {  // true: kill -9 instead of SIGTERM
  protected:
    Upgrade() {
        Writers::make_table(s.db(), "app", "t", 400);
        s.db().execute("CREATE TABLE app.versions (v INT)");
        Invariants::make_bystanders(s.db());
        writers.set_rest(milliseconds{10});
        writers.start();
        s.supervisor().start();
        id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 7",
                       .final_insert = "INSERT INTO versions (v) VALUES (1)"});
        s.bring_to_running(id);
        s.await_copying(id);
        s.await("the engine is known", [&] { return pid("engine_pid") != 0; });
        worker = pid("worker_pid");
        engine = pid("engine_pid");
    }
    static ScenarioOptions options() {
        ScenarioOptions options;
        options.chunk_rows = 50;
        options.start = false;
        return options;
    }
    pid_t pid(const char* which) {
        return static_cast<pid_t>(int_or(s.supervisor().migration(id), which, 0));
    }
    void stop() {
        if (GetParam()) {
            s.supervisor().kill9();
        } else {
            const auto exit = s.supervisor().terminate();
            ASSERT_TRUE(exit);
            EXPECT_EQ(exit->code, 0);
        }
        EXPECT_FALSE(command_line(worker).empty());
        EXPECT_FALSE(command_line(engine).empty());
    }
    void start(const std::string& name) {
        s.supervisor().set_program(name);
        s.supervisor().start();
    }
    std::string journal_version() {
        return s.supervisor().journal_rows("PRAGMA user_version")[0][0];
    }
    void expect_same_processes() {
        s.await("adoption", [&] { return pid("worker_pid") == worker; });
        EXPECT_EQ(pid("engine_pid"), engine);
    }
    void finish() {
        gate.open();
        s.await_status(id, 4);
        s.rename(id);
        s.await_status(id, 8);
        s.await_idle();
        writers.stop();
        EXPECT_THAT(writers.errors(), IsEmpty());
        EXPECT_THAT(
            Invariants(s).violations(
                {.id = id, .changed = true, .kept = {"t", "versions"}, .with_content = true}),
            IsEmpty());
    }

    Scenario s{options()};
    CopyGate gate{s};
    Writers writers{s.server(), "app", "t", 1, base_seed()};
    MigrationId id = 0;
    pid_t worker = 0;
    pid_t engine = 0;
};

TEST_P(Upgrade, GoesOnWithTheSameWorkerAndTool) {
    const std::string before = journal_version();
    stop();
    start("shift-supervisord-next");
    EXPECT_EQ(journal_version(), std::to_string(std::stoi(before) + 1));
    expect_same_processes();
    const auto rows = int_or(s.supervisor().migration(id), "rows", 0);
    gate.open();
    s.await("progress", [&] {
        return s.status(id) != 3 || int_or(s.supervisor().migration(id), "rows", 0) > rows;
    });
    finish();
}

TEST_P(Upgrade, TakenBackRefusesTheNewerJournalAndTouchesNothing) {
    stop();
    start("shift-supervisord-next");
    expect_same_processes();
    stop();
    s.supervisor().set_program("shift-supervisord");
    s.supervisor().start(false);
    const auto exit = s.supervisor().wait();
    ASSERT_TRUE(exit);
    EXPECT_EQ(exit->code, 78);
    EXPECT_THAT(slurp(s.supervisor().log_file()), HasSubstr("install the newer shift-supervisor"));
    EXPECT_FALSE(command_line(worker).empty());
    start("shift-supervisord-next");
    expect_same_processes();
    finish();
}

TEST_P(Upgrade, FindsWhatEndedWhileNoDaemonRan) {
    stop();
    gate.open();
    s.await("the worker's end", [&] { return command_line(worker).empty(); });
    EXPECT_EQ(s.status(id), 3) << "nobody can have told it";
    start("shift-supervisord-next");
    finish();
}

INSTANTIATE_TEST_SUITE_P(Daemon, Upgrade, ::testing::Bool(),
                         [](const auto& one) { return one.param ? "Killed" : "Stopped"; });

}  // namespace
}  // namespace shift::testing
