// What people are told when the daemon is down or hangs: its journal's answers, and what stops
// copies.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include "tests/integration/support/ctl.h"
#include "tests/integration/support/full_disk.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/tmux.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

ScenarioOptions slow_copies() {
    ScenarioOptions options;
    options.settings["max_running_per_host"] = "2";
    options.chunk_rows = 100;
    options.chunk_pause_s = 0.01;
    return options;
}

MigrationId begin_copy(Scenario& s, const std::string& table) {
    Writers::make_table(s.db(), "app", table, 2000);
    const MigrationId id =
        s.submit({.ddl = "ALTER TABLE " + table + " ADD COLUMN extra INT", .table = table});
    s.bring_to_running(id);
    s.await_copying(id);
    return id;
}

pid_t worker_of(Scenario& s, MigrationId id) {
    return static_cast<pid_t>(int_or(s.supervisor().migration(id), "worker_pid", 0));
}

TEST(WithoutADaemon, TheJournalTellsStatusWhyAndTheLastError) {
    Scenario s(slow_copies());
    CopyGate gate(s);
    const MigrationId id = begin_copy(s, "t");
    const std::string number = std::to_string(id);
    const pid_t first = worker_of(s, id);
    ASSERT_GT(first, 0);
    ::kill(first, SIGKILL);
    s.await("it is at work again", [&] {
        const pid_t now = worker_of(s, id);
        return now > 0 && now != first;
    });
    const std::string died = "the worker died without an outcome (signal 9, Killed)";
    EXPECT_EQ(s.supervisor().migration(id)["last_error"], died);
    EXPECT_THAT(ctl(s, {"status"}).out, HasSubstr("last error: " + died));
    EXPECT_THAT(ctl(s, {"status", number}).out, HasSubstr(died));

    s.supervisor().kill9();
    spit(s.supervisor().stop_file(), "");
    ToolResult shown = ctl(s, {"--json", "status"});
    EXPECT_EQ(shown.status.code, 69);
    EXPECT_EQ(against_status_schema(shown.out), "");
    const Json status = *parse_json(shown.out);
    EXPECT_EQ(status["state"], "not running");
    EXPECT_EQ(status["migrations"][0]["last_error"], died);
    EXPECT_EQ(status["drain"]["by"], "stop file");
    shown = ctl(s, {"--json", "status", number});
    EXPECT_EQ(shown.status.code, 69);
    EXPECT_EQ(against_status_schema(shown.out), "");
    EXPECT_THAT(shown.out, HasSubstr("stop file"));
    EXPECT_THAT(ctl(s, {"status", number}).out, HasSubstr("drain: by stop file"));

    shown = ctl(s, {"--json", "why", number});
    EXPECT_EQ(shown.status.code, 69);
    EXPECT_EQ((*parse_json(shown.out))["code"], "running") << shown.out;
    EXPECT_THAT(shown.out, HasSubstr("as the journal has it"));
    EXPECT_THAT(shown.err, HasSubstr("no daemon answers"));

    const std::string watch = program("shift-supervisorctl") + " --config " +
                              s.supervisor().config_file() + " status --watch 0.2";
    Tmux terminal(100, 30, watch);
    const auto shows = [&](const std::string& text) {
        const auto rows = terminal.screen();
        return std::any_of(rows.begin(), rows.end(), [&](const std::string& row) {
            return row.find(text) != std::string::npos;
        });
    };
    ASSERT_TRUE(poll_until([&] {
        return shows("not running; this is its journal") && shows("app.t") &&
               shows("no daemon answers");
    }));
    ::unlink(s.supervisor().stop_file().c_str());
    s.supervisor().start();
    ASSERT_TRUE(poll_until([&] { return shows("API http") && !shows("no daemon answers"); }));
    gate.open();
    s.await_status(id, 4);
    s.await("a success takes the error away",
            [&] { return s.supervisor().migration(id)["last_error"].is_null(); });
}

