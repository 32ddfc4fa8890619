#include <set>

#include "tests/unit/supervisor/world.h"

namespace shift {
namespace {

using Fault = FakeUpstream::Fault;

class Commands : public World {
  protected:
    Json why(MigrationId id) {
        const auto answer = supervisor->command("why", {{"id", id}});
        return answer.ok() ? *answer : Json{{"error", answer.error().message}};
    }
    std::string code(MigrationId id) { return string_or(why(id), "code", "none"); }
    std::size_t events(const std::string& kind, const std::string& source) const {
        return static_cast<std::size_t>(
            std::count_if(disk.events.begin(), disk.events.end(), [&](const EventRecord& event) {
                return event.kind == kind && event.source == source;
            }));
    }
};

TEST_F(Commands, WhyFollowsAMigrationThroughItsLife) {
    EXPECT_EQ(code(1), "none");
    api.add(1, 3);
    run();
    EXPECT_EQ(code(1), "running");
    FakeWorkers::say(worker(1), event::kProgress,
                     {{"percent", 4}, {"throttle", "lag"}, {"throttle_code", "replica-lag"}});
    run(0.2);
    EXPECT_EQ(code(1), "throttled");
    EXPECT_EQ(why(1)["evidence"]["reason"], "replica-lag");
    FakeWorkers::say(
        worker(1), event::kWaiting,
        {{"code", "blocked-by-lock"}, {"text", "held"}, {"evidence", {{"thread", 9}}}});
    run(0.2);
    EXPECT_EQ(code(1), "blocked-by-lock");
    EXPECT_EQ(why(1)["evidence"]["thread"], 9);
    EXPECT_EQ(status_of(1)["reason"], "held");
    FakeWorkers::say(worker(1), event::kWaiting, {{"code", ""}});
    FakeWorkers::say(worker(1), event::kProgress, {{"percent", 5}});
    run(0.2);
    EXPECT_EQ(code(1), "running");
    FakeWorkers::end(worker(1), "copied");
    run();
    EXPECT_EQ(code(1), "waiting-for-people");
    api.stage(1, 9);
    run(25);
    FakeWorkers::end(worker(1), "cancelled");
    run();
    EXPECT_EQ(code(1), "finished");
}

TEST_F(Commands, WhyKnowsWhatTheLastAttemptRestedOn) {
    api.add(1, 5);
    run();
    FakeWorkers::say(worker(1), event::kOutcome,
                     {{"outcome", "retry"},
                      {"reason", "lock_wait"},
                      {"message", "no lock"},
                      {"retry_after_s", 60},
                      {"evidence", {{"thread", 31}}}});
    worker(1).life = Workers::Life::kDead;
    run(0.5);
    EXPECT_EQ(code(1), "blocked-by-lock");
    EXPECT_EQ(why(1)["evidence"]["thread"], 31);
    EXPECT_EQ(status_of(1)["why"], "blocked-by-lock");
    // A restart forgets the thread, not the code.
    restart();
    run(0.2);
    EXPECT_EQ(code(1), "blocked-by-lock");
}

TEST_F(Commands, TheLastErrorStaysUntilAnAttemptSucceeds) {
    api.add(1, 3);
    run();
    EXPECT_TRUE(status_of(1)["last_error"].is_null());
    FakeWorkers::say(
        worker(1), event::kOutcome,
        {{"outcome", "retry"}, {"reason", "lost_connection"}, {"message", "gone away"}});
    worker(1).life = Workers::Life::kDead;
    run(30);  // it is at work again
    EXPECT_EQ(code(1), "running");
    EXPECT_EQ(status_of(1)["last_error"], "gone away");
    restart();
    run(1);
    EXPECT_EQ(status_of(1)["last_error"], "gone away") << "it is in the journal";
    FakeWorkers::end(worker(1), "stopped");
    run(30);
    EXPECT_EQ(status_of(1)["last_error"], "gone away") << "a stop is neither";
    worker(1).life = Workers::Life::kDead;
    run(30);
    EXPECT_EQ(status_of(1)["last_error"], "the worker died without an outcome");
    FakeWorkers::end(worker(1), "copied");
    run();
    EXPECT_TRUE(status_of(1)["last_error"].is_null());
}

TEST_F(Commands, WhySeesWhatIsSomebodyElses) {
    api.add(1, 3)["run_host"] = "them";
    run();
    EXPECT_EQ(code(1), "pinned-elsewhere");
    EXPECT_EQ(why(1)["evidence"]["run_host"], "them");
}

TEST_F(Commands, WhyTellsADrainFromAnAbsentApi) {
    api.add(1, 3);
    run();
    ASSERT_TRUE(supervisor->command("drain", {{"keep", true}}).ok());
    run(0.5);
    EXPECT_EQ(code(1), "stopping");
    FakeWorkers::end(worker(1), "stopped");
    run(5);
    EXPECT_EQ(code(1), "drained");
    ASSERT_TRUE(supervisor->command("undrain", Json::object()).ok());
    run();
    FakeWorkers::end(worker(1), "copied");
    api.fault = [](const ApiRequest&) { return Fault::kLoseRequest; };
    run();
    EXPECT_EQ(code(1), "api-unreachable");
    api.fault = [](const ApiRequest& request) {
        return request.path == "migrations/next_step" ? Fault::kServerError : Fault::kNone;
    };
    run(30);
    EXPECT_EQ(code(1), "owed");
    EXPECT_EQ(why(1)["evidence"]["call"], "next_step");
}

TEST_F(Commands, RetryEndsABackoffAndForgetsTheTries) {
    api.add(1, 0);
    for (int i = 0; i < 3; ++i) {
        run(60);
        FakeWorkers::end(worker(1), "retry", "no server");
    }
    run(0.5);
    const auto attempts = workers.all.size();
    EXPECT_EQ(code(1), "backoff");
    EXPECT_EQ(status_of(1)["tries"], 3);
    const auto answer = supervisor->command("retry", {{"id", 1}}, {1000, "alice"});
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ((*answer)["code"], "starting");
    run(0.3);
    EXPECT_EQ(workers.all.size(), attempts + 1);
    EXPECT_EQ(status_of(1)["tries"], 0);
    EXPECT_EQ(events("retry", "operator"), 1U);
    EXPECT_EQ(disk.events.back().kind == "retry" ? 0 : 1, 1);
}

TEST_F(Commands, RetrySendsWhatTheApiRefused) {
    api.add(1, 0);
    run();
    FakeWorkers::end(worker(1), "prepared");
    api.fault = [](const ApiRequest& request) {
        return request.path == "migrations/next_step" ? Fault::kServerError : Fault::kNone;
    };
    run(120);
    api.fault = [](const ApiRequest&) { return Fault::kNone; };
    ASSERT_TRUE(supervisor->command("retry", {{"id", 1}}).ok());
    run(0.5);
    EXPECT_EQ(api_status(1), 1);
}

TEST_F(Commands, RetrySaysWhatToDoWhereItHelpsNothing) {
    api.add(1, 3);
    run();
    const auto busy = supervisor->command("retry", {{"id", 1}});
    ASSERT_FALSE(busy.ok());
    EXPECT_NE(busy.error().message.find("attempt 1 is at work"), std::string::npos);
    FakeWorkers::end(worker(1), "error", "died");
    run();
    ASSERT_EQ(api_status(1), 13);
    const auto answer = supervisor->command("retry", {{"id", 1}});
    ASSERT_FALSE(answer.ok());
    EXPECT_NE(answer.error().message.find("resume 1 goes on with it"), std::string::npos)
        << answer.error().message;
    EXPECT_FALSE(supervisor->command("retry", {{"id", 77}}).ok());
}

TEST_F(Commands, AnUnknownFinalInsertWaitsForAPersonAndSurvivesARestart) {
    api.add(1, 5);
    run();
    FakeWorkers::say(worker(1), event::kNoReturn, {{"what", "swap"}});
    FakeWorkers::end(worker(1), "undecided", "final insert result unknown: INSERT INTO x");
    run(600);
    EXPECT_EQ(workers.all.size(), 1U);
    EXPECT_EQ(api_status(1), 5);
    EXPECT_EQ(status_of(1)["state"], "needs decision");
    EXPECT_EQ(code(1), "needs-decision");
    restart();
    run(60);
    EXPECT_EQ(workers.all.size(), 1U);
    EXPECT_EQ(code(1), "needs-decision");
    EXPECT_FALSE(supervisor->command("retry", {{"id", 1}}).ok());
    EXPECT_FALSE(supervisor->command("final-insert", {{"id", 1}, {"decision", "maybe"}}).ok());
    EXPECT_FALSE(supervisor->command("final-insert", {{"id", 2}, {"decision", "done"}}).ok());

    const auto decided =
        supervisor->command("final-insert", {{"id", 1}, {"decision", "done"}}, {0, "alice"});
    ASSERT_TRUE(decided.ok()) << decided.error().message;
    run();
    ASSERT_EQ(workers.all.size(), 2U);
    const Json& history = worker(1).job.history;
    const Json& last = history.back();
    EXPECT_EQ(last["event"], "fact");
    EXPECT_EQ(last["what"], "final_insert");
    EXPECT_EQ(last["state"], "done");
    EXPECT_EQ(last["as"], "alice");
    FakeWorkers::end(worker(1), "completed");
    run();
    EXPECT_EQ(api_status(1), 8);
}

TEST_F(Commands, ADrainDoesNotWaitForADecision) {
    api.add(1, 5);
    run();
    FakeWorkers::end(worker(1), "undecided", "unknown");
    run();
    ASSERT_TRUE(supervisor->command("drain", Json::object()).ok());
    run();
    EXPECT_EQ((*supervisor->command("status", Json::object()))["drain"]["owed"], 0);
}

TEST_F(Commands, OldThingsGoAndYoungOnesStay) {
    using std::chrono::hours;
    MigrationRecord old;
    old.id = 5;
    old.claim = 1;
    old.seen.status = 8;
    old.state = ClaimState::kHandedOn;
    old.since = clock.wall() - hours(24) * 91;
    disk.migrations[5] = old;
    MigrationRecord young = old;
    young.id = 6;
    young.since = clock.wall() - hours(24) * 40;
    disk.migrations[6] = young;
    MigrationRecord paused = young;
    paused.id = 7;
    paused.seen.status = 12;
    disk.migrations[7] = paused;
    workers.old_files = {6, 7, 99};
    restart();
    run(1);
    EXPECT_EQ(disk.migrations.count(5), 0U);
    EXPECT_EQ(disk.migrations.count(6), 1U);
    // 6: old enough for its files; 7 is not finished; 99 is nothing we know.
    EXPECT_EQ(workers.files_discarded, (std::vector<MigrationId>{6, 5}));
    EXPECT_GT(workers.attempts_discarded_before, clock.wall() - hours(24) * 31);

    config.journal_retention_days = 0;
    config.attempts_retention_days = 0;
    disk.migrations[5] = old;
    workers.files_discarded.clear();
    restart();
    run(1);
    EXPECT_EQ(disk.migrations.count(5), 1U);
    EXPECT_TRUE(workers.files_discarded.empty());
}

TEST_F(Commands, AnUnknownCommandNamesTheOnesThereAre) {
    const auto answer = supervisor->command("dance", Json::object());
    ASSERT_FALSE(answer.ok());
    for (const ControlCommand& command : control_commands()) {
        EXPECT_NE(answer.error().message.find(command.name), std::string::npos) << command.name;
        const auto known = supervisor->command(command.name, {{"id", 1}});
        EXPECT_TRUE(known.ok() || known.error().code != Errc::kInternal) << command.name;
    }
}

TEST_F(Commands, MetricsCountWhatHappened) {
    api.add(1, 3);
    api.add(2, 0);
    run();
    FakeWorkers::say(worker(1), event::kProgress, {{"rows", 1000}, {"percent", 10}});
    FakeWorkers::say(
        worker(1), event::kProgress,
        {{"rows", 1500}, {"percent", 15}, {"throttle", "lag"}, {"throttle_code", "replica-lag"}});
    run(0.2);
    clock.advance(std::chrono::seconds(7));
    FakeWorkers::say(worker(1), event::kProgress, {{"rows", 1700}, {"percent", 17}});
    FakeWorkers::end(worker(2), "prepared");
    run();
    const std::string text = supervisor->metrics();
    const auto has = [&text](const std::string& line) {
        return text.find("\n" + line + "\n") != std::string::npos;
    };
    EXPECT_TRUE(has("shift_migrations{state=\"running\"} 1")) << text;
    EXPECT_TRUE(has("shift_migrations_by_reason{reason=\"running\"} 1")) << text;
    // What an earlier life of the daemon may have counted is not counted again.
    EXPECT_TRUE(has("shift_rows_copied_total 700")) << text;
    EXPECT_TRUE(has("shift_attempts_total{step=\"prepare\",outcome=\"prepared\"} 1")) << text;
    EXPECT_TRUE(has("shift_attempts_running 1")) << text;
    EXPECT_TRUE(has("shift_api_up 1")) << text;
    EXPECT_TRUE(has("shift_draining 0")) << text;
    EXPECT_TRUE(
        has("shift_migration_rows_copied{migration=\"1\",cluster=\"default\",database=\"shop\","
            "table=\"orders\"} 1700"))
        << text;
    const std::size_t throttled =
        text.find("shift_throttle_seconds_total{reason=\"replica-lag\"} 7");
    EXPECT_NE(throttled, std::string::npos) << text;
}

// Every original runner polls at the same seconds.
TEST_F(World, PollsAtOnceAndThenAtIntervalsOfItsOwn) {
    config.poll_interval_min = Millis(10'000);
    config.poll_interval_max = Millis(20'000);
    const auto polls = [this](int seconds) {
        std::vector<int> at;
        std::size_t seen = api.count("GET migrations/staged");
        for (int i = 0; i < seconds * 10; ++i) {
            run(0.1);
            if (api.count("GET migrations/staged") > seen) {
                seen = api.count("GET migrations/staged");
                at.push_back(i);
            }
        }
        return at;
    };
    std::set<std::vector<int>> courses;
    for (int daemon = 0; daemon < 3; ++daemon) {
        restart();
        const std::vector<int> at = polls(300);
        ASSERT_GE(at.size(), 14U);
        EXPECT_EQ(at[0], 0) << "the first at once";
        std::set<int> gaps;
        for (std::size_t i = 1; i < at.size(); ++i) {
            gaps.insert(at[i] - at[i - 1]);
            EXPECT_GE(at[i] - at[i - 1], 99);
            EXPECT_LE(at[i] - at[i - 1], 202);
        }
        EXPECT_GT(gaps.size(), 5U) << "no two alike but by chance";
        courses.insert(at);
    }
    EXPECT_EQ(courses.size(), 3U) << "nor two daemons";
}

}  // namespace
}  // namespace shift
