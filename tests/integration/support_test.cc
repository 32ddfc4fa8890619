// The test harness itself: when a suite goes red, this one says whether the harness is to blame.
#include <gtest/gtest.h>
#include <httplib.h>

#include "common/http.h"
#include "tests/integration/support/fake_api.h"
#include "tests/integration/support/mariadb_server.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

HttpAnswer must(const Result<HttpAnswer>& answer) {
    if (!answer.ok()) {
        throw std::runtime_error(answer.error().message);
    }
    return *answer;
}

HttpOptions impatient() {
    HttpOptions options;
    options.timeout_ms = 500;
    return options;
}

class FakeApiTest : public ::testing::Test {
  protected:
    MigrationId make() {
        ApiModel::Spec spec;
        spec.database = "app";
        spec.table = "t";
        spec.ddl_statement = "ALTER TABLE t ADD COLUMN x INT";
        return api.model().create(spec);
    }
    HttpAnswer post(const std::string& action, const Json& body) {
        return must(http_call("POST", api.url() + "migrations/" + action, body, impatient()));
    }
    HttpAnswer get(const std::string& path) {
        return must(http_call("GET", api.url() + "migrations/" + path, Json(), impatient()));
    }
    FakeApi api;
};

TEST_F(FakeApiTest, UnstageIsTheOnlyClaimAndAnswersOnce) {
    const MigrationId id = make();
    EXPECT_EQ(parse_json(get("staged").body)->size(), 1U);
    EXPECT_EQ(get_int(*parse_json(post("unstage", {{"id", std::to_string(id)}}).body), "id"), id);
    EXPECT_EQ(post("unstage", {{"id", id}}).body, "{}");
    EXPECT_EQ(get("staged").body, "[]");
    EXPECT_EQ(api.count("unstage", id), 2);
}

TEST_F(FakeApiTest, NextStepNeedsAClaimAndMovesOnce) {
    const MigrationId id = make();
    post("next_step", {{"id", id}});
    EXPECT_EQ(api.model().status(id), 0);
    post("unstage", {{"id", id}});
    post("next_step", {{"id", id}});
    post("next_step", {{"id", id}});
    EXPECT_EQ(api.model().status(id), 1);
    EXPECT_EQ(api.model().history(id), std::vector<std::string>{"0>1 next_step"});
}

TEST_F(FakeApiTest, FilesAreAppendedAndReadBack) {
    const MigrationId id = make();
    EXPECT_EQ(get("get_file?migration_id=1&file_type=0").status, 404);
    post("append_to_file", {{"migration_id", id}, {"file_type", 0}, {"contents", "a\n"}});
    post("append_to_file", {{"migration_id", id}, {"file_type", 0}, {"contents", "b\n"}});
    EXPECT_EQ(
        string_or(*parse_json(get("get_file?migration_id=1&file_type=0").body), "contents", ""),
        "a\nb\n");
}

TEST_F(FakeApiTest, ResetAfterTheWorkLeavesTheWorkDone) {
    const MigrationId id = make();
    api.inject({.endpoint = "unstage", .wrong = Wrong::kResetAfter});
    const auto answer =
        http_call("POST", api.url() + "migrations/unstage", Json{{"id", id}}, impatient());
    EXPECT_FALSE(answer.ok());
    EXPECT_FALSE(api.model().staged(id));
    EXPECT_EQ(post("unstage", {{"id", id}}).body, "{}");
}

TEST_F(FakeApiTest, AHangingCallIsNeverAnswered) {
    const MigrationId id = make();
    api.inject({.endpoint = "unstage", .wrong = Wrong::kHang});
    const auto answer =
        http_call("POST", api.url() + "migrations/unstage", Json{{"id", id}}, impatient());
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().code, Errc::kDeadline);
    EXPECT_TRUE(api.model().staged(id));
}

TEST_F(FakeApiTest, ABigPageIsSentWhole) {
    api.inject({.endpoint = "staged",
                .wrong = Wrong::kAnswer,
                .status = 500,
                .body = "<html>",
                .body_bytes = 20U * 1024 * 1024});
    HttpOptions options;
    const auto answer = must(http_call("GET", api.url() + "migrations/staged", Json(), options));
    EXPECT_EQ(answer.status, 500);
    EXPECT_EQ(answer.body.size(), 20U * 1024 * 1024);
}