TEST(WithoutADaemon, TheReasonOfABackOffIsInTheJournal) {
    ScenarioOptions options;
    options.settings["retry_backoff_min"] = "300";
    options.settings["retry_backoff_max"] = "300";
    options.own_server = true;
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 10);
    s.server().stop();
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.await("it backs off", [&] { return why_code(s, id) == "database-unreachable"; });
    const Json before = s.supervisor().migration(id);
    EXPECT_EQ(before["reason"], before["last_error"]);
    s.supervisor().kill9();
    const Json status = ctl_json(s, {"status"}, 69);
    EXPECT_EQ(status["migrations"][0]["why"], "database-unreachable");
    EXPECT_EQ(status["migrations"][0]["last_error"], before["last_error"]);
    EXPECT_EQ(ctl_json(s, {"why", std::to_string(id)}, 69)["code"], "database-unreachable");
    // What it never had, neither the journal nor a daemon tells: the API does, as far as it can.
    EXPECT_EQ(ctl(s, {"why", "4711"}).status.code, 69);
}

TEST(WithoutADaemon, OneThatHangsIsNotWaitedForLong) {
    Scenario s(slow_copies());
    CopyGate gate(s);
    const MigrationId id = begin_copy(s, "t");
    s.supervisor().signal(SIGSTOP);
    const auto begin = std::chrono::steady_clock::now();
    const ToolResult shown = ctl(s, {"--json", "status"});
    EXPECT_LT(std::chrono::steady_clock::now() - begin, stretched(seconds{10}));
    EXPECT_EQ(shown.status.code, 75);
    EXPECT_EQ(against_status_schema(shown.out), "");
    const Json status = *parse_json(shown.out);
    EXPECT_EQ(status["state"], "not answering");
    EXPECT_EQ(status["migrations"][0]["id"], id);
    EXPECT_EQ(ctl_json(s, {"why", std::to_string(id)}, 75)["code"], "running");
    EXPECT_THAT(ctl(s, {"events", std::to_string(id)}).out, HasSubstr("spawned"));
    s.supervisor().signal(SIGCONT);
    gate.open();
    s.await_status(id, 4);
}

// The night on which every disk is full and the daemon is gone: copies must be stopped all the
// same.
TEST(WithoutADaemon, StopWorkersNeedsNoDisk) {
    ScenarioOptions options = slow_copies();
    options.start = false;
    Scenario s(options);
    FullDisk state(s.supervisor().state_dir(), s.dir().path());
    FullDisk logs(s.supervisor().log_dir(), s.dir().path());
    for (const auto& [name, value] : state.environment()) {
        s.supervisor().set_environment(name, value);
    }
    if (!state.is_mounted()) {  // one folder for both
        s.supervisor().set_environment("SHIFT_FULL_DIR", s.dir().path());
    }
    s.supervisor().start();
    CopyGate gate(s);
    const MigrationId one = begin_copy(s, "t");
    const MigrationId two = begin_copy(s, "u");
    const std::string shadow = s.shadow_table(one);
    s.supervisor().kill9();
    state.fill();
    logs.fill();

    const ToolResult stopped = ctl(s, {"stop-workers", "--all"}, kDeadline * 3);
    EXPECT_EQ(stopped.status.code, 0) << stopped.out << stopped.err;
    EXPECT_THAT(s.supervisor().workers(), IsEmpty());
    EXPECT_THAT(stopped.out, Not(HasSubstr("died without an outcome")));
    EXPECT_THAT(stopped.out, HasSubstr("`" + shadow + "`"));
    EXPECT_EQ(s.shadow_table(one), shadow) << "its state is kept";
    EXPECT_EQ(s.db().triggers("app").size(), 6U);

    state.free();
    logs.free();
    gate.open();
    s.supervisor().start();
    for (const MigrationId id : {one, two}) {
        s.await_status(id, 4);
    }
    EXPECT_THAT(s.supervisor().journal_rows("SELECT 1 FROM attempt WHERE outcome='stopped'"),
                ::testing::SizeIs(2));
}

}  // namespace
}  // namespace shift::testing
