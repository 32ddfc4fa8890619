// drain and undrain, workers and stop-workers: stopping the world and going on, with real copies.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <future>

#include "tests/integration/support/ctl.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

ScenarioOptions copies() {
    ScenarioOptions options;
    options.real_api = true;
    options.settings["max_running_per_host"] = "3";
    options.chunk_rows = 100;
    options.chunk_pause_s = 0.01;
    return options;
}

std::string table_name(int i) {
    return "t" + std::to_string(i);
}

// `count` copies, each in the middle of its table for as long as the gate is closed.
std::vector<MigrationId> begin_copies(Scenario& s, int count) {
    std::vector<MigrationId> ids;
    for (int i = 0; i < count; ++i) {
        Writers::make_table(s.db(), "app", table_name(i), 2000);
        ids.push_back(s.submit({.ddl = "ALTER TABLE " + table_name(i) + " ADD COLUMN extra INT",
                                .table = table_name(i)}));
    }
    for (const MigrationId id : ids) {
        s.bring_to_running(id);
    }
    for (const MigrationId id : ids) {
        s.await_copying(id);
    }
    return ids;
}

std::string log_of(Scenario& s, MigrationId id) {
    return slurp(s.supervisor().files_dir(id) + "ptosc-output.log");
}

// It went on where it was: one copy, the same new table, no row copied anew.
void expect_went_on(Scenario& s, MigrationId id, const std::string& shadow) {
    s.await_status(id, 4);
    EXPECT_EQ(s.shadow_table(id), shadow);
    EXPECT_THAT(log_of(s, id), HasSubstr("going on with the copy after"));
    EXPECT_THAT(log_of(s, id), Not(HasSubstr("starts over")));
}

TEST(Drain, WaitStopsThreeCopiesTellsTheApiEverythingAndUndrainGoesOn) {
    Scenario s(copies());
    CopyGate gate(s);
    const auto ids = begin_copies(s, 3);
    std::vector<std::string> shadows;
    for (const MigrationId id : ids) {
        shadows.push_back(s.shadow_table(id));
    }
    const int claims = s.api().count("unstage");

    const ToolResult drained = ctl(s, {"drain", "--wait"});
    EXPECT_EQ(drained.status.code, 0) << drained.out << drained.err;
    EXPECT_THAT(drained.out, HasSubstr("drained: nothing is owed"));
    // From the moment of the answer: nothing runs, everything is told.
    EXPECT_THAT(s.supervisor().workers(), IsEmpty());
    EXPECT_THAT(s.supervisor().journal_rows("SELECT * FROM v_owed"), IsEmpty());
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const Json columns = s.columns(ids[i]);
        EXPECT_EQ(columns["status"], 3) << to_line(columns);
        EXPECT_EQ(columns["staged"], true) << to_line(columns);
        EXPECT_TRUE(columns["run_host"].is_null()) << to_line(columns);
        EXPECT_EQ(s.shadow_table(ids[i]), shadows[i]) << "its state is kept";
        EXPECT_EQ(s.file(ids[i], 1), slurp(s.supervisor().files_dir(ids[i]) + "statefile.txt"));
        EXPECT_EQ(s.file(ids[i], 0), log_of(s, ids[i]));
    }
    EXPECT_THAT(ctl(s, {"status"}).out, HasSubstr("drain: by command, stopped copies are offered"));

    // No new claims, also not across a restart of the daemon.
    Writers::make_table(s.db(), "app", "late", 10);
    const MigrationId late = s.submit({.ddl = "ALTER TABLE late ADD COLUMN extra INT"});
    s.supervisor().restart();
    EXPECT_TRUE(stays_true([&] { return s.api().count("unstage") == claims; }, seconds{1}));
    EXPECT_EQ(ctl_json(s, {"status"})["state"], "draining");

    gate.open();
    EXPECT_EQ(ctl(s, {"undrain"}).status.code, 0);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        expect_went_on(s, ids[i], shadows[i]);
    }
    s.await_status(late, 1);
    // Who gave the commands is in the journal.
    const auto who = s.supervisor().journal_rows(
        "SELECT kind, json_extract(detail, '$.uid') FROM event WHERE source='operator' ORDER BY "
        "id");
    ASSERT_EQ(who.size(), 2U);
    EXPECT_EQ(who[0][0], "drain");
    EXPECT_EQ(who[0][1], std::to_string(::geteuid()));
}

