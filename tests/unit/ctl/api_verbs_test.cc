#include "tests/unit/ctl/support.h"

namespace shift::ctl {
namespace {

TEST_F(Cli, SubmitSendsWhatTheApiWants) {
    FakeApi api([](const std::string&, const std::string&) {
        return std::pair(200, migration(0, 0, {"delete"}));
    });
    const Outcome outcome =
        run({"submit", "--api", api.url(), "--cluster", "main", "--database", "shop", "--ddl",
             "ALTER TABLE t ADD c INT", "--requestor", "ann", "--max-threads-running", "50"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(has(outcome.out, "migration 7: preparing\nnext: delete 7\n")) << outcome.out;
    ASSERT_EQ(api.requests().size(), 1U);
    const std::string request = api.requests()[0];
    EXPECT_EQ(request.rfind("POST /api/v1/migrations {", 0), 0U);
    const Json body = *parse_json(request.substr(request.find('{')));
    EXPECT_EQ(body, (Json{{"cluster_name", "main"},
                          {"database", "shop"},
                          {"ddl_statement", "ALTER TABLE t ADD c INT"},
                          {"requestor", "ann"},
                          {"pr_url", "cli"},
                          {"final_insert", ""},
                          {"config_path", ""},
                          {"recursion_method", ""},
                          {"max_threads_running", 50}}));
}

TEST_F(Cli, SubmitWaitsUntilItIsPrepared) {
    FakeApi api([](const std::string& request, const std::string&) {
        const bool created = request == "POST /api/v1/migrations";
        return std::pair(200, created ? migration(0, 0) : migration(1, 3, {"approve_long"}));
    });
    const Outcome outcome = run({"submit", "--wait", "--api", api.url(), "--cluster", "main",
                                 "--database", "shop", "--ddl", "DROP TABLE t"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_TRUE(has(outcome.out, "next: approve 7 --runtype long\n")) << outcome.out;
}

TEST_F(Cli, SubmitThatFailsInPreparationIsOne) {
    FakeApi api([](const std::string& request, const std::string&) {
        const bool created = request == "POST /api/v1/migrations";
        return std::pair(200, migration(created ? 0 : 10, 0));
    });
    EXPECT_EQ(run({"submit", "--wait", "--api", api.url(), "--cluster", "main", "--database",
                   "shop", "--ddl", "DROP TABLE t"})
                  .code,
              kExitFailed);
}

TEST_F(Cli, SubmitShowsTheApisReasons) {
    FakeApi api([](const std::string&, const std::string&) {
        return std::pair(400, R"({"status":400,"errors":["Cluster name is not included."]})");
    });
    const Outcome outcome = run({"submit", "--api", api.url(), "--cluster", "x", "--database", "d",
                                 "--ddl", "DROP TABLE t"});
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_EQ(outcome.err, "shift-supervisorctl: submit: Cluster name is not included.\n");
}

TEST_F(Cli, ApproveTakesTheOnlyRuntypeOffered) {
    FakeApi api([](const std::string& request, const std::string&) {
        return std::pair(200, request.rfind("GET", 0) == 0
                                  ? migration(1, 3, {"approve_short", "delete"})
                                  : migration(2, 4, {"start"}));
    });
    const Outcome outcome = run({"approve", "7", "--approver", "bob", "--api", api.url()});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "migration 7: awaiting start\nnext: start 7\n");
    EXPECT_EQ(api.requests().back(),
              "POST /api/v1/migrations/approve "
              R"({"approver":"bob","id":7,"lock_version":3,"runtype":"short"})");
}

TEST_F(Cli, ApproveAsksWhenThereIsAChoice) {
    FakeApi api([](const std::string&, const std::string&) {
        return std::pair(200, migration(1, 3, {"approve_long", "approve_short", "delete"}));
    });
    const Outcome outcome = run({"approve", "7", "--api", api.url()});
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_TRUE(has(outcome.err, "give --runtype long or short")) << outcome.err;
    EXPECT_EQ(api.requests().size(), 1U);
}

TEST_F(Cli, AnActionThatIsNotPossibleNamesTheOnesThatAre) {
    FakeApi api([](const std::string& request, const std::string&) {
        return request.rfind("GET", 0) == 0
                   ? std::pair(200, migration(3, 3, {"pause", "cancel"}))
                   : std::pair(400, std::string(R"({"errors":["Invalid action."]})"));
    });
    const Outcome outcome = run({"start", "7", "--auto-run", "--api", api.url()});
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_EQ(outcome.err,
              "shift-supervisorctl: start 7: not possible while the migration is \"running\"\n"
              "  next: possible now: pause 7, cancel 7\n");
    EXPECT_TRUE(has(api.requests()[1], R"("auto_run":true)"));
}

TEST_F(Cli, AFullClusterSuggestsTheQueue) {
    FakeApi api([](const std::string& request, const std::string&) {
        return request.rfind("GET", 0) == 0
                   ? std::pair(200, migration(2, 3))
                   : std::pair(400, std::string(R"({"errors":["Can't start migration because you )"
                                                R"(are already running the maximum # of )"
                                                R"(migrations per cluster (1)."]})"));
    });
    const Outcome outcome = run({"start", "7", "--api", api.url()});
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_TRUE(has(outcome.err, "next: enqueue 7"));
}

TEST_F(Cli, CancelUsesTheEndpointOfPeople) {
    FakeApi api(
        [](const std::string&, const std::string&) { return std::pair(200, migration(9, 3)); });
    EXPECT_EQ(run({"cancel", "7", "--api", api.url()}).code, 0);
    EXPECT_EQ(api.requests(),
              std::vector<std::string>{R"(POST /api/v1/migrations/cancel_cli {"id":7})"});
}

TEST_F(Cli, DeleteAndShowReportAnUnknownMigration) {
    FakeApi api([](const std::string&, const std::string&) {
        return std::pair(404, R"({"status":404,"errors":["Migration not found."]})");
    });
    for (const char* verb : {"show", "delete", "start", "pause"}) {
        const Outcome outcome = run({verb, "7", "--api", api.url()});
        EXPECT_EQ(outcome.code, kExitFailed) << verb;
        EXPECT_EQ(outcome.err, fmt::format("shift-supervisorctl: {} 7: no such migration\n", verb));
    }
}

TEST_F(Cli, AnApiThatIsNotThereIs69) {
    const Outcome outcome = run({"show", "7", "--api", "http://127.0.0.1:1/api/v1/"});
    EXPECT_EQ(outcome.code, kExitUnavailable);
    EXPECT_TRUE(has(outcome.err, "nothing was changed"));
}

}  // namespace
}  // namespace shift::ctl
