#include "api/server.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "api/service.h"
#include "tests/unit/api/support.h"

namespace shift::api {
namespace {

constexpr const char* kJsonType = "application/json";

class TestClock final : public Clock {
  public:
    SteadyTime now() const override { return {}; }
    WallTime wall() const override { return WallTime(std::chrono::seconds(seconds_)); }
    void advance() { ++seconds_; }

  private:
    std::atomic<std::int64_t> seconds_{1'800'000'000};
};

// Targets whose answers the test sets, by cluster name.
class TestTargets final : public Targets {
  public:
    struct Answers {
        DdlTargetFacts facts;
        bool down = false;
    };
    std::unique_ptr<DdlTarget> target(const Cluster& cluster, const std::string&) override {
        const auto found = answers.find(cluster.name);
        if (found == answers.end()) {
            return nullptr;
        }
        if (found->second.down) {
            return std::make_unique<Down>();
        }
        return std::make_unique<DdlTargetFacts>(found->second.facts);
    }
    std::vector<std::string> databases(const Cluster& cluster) override {
        return {cluster.name + "_db"};
    }
    std::map<std::string, Answers> answers;

  private:
    struct Down final : DdlTarget {
        Result<std::optional<bool>> exists(Mode, const TableName&) const override {
            return Error{Errc::kUnavailable, "nobody is there"};
        }
    };
};

struct Reply {
    int status = 0;
    Json body;
};

class ServerTest : public testing::Test {
  protected:
    void SetUp() override {
        for (const char* name : {"main", "other"}) {
            Cluster cluster;
            cluster.name = name;
            cluster.rw_host = "db.example";
            cluster.port = 3307;
            config_.clusters.push_back(cluster);
        }
        Cluster hostless;
        hostless.name = "hostless";
        config_.clusters.push_back(hostless);
        auto opened = Store::open(folder_.file("store.db"), clock_);
        ASSERT_TRUE(opened.ok()) << opened.error().message;
        store_ = std::move(*opened);
        service_ = std::make_unique<Service>(config_, *store_, targets_, clock_, log_);
        server_ = std::make_unique<Server>(*service_, log_);
        const auto port = server_->bind("127.0.0.1", 0);
        ASSERT_TRUE(port.ok()) << port.error().message;
        port_ = *port;
        listener_ = std::thread([this] { server_->serve(); });
        client_ = new_client();
    }
    void TearDown() override {
        client_.reset();
        server_->stop();
        listener_.join();
    }

    std::unique_ptr<httplib::Client> new_client() const {
        auto client = std::make_unique<httplib::Client>("127.0.0.1", port_);
        client->set_keep_alive(true);
        client->set_read_timeout(30);
        return client;
    }
    static Reply reply_of(const httplib::Result& result) {
        if (!result) {
            return {};
        }
        auto body = parse_json(result->body);
        return {result->status, body.ok() ? std::move(*body) : Json(result->body)};
    }
    static std::string path_of(const std::string& name) { return "/api/v1/migrations" + name; }

    Reply get(const std::string& name) { return reply_of(client_->Get(path_of(name))); }
    Reply post(const std::string& name, const Json& body) {
        return reply_of(client_->Post(path_of(name), to_line(body), kJsonType));
    }
    Reply put(std::int64_t id, const Json& body) {
        return reply_of(client_->Put(path_of("/" + std::to_string(id)), to_line(body), kJsonType));
    }
    Json form(const Json& extra = Json::object()) const {
        Json body = {{"cluster_name", "main"},
                     {"database", "shop"},
                     {"ddl_statement", "ALTER TABLE t ADD COLUMN x INT"},
                     {"pr_url", "https://example.org/1"},
                     {"requestor", "ann"},
                     {"final_insert", ""},
                     {"config_path", ""},
                     {"recursion_method", ""}};
        if (extra.is_object()) {
            body.update(extra);
        }
        return body;
    }
    std::int64_t create(const Json& extra = Json::object()) {
        clock_.advance();
        const Reply reply = post("", form(extra));
        EXPECT_EQ(reply.status, 200) << reply.body;
        return reply.status == 200 ? int_or(reply.body["migration"], "id", 0) : 0;
    }
    Json errors_of_create(const Json& extra) {
        const Reply reply = post("", form(extra));
        EXPECT_EQ(reply.status, 400) << reply.body;
        return reply.body["errors"];
    }
    Json row(std::int64_t id) { return get("/" + std::to_string(id)).body["migration"]; }
    // Puts a migration into a state directly.
    void set(std::int64_t id, const std::function<void(MigrationRow&)>& change) {
        ASSERT_TRUE(store_
                        ->change(id, "test",
                                 [&](MigrationRow& stored) {
                                     change(stored);
                                     return true;
                                 })
                        .ok());
    }
    std::int64_t create_in(int status, bool staged = false, const Json& extra = Json::object()) {
        const std::int64_t id = create(extra);
        set(id, [&](MigrationRow& stored) {
            stored.status = status;
            stored.staged = staged;
        });
        return id;
    }
    // "status,staged,lock_version" of a bare migration or of a shown one.
    static std::string numbers(const Reply& reply) {
        const Json& object =
            reply.body.contains("migration") ? reply.body["migration"] : reply.body;
        return std::to_string(int_or(object, "status", -1)) + "," +
               (bool_or(object, "staged", false) ? "1," : "0,") +
               std::to_string(int_or(object, "lock_version", -1));
    }
    std::vector<std::int64_t> staged_ids() {
        std::vector<std::int64_t> ids;
        for (const Json& item : get("/staged").body) {
            ids.push_back(int_or(item, "id", 0));
        }
        return ids;
    }