TEST_F(FakeApiTest, GarbageIsNoHttp) {
    api.inject({.endpoint = "staged", .wrong = Wrong::kGarbage});
    EXPECT_FALSE(http_call("GET", api.url() + "migrations/staged", Json(), impatient()).ok());
}

TEST_F(FakeApiTest, DownRefusesAndUpServesOnTheSamePort) {
    api.down();
    const auto refused = http_call("GET", api.url() + "migrations/staged", Json(), impatient());
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Errc::kUnavailable);
    api.up();
    EXPECT_EQ(get("staged").status, 200);
}

TEST_F(FakeApiTest, ALargeBodyArrivesWhole) {
    const MigrationId id = make();
    const std::string contents(3U * 1024 * 1024, 'y');
    HttpOptions options;
    must(http_call("POST", api.url() + "migrations/write_file",
                   Json{{"migration_id", id}, {"file_type", 1}, {"contents", contents}}, options));
    EXPECT_EQ(api.model().file(id, 1), contents);
}

TEST(MariadbServerTest, UsersAndHelpersWork) {
    MariadbServer& server = shared_server();
    Db db = server.connect();
    db.execute("CREATE DATABASE `we ird`");
    db.execute("CREATE TABLE `we ird`.`a``b` (id INT PRIMARY KEY, v VARCHAR(9) NULL)");
    db.execute("INSERT INTO `we ird`.`a``b` VALUES (1, NULL), (2, 'x')");
    EXPECT_EQ(db.tables("we ird"), std::vector<std::string>{"a`b"});
    const std::string before = db.checksum("we ird", "a`b");
    db.execute("UPDATE `we ird`.`a``b` SET v = '' WHERE id = 1");
    EXPECT_NE(db.checksum("we ird", "a`b"), before);
    EXPECT_EQ(server.connect_tcp().scalar("SELECT CURRENT_USER()"),
              MariadbServer::user() + "@127.0.0.1");
    EXPECT_EQ(db.try_execute("SELECT * FROM nowhere.t"), 1146U);
    server.reset();
    EXPECT_TRUE(db.try_execute("SELECT 1") != 0) << "reset() ends other sessions";
    Db again = server.connect();
    EXPECT_TRUE(again.tables("we ird").empty());
}

TEST(MariadbServerTest, DataSurvivesKillWhenDurable) {
    MariadbServer server(MariadbOptions{.arguments = {}, .durable = true});
    {
        Db db = server.connect();
        db.execute("CREATE DATABASE app");
        db.execute("CREATE TABLE app.t (id INT PRIMARY KEY)");
        db.execute("INSERT INTO app.t VALUES (1)");
    }
    server.kill9();
    server.start();
    EXPECT_EQ(server.connect().integer("SELECT COUNT(*) FROM app.t"), 1);
}

TEST(WritersTest, LedgerAndTableAgreeAndLossIsSeen) {
    MariadbServer& server = shared_server();
    server.reset();
    Db db = server.connect();
    Writers::make_table(db, "app", "t", 3000);
    Writers writers(server, "app", "t", 2);
    writers.start();
    EXPECT_TRUE(poll_until([&] { return writers.committed() > 200; }));
    writers.stop();
    EXPECT_TRUE(writers.errors().empty()) << writers.errors().at(0);
    EXPECT_EQ(Writers::difference(db, "app", "t"), "");
    db.execute("DELETE FROM app.t ORDER BY id LIMIT 1");
    EXPECT_NE(Writers::difference(db, "app", "t"), "");
}

TEST(ProgramsTest, TheRealToolIsThere) {
    const ToolResult version = run_tool({pt_osc(), "--config", "/dev/null", "--version"});
    EXPECT_NE(version.out.find("pt-online-schema-change "), std::string::npos)
        << version.out << version.err;
}

}  // namespace
}  // namespace shift::testing
