#include "supervisor/core/why.h"

#include <gtest/gtest.h>

#include <set>

#include "common/file.h"

namespace shift {
namespace {

class JudgeWhy : public ::testing::Test {
  protected:
    JudgeWhy() {
        record.id = 7;
        record.claim = 1;
        record.step = Step::kRun;
        record.state = ClaimState::kRunning;
        attempt.id = 12;
        attempt.step = Step::kRun;
        facts.record = &record;
        facts.progress = &progress;
        facts.now = parse_iso_time("2026-11-23T18:10:00.000Z");
    }
    WhyCode code() { return judge_why(facts).code; }
    std::string text() { return judge_why(facts).text; }

    MigrationRecord record;
    AttemptRecord attempt;
    Progress progress;
    WhyFacts facts;
};

TEST_F(JudgeWhy, AnAttemptAtWorkIsRunning) {
    facts.attempt = &attempt;
    progress.phase = "copy";
    progress.percent = 41.26;
    EXPECT_EQ(code(), WhyCode::kRunning);
    EXPECT_EQ(text(), "attempt 12 (run): copy, 41.3%");
}

TEST_F(JudgeWhy, WhatTheWorkerWaitsForComesBeforeTheThrottle) {
    facts.attempt = &attempt;
    progress.throttle = "replica lag is 7 s";
    progress.throttle_code = "replica-lag";
    EXPECT_EQ(code(), WhyCode::kThrottled);
    EXPECT_EQ(judge_why(facts).evidence["reason"], "replica-lag");
    facts.worker_waits =
        Why{WhyCode::kBlockedByLock, "thread 3 (app@db9) holds it", {{"thread", 3}}};
    EXPECT_EQ(code(), WhyCode::kBlockedByLock);
    facts.stop_reason = "drain";
    EXPECT_EQ(code(), WhyCode::kStopping);
}

TEST_F(JudgeWhy, ABackoffNamesItsCauseAndItsEnd) {
    record.state = ClaimState::kWaiting;
    record.reason = "cannot connect";
    record.next_try = facts.now + std::chrono::seconds(9);
    record.tries = 2;
    EXPECT_EQ(code(), WhyCode::kBackoff);
    EXPECT_EQ(text(), "cannot connect; next try in 9 s");
    record.why = WhyCode::kDatabaseUnreachable;
    EXPECT_EQ(code(), WhyCode::kDatabaseUnreachable);
    facts.last_evidence = {{"thread", 3}};
    EXPECT_EQ(judge_why(facts).evidence["thread"], 3);
    EXPECT_EQ(judge_why(facts).evidence["tries"], 2);
    record.next_try = facts.now;
    EXPECT_EQ(code(), WhyCode::kStarting);
}

TEST_F(JudgeWhy, SlotAndDrainHoldAfterTheBackoff) {
    record.state = ClaimState::kWaiting;
    record.reason = "waiting for slot: 4 of max_workers 4 copies run";
    record.why = WhyCode::kWaitingForSlot;
    EXPECT_EQ(code(), WhyCode::kWaitingForSlot);
    EXPECT_EQ(text(), record.reason);
    record.why = WhyCode::kDrained;
    EXPECT_EQ(code(), WhyCode::kDrained);
}

TEST_F(JudgeWhy, AnApiThatIsAwayHoldsClaimsAndDelivery) {
    facts.api_reachable = false;
    facts.api_error = "no answer: timeout";
    for (const auto state :
         {ClaimState::kUncertain, ClaimState::kPinning, ClaimState::kDelivering}) {
        record.state = state;
        EXPECT_EQ(code(), WhyCode::kApiUnreachable);
        EXPECT_NE(text().find("no answer: timeout"), std::string::npos);
    }
    facts.api_reachable = true;
    record.state = ClaimState::kPinning;
    EXPECT_EQ(code(), WhyCode::kClaiming);
}

TEST_F(JudgeWhy, ARefusedCallIsNamedWithTheApisWords) {
    record.state = ClaimState::kDelivering;
    facts.owed = 2;
    EXPECT_EQ(text(), "2 calls owed");
    OwedCall call;
    call.kind = CallKind::kNextStep;
    call.tries = 3;
    call.last_answer = "500 not JSON";
    facts.refused_call = &call;
    EXPECT_EQ(code(), WhyCode::kOwed);
    EXPECT_EQ(text(), "2 calls owed; next_step was tried 3 times, last answer: 500 not JSON");
    EXPECT_EQ(judge_why(facts).evidence["answer"], "500 not JSON");
}

TEST_F(JudgeWhy, HandedOnDependsOnTheApisStatus) {
    record.state = ClaimState::kHandedOn;
    const std::pair<int, WhyCode> cases[] = {
        {0, WhyCode::kWaitingForRunner}, {1, WhyCode::kWaitingForPeople},
        {2, WhyCode::kWaitingForPeople}, {3, WhyCode::kWaitingForRunner},
        {4, WhyCode::kWaitingForPeople}, {5, WhyCode::kWaitingForRunner},
        {8, WhyCode::kFinished},         {9, WhyCode::kFinished},
        {10, WhyCode::kFinished},        {12, WhyCode::kWaitingForPeople},
        {13, WhyCode::kWaitingForPeople}};
    for (const auto& [status, wanted] : cases) {
        record.seen.status = status;
        EXPECT_EQ(code(), wanted) << status;
    }
}

TEST_F(JudgeWhy, ADecisionAndAFailedJournalAreNamed) {
    record.state = ClaimState::kDeciding;
    record.reason = "final insert result unknown: INSERT INTO x VALUES (1)";
    EXPECT_EQ(code(), WhyCode::kNeedsDecision);
    EXPECT_EQ(text(), record.reason);
    facts.journal_failure = "disk full";
    EXPECT_EQ(code(), WhyCode::kJournalFailed);
}

TEST(WhyTable, HasOneNameForEveryCode) {
    std::set<std::string> names;
    for (const WhyEntry& entry : why_table()) {
        EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
        EXPECT_EQ(parse_why_code(entry.name), entry.code);
        EXPECT_STREQ(why_entry(entry.code).name, entry.name);
    }
    EXPECT_EQ(names.size(), static_cast<std::size_t>(WhyCode::kJournalFailed) + 1);
    EXPECT_EQ(parse_why_code("dance"), std::nullopt);
}

TEST(WhyTable, TheAdviceNamesTheMigration) {
    const Json json = to_json(Why{WhyCode::kNeedsDecision, "x"}, 43);
    EXPECT_EQ(json["code"], "needs-decision");
    EXPECT_EQ(json["advice"],
              "look into the table it writes to, then final-insert 43 --done or --run-again");
}

// docs/status.schema.json lists what `status` may say.
TEST(StatusSchema, NamesEveryStateAndEveryCode) {
    const auto text =
        read_file(std::string(SHIFT_SOURCE_ROOT) + "/docs/status.schema.json", 1 << 20);
    ASSERT_TRUE(text.ok());
    const auto schema = parse_json(*text);
    ASSERT_TRUE(schema.ok());
    const Json& definitions = (*schema)["definitions"];
    Json states = Json::array();
    for (int i = 0; i <= static_cast<int>(ClaimState::kLetGo); ++i) {
        states.push_back(claim_state_name(static_cast<ClaimState>(i)));
    }
    EXPECT_EQ(definitions["migration"]["properties"]["state"]["enum"], states);
    Json codes = Json::array();
    for (const WhyEntry& entry : why_table()) {
        codes.push_back(entry.name);
    }
    EXPECT_EQ(definitions["code"]["enum"], codes);
}

}  // namespace
}  // namespace shift