    TempFolder folder_;
    TestClock clock_;
    TestTargets targets_;
    ApiConfig config_;
    Logger log_{LogLevel::kError};
    std::unique_ptr<Store> store_;
    std::unique_ptr<Service> service_;
    std::unique_ptr<Server> server_;
    std::unique_ptr<httplib::Client> client_;
    std::thread listener_;
    int port_ = 0;
};

using Ids = std::vector<std::int64_t>;

// -- the whole life -------------------------------------------------------------------------------

TEST_F(ServerTest, AWholeLifeHasTheNumbersOfTheOriginal) {
    const std::int64_t id = create();
    const std::string text = std::to_string(id);
    const Json by_text = {{"id", text}};
    const auto with_lock = [&](Json extra = Json::object()) {
        extra["id"] = text;
        extra["lock_version"] = std::to_string(int_or(row(id), "lock_version", -1));
        return extra;
    };
    EXPECT_EQ(numbers(get("/" + text)), "0,1,0");
    EXPECT_EQ(numbers(post("/unstage", by_text)), "0,0,1");
    EXPECT_EQ(numbers(put(id, {{"table_rows_start", "100000"},
                               {"table_size_start", "5"},
                               {"index_size_start", "6"}})),
              "0,0,2");
    EXPECT_EQ(numbers(post("/next_step", by_text)), "1,0,3");
    EXPECT_EQ(numbers(post("/approve", with_lock({{"runtype", "long"}, {"approver", "bob"}}))),
              "2,0,4");
    EXPECT_EQ(numbers(post("/start", with_lock())), "3,1,5");
    EXPECT_EQ(numbers(post("/unstage", by_text)), "3,0,6");
    EXPECT_EQ(numbers(put(id, {{"run_host", "runner1"}})), "3,0,7");
    EXPECT_EQ(numbers(put(id, {{"copy_percentage", "50"}})), "3,0,8");
    EXPECT_EQ(numbers(put(id, {{"copy_percentage", 50}})), "3,0,8");
    EXPECT_EQ(numbers(post("/pause", by_text)), "11,1,9");
    EXPECT_EQ(numbers(post("/unstage", by_text)), "11,0,10");
    EXPECT_EQ(numbers(post("/unpin_run_host", by_text)), "11,0,11");
    EXPECT_EQ(numbers(post("/next_step", by_text)), "12,0,12");
    EXPECT_EQ(numbers(post("/resume", with_lock())), "3,1,13");
    EXPECT_EQ(numbers(post("/unstage", by_text)), "3,0,14");
    EXPECT_EQ(numbers(post("/offer", by_text)), "3,1,15");
    EXPECT_EQ(numbers(post("/unstage", by_text)), "3,0,16");
    EXPECT_EQ(numbers(post("/next_step", by_text)), "4,0,17");
    EXPECT_EQ(numbers(post("/next_step", by_text)), "4,0,17");
    EXPECT_EQ(numbers(post("/rename", with_lock())), "5,1,18");
    EXPECT_EQ(numbers(post("/unstage", by_text)), "5,0,19");
    EXPECT_EQ(numbers(put(id, {{"table_rows_end", 100001}})), "5,0,20");
    EXPECT_EQ(numbers(post("/complete", by_text)), "8,0,21");
    const Json done = row(id);
    EXPECT_EQ(done["approved_by"], "bob");
    EXPECT_EQ(done["runtype"], 1);
    EXPECT_EQ(done["editable"], false);
    EXPECT_TRUE(done["run_host"].is_null());
    EXPECT_TRUE(done["auto_run"].is_null());
    EXPECT_EQ(done["copy_percentage"], 50);
    EXPECT_EQ(done["completed_at"], iso_time(clock_.wall()));
}

TEST_F(ServerTest, UpdatedAtChangesOnlyByUnstageAndPut) {
    const std::int64_t id = create();
    const std::string created = row(id)["updated_at"];
    const std::string text = std::to_string(id);
    const auto updated_after = [&](const std::function<void()>& action) {
        const std::string before = row(id)["updated_at"];
        clock_.advance();
        action();
        return row(id)["updated_at"] != before;
    };
    EXPECT_TRUE(updated_after([&] { post("/unstage", {{"id", id}}); }));
    EXPECT_FALSE(updated_after([&] { post("/next_step", {{"id", id}}); }));
    EXPECT_TRUE(updated_after([&] { put(id, {{"copy_percentage", 1}}); }));
    EXPECT_FALSE(updated_after([&] { put(id, {{"copy_percentage", 1}}); }));
    EXPECT_FALSE(updated_after([&] {
        post("/approve", {{"id", id}, {"lock_version", 3}, {"runtype", "long"}});
    }));
    EXPECT_EQ(row(id)["status"], 2);
    EXPECT_FALSE(updated_after([&] { post("/fail", {{"id", id}}); }));
    EXPECT_EQ(row(id)["status"], 10);
}

// -- claims ---------------------------------------------------------------------------------------

TEST_F(ServerTest, AnUnstagedMigrationIsAnsweredWithAnEmptyObject) {
    const std::int64_t id = create();
    EXPECT_EQ(post("/unstage", {{"id", id}}).body["id"], id);
    const Reply again = post("/unstage", {{"id", id}});
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(again.body, Json::object());
}

TEST_F(ServerTest, ARepeatedClaimIsAnsweredAsTheFirstTime) {
    const std::int64_t id = create();
    const Json claim = {{"id", id}, {"claim_id", "c1"}, {"run_host", "runner1"}};
    const Reply first = post("/unstage", claim);
    EXPECT_EQ(first.body["run_host"], "runner1");
    EXPECT_EQ(first.body["lock_version"], 1);
    EXPECT_EQ(post("/unstage", claim).body, first.body);
    EXPECT_EQ(post("/unstage", {{"id", id}, {"claim_id", "c2"}}).body, Json::object());
    EXPECT_EQ(post("/unstage", {{"id", id}}).body, Json::object());
    put(id, {{"copy_percentage", 7}});
    EXPECT_EQ(post("/unstage", claim).body["copy_percentage"], 7);
}

TEST_F(ServerTest, AClaimEndsWithTheNextStaging) {
    const std::int64_t id = create_in(3, /*staged=*/true);
    const Json claim = {{"id", id}, {"claim_id", "c1"}};
    EXPECT_EQ(post("/unstage", claim).body["id"], id);
    EXPECT_EQ(post("/offer", {{"id", id}}).body["staged"], true);
    EXPECT_EQ(post("/unstage", {{"id", id}, {"claim_id", "c2"}}).body["id"], id);
    EXPECT_EQ(post("/unstage", claim).body, Json::object());
}

TEST_F(ServerTest, OfEightConcurrentClaimsExactlyOneWins) {
    for (int round = 0; round < 5; ++round) {
        const std::int64_t id = create();
        std::atomic<int> winners{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 8; ++i) {
            threads.emplace_back([&, i] {
                const auto client = new_client();
                const Reply reply = reply_of(client->Post(
                    path_of("/unstage"),
                    to_line({{"id", id}, {"claim_id", i}, {"run_host", std::to_string(i)}}),
                    kJsonType));
                EXPECT_EQ(reply.status, 200);
                winners += reply.body.contains("id") ? 1 : 0;
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        EXPECT_EQ(winners, 1);
        EXPECT_EQ(row(id)["lock_version"], 1);
    }
}

TEST_F(ServerTest, TheStepsOfAHostAreListedStagedOrNot) {
    const auto pinned_in = [this](int status, bool staged, const char* host) {
        const std::int64_t id = create_in(status, staged);
        set(id, [host](MigrationRow& stored) { stored.run_host = host; });
        return id;
    };
    const std::int64_t running = pinned_in(3, false, "host-a");
    const std::int64_t pausing = pinned_in(11, true, "host-a");
    pinned_in(4, false, "host-a");  // a person's turn
    pinned_in(3, false, "host-b");
    const Reply answer = get("?run_host=host-a");
    ASSERT_EQ(answer.status, 200);
    ASSERT_EQ(answer.body.size(), 2U);
    EXPECT_EQ(answer.body[0]["id"], running);
    EXPECT_EQ(answer.body[1]["id"], pausing);
    EXPECT_TRUE(answer.body[0].contains("host"));
    EXPECT_EQ(get("").status, 404) << "as the original, without a host";
}

// -- staged ---------------------------------------------------------------------------------------

TEST_F(ServerTest, StagedListsTheTwoMostRecentlyUpdated) {
    const std::int64_t first = create();
    const std::int64_t second = create();
    const std::int64_t third = create();
    EXPECT_EQ(staged_ids(), (Ids{third, second}));
    clock_.advance();
    put(first, {{"copy_percentage", 1}});
    EXPECT_EQ(staged_ids(), (Ids{first, third}));
}

TEST_F(ServerTest, StagedFillsInWhatRunnersNeed) {
    create({{"ddl_statement", "DROP  TABLE /* old */ `t`"}});
    const Json item = get("/staged").body.at(0);
    EXPECT_EQ(item["ddl_statement"], "DROP TABLE `t`");
    EXPECT_EQ(item["table"], "t");
    EXPECT_EQ(item["mode"], 0);
    EXPECT_EQ(item["action"], 1);
    EXPECT_EQ(item["runtype"], 2);
    EXPECT_EQ(item["host"], "db.example");
    EXPECT_EQ(item["port"], 3307);
    EXPECT_EQ(item.size(), 37u);
    const auto options = parse_json(item["custom_options"].get<std::string>());
    ASSERT_TRUE(options.ok());
    EXPECT_EQ(*options, Json({{"max_threads_running", 200},
                              {"max_replication_lag", 1},
                              {"config_path", ""},
                              {"recursion_method", ""}}));
}

TEST_F(ServerTest, StagedShowsOnlyMachineSteps) {
    for (int status = 0; status <= 14; ++status) {
        const std::int64_t id = create_in(status, /*staged=*/true);
        const bool machine =
            status == 0 || status == 3 || status == 5 || status == 9 || status == 11;
        EXPECT_EQ(staged_ids(), machine ? Ids{id} : Ids{}) << status;
        set(id, [](MigrationRow& stored) { stored.staged = false; });
        EXPECT_EQ(staged_ids(), Ids{});
    }
}

TEST_F(ServerTest, FiveUnlistableMigrationsHideOlderOnes) {
    const std::int64_t old = create();
    for (int i = 0; i < 4; ++i) {
        create({{"cluster_name", "hostless"}});
    }
    EXPECT_EQ(staged_ids(), Ids{old});
    create({{"cluster_name", "hostless"}});
    EXPECT_EQ(staged_ids(), Ids{});
}

TEST_F(ServerTest, WithATargetAwayOnlyCancellationsAreListed) {
    const std::int64_t canceled = create_in(9, /*staged=*/true);
    create_in(3, /*staged=*/true);
    targets_.answers["main"].down = true;
    const Json list = get("/staged").body;
    ASSERT_EQ(list.size(), 1u);
    EXPECT_EQ(list[0]["id"], canceled);
    EXPECT_EQ(list[0]["ddl_statement"], "");
    EXPECT_EQ(list[0]["table"], "");
    EXPECT_TRUE(list[0]["mode"].is_null());
    EXPECT_TRUE(list[0]["action"].is_null());
    EXPECT_EQ(list[0]["error_message"], "nobody is there");
    EXPECT_TRUE(row(canceled)["error_message"].is_null());
}

// -- casts and limits -----------------------------------------------------------------------------

TEST_F(ServerTest, PutIgnoresOtherKeysAndNesting) {
    const std::int64_t id = create();
    const Json before = row(id);
    EXPECT_EQ(put(id, {{"status", 8},
                       {"staged", false},
                       {"lock_version", 9},
                       {"id", 99},
                       {"migration", {{"copy_percentage", 3}}}})
                  .body,
              before);
}

TEST_F(ServerTest, PutCastsValues) {
    const std::int64_t id = create();
    EXPECT_EQ(put(id, {{"copy_percentage", "37.9"}}).body["copy_percentage"], 37);
    EXPECT_EQ(put(id, {{"copy_percentage", "abc"}}).body["copy_percentage"], 0);
    EXPECT_TRUE(put(id, {{"copy_percentage", ""}}).body["copy_percentage"].is_null());
    EXPECT_EQ(put(id, {{"run_host", 5}}).body["run_host"], "5");
    EXPECT_EQ(put(id, {{"run_host", ""}}).body["run_host"], "");
    EXPECT_EQ(put(id, {{"table_rows_start", "9223372036854775807"}}).body["table_rows_start"],
              9223372036854775807);
    const Reply refused = put(id, {{"copy_percentage", 2147483648}, {"run_host", "x"}});
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(row(id)["run_host"], "");
}

TEST_F(ServerTest, PatchIsPut) {
    const std::int64_t id = create();
    const auto result = client_->Patch(path_of("/" + std::to_string(id)),
                                       R"({"copy_percentage":3})", "application/json; charset=x");
    EXPECT_EQ(reply_of(result).body["copy_percentage"], 3);
}

TEST_F(ServerTest, FormsMultipartAndQueriesCarryParametersToo) {
    const std::int64_t id = create();
    const std::string text = std::to_string(id);
    EXPECT_EQ(numbers(reply_of(client_->Post(path_of("/unstage"), "id=" + text,
                                             "application/x-www-form-urlencoded"))),
              "0,0,1");
    const httplib::MultipartFormDataItems items = {{"id", text, "", ""}};
    EXPECT_EQ(numbers(reply_of(client_->Post(path_of("/next_step"), items))), "1,0,2");
    EXPECT_EQ(numbers(reply_of(client_->Post(path_of("/complete?id=" + text)))), "8,0,3");
}

TEST_F(ServerTest, ALargeFormBodyIsTaken) {
    const std::string contents(100'000, 'x');
    const Reply reply = reply_of(client_->Post(path_of("/append_to_file"),
                                               "migration_id=5&file_type=0&contents=" + contents,
                                               "application/x-www-form-urlencoded"));
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(get("/get_file?migration_id=5&file_type=0").body["contents"], contents);
}

TEST_F(ServerTest, ABodyOfAnotherTypeIsIgnored) {
    const Reply reply =
        reply_of(client_->Post(path_of("/write_file"),
                               R"({"migration_id":1,"file_type":1,"contents":"x"})", "text/plain"));
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply.body["message"], "File type not writable");
}

TEST_F(ServerTest, MalformedJsonIs400) {
    for (const char* body : {"{\"id\":", "{\"id\": \"a\nb\"}", "nonsense", "{\"a\":\"\xff\"}"}) {
        const Reply reply = reply_of(client_->Post(path_of("/unstage"), body, kJsonType));
        EXPECT_EQ(reply.status, 400) << body;
        EXPECT_TRUE(reply.body["errors"].is_array());
    }
}

TEST_F(ServerTest, ABodyAboveTheLimitIs413AndTheServerLives) {
    const std::string body(Server::kBodyBytesMax + 1, ' ');
    const Reply reply = reply_of(client_->Post(path_of("/unstage"), body, kJsonType));
    EXPECT_TRUE(reply.status == 413 || reply.status == 0) << reply.status;
    client_ = new_client();
    EXPECT_EQ(get("/staged").status, 200);
}

TEST_F(ServerTest, UnknownIdsAndPathsAre404InJson) {
    for (const char* action :
         {"unstage", "next_step", "complete", "cancel", "fail", "error", "offer", "unpin_run_host",
          "approve", "start", "pause", "cancel_cli"}) {
        const Reply reply = post(std::string("/") + action, {{"id", 99}});
        EXPECT_EQ(reply.status, 404) << action;
        EXPECT_EQ(reply.body["errors"], Json({"Migration not found."}));
    }
    for (const char* name : {"/99", "/abc", "/99999999999999999999", "", "/new", "/1/edit"}) {
        EXPECT_EQ(get(name).status, 404) << name;
    }
    EXPECT_EQ(put(99, {{"copy_percentage", 1}}).status, 404);
    EXPECT_EQ(post("/nonsense", {}).status, 404);
    EXPECT_EQ(reply_of(client_->Get("/" + std::string(7000, 'a'))).status, 404);
    EXPECT_EQ(reply_of(client_->Get("/a%0Ab%00c")).status, 404);
}

TEST_F(ServerTest, AnIdIsTheNumberItBeginsWith) {
    const std::int64_t id = create();
    EXPECT_EQ(get("/" + std::to_string(id) + "abc").body["migration"]["id"], id);
    EXPECT_EQ(get("/staged/").status, 200);
}

TEST_F(ServerTest, AngleBracketsAndAmpersandsAreEscaped) {
    const std::int64_t id = create({{"pr_url", "a<b>&c \xe2\x80\xa8 \xc3\xa4 \xf0\x9f\x98\x80"}});
    const auto result = client_->Get(path_of("/" + std::to_string(id)));
    ASSERT_TRUE(result);
    EXPECT_NE(result->body.find(R"(a\u003cb\u003e\u0026c \u2028 )"
                                "\xc3\xa4 \xf0\x9f\x98\x80"),
              std::string::npos)
        << result->body;
    EXPECT_EQ(result->get_header_value("Content-Type"), "application/json; charset=utf-8");
}

TEST_F(ServerTest, AnOverlongErrorMessageIsCutNotRefused) {
    const std::int64_t id = create_in(3);
    std::string message;
    for (int i = 0; i < 40'000; ++i) {
        message += "\xc3\xa4";
    }
    const Reply reply = post("/fail", {{"id", id}, {"error_message", message}});
    EXPECT_EQ(reply.body["status"], 10);
    EXPECT_EQ(reply.body["error_message"].get<std::string>().size(), 65'534u);
}

// -- people ---------------------------------------------------------------------------------------

TEST_F(ServerTest, CreateNamesWhatIsWrong) {
    EXPECT_EQ(errors_of_create({{"cluster_name", "nope"}}),
              Json({"Cluster name is not included in the list."}));
    EXPECT_EQ(errors_of_create({{"cluster_name", " "}}),
              Json({"Cluster name can't be blank.", "Cluster name is not included in the list."}));
    EXPECT_EQ(errors_of_create({{"database", ""}}),
              Json({"Database can't be blank.", "Database is invalid."}));
    EXPECT_EQ(errors_of_create({{"database", "a;b"}}), Json({"Database is invalid."}));
    EXPECT_EQ(errors_of_create({{"ddl_statement", nullptr}}),
              Json({"Ddl statement can't be blank.", "DDL statement is nil."}));
    EXPECT_EQ(errors_of_create({{"pr_url", "JavaScript:x"}}), Json({"Pr url is invalid."}));
    EXPECT_EQ(errors_of_create({{"max_threads_running", "abc"}}),
              Json({"Max threads running is not a number."}));
    EXPECT_EQ(errors_of_create({{"max_replication_lag", 0}}),
              Json({"Max replication lag must be greater than 0."}));
    EXPECT_EQ(errors_of_create({{"final_insert", "DELETE FROM x"}}),
              Json({"Final insert is invalid."}));
    EXPECT_EQ(errors_of_create({{"final_insert", "insert into x values (1); drop table y"}}),
              Json({"Final insert is invalid."}));
    EXPECT_EQ(errors_of_create({{"ddl_statement", "ALTER TABLE t ORDER BY a"}}),
              Json({"DDL statement is invalid (error: order by not supported)."}));
    EXPECT_EQ(errors_of_create({{"requestor", nullptr}}), Json({"Requestor can't be blank."}));
    targets_.answers["main"].facts.table_exists = false;
    EXPECT_EQ(errors_of_create({}),
              Json({"DDL statement is invalid (error: table does not exist!)."}));
    targets_.answers["main"].down = true;
    EXPECT_EQ(errors_of_create({}), Json({"Connection error (nobody is there)."}));
}

TEST_F(ServerTest, CustomOptionsKeepTheTypesTheyWereSentWith) {
    const std::int64_t id = create({{"max_threads_running", "300"},
                                    {"max_replication_lag", 2},
                                    {"config_path", nullptr},
                                    {"engine", "lhm"},
                                    {"allow_loss", "true"},
                                    {"final_insert", "INSERT  INTO x VALUES (1)"}});
    const Json migration = row(id);
    const auto options = parse_json(migration["custom_options"].get<std::string>());
    EXPECT_EQ(*options, Json({{"max_threads_running", "300"},
                              {"max_replication_lag", 2},
                              {"config_path", nullptr},
                              {"recursion_method", ""},
                              {"engine", "lhm"},
                              {"allow_loss", true}}));
    EXPECT_EQ(migration["final_insert"], "INSERT  INTO x VALUES (1)");
}

TEST_F(ServerTest, RefusalsNameTheReasonsInOrder) {
    const std::int64_t id = create();
    Reply reply = post("/start", {{"id", id}, {"lock_version", 7}});
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply.body,
              Json({{"status", 400},
                    {"errors", {"Invalid action.", "Incorrect lock_version supplied."}}}));
    set(id, [](MigrationRow& stored) { stored.status = 2; });
    reply = post("/start", {{"id", id}});
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply.body["errors"], Json::array());
    reply = post("/approve", {{"id", id}, {"lock_version", 0}, {"runtype", "1"}});
    EXPECT_EQ(reply.body["errors"], Json({"Invalid action."}));
    put(id, {{"copy_percentage", 1}});
    EXPECT_EQ(post("/pause", {{"id", id}}).body["errors"],
              Json({"Invalid action.", "Incorrect lock_version supplied."}));
}

TEST_F(ServerTest, AnAlterWaitsForTheClustersOtherAlter) {
    create_in(12);
    const std::int64_t waiting = create_in(2);
    const Reply refused = post("/start", {{"id", waiting}, {"lock_version", 0}});
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(refused.body["errors"],
              Json({"Can't start migration because you are already running the maximum # of "
                    "migrations per cluster (1)."}));
    const std::int64_t elsewhere = create_in(2, false, {{"cluster_name", "other"}});
    EXPECT_EQ(post("/start", {{"id", elsewhere}, {"lock_version", 0}}).status, 200);
    const std::int64_t drop = create_in(2, false, {{"ddl_statement", "DROP TABLE x"}});
    EXPECT_EQ(post("/start", {{"id", drop}, {"lock_version", 0}}).status, 200);
}

TEST_F(ServerTest, RunningCreatesAndDropsAreNotCounted) {
    create_in(3, false, {{"ddl_statement", "DROP TABLE x"}});
    create_in(3, false, {{"ddl_statement", "CREATE TABLE y (a INT)"}});
    const std::int64_t id = create_in(2);
    EXPECT_EQ(post("/start", {{"id", id}, {"lock_version", 0}}).status, 200);
}

TEST_F(ServerTest, OfConcurrentStartsOnOneClusterOnlyOnePasses) {
    std::vector<std::int64_t> ids;
    for (int i = 0; i < 6; ++i) {
        ids.push_back(create_in(2));
    }
    std::atomic<int> started{0};
    std::vector<std::thread> threads;
    for (const std::int64_t id : ids) {
        threads.emplace_back([&, id] {
            const auto client = new_client();
            const auto result = client->Post(path_of("/start"),
                                             to_line({{"id", id}, {"lock_version", 0}}), kJsonType);
            started += result && result->status == 200 ? 1 : 0;
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(started, 1);
}

TEST_F(ServerTest, DeleteTakesTheLockVersionFromTheQuery) {
    const std::int64_t id = create();
    const std::string path = path_of("/" + std::to_string(id));
    EXPECT_EQ(reply_of(client_->Delete(path + "?lock_version=3")).status, 400);
    const Reply reply = reply_of(client_->Delete(path + "?lock_version=0"));
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, Json::object());
    EXPECT_EQ(reply_of(client_->Delete(path + "?lock_version=0")).status, 404);
}

TEST_F(ServerTest, AutoRunIsTakenAsBooleanNumberOrText) {
    const std::map<std::string, Json> expected = {{"true", true},     {"1", true},
                                                  {"\"true\"", true}, {"\"0\"", false},
                                                  {"false", false},   {"null", nullptr}};
    for (const auto& [sent, stored] : expected) {
        const std::int64_t id = create_in(13);
        const std::string body =
            "{\"id\":" + std::to_string(id) + ",\"lock_version\":0,\"auto_run\":" + sent + "}";
        const Reply reply = reply_of(client_->Post(path_of("/resume"), body, kJsonType));
        EXPECT_EQ(reply.body["migration"]["auto_run"], stored) << sent;
    }
}

// -- scheduler ------------------------------------------------------------------------------------

TEST_F(ServerTest, TheSchedulerStartsOneEnqueuedMigrationPerCluster) {
    const std::int64_t first = create_in(2);
    const std::int64_t second = create_in(2);
    const std::int64_t elsewhere = create_in(2, false, {{"cluster_name", "other"}});
    for (const std::int64_t id : {first, second, elsewhere}) {
        EXPECT_EQ(numbers(post("/enqueue", {{"id", id}, {"lock_version", 0}})), "14,0,1");
    }
    service_->run_scheduler();
    EXPECT_EQ(numbers(get("/" + std::to_string(first))), "3,1,2");
    EXPECT_EQ(numbers(get("/" + std::to_string(second))), "14,0,1");
    EXPECT_EQ(numbers(get("/" + std::to_string(elsewhere))), "3,1,2");
    service_->run_scheduler();
    EXPECT_EQ(row(second)["status"], 14);
    post("/complete", {{"id", first}});
    service_->run_scheduler();
    EXPECT_EQ(row(second)["status"], 3);
    EXPECT_EQ(row(second)["auto_run"], true);
}

TEST_F(ServerTest, TheSchedulerRenamesWhatHasAutoRun) {
    const std::int64_t by_itself = create_in(4);
    const std::int64_t by_hand = create_in(4);
    set(by_itself, [](MigrationRow& stored) { stored.auto_run = true; });
    service_->run_scheduler();
    EXPECT_EQ(numbers(get("/" + std::to_string(by_itself))), "5,1,1");
    EXPECT_EQ(row(by_hand)["status"], 4);
}

// -- files ----------------------------------------------------------------------------------------

TEST_F(ServerTest, FilesAreWrittenReadAndRefusedByType) {
    const Reply appended = post("/append_to_file", {{"migration_id", "7"}, {"contents", "a\n"}});
    EXPECT_EQ(appended.status, 200);
    EXPECT_EQ(appended.body["contents"], "Content omitted...");
    EXPECT_EQ(appended.body["migration_id"], 7);
    EXPECT_EQ(get("/get_file?migration_id=7&file_type=0").body["contents"], "a\n");
    EXPECT_EQ(post("/append_to_file", {{"migration_id", 7}, {"file_type", 1}, {"contents", "x"}})
                  .body["message"],
              "File type not appendable");
    EXPECT_EQ(post("/write_file", {{"migration_id", 7}, {"file_type", "0"}, {"contents", "x"}})
                  .body["message"],
              "File type not writable");
    EXPECT_EQ(post("/write_file", {{"migration_id", 7}, {"file_type", "1"}}).status, 200);
    EXPECT_TRUE(get("/get_file?migration_id=7&file_type=1").body["contents"].is_null());
    EXPECT_EQ(
        post("/write_file", {{"migration_id", 7}, {"file_type", 1}, {"contents", 123}}).status,
        200);
    EXPECT_EQ(get("/get_file?migration_id=7&file_type=1").body["contents"], "123");
    const Reply missing = get("/get_file?migration_id=8&file_type=1");
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(missing.body["message"], "File not found");
}

TEST_F(ServerTest, ControlCharactersSurviveInFiles) {
    const std::string contents = std::string("a\0b\x01\x7f", 5) + "\xf0\x9f\x98\x80\r\n<&>";
    post("/append_to_file", {{"migration_id", 1}, {"contents", contents}});
    EXPECT_EQ(get("/get_file?migration_id=1").body["contents"], contents);
    const auto plain = client_->Get("/shift_file/1?file_type=0");
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->body, contents);
    EXPECT_EQ(plain->get_header_value("Content-Type"), "text/plain; charset=utf-8");
}

TEST_F(ServerTest, ConcurrentAppendsLoseNothing) {
    constexpr int kThreads = 8;
    constexpr int kLines = 25;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
            const auto client = new_client();
            for (int line = 0; line < kLines; ++line) {
                const std::string text = std::to_string(i) + "-" + std::to_string(line) + "\n";
                const auto result =
                    client->Post(path_of("/append_to_file"),
                                 to_line({{"migration_id", 3}, {"contents", text}}), kJsonType);
                EXPECT_TRUE(result && result->status == 200);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    const std::string contents = get("/get_file?migration_id=3").body["contents"];
    for (int i = 0; i < kThreads; ++i) {
        std::size_t before = 0;
        for (int line = 0; line < kLines; ++line) {
            const std::string text = std::to_string(i) + "-" + std::to_string(line) + "\n";
            const std::size_t at = contents.find(text);
            ASSERT_NE(at, std::string::npos) << text;
            EXPECT_GE(at, before) << "the lines of one writer stay in order";
            before = at;
        }
    }
}

// -- other endpoints ------------------------------------------------------------------------------

TEST_F(ServerTest, HealthParserAndDatabasesAnswerAsTheOriginal) {
    EXPECT_EQ(reply_of(client_->Get("/_status")).body, Json({{"status", "ok"}}));
    const Reply parsed = reply_of(
        client_->Post("/parser", "msg=DROP+TABLE+a.b", "application/x-www-form-urlencoded"));
    EXPECT_EQ(parsed.body, Json({{"respond",
                                  {{"stm", "DROP TABLE a.b"},
                                   {"run", "short"},
                                   {"table", "a.b"},
                                   {"mode", "table"},
                                   {"action", "drop"}}},
                                 {"error", nullptr}}));
    const Reply refused =
        reply_of(client_->Post("/parser", "msg=x", "application/x-www-form-urlencoded"));
    EXPECT_TRUE(refused.body["respond"].is_null());
    EXPECT_EQ(refused.body["error"], "parse error on value \"x\"");
    EXPECT_EQ(reply_of(client_->Get("/databases?cluster=main")).body,
              Json({{"databases", {"main_db"}}}));
    EXPECT_EQ(reply_of(client_->Get("/databases?cluster=nope")).body,
              Json({{"databases", Json::array()}}));
}

TEST_F(ServerTest, APageOfAnotherSiteMayNotChangeAnything) {
    const std::int64_t id = create();
    const std::string own = "http://127.0.0.1:" + std::to_string(port_);
    const auto unstage_from = [&](const std::string& origin) {
        return reply_of(client_->Post(path_of("/unstage"), {{"Origin", origin}},
                                      to_line({{"id", id}}), kJsonType));
    };
    EXPECT_EQ(unstage_from("http://evil.example").status, 403);
    EXPECT_EQ(unstage_from("null").status, 403);
    EXPECT_EQ(row(id)["staged"], true);
    EXPECT_EQ(unstage_from(own).status, 200);
    EXPECT_EQ(row(id)["staged"], false);
}

// Of a browser, or of a daemon that keeps its connections.
TEST_F(ServerTest, IdleConnectionsKeepNobodyWaiting) {
    std::vector<std::unique_ptr<httplib::Client>> idle;
    for (int i = 0; i < 100; ++i) {
        idle.push_back(new_client());
        idle.back()->set_read_timeout(4);  // shorter than an idle connection is kept
        ASSERT_EQ(reply_of(idle.back()->Get(path_of("/staged"))).status, 200) << i;
    }
}

TEST_F(ServerTest, TheWebPageNeedsNoOtherHost) {
    create();
    const auto page = client_->Get("/");
    ASSERT_TRUE(page);
    EXPECT_EQ(page->status, 200);
    EXPECT_EQ(page->get_header_value("Content-Type"), "text/html; charset=utf-8");
    EXPECT_EQ(page->body.find("src=\"http"), std::string::npos);
    EXPECT_EQ(page->body.find("href=\"http"), std::string::npos);
    const Json list = reply_of(client_->Get("/web/migrations")).body;
    ASSERT_EQ(list["migrations"].size(), 1u);
    EXPECT_EQ(list["migrations"][0]["description"], "preparing migration");
    EXPECT_EQ(list["migrations"][0]["available_actions"], Json({"delete"}));
    const Json events = reply_of(client_->Get("/web/events?id=1")).body["events"];
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0]["what"], "create");
}

}  // namespace
}  // namespace shift::api
