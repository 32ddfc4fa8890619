#include <gmock/gmock.h>

#include <algorithm>

#include "tests/unit/supervisor/world.h"

namespace shift {
namespace {

using Fault = FakeUpstream::Fault;

class Takeover : public World {
  protected:
    // A copy of ours whose worker died with its host.
    void lose_host_in_copy() {
        api.add(1, 3);
        run();
        worker(1).life = Workers::Life::kDead;
        before_ = workers.all.size();
        calls_before_ = api.calls.size();
    }
    void add_of_dead_host(int status, bool staged) {
        Json& row = api.add(1, status);
        row["run_host"] = "them";
        row["staged"] = staged;
        api.model.put_file(1, 1, "step: copy\n");
    }
    Result<Json> take_over() { return supervisor->command("takeover", {{"migration", api.at(1)}}); }
    std::size_t started() const { return workers.all.size() - before_; }
    // Whether anything but a read was sent since lose_host_in_copy().
    bool told_something() const {
        return std::any_of(api.calls.begin() + static_cast<std::ptrdiff_t>(calls_before_),
                           api.calls.end(),
                           [](const std::string& call) { return call.rfind("GET ", 0) != 0; });
    }

    std::size_t before_ = 0;
    std::size_t calls_before_ = 0;
};

TEST_F(Takeover, AHostThatComesBackReadsBeforeItStarts) {
    lose_host_in_copy();
    api.at(1)["run_host"] = "them";
    restart();
    run(60);
    EXPECT_EQ(started(), 0U);
    EXPECT_FALSE(told_something());
    EXPECT_EQ(status_of(1)["state"], "let go");
    EXPECT_NE(status_of(1)["reason"].get<std::string>().find("them"), std::string::npos);
}

TEST_F(Takeover, AHostThatComesBackAndIsStillNamedGoesOn) {
    lose_host_in_copy();
    restart();
    run(20);
    EXPECT_EQ(started(), 1U);
}

TEST_F(Takeover, NothingIsStartedByAProcessThatTheApiHasNotAnswered) {
    lose_host_in_copy();
    api.fault = [](const ApiRequest&) { return Fault::kLoseRequest; };
    restart();
    run(600);
    EXPECT_EQ(started(), 0U);
    EXPECT_THAT(status_of(1)["reason"].get<std::string>(), ::testing::HasSubstr("still ours"));
    api.fault = [](const ApiRequest&) { return Fault::kNone; };
    run(60);
    EXPECT_EQ(started(), 1U);
}

TEST_F(Takeover, AnOutageDoesNotKeepAProcessFromTryingAgain) {
    api.add(1, 3);
    run();
    api.fault = [](const ApiRequest&) { return Fault::kLoseRequest; };
    run(1200);
    const std::size_t before = workers.all.size();
    worker(1).life = Workers::Life::kDead;
    run(60);
    EXPECT_EQ(workers.all.size(), before + 1);
}

TEST_F(Takeover, AnAdoptedWorkerIsStoppedAtOnceAndNothingIsTold) {
    api.add(1, 3);
    run();
    api.at(1)["run_host"] = "them";
    calls_before_ = api.calls.size();
    restart();
    run(2);
    ASSERT_FALSE(worker(1).stops.empty());
    FakeWorkers::end(worker(1), "stopped");
    run(60);
    EXPECT_FALSE(told_something());
    EXPECT_EQ(api.at(1)["run_host"], "them");
    EXPECT_EQ(workers.all.size(), 1U);
    EXPECT_EQ(status_of(1)["state"], "let go");
}

TEST_F(Takeover, AHostThatStoodStillReadsBeforeItTellsAnything) {
    api.add(1, 3);
    run();
    calls_before_ = api.calls.size();
    workers.logs[1] = "written before the machine was suspended\n";
    api.at(1)["run_host"] = "them";
    clock.advance(Millis(3'600'000));
    run(2);
    EXPECT_FALSE(told_something());
    EXPECT_FALSE(worker(1).stops.empty());
}

TEST_F(Takeover, AClaimThatWentOnIsWaitedForAndClaimedAnew) {
    lose_host_in_copy();
    api.stage(1, 11);
    restart();
    run(30);
    ASSERT_NE(workers.of(1), nullptr);
    EXPECT_EQ(worker(1).job.step, Step::kPause);
    EXPECT_EQ(started(), 1U);
}

// A host with an old listing unstaged what people staged meanwhile, and left it to us.
TEST_F(Takeover, AStepThatAnotherHostUnstagedForUsWhileOursWaitedIsServed) {
    lose_host_in_copy();
    api.model.set(1, {{"status", 9}, {"staged", false}});
    restart();
    run(20);
    ASSERT_EQ(started(), 1U);
    EXPECT_EQ(worker(1).job.step, Step::kCancel);
}

TEST_F(Takeover, ACopyOfADeadHostGoesOnHere) {
    add_of_dead_host(3, false);
    run(30);
    EXPECT_EQ(workers.of(1), nullptr);
    ASSERT_TRUE(take_over().ok());
    run(30);
    ASSERT_NE(workers.of(1), nullptr);
    EXPECT_EQ(worker(1).job.step, Step::kRun);
    EXPECT_EQ(worker(1).api_state, "step: copy\n");
    EXPECT_EQ(api.at(1)["run_host"], "us");
    FakeWorkers::end(worker(1), "copied");
    run();
    EXPECT_EQ(api_status(1), 4);
}

TEST_F(Takeover, AStagedStepOfADeadHostIsClaimedByThePoll) {
    add_of_dead_host(11, true);
    ASSERT_TRUE(take_over().ok());
    run(40);
    ASSERT_NE(workers.of(1), nullptr);
    EXPECT_EQ(worker(1).job.step, Step::kPause);
    EXPECT_EQ(workers.all.size(), 1U);
}

TEST_F(Takeover, SurvivesARestart) {
    add_of_dead_host(5, false);
    ASSERT_TRUE(take_over().ok());
    restart();
    run(30);
    ASSERT_NE(workers.of(1), nullptr);
    EXPECT_EQ(worker(1).job.step, Step::kRename);
}

TEST_F(Takeover, OfWhatAThirdHostTookMeanwhileEndsThere) {
    add_of_dead_host(3, false);
    const Json seen = api.at(1);
    api.at(1)["run_host"] = "third";
    ASSERT_TRUE(supervisor->command("takeover", {{"migration", seen}}).ok());
    run(60);
    EXPECT_EQ(workers.of(1), nullptr);
    EXPECT_EQ(api.at(1)["run_host"], "third");
    EXPECT_EQ(status_of(1)["state"], "let go");
}

TEST_F(Takeover, OrderedBeforeItsHostCameBackIsNotCarriedOut) {
    add_of_dead_host(3, false);
    ASSERT_TRUE(take_over().ok());
    restart();  // so the order waits
    api.model.set(1, {{"copy_percentage", 12}});
    run(60);
    EXPECT_EQ(workers.of(1), nullptr);
    EXPECT_EQ(api.at(1)["run_host"], "them");
    EXPECT_EQ(status_of(1)["state"], "let go");
}

TEST_F(Takeover, LosesAgainstAPinWrittenAfterOurs) {
    add_of_dead_host(3, false);
    ASSERT_TRUE(take_over().ok());
    for (int i = 0; i < 100 && api.at(1)["run_host"] != "us"; ++i) {
        run(0.1);
    }
    api.at(1)["run_host"] = "third";
    run(60);
    EXPECT_EQ(workers.of(1), nullptr);
    EXPECT_EQ(api.at(1)["run_host"], "third");
}

// Else we would pin it only to tell the API that we cannot run it.
TEST_F(Takeover, IsRefusedWithoutADatabaseServer) {
    add_of_dead_host(3, false);
    Json row = api.at(1);
    row.erase("host");
    const auto refused = supervisor->command("takeover", {{"migration", row}});
    EXPECT_EQ(refused.error().code, Errc::kInvalidArgument);
    EXPECT_NE(refused.error().message.find("host"), std::string::npos) << refused.error().message;
    run(30);
    EXPECT_EQ(api.at(1)["run_host"], "them");
    EXPECT_EQ(api_status(1), 3);
}

TEST_F(Takeover, IsRefusedForWhatIsInWorkHereAndForWhatNoMachineMoves) {
    api.add(1, 3);
    run();
    EXPECT_EQ(take_over().error().code, Errc::kConflict);
    add_of_dead_host(4, false);
    EXPECT_EQ(take_over().error().code, Errc::kInvalidArgument);
    EXPECT_EQ(supervisor->command("takeover", Json::object()).error().code, Errc::kInvalidArgument);
}

}  // namespace
}  // namespace shift
