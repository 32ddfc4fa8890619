#include <signal.h>

#include <algorithm>

#include "tests/unit/supervisor/world.h"

namespace shift {
namespace {

using Fault = FakeUpstream::Fault;

TEST_F(World, PrepareIsClaimedRunAndTold) {
    api.add(1, 0);
    run();
    EXPECT_EQ(worker(1).job.step, Step::kPrepare);
    EXPECT_EQ(api.at(1)["run_host"], "us");
    FakeWorkers::say(worker(1), event::kStats,
                     {{"when", "start"}, {"table_rows", 7}, {"table_size", 8}, {"index_size", 9}});
    FakeWorkers::end(worker(1), "prepared");
    run();
    EXPECT_EQ(api_status(1), 1);
    EXPECT_EQ(api.at(1)["table_rows_start"], 7);
    EXPECT_EQ(api.at(1)["run_host"], nullptr);
    EXPECT_EQ(api.count("POST migrations/next_step"), 1U);
    EXPECT_TRUE(worker(1).closed);
}

TEST_F(World, CopyReportsAndHandsOnInOrder) {
    api.add(1, 3);
    run();
    workers.logs[1] = "[x] stdout: hello\n";
    workers.states[1] = "step: copy\n";
    FakeWorkers::say(worker(1), event::kProgress, {{"percent", 41.7}});
    run();
    EXPECT_EQ(api.at(1)["copy_percentage"], 41);
    workers.states[1] = "step: copied\n";
    FakeWorkers::end(worker(1), "copied");
    run();
    EXPECT_EQ(api_status(1), 4);
    EXPECT_EQ(api.at(1)["copy_percentage"], 100);
    EXPECT_EQ(api.model.file(1, 0), "[x] stdout: hello\n");
    EXPECT_EQ(api.model.file(1, 1), "step: copied\n");
    const auto& calls = api.calls;
    const auto last = [&](const char* call) {
        return std::find(calls.rbegin(), calls.rend(), call).base() - calls.begin();
    };
    EXPECT_LT(last("POST migrations/append_to_file"), last("POST migrations/next_step"));
    EXPECT_LT(last("POST migrations/write_file"), last("POST migrations/next_step"));
    EXPECT_LT(last("POST migrations/next_step"), last("POST migrations/unpin_run_host"));
}

TEST_F(World, TheAnswersToAClaimStartItsWorkerWithoutAnotherTick) {
    for (const bool pins_at_unstage : {true, false}) {
        const MigrationId id = pins_at_unstage ? 1 : 2;
        api.model.pin_at_unstage(pins_at_unstage);
        api.add(id, 3);
        config.max_running_per_host = 2;
        restart();
        supervisor->tick();
        while (api.deliver() > 0) {
        }
        EXPECT_EQ(workers.living(id), 1U) << (pins_at_unstage ? "shift-api" : "Rails");
    }
}

TEST_F(World, AnAnswerFromBeforeAStandstillStartsNothing) {
    for (const bool others_took_it : {false, true}) {
        const MigrationId id = others_took_it ? 2 : 1;
        config.max_running_per_host = 2;
        restart();
        api.add(id, 3);
        supervisor->tick();
        api.deliver();  // the page; unstage is on its way
        clock.advance(std::chrono::minutes(5));
        while (api.deliver() > 0) {
        }
        EXPECT_EQ(workers.living(id), 0U);
        if (others_took_it) {
            api.at(id)["run_host"] = "them";
        }
        run(10);
        EXPECT_EQ(workers.living(id), others_took_it ? 0U : 1U);
    }
}

TEST_F(World, TwoRunsForABusyHostDoNotHideAPrepareAndACancel) {
    config.max_running_per_host = 1;
    restart();
    api.add(1, 3);
    run();
    ASSERT_EQ(workers.living(1), 1U);
    api.add(4, 0);
    api.add(5, 9);
    api.add(2, 3);  // the page shows the newest two
    api.add(3, 3);
    run(25);  // one poll interval is at most 20 s
    EXPECT_EQ(workers.of(2), nullptr);
    EXPECT_EQ(workers.of(3), nullptr);
    ASSERT_NE(workers.of(4), nullptr);
    ASSERT_NE(workers.of(5), nullptr);
    EXPECT_EQ(status_of(2)["state"], "waiting");
    EXPECT_NE(status_of(2)["reason"].get<std::string>().find("waiting for slot"),
              std::string::npos);
    FakeWorkers::end(worker(1), "copied");
    run();
    EXPECT_EQ(workers.living(2) + workers.living(3), 1U);
}

TEST_F(World, ALostUnstageAnswerIsAskedAgainAndStillRunsOnce) {
    for (const bool rails : {false, true}) {
        const MigrationId id = rails ? 2 : 1;
        api.model.pin_at_unstage(!rails);
        api.add(id, 0);
        int lost = 0;
        api.fault = [&](const ApiRequest& request) {
            return request.path == "migrations/unstage" && lost++ == 0 ? Fault::kLoseAnswer
                                                                       : Fault::kNone;
        };
        run(rails ? 240 : 30);  // on Rails the claim_grace and the contest have to pass
        ASSERT_NE(workers.of(id), nullptr) << "rails: " << rails;
        FakeWorkers::end(worker(id), "prepared");
        run();
        EXPECT_EQ(api_status(id), 1);
    }
}

TEST_F(World, WhatIsCancelledWhileItsPinIsContestedIsClaimedAnew) {
    api.model.pin_at_unstage(false);
    api.add(1, 0);
    api.fault = [&](const ApiRequest& request) {
        return request.path == "migrations/unstage" ? Fault::kLoseAnswer : Fault::kNone;
    };
    for (int i = 0; i < 1'000 && status_of(1)["state"] != "contesting"; ++i) {
        run(0.1);
    }
    ASSERT_EQ(status_of(1)["state"], "contesting");
    api.fault = [](const ApiRequest&) { return Fault::kNone; };
    api.stage(1, 9);
    run(60);
    ASSERT_EQ(worker(1).job.step, Step::kCancel);
}

// Another host's claim was late, and its pin lay over ours when the end of the step was to be told.
TEST_F(World, AStepWhoseEndWasNotToldAndThatIsNobodysIsContested) {
    api.model.pin_at_unstage(false);
    api.add(1, 0);
    run();
    api.model.set(1, {{"run_host", "them"}});
    FakeWorkers::end(worker(1), "prepared");
    run(20);
    ASSERT_EQ(status_of(1)["state"], "handed on");
    ASSERT_EQ(api_status(1), 0);
    api.model.set(1, {{"run_host", ""}});
    run(1'000);
    ASSERT_EQ(workers.all.size(), 2U);
    FakeWorkers::end(worker(1), "prepared");
    run(20);
    EXPECT_EQ(api_status(1), 1);
}

// The original runner pins no prepare; one that takes long is still its own.
TEST_F(World, AStepThatAnotherRunnerUnstagedFirstIsNotContested) {
    api.model.pin_at_unstage(false);
    api.add(1, 0);
    supervisor->tick();
    api.deliver();  // the page; unstage is on its way
    api.model.set(1, {{"staged", false}});
    run(10'000);
    EXPECT_EQ(api.count("PUT migrations/1"), 0U);
    EXPECT_TRUE(workers.all.empty());
}

TEST_F(World, ACancelThatIsDoneIsNotContested) {
    api.model.pin_at_unstage(false);
    api.add(1, 9);
    run();
    FakeWorkers::end(worker(1), "cancelled");
    run(20);
    ASSERT_TRUE(api.at(1)["run_host"].is_null());
    run(10'000);
    EXPECT_EQ(workers.all.size(), 1U);
    EXPECT_EQ(api_status(1), 9);
}

TEST_F(World, AnotherRunnersPinIsLeftAlone) {
    api.add(1, 3)["run_host"] = "them";
    api.add(2, 0);
    run();
    EXPECT_EQ(workers.of(1), nullptr);
    EXPECT_EQ(api.at(1)["staged"], true);
    EXPECT_NE(workers.of(2), nullptr);
}

// Two hosts whose claims crossed watch what the other one has queued: were that to take our slots,
// each would wait for the other for ever.
TEST_F(World, ACopyThatIsWatchedOnAnotherHostTakesNoSlot) {
    config.max_running_per_host = 1;
    restart();
    api.add(1, 3);
    api.fault = [&](const ApiRequest& request) {
        if (request.path != "migrations/unstage") {
            return Fault::kNone;
        }
        api.at(1)["staged"] = false;
        api.at(1)["run_host"] = "them";
        return Fault::kLoseAnswer;
    };
    run(10);
    ASSERT_EQ(status_of(1)["state"], "uncertain");
    ASSERT_EQ(workers.of(1), nullptr);
    api.fault = [](const ApiRequest&) { return Fault::kNone; };
    api.add(2, 3);
    run(30);
    EXPECT_NE(workers.of(2), nullptr);
    EXPECT_EQ(status_of(1)["state"], "uncertain") << "and is still looked after";
}

TEST_F(World, AnItemThatCannotBeReadDoesNotBlockItsNeighbour) {
    api.add(1, 0)["host"] = Json::array();
    api.add(2, 0);
    run();
    EXPECT_EQ(workers.of(1), nullptr);
    EXPECT_NE(workers.of(2), nullptr);
    const Json status = *supervisor->command("status", Json::object());
    ASSERT_EQ(status["skipped"].size(), 1U);
    EXPECT_NE(status["skipped"][0]["why"].get<std::string>().find("host"), std::string::npos);
}

TEST_F(World, PauseOfARunningCopyStopsItThenPauses) {
    api.add(1, 3);
    run();
    FakeWorkers::Worker& copy = worker(1);
    api.stage(1, 11);
    run(25);
    ASSERT_FALSE(copy.stops.empty());
    EXPECT_EQ(copy.stops.front(), "pause");
    EXPECT_EQ(&worker(1), &copy) << "the pause step waits for the copy to end";
    FakeWorkers::end(copy, "stopped");
    run();
    EXPECT_EQ(worker(1).job.step, Step::kPause);
    FakeWorkers::end(worker(1), "paused");
    run();
    EXPECT_EQ(api_status(1), 12);
}

TEST_F(World, APauseClaimedWhileTheEndOfTheCopyIsOwedIsServed) {
    api.add(1, 3);
    run();
    api.fault = [](const ApiRequest& request) {
        return request.path == "migrations/unpin_run_host" ? Fault::kServerError : Fault::kNone;
    };
    FakeWorkers::end(worker(1), "copied");
    run();
    api.stage(1, 11);
    run(25);
    ASSERT_EQ(worker(1).job.step, Step::kPause);
    api.fault = [](const ApiRequest&) { return Fault::kNone; };
    FakeWorkers::end(worker(1), "paused");
    run();
    EXPECT_EQ(api_status(1), 12);
}

TEST_F(World, AClaimWaitsForTheAnswerOfAnOlderClaimsHandOn) {
    for (int ticks = 1; ticks < 14; ++ticks) {
        const MigrationId id = ticks;
        api.add(id, 3)["host"] = "db" + std::to_string(id);
        run(25);
        FakeWorkers::end(worker(id), "copied");
        for (int i = 0; i < ticks; ++i) {
            supervisor->tick();
            api.deliver();
            clock.advance(Millis(100));
        }
        if (api_status(id) == 3) {
            api.stage(id, 11);
            run(25);
            ASSERT_EQ(worker(id).job.step, Step::kPause) << "staged after " << ticks << " turns";
            FakeWorkers::end(worker(id), "paused");
            run(25);
            EXPECT_EQ(api_status(id), 12);
        }
    }
}

TEST_F(World, ACancelThatCameTooLateIsAnsweredByComplete) {
    api.add(1, 5);
    run();
    FakeWorkers::say(worker(1), event::kNoReturn, {{"what", "swap"}});
    api.stage(1, 9);
    run(25);
    FakeWorkers::end(worker(1), "completed");
    run();
    EXPECT_EQ(api_status(1), 8);
    EXPECT_EQ(api.count("POST migrations/complete"), 1U);
}

TEST_F(World, CancelTellsNothingButUnpins) {
    api.add(1, 9);
    run();
    FakeWorkers::end(worker(1), "cancelled");
    run();
    EXPECT_EQ(api_status(1), 9);
    EXPECT_EQ(api.at(1)["run_host"], nullptr);
    EXPECT_EQ(status_of(1)["state"], "handed on");
}

TEST_F(World, KilledAtAnyMomentATransitionIsToldOnce) {
    // The supervisor dies after every possible number of turns; the answer in flight is lost.
    for (int turns = 1; turns < 60; ++turns) {
        const MigrationId id = turns;
        api.add(id, 0);
        for (int i = 0; i < turns; ++i) {
            supervisor->tick();
            api.deliver();
            clock.advance(Millis(100));
            if (FakeWorkers::Worker* found = workers.of(id);
                found != nullptr && found->life == Workers::Life::kAlive && i > turns / 2) {
                FakeWorkers::end(*found, "prepared");
            }
        }
        supervisor->tick();  // intents may be committed, calls on their way ...
        restart();           // ... whose answers nobody reads
        run(40);
        if (workers.of(id)->life == Workers::Life::kAlive) {
            FakeWorkers::end(worker(id), "prepared");
        }
        run(40);
        EXPECT_EQ(api_status(id), 1) << "killed after " << turns << " turns";
        EXPECT_EQ(workers.living(id), 0U);
        EXPECT_EQ(api.count("POST migrations/next_step"), static_cast<std::size_t>(turns));
    }
}

TEST_F(World, TheApisStateFileIsReadAgainByADaemonThatHasNotSeenIt) {
    api.add(1, 5);
    api.model.put_file(1, 1, "what another host copied");
    workers.refuse_spawn = true;
    run();
    ASSERT_EQ(workers.of(1), nullptr);
    restart();  // the try is in the journal, the API's copy was in memory
    workers.refuse_spawn = false;
    run(10);
    EXPECT_EQ(worker(1).api_state, "what another host copied");
}

TEST_F(World, NothingIsToldWhileTheJournalCannotBeWritten) {
    api.add(1, 0);
    run();
    FakeWorkers::end(worker(1), "prepared");
    journal_faults.disk_full = true;
    run(30);
    EXPECT_EQ(api_status(1), 0);
    EXPECT_FALSE((*supervisor->command("status", Json::object()))["journal_error"].is_null());
    EXPECT_FALSE(supervisor->command("drain", Json::object()).ok());
    journal_faults.disk_full = false;
    run(30);
    EXPECT_EQ(api_status(1), 1);
}

TEST_F(World, AJournalThatStaysBrokenEndsTheDaemonAfterTenMinutes) {
    journal_faults.disk_full = true;
    api.add(1, 0);
    run(9 * 60);
    EXPECT_FALSE(supervisor->wants_exit());
    run(2 * 60);
    EXPECT_TRUE(supervisor->wants_exit());
}

TEST_F(World, AWorkerThatDiesWithoutAWordIsTriedAgainThenFails) {
    config.attempts_max = 3;
    restart();
    api.add(1, 0);
    for (int i = 0; i < 3; ++i) {
        run(20);
        ASSERT_EQ(workers.living(1), 1U) << "try " << i;
        worker(1).life = Workers::Life::kDead;
    }
    run(20);
    EXPECT_EQ(workers.all.size(), 3U);
    EXPECT_EQ(api_status(1), 10);
}

TEST_F(World, ARenameIsNeverGivenUp) {
    api.add(1, 5);
    for (int i = 0; i < 12; ++i) {
        run(320);
        ASSERT_EQ(workers.living(1), 1U) << "try " << i;
        FakeWorkers::end(worker(1), "retry", "lock wait timeout");
    }
    run(1);
    EXPECT_EQ(api_status(1), 5);
    EXPECT_EQ(status_of(1)["reason"], "lock wait timeout");
}

TEST_F(World, DrainOffersCopiesLetsOtherStepsFinishAndSurvivesARestart) {
    api.add(1, 3);
    auto& rename = api.add(2, 5);
    rename["host"] = "db2";
    run();
    ASSERT_TRUE(supervisor->command("drain", Json::object()).ok());
    run();
    EXPECT_EQ(worker(1).stops.front(), "drain");
    EXPECT_TRUE(worker(2).stops.empty());
    restart();
    run();
    FakeWorkers::end(worker(1), "stopped");
    FakeWorkers::end(worker(2), "completed");
    run();
    EXPECT_EQ(api_status(1), 3);
    EXPECT_EQ(api.at(1)["staged"], true);
    EXPECT_EQ(api.at(1)["run_host"], nullptr);
    EXPECT_EQ(api_status(2), 8);
    const Json status = *supervisor->command("status", Json::object());
    EXPECT_EQ(status["state"], "draining");
    EXPECT_EQ(status["drain"]["owed"], 0);
    run(60);
    EXPECT_EQ(workers.living(1), 0U) << "no claims while draining";
    ASSERT_TRUE(supervisor->command("undrain", Json::object()).ok());
    run();
    EXPECT_EQ(workers.living(1), 1U);
}

TEST_F(World, DrainKeepLeavesTheCopyPinnedHere) {
    api.add(1, 3);
    run();
    ASSERT_TRUE(supervisor->command("drain", {{"keep", true}}).ok());
    run();
    FakeWorkers::end(worker(1), "stopped");
    run(30);
    EXPECT_EQ(api.at(1)["run_host"], "us");
    EXPECT_EQ(workers.living(1), 0U);
    ASSERT_TRUE(supervisor->command("undrain", Json::object()).ok());
    run();
    EXPECT_EQ(workers.living(1), 1U);
}

TEST_F(World, TheStopFileHandsCopiesOn) {
    api.add(1, 3);
    run();
    workers.stop_file = true;
    run();
    EXPECT_EQ(worker(1).stops.front(), "drain");
    FakeWorkers::end(worker(1), "stopped");
    run();
    EXPECT_EQ(api.at(1)["staged"], true);
    workers.stop_file = false;
    run();
    EXPECT_EQ(workers.living(1), 1U);
}

TEST_F(World, AMigrationTakenOverElsewhereIsStoppedAndNothingIsTold) {
    api.add(1, 3);
    run();
    api.at(1)["run_host"] = "them";
    run(200);
    ASSERT_FALSE(worker(1).stops.empty());
    FakeWorkers::end(worker(1), "stopped");
    const auto before = api.at(1);
    run();
    EXPECT_EQ(api.at(1), before);
    EXPECT_EQ(status_of(1)["state"], "let go");
}

TEST_F(World, AReportThatMeetsAnotherHostsPinStopsTheWorkerAtOnce) {
    config.recheck_interval = std::chrono::hours(1);
    restart();
    api.add(1, 3);
    run(60);
    api.at(1)["run_host"] = "them";
    workers.logs[1] += "more\n";
    run(60);
    EXPECT_FALSE(worker(1).stops.empty());
}

TEST_F(World, ARefusedTransitionIsRetriedWithAShorterMessageUntilItIsTaken) {
    api.add(1, 0);
    run();
    FakeWorkers::end(worker(1), "failed", "caf\xc3\xa9 is closed");
    std::vector<std::string> messages;
    api.fault = [&](const ApiRequest& request) {
        if (request.path != "migrations/fail") {
            return Fault::kNone;
        }
        messages.push_back(request.body["error_message"]);
        return messages.size() < 4 ? Fault::kServerError : Fault::kNone;
    };
    run(60);
    EXPECT_EQ(api_status(1), 10);
    EXPECT_EQ(messages.front(), "caf\xc3\xa9 is closed");
    EXPECT_EQ(messages.back().find('\xc3'), std::string::npos);
}

TEST_F(World, AfterAnOutageTheLogStillComesBeforeTheTransition) {
    api.add(1, 3);
    run();
    workers.logs[1] = "the whole copy\n";
    api.fault = [](const ApiRequest&) { return Fault::kLoseRequest; };
    FakeWorkers::end(worker(1), "copied");
    run(600);
    api.fault = [](const ApiRequest&) { return Fault::kNone; };
    run(120);
    EXPECT_EQ(api_status(1), 4);
    EXPECT_EQ(api.model.file(1, 0), "the whole copy\n");
}

TEST_F(World, AReportAnOutageLeftInBackOffStillComesBeforeTheTransition) {
    // The log was owed long before the step ended, so its next try may be a minute away when the
    // API is back, later than report_flush_timeout after the end.
    for (MigrationId id = 1; id <= 8; ++id) {
        api.add(id, 3);
        run(90);  // the next poll at the latest
        workers.logs[id] = "the first half\n";
        api.fault = [](const ApiRequest&) { return Fault::kLoseRequest; };
        run(200);
        workers.logs[id] += "the second half\n";
        run(8.0 * static_cast<double>(id));
        FakeWorkers::end(worker(id), "copied");
        run(std::chrono::duration<double>(config.report_flush_timeout).count() + 1);
        api.fault = [](const ApiRequest&) { return Fault::kNone; };
        for (int tenths = 0; tenths < 1500 && api_status(id) == 3; ++tenths) {
            run(0.1);
        }
        ASSERT_EQ(api_status(id), 4);
        EXPECT_EQ(api.model.file(id, 0), "the first half\nthe second half\n") << id;
    }
}

TEST_F(World, AProxyWithoutAnApiBehindItIsAnOutageAndRefusesNothing) {
    api.add(1, 3);
    run();
    workers.logs[1] = "the whole copy\n";
    api.fault = [](const ApiRequest&) { return Fault::kBadGateway; };
    FakeWorkers::end(worker(1), "copied");
    run(3600);
    EXPECT_EQ(api_status(1), 3);
    api.fault = [](const ApiRequest&) { return Fault::kNone; };
    run(120);
    EXPECT_EQ(api_status(1), 4);
    EXPECT_EQ(api.model.file(1, 0), "the whole copy\n");
}

TEST_F(World, AReportTheApiRefusesHoldsUpTheTransitionNoLongerThanAgreed) {
    api.add(1, 3);
    run();
    workers.logs[1] = "too large\n";
    api.fault = [](const ApiRequest& request) {
        return request.path == "migrations/append_to_file" ? Fault::kServerError : Fault::kNone;
    };
    FakeWorkers::end(worker(1), "copied");
    run(20);
    EXPECT_EQ(api_status(1), 3);
    run(15);
    EXPECT_EQ(api_status(1), 4);
}

TEST_F(World, CompleteIsOwedAfterThePointOfNoReturnWhateverTheStatus) {
    api.add(1, 5);
    run();
    FakeWorkers::say(worker(1), event::kNoReturn, {{"what", "swap"}});
    FakeWorkers::end(worker(1), "completed");
    api.at(1)["status"] = 13;
    run();
    EXPECT_EQ(api_status(1), 8);
}

TEST_F(World, BadCustomOptionsFailThePrepareWithTheReason) {
    api.add(1, 0)["custom_options"] = R"({"max_threads_running":"many"})";
    run();
    EXPECT_EQ(api_status(1), 10);
    EXPECT_NE(api.at(1)["error_message"].get<std::string>().find("max_threads_running"),
              std::string::npos);
}

// Changed while it was paused, say: what was copied is kept for a resume or a cancel.
TEST_F(World, BadCustomOptionsAtARunAreAnErrorOneCanResumeFrom) {
    api.add(1, 3)["custom_options"] = R"({"max_threads_running":"many"})";
    run();
    EXPECT_EQ(api_status(1), 13);
    EXPECT_NE(api.at(1)["error_message"].get<std::string>().find("max_threads_running"),
              std::string::npos);
    EXPECT_TRUE(workers.all.empty());
}

// An approved long ALTER never runs directly by an option that nobody looked at.
TEST_F(World, AnEngineThatIsNotThereFailsThePrepareWithItsName) {
    api.add(1, 0)["custom_options"] = R"({"engine":"gh-ost"})";
    api.add(2, 0)["custom_options"] = R"({"engine":"direct"})";
    run();
    for (const auto& [id, name] : {std::pair(1, "'gh-ost'"), std::pair(2, "'direct'")}) {
        EXPECT_EQ(api_status(id), 10);
        const auto message = api.at(id)["error_message"].get<std::string>();
        EXPECT_NE(message.find(name), std::string::npos) << message;
    }
    EXPECT_TRUE(workers.all.empty());
}

TEST_F(World, TheStopLadderEndsInKill) {
    api.add(1, 3);
    run();
    api.stage(1, 9);
    run(25);
    EXPECT_TRUE(workers.signals.empty());
    run(65);
    EXPECT_EQ(workers.signals, (std::vector<int>{SIGTERM, SIGKILL}));
}

TEST_F(World, AnOrphanEngineIsEndedBeforeTheNextAttempt) {
    api.add(1, 3);
    run();
    worker(1).life = Workers::Life::kOrphanEngine;
    run(5);
    EXPECT_EQ(workers.signals, (std::vector<int>{SIGTERM}));
    EXPECT_EQ(workers.all.size(), 1U);
    run(11);
    EXPECT_EQ(workers.signals, (std::vector<int>{SIGTERM, SIGKILL}));
    worker(1).life = Workers::Life::kDead;
    run(20);
    EXPECT_EQ(workers.all.size(), 2U);
}

}  // namespace
}  // namespace shift
