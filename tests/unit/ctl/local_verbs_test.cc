#include <signal.h>

#include "tests/unit/ctl/support.h"

namespace shift::ctl {
namespace {

TEST_F(Cli, ConfigurationTroubleIs78) {
    EXPECT_EQ(run({"--config", dir_ / "none", "status"}).code, kExitConfig);
    const std::string config = dir_ / "c.yaml";
    ASSERT_TRUE(write_file_atomic(config, "bad_key: 1\n", 0600).ok());
    const Outcome outcome = run({"check-config", "--config", config});
    EXPECT_EQ(outcome.code, kExitConfig);
    EXPECT_TRUE(has(outcome.err, config + ":1: bad_key: unknown key")) << outcome.err;
}

TEST_F(Cli, CheckConfigNeverShowsThePassword) {
    const std::string config = dir_ / "c.yaml";
    ASSERT_TRUE(write_file_atomic(
                    config, "rest_api: http://x/\nlog_dir: /tmp\nmysql_password: hunter2\n", 0600)
                    .ok());
    for (const std::string& json : {std::string("--json"), std::string("--no-color")}) {
        const Outcome outcome = run({"check-config", "--config", config, json});
        EXPECT_EQ(outcome.code, 0);
        EXPECT_TRUE(has(outcome.out, config));
        EXPECT_FALSE(has(outcome.out + outcome.err, "hunter2"));
    }
}

TEST_F(Cli, DoctorSaysWhatWorksAndWhatItMeans) {
    const std::string worker = dir_ / "worker";
    const std::string config = dir_ / "c.yaml";
    FakeApi api([](const std::string&, const std::string&) { return std::pair(200, "[]"); });
    ASSERT_TRUE(write_file_atomic(config,
                                  "rest_api: " + api.url() + "\nlog_dir: " + dir_.path() +
                                      "\nworker_path: " + worker + "\ncontrol_socket: " + socket_ +
                                      "\npt_osc_path: /opt/pt\npt_osc_flavour: stock\n",
                                  0600)
                    .ok());
    const auto says = [&](const std::string& flavour) {
        ASSERT_TRUE(
            write_file_atomic(worker,
                              "#!/bin/sh\n[ \"$*\" = '--describe-engine /opt/pt stock' ] && "
                              "echo '{\"path\":\"/opt/pt\",\"version\":\"3.2.1\",\"flavour\":"
                              "\"" +
                                  flavour + "\",\"meaning\":\"goes on\"}'\n",
                              0755)
                .ok());
    };
    const FakeDaemon daemon(socket_, [](const Json&) {
        return control_ok({{"version", "9"}, {"pid", 12}});
    });
    says("stock");
    const Outcome good = run({"doctor", "--config", config});
    EXPECT_EQ(good.code, 0) << good.out << good.err;
    EXPECT_TRUE(has(good.out, "/opt/pt 3.2.1 (stock): goes on")) << good.out;
    EXPECT_TRUE(has(good.out, "WARN  daemon: shift-supervisord 9 (pid 12)")) << good.out;
    EXPECT_TRUE(has(good.out, "OK    API reachable: ")) << good.out;
    EXPECT_TRUE(has(good.out, "OK    API tls: http")) << good.out;
    says("unusable");
    const Outcome bad = run({"doctor", "--config", config, "--json"});
    EXPECT_EQ(bad.code, kExitConfig);
    EXPECT_TRUE(has(bad.out, "\"flavour\":\"unusable\"")) << bad.out;
    const Json findings = (*parse_json(bad.out))["findings"];
    EXPECT_GT(findings.size(), 5U);
    for (const Json& finding : findings) {
        const std::string level = finding["level"];
        EXPECT_TRUE(level == "ok" || finding["fix"] != "") << to_line(finding);
    }
    ASSERT_TRUE(write_file_atomic(worker, "#!/bin/sh\nexit 1\n", 0755).ok());
    EXPECT_EQ(run({"doctor", "--config", config}).code, kExitConfig);
}

TEST_F(Cli, LogSinceATimeLeavesOutWhatWasBefore) {
    const std::string file = dir_ / "x.log";
    const std::string log =
        "[2026-11-23 10:00:00] stdout: old\nno time here\n[2026-11-23 11:00:00] stdout: new\n"
        "belongs to new\n[2026-11-23 10:59:00] stdout: a clock that was set\n";
    ASSERT_TRUE(write_file_atomic(file, log, 0600).ok());
    const FakeDaemon daemon(socket_, [&](const Json&) {
        return control_ok(status_of(0, false, {{{"id", 7}, {"log_file", file}}}));
    });
    EXPECT_EQ(run({"log", "7", "--since", "2026-11-23 10:30", "--socket", socket_}).out,
              log.substr(log.find("[2026-11-23 11")));
    EXPECT_EQ(run({"log", "7", "--since", "2026-11-23 10:00", "--socket", socket_}).out, log);
    EXPECT_EQ(run({"log", "7", "--since", "2026-11-24", "--socket", socket_}).out, "");
    EXPECT_EQ(run({"log", "7", "--since", "soon", "--socket", socket_}).code, kExitUsage);
}

TEST_F(Cli, LogComesFromTheFileTheDaemonNames) {
    const std::string file = dir_ / "log";
    ASSERT_TRUE(write_file_atomic(file, "line one\nline two", 0600).ok());
    const FakeDaemon daemon(socket_, [&](const Json&) {
        return control_ok(status_of(0, false, {{{"id", 7}, {"log_file", file}}}));
    });
    const Outcome outcome = run({"log", "7", "--socket", socket_});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "line one\nline two");
}

TEST_F(Cli, LogComesFromTheConfiguredFolderWithoutADaemon) {
    ASSERT_TRUE(make_directories(dir_ / "id-7", 0700).ok());
    ASSERT_TRUE(write_file_atomic(dir_ / "id-7/ptosc-output.log", "hello\n", 0600).ok());
    const std::string config = dir_ / "c.yaml";
    ASSERT_TRUE(write_file_atomic(
                    config, "rest_api: http://127.0.0.1:1/\nlog_dir: " + dir_.path() + "\n", 0600)
                    .ok());
    EXPECT_EQ(run({"log", "7", "--config", config}).out, "hello\n");
}

TEST_F(Cli, FollowingALogEndsWithZeroOnCtrlC) {
    FakeApi api([](const std::string&, const std::string&) {
        ::kill(::getpid(), SIGINT);  // while the answer is on its way
        return std::pair(200, std::string(R"({"contents":"from afar\n"})"));
    });
    const Outcome outcome = run({"log", "7", "-f", "--api", api.url(), "--socket", socket_});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "from afar\n");
}

TEST_F(Cli, LogComesFromTheApiOtherwise) {
    FakeApi api([](const std::string& request, const std::string&) {
        return has(request, "migration_id=7")
                   ? std::pair(200, std::string(R"({"contents":"from afar\n"})"))
                   : std::pair(404, std::string(R"({"message":"File not found"})"));
    });
    EXPECT_EQ(run({"log", "7", "--api", api.url(), "--socket", socket_}).out, "from afar\n");
    const Outcome none = run({"log", "8", "--api", api.url(), "--socket", socket_});
    EXPECT_EQ(none.code, kExitFailed);
    EXPECT_TRUE(has(none.err, "no log was sent to the API"));
}

}  // namespace
}  // namespace shift::ctl