TEST(Drain, KeepHoldsTheCopyHere) {
    Scenario s(copies());
    CopyGate gate(s);
    const MigrationId id = begin_copies(s, 1)[0];
    const std::string shadow = s.shadow_table(id);
    EXPECT_EQ(ctl(s, {"drain", "--keep", "--wait"}).status.code, 0);
    const Json columns = s.columns(id);
    EXPECT_EQ(columns["staged"], false) << to_line(columns);
    EXPECT_EQ(columns["run_host"], "host-a") << to_line(columns);
    EXPECT_THAT(s.supervisor().workers(), IsEmpty());
    s.await("the reason is told", [&] { return why_code(s, id) == "drained"; });
    EXPECT_THAT(ctl(s, {"status"}).out, HasSubstr("stopped copies stay on this host"));
    gate.open();
    EXPECT_EQ(ctl(s, {"undrain"}).status.code, 0);
    expect_went_on(s, id, shadow);
}

// Also a tool that cannot go on is stopped, offered and brought to a right end.
class DrainOfOtherTools : public ::testing::TestWithParam<OscFlavour> {};

TEST_P(DrainOfOtherTools, OffersTheCopyWhichEndsRight) {
    ScenarioOptions options = copies();
    options.flavour = GetParam();
    Scenario s(options);
    CopyGate gate(s);
    const MigrationId id = begin_copies(s, 1)[0];
    const ToolResult drained = ctl(s, {"drain", "--wait"});
    EXPECT_EQ(drained.status.code, 0) << drained.out << drained.err;
    EXPECT_THAT(s.supervisor().workers(), IsEmpty());
    const Json columns = s.columns(id);
    EXPECT_EQ(columns["status"], 3) << to_line(columns);
    EXPECT_EQ(columns["staged"], true) << to_line(columns);
    EXPECT_TRUE(columns["run_host"].is_null()) << to_line(columns);
    EXPECT_EQ(s.file(id, 1), slurp(s.supervisor().files_dir(id) + "statefile.txt"));

    gate.open();
    EXPECT_EQ(ctl(s, {"undrain"}).status.code, 0);
    s.await_status(id, 4);
    EXPECT_THAT(log_of(s, id),
                HasSubstr(options.flavour == OscFlavour::kSquare ? "going on with the copy after"
                                                                 : "the copy starts over"));
    s.rename(id);
    s.await_status(id, 8);
    EXPECT_EQ(Writers::difference(s.db(), "app", "t0"), "");
    EXPECT_EQ(s.leftovers("app", {"t0"}), "");
}
INSTANTIATE_TEST_SUITE_P(Flavours, DrainOfOtherTools,
                         ::testing::Values(OscFlavour::kSquare, OscFlavour::kBasic),
                         [](const auto& one) {
                             return one.param == OscFlavour::kSquare ? "Square" : "WithoutPlugins";
                         });

TEST(Drain, TimesOutWith75AndSaysWhatIsOwed) {
    ScenarioOptions options = copies();
    options.settings["report_flush_timeout"] = "0.2";
    Scenario s(options);
    CopyGate gate(s);
    const MigrationId id = begin_copies(s, 1)[0];
    s.api().down();
    const ToolResult late = ctl(s, {"drain", "--wait", "--timeout", "2"});
    EXPECT_EQ(late.status.code, 75) << late.out << late.err;
    EXPECT_THAT(late.err, HasSubstr("still owed"));
    s.await("only telling is left",
            [&] { return s.supervisor().migration(id)["state"] == "delivering"; });
    EXPECT_EQ(why_code(s, id), "api-unreachable");
    s.api().up();
    EXPECT_EQ(ctl(s, {"retry", std::to_string(id)}).status.code, 0);
    EXPECT_EQ(ctl(s, {"drain", "--wait"}).status.code, 0);
    EXPECT_EQ(s.columns(id)["staged"], true);
    gate.open();
}

