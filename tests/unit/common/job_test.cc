#include "common/job.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

Job example_job() {
    Job job;
    job.migration = 17;
    job.claim = 3;
    job.attempt = 42;
    job.step = Step::kRename;
    job.engine = "lhm";
    job.run_host = "runner1";
    job.host = "db1";
    job.port = 3307;
    job.database = "shop";
    job.table = "orders \xE2\x82\xAC";
    job.action = Action::kDrop;
    job.mode = Mode::kView;
    job.runtype = Runtype::kShort;
    job.ddl_statement = "DROP VIEW v";
    job.final_insert = "INSERT INTO x VALUES (1)";
    job.options.max_threads_running = 9;
    job.options.config_path = "/etc/osc.conf";
    job.mysql_defaults_file = "/a.cnf";
    job.pt_osc_defaults_file = "/b.cnf";
    job.pt_osc_path = "/usr/bin/pt-online-schema-change";
    job.lhm_settings = {{"chunk-time", "0.2"}};
    job.enable_trash = false;
    job.pending_drops_db = "_drops";
    job.ddl_timeout = std::chrono::seconds(77);
    job.direct_rows_max = 5'000'000'000;
    job.files_dir = "/var/log/shift-supervisor/id-17/";
    job.tries = 2;
    job.history = Json::array({Json{{"event", "intent"}, {"what", "shadow"}}});
    return job;
}

TEST(Job, SurvivesItsFile) {
    const Job job = example_job();
    const auto again = parse_job(to_line(to_json(job)));
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(to_json(*again), to_json(job));
    EXPECT_EQ(again->table, job.table);
    EXPECT_EQ(again->direct_rows_max, 5'000'000'000);
    EXPECT_EQ(again->ddl_timeout, std::chrono::seconds(77));
}

TEST(Job, OfANewerProtocolIsRefused) {
    Json json = to_json(example_job());
    json["protocol"] = kWorkerProtocol + 1;
    const auto parsed = parse_job(to_line(json));
    ASSERT_FALSE(parsed.ok());
    EXPECT_NE(parsed.error().message.find("newer"), std::string::npos);
}

TEST(Job, WithoutWhatNamesItIsRefused) {
    for (const char* key : {"protocol", "migration", "attempt", "step"}) {
        Json json = to_json(example_job());
        json.erase(key);
        EXPECT_FALSE(parse_job(to_line(json)).ok()) << key;
    }
}

TEST(Job, WithUnknownWordsIsRefused) {
    for (const char* key : {"step", "mode", "action", "runtype"}) {
        Json json = to_json(example_job());
        json[key] = "dance";
        EXPECT_FALSE(parse_job(to_line(json)).ok()) << key;
    }
    Json json = to_json(example_job());
    json["history"] = 1;
    EXPECT_FALSE(parse_job(to_line(json)).ok());
    json = to_json(example_job());
    json["port"] = 70'000;
    EXPECT_FALSE(parse_job(to_line(json)).ok());
}

TEST(Job, FromGarbageIsRefused) {
    for (const char* text : {"", "{", "[]", "17", "null", "{}"}) {
        EXPECT_EQ(parse_job(text).error().code, Errc::kInvalidArgument) << text;
    }
}

TEST(Job, OfAnOlderWriterHasDefaults) {
    const auto job =
        parse_job(R"({"protocol":1,"migration":1,"attempt":2,"step":"cancel","future":[1]})");
    ASSERT_TRUE(job.ok());
    EXPECT_EQ(job->tries, 1);
    EXPECT_TRUE(job->enable_trash);
    EXPECT_TRUE(job->history.is_array());
}

TEST(AttemptFiles, LieInTheAttemptsFolder) {
    const AttemptFiles files("/state/attempts/42");
    EXPECT_EQ(files.job(), "/state/attempts/42/job.json");
    EXPECT_EQ(files.worker_lock(), "/state/attempts/42/worker.lock");
}

}  // namespace
}  // namespace shift
