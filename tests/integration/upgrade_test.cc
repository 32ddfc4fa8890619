// The daemon is restarted and upgraded while a copy runs: worker and pt-osc stay the same
// processes, the journal is brought up to date, progress goes on, and nothing is told twice. The
// new program is shift-supervisord as a release to come would be (tests/next): its journal has one
// version more.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/support/held_copy.h"
#include "tests/integration/support/programs.h"

namespace shift::testing {
namespace {

using ::testing::HasSubstr;

class Upgrade : public HeldCopy, public ::testing::TestWithParam<bool> {  // true: kill -9
  protected:
    Upgrade() {
        copy();
        s.await("the engine is known", [&] { return pid_of("engine_pid") != 0; });
        engine = pid_of("engine_pid");
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
        s.await("adoption", [&] { return pid_of("worker_pid") == worker; });
        EXPECT_EQ(pid_of("engine_pid"), engine);
    }

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