TEST(StopWorkers, StopsCopiesWithoutADaemonWhichFindsTheOutcomeLater) {
    Scenario s(copies());
    CopyGate gate(s);
    const auto ids = begin_copies(s, 2);
    const std::string shadow = s.shadow_table(ids[0]);
    s.supervisor().kill9();

    Json before;
    (void)poll_until([&] {  // the first rows are there before the worker has heard of them
        before = ctl_json(s, {"workers"});
        const Json list = before.value("workers", Json::array());
        return std::all_of(list.begin(), list.end(), [](const Json& worker) {
            return worker.at("progress").is_object() &&
                   worker.at("progress").value("phase", "") == "copy";
        });
    });
    EXPECT_EQ(before["daemon"], false);
    ASSERT_EQ(before["workers"].size(), 2U) << to_line(before);
    for (const Json& worker : before["workers"]) {
        EXPECT_EQ(worker["life"], "running");
        EXPECT_GT(worker["worker_pid"].get<int>(), 0);
        EXPECT_GT(worker["engine_pid"].get<int>(), 0);
        EXPECT_EQ(worker["progress"]["phase"], "copy") << to_line(worker);
    }
    EXPECT_THAT(ctl(s, {"workers"}).out, HasSubstr("no daemon runs here"));
    // Its journal tells the rest.
    const ToolResult status = ctl(s, {"status"});
    EXPECT_EQ(status.status.code, 69);
    EXPECT_THAT(status.out, HasSubstr("not running"));
    EXPECT_THAT(status.out, HasSubstr("app.t0"));
    EXPECT_THAT(status.out, HasSubstr("app.t1"));
    EXPECT_THAT(status.err, HasSubstr("no daemon answers"));

    EXPECT_EQ(ctl(s, {"stop-workers", "777"}).status.code, 1);
    const ToolResult one = ctl(s, {"stop-workers", std::to_string(ids[0])});
    EXPECT_EQ(one.status.code, 0) << one.out << one.err;
    EXPECT_THAT(one.out, HasSubstr(": stopped"));
    EXPECT_THAT(one.out, HasSubstr("new table `app`.`" + shadow + "` and triggers "));
    for (const std::string& trigger : s.db().triggers("app")) {
        if (trigger.find("_t0_") != std::string::npos) {
            EXPECT_THAT(one.out, HasSubstr(trigger));
        }
    }
    EXPECT_THAT(one.out, HasSubstr(" of `t0` on 127.0.0.1:" + std::to_string(s.server().port())));
    EXPECT_EQ(s.shadow_table(ids[0]), shadow);
    EXPECT_EQ(s.db().triggers("app").size(), 6U);
    EXPECT_EQ(s.supervisor().workers().size(), 2U) << "worker and tool of the other";

    const Json rest = ctl_json(s, {"stop-workers", "--all"});
    EXPECT_EQ(rest["left"], 0) << to_line(rest);
    EXPECT_THAT(rest["workers"][0]["left_on_server"].get<std::string>(),
                HasSubstr("`" + s.shadow_table(ids[1]) + "`"));
    EXPECT_THAT(s.supervisor().workers(), IsEmpty());
    const Json after = ctl_json(s, {"workers"});
    for (const Json& worker : after["workers"]) {
        EXPECT_EQ(worker["life"], "ended");
        EXPECT_EQ(worker["outcome"], "stopped");
    }

    gate.open();
    s.supervisor().start();
    expect_went_on(s, ids[0], shadow);
    s.await_status(ids[1], 4);
    EXPECT_THAT(s.supervisor().journal_rows("SELECT 1 FROM attempt WHERE outcome='stopped'"),
                ::testing::SizeIs(2));
}

TEST(StopWorkers, WithoutItsSocketAWorkerGetsTerm) {
    Scenario s(copies());
    CopyGate gate(s);
    const MigrationId id = begin_copies(s, 1)[0];
    s.supervisor().kill9();
    std::filesystem::remove(s.supervisor().attempts().back() + "/worker.sock");
    const ToolResult result = ctl(s, {"stop-workers", "--all"});
    EXPECT_EQ(result.status.code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("TERM sent"));
    EXPECT_THAT(s.supervisor().workers(), IsEmpty());
    EXPECT_NE(s.shadow_table(id), "") << "state is kept";
    gate.open();
}

TEST(StopWorkers, OneThatDoesNotEndIs75) {
    Scenario s(copies());
    CopyGate gate(s);
    begin_copies(s, 1);
    const Json worker = ctl_json(s, {"workers"})["workers"][0];
    s.supervisor().kill9();
    ::kill(worker["worker_pid"].get<pid_t>(), SIGSTOP);
    const ToolResult result = ctl(s, {"stop-workers", "--all", "--timeout", "1"});
    EXPECT_EQ(result.status.code, 75) << result.out << result.err;
    EXPECT_THAT(result.err, HasSubstr("has not ended yet"));
    ::kill(worker["worker_pid"].get<pid_t>(), SIGCONT);
    gate.open();
}

}  // namespace
}  // namespace shift::testing
