#include <signal.h>

#include <algorithm>

#include "common/why.h"
#include "tests/unit/ctl/support.h"

namespace shift::ctl {
namespace {

TEST_F(Cli, UsageErrorsAre64) {
    for (const auto& words :
         std::vector<std::vector<std::string>>{{},
                                               {"dance"},
                                               {"status", "--dance"},
                                               {"start"},
                                               {"start", "x"},
                                               {"start", "0"},
                                               {"start", "1", "2"},
                                               {"approve", "7", "--runtype", "fast"},
                                               {"submit"},
                                               {"status", "--watch", "x"},
                                               {"drain", "--timeout", "soon"},
                                               {"log", "-1"},
                                               {"events"},
                                               {"history", "--limit", "0"},
                                               {"stop-workers"},
                                               {"stop-workers", "1", "--all"},
                                               {"retry"}}) {
        const Outcome outcome = run(words);
        EXPECT_EQ(outcome.code, kExitUsage);
        EXPECT_EQ(outcome.out, "");
        EXPECT_TRUE(has(outcome.err, "shift-supervisorctl: ")) << outcome.err;
    }
    EXPECT_TRUE(has(run({"statsu"}).err, "unknown verb 'statsu', did you mean status?"));
}

TEST_F(Cli, HelpAndVersionAreAnswers) {
    const Outcome help = run({"--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_TRUE(has(help.out, "check-config"));
    EXPECT_EQ(run({"--version"}).out, "shift-supervisorctl " SHIFT_VERSION "\n");
    EXPECT_EQ(run({"drain", "--help"}).code, 0);
}

TEST_F(Cli, SaysWhichDaemonIsNotThere) {
    const Outcome outcome = run({"status", "--socket", socket_});
    EXPECT_EQ(outcome.code, kExitUnavailable);
    EXPECT_EQ(outcome.err,
              "shift-supervisorctl: no daemon answers at " + socket_ +
                  ": No such file or directory\n"
                  "  next: start it (systemctl start shift-supervisord), or name its socket with "
                  "--socket PATH\n");
}

TEST_F(Cli, FindsTheSocketInTheConfiguration) {
    const FakeDaemon daemon(socket_, [](const Json&) { return control_ok(status_of(0, false)); });
    const std::string config = dir_ / "c.yaml";
    ASSERT_TRUE(write_file_atomic(config,
                                  "rest_api: http://127.0.0.1:1/\nlog_dir: " + dir_.path() +
                                      "\ncontrol_socket: " + socket_ + "\n",
                                  0600)
                    .ok());
    const Outcome outcome = run({"--config", config, "status"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(has(outcome.out, "no migrations here\n"));
}

TEST_F(Cli, WhyShowsTheDaemonsAnswer) {
    const FakeDaemon daemon(socket_, [](const Json& request) {
        EXPECT_EQ(request["command"], "why");
        return control_ok(to_json(Why{WhyCode::kThrottled, "lag 7 s", {{"reason", "x"}}}, 7));
    });
    const Outcome outcome = run({"why", "7", "--socket", socket_});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(has(outcome.out, "reason:          throttled\n")) << outcome.out;
    EXPECT_TRUE(has(outcome.out, "because:         lag 7 s\n")) << outcome.out;
    EXPECT_TRUE(has(outcome.out, "evidence:        reason=x\n")) << outcome.out;
    const Json json = *parse_json(run({"why", "7", "--socket", socket_, "--json"}).out);
    EXPECT_EQ(json["code"], "throttled");
    EXPECT_EQ(json["format"], 1);
}

TEST_F(Cli, WhyAsksTheApiAboutWhatTheDaemonDoesNotHave) {
    const FakeDaemon daemon(socket_,
                            [](const Json&) { return control_error("not in the journal"); });
    std::string shown = migration(1, 3, {"approve_long", "delete"});
    FakeApi api([&](const std::string&, const std::string&) { return std::pair(200, shown); });
    const auto why = [&] { return run({"why", "7", "--socket", socket_, "--api", api.url()}).out; };
    EXPECT_TRUE(has(why(), "waiting-for-people")) << why();
    EXPECT_TRUE(has(why(), "approve_long")) << why();
    const auto with = [](int status, const Json& fields) {
        Json m = {{"id", 7}, {"status", status}};
        m.update(fields);
        return to_line(Json{{"migration", m}, {"available_actions", Json::array()}});
    };
    shown = with(3, {{"staged", true}, {"run_host", "them"}});
    EXPECT_TRUE(has(why(), "pinned-elsewhere")) << why();
    shown = with(0, {{"staged", true}});
    EXPECT_TRUE(has(why(), "waiting-for-runner")) << why();
    shown = with(9, {{"staged", true}});
    EXPECT_TRUE(has(why(), "waiting-for-runner")) << why();
    shown = with(9, {{"staged", false}});
    EXPECT_TRUE(has(why(), "finished")) << why();
    shown = with(10, {{"error_message", "no table"}});
    EXPECT_TRUE(has(why(), "no table")) << why();
}

TEST_F(Cli, RetryAndFinalInsertSayWhatWasDone) {
    FakeDaemon daemon(socket_, [](const Json&) {
        return control_ok(to_json(Why{WhyCode::kStarting, ""}, 7));
    });
    EXPECT_EQ(run({"retry", "7", "--socket", socket_}).out,
              "migration 7: tried again at once; now: starting\n");
    EXPECT_EQ(run({"final-insert", "7", "--run-again", "--socket", socket_}).out,
              "migration 7: its final insert is run again; now: starting\n");
    EXPECT_EQ(run({"final-insert", "7", "--socket", socket_}).code, kExitUsage);
    EXPECT_EQ(run({"final-insert", "7", "--done", "--run-again", "--socket", socket_}).code,
              kExitUsage);
    EXPECT_EQ(daemon.commands(),
              (std::vector<std::string>{"retry{\"id\":7}",
                                        "final-insert{\"decision\":\"run-again\",\"id\":7}"}));
}

TEST_F(Cli, EventsComePageByPage) {
    const FakeDaemon daemon(socket_, [](const Json& request) {
        const auto after = request["args"]["after"].get<std::int64_t>();
        Json events = Json::array();
        for (std::int64_t id = after + 1; id <= after + 2; ++id) {
            events.push_back({{"id", id},
                              {"at", "2026-11-23T18:10:00.000Z"},
                              {"source", "worker"},
                              {"kind", "fact"},
                              {"detail", {{"what", "ddl"}, {"n", id}}}});
        }
        return control_ok({{"events", events}, {"more", after < 4}});
    });
    const Outcome outcome = run({"events", "7", "--socket", socket_});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 6);
    EXPECT_TRUE(has(outcome.out, "worker     fact           n=6 what=ddl\n")) << outcome.out;
    const Json json = *parse_json(run({"events", "7", "--socket", socket_, "--json"}).out);
    EXPECT_EQ(json["events"].size(), 6U);
}

TEST_F(Cli, EventsOfAnUnknownMigrationAreAFailure) {
    const FakeDaemon daemon(socket_, [](const Json&) {
        return control_ok({{"events", Json::array()}, {"more", false}});
    });
    const Outcome outcome = run({"events", "7", "--socket", socket_});
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_TRUE(has(outcome.err, "show 7")) << outcome.err;
}

TEST_F(Cli, HistoryAsksForATimeAndATable) {
    FakeDaemon daemon(socket_, [](const Json&) {
        return control_ok({{"migrations",
                            {{{"id", 7},
                              {"status_name", "failed"},
                              {"since", "2026-11-23T18:10:00.000Z"},
                              {"tbl", "shop.orders"},
                              {"cluster", "main"},
                              {"server", "db1:3306"},
                              {"ddl_statement", "ALTER TABLE orders ADD c INT"},
                              {"rows_copied", 12345},
                              {"worked_s", 75.5},
                              {"attempts", 3},
                              {"message", "no room"}}}}});
    });
    const Outcome outcome = run({"history", "--since", "2026-11-23T00:00:00Z", "--table",
                                 "shop.orders", "--socket", socket_});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(has(outcome.out, "shop.orders  main/db1:3306")) << outcome.out;
    EXPECT_TRUE(has(outcome.out, "12.3k  00:01:15      3  no room\n")) << outcome.out;
    EXPECT_EQ(daemon.commands().front(),
              "history{\"limit\":50,\"since\":\"2026-11-23T00:00:00.000Z\",\"table\":"
              "\"shop.orders\"}");
    EXPECT_EQ(run({"history", "--since", "dance", "--socket", socket_}).code, kExitUsage);
}

TEST_F(Cli, WhoMayNotIsToldSo) {
    const FakeDaemon daemon(socket_, [](const Json&) {
        return control_error("uid 7 may look, but not drain", ControlRefusal::kPermission);
    });
    const Outcome outcome = run({"drain", "--socket", socket_});
    EXPECT_EQ(outcome.code, kExitPermission);
    EXPECT_TRUE(has(outcome.err, "uid 7 may look, but not drain")) << outcome.err;
}

TEST_F(Cli, ABusyDaemonIsTriedAgainLater) {
    const FakeDaemon daemon(socket_, [](const Json&) {
        return control_error("too many clients", ControlRefusal::kBusy);
    });
    EXPECT_EQ(run({"status", "--socket", socket_}).code, kExitTryAgain);
}

TEST_F(Cli, StatusOfOneMigration) {
    const FakeDaemon daemon(socket_, [](const Json&) {
        return control_ok(status_of(0, false, {{{"id", 7}, {"state", "running"}}}));
    });
    const Outcome known = run({"status", "7", "--socket", socket_});
    EXPECT_EQ(known.code, 0);
    EXPECT_TRUE(has(known.out, "migration:       7\n"));
    const Outcome json = run({"status", "7", "--json", "--socket", socket_});
    EXPECT_EQ(json.out,
              "{\"drain\":{\"active\":false,\"by\":\"command\",\"owed\":0},\"format\":1,"
              "\"migration\":{\"id\":7,\"state\":\"running\"},\"state\":\"running\"}\n");
    const Outcome unknown = run({"status", "8", "--socket", socket_});
    EXPECT_EQ(unknown.code, kExitFailed);
    EXPECT_TRUE(has(unknown.err, "show 8"));
}

TEST_F(Cli, StatusAsJsonHasAFormatNumber) {
    const FakeDaemon daemon(socket_, [](const Json&) { return control_ok(status_of(0, false)); });
    const Json shown = *parse_json(run({"status", "--json", "--socket", socket_}).out);
    EXPECT_EQ(shown["format"], 1);
    EXPECT_EQ(shown["version"], "0.1.0");
}

TEST_F(Cli, WatchEndsWithZeroOnCtrlC) {
    FakeDaemon daemon(socket_, [](const Json&) {
        ::kill(::getpid(), SIGINT);  // while the answer is on its way
        return control_ok(status_of(0, false));
    });
    EXPECT_EQ(run({"status", "--watch", "--socket", socket_}).code, 0);
    EXPECT_EQ(daemon.commands().size(), 1U);
}

TEST_F(Cli, DrainSaysWhatIsOwed) {
    FakeDaemon daemon(socket_, [](const Json&) {
        return control_ok(status_of(2, true, {{{"id", 7}, {"state", "delivering"}, {"owed", 2}}}));
    });
    const Outcome outcome = run({"drain", "--keep", "--socket", socket_});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_TRUE(has(outcome.out, "2 still owed: 7 delivering")) << outcome.out;
    EXPECT_EQ(daemon.commands(), std::vector<std::string>{"drain{\"keep\":true}"});
}

TEST_F(Cli, DrainWaitsUntilNothingIsOwed) {
    int asked = 0;
    const FakeDaemon daemon(socket_, [&](const Json& request) {
        return control_ok(status_of(request["command"] == "drain" ? 1 : asked++ < 0, true));
    });
    const Outcome outcome = run({"drain", "--wait", "--socket", socket_});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(has(outcome.out, "drained"));
}

TEST_F(Cli, DrainGivesUpAtItsTimeout) {
    const FakeDaemon daemon(socket_, [](const Json&) { return control_ok(status_of(1, true)); });
    const Outcome outcome = run({"drain", "--wait", "--timeout", "0", "--socket", socket_});
    EXPECT_EQ(outcome.code, kExitTryAgain);
    EXPECT_TRUE(has(outcome.err, "1 still owed"));
}

TEST_F(Cli, DrainNoticesThatSomebodyEndedIt) {
    const FakeDaemon daemon(socket_, [](const Json&) { return control_ok(status_of(1, false)); });
    EXPECT_EQ(run({"drain", "--wait", "--socket", socket_}).code, kExitFailed);
}

TEST_F(Cli, UndrainKnowsTheStopFile) {
    FakeDaemon daemon(socket_, [](const Json&) { return control_ok(status_of(0, true)); });
    EXPECT_TRUE(has(run({"undrain", "--socket", socket_}).out, "stop file"));
    EXPECT_EQ(daemon.commands(), std::vector<std::string>{"undrain{}"});
}

TEST_F(Cli, ARefusalOfTheDaemonIsOne) {
    const FakeDaemon daemon(socket_, [](const Json&) { return control_error("not now"); });
    const Outcome outcome = run({"undrain", "--socket", socket_});
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_EQ(outcome.err, "shift-supervisorctl: daemon: not now\n");
}

TEST_F(Cli, VersionTellsBoth) {
    const FakeDaemon daemon(socket_, [](const Json&) {
        return control_ok(Json{{"version", "9.9"}, {"pid", 12}});
    });
    EXPECT_EQ(run({"version", "--socket", socket_}).out,
              "shift-supervisorctl " SHIFT_VERSION "\nshift-supervisord 9.9 (pid 12)\n");
}

}  // namespace
}  // namespace shift::ctl
