#include <gtest/gtest.h>

#include "supervisor/core/claim.h"
#include "supervisor/core/conclusion.h"
#include "supervisor/core/delivery.h"

namespace shift {
namespace {

ApiAnswer answer(int status, Json body) {
    return {.status = status, .sent = true, .body = std::move(body), .is_json = true, .error = {}};
}

TEST(JudgeUnstage, AnEmptyObjectMeansTakenUnlessAnEarlierAnswerWasLost) {
    EXPECT_EQ(judge_unstage(answer(200, Json::object()), 1, false), UnstageVerdict::kTaken);
    EXPECT_EQ(judge_unstage(answer(200, Json::object()), 1, true), UnstageVerdict::kLost);
}

TEST(JudgeUnstage, A500WithTheMigrationInItIsNotAClaim) {
    EXPECT_EQ(judge_unstage(answer(500, {{"id", 1}}), 1, false), UnstageVerdict::kUnknown);
}

TEST(JudgeUnstage, AnotherMigrationsObjectIsNotAClaim) {
    EXPECT_EQ(judge_unstage(answer(200, {{"id", 2}}), 1, false), UnstageVerdict::kUnknown);
    EXPECT_EQ(judge_unstage(answer(200, {{"id", 1}}), 1, false), UnstageVerdict::kClaimed);
}

TEST(JudgeUnstage, WhatNeverReachedTheApiWasNotDone) {
    const ApiAnswer refused{.status = 0, .sent = false, .body = {}, .error = "refused"};
    EXPECT_EQ(judge_unstage(refused, 1, false), UnstageVerdict::kRefused);
    EXPECT_EQ(judge_unstage(refused, 1, true), UnstageVerdict::kUnknown);
}

TEST(JudgeUnstage, ARefusalOfARepeatSaysNothingAboutTheFirstTry) {
    EXPECT_EQ(judge_unstage(answer(429, nullptr), 1, false), UnstageVerdict::kRefused);
    EXPECT_EQ(judge_unstage(answer(429, nullptr), 1, true), UnstageVerdict::kLost);
    EXPECT_EQ(judge_unstage(answer(408, nullptr), 1, false), UnstageVerdict::kUnknown);
}

TEST(ApiAnswer, A404OfSomethingInFrontOfTheApiIsNotItsWord) {
    const Json gone = {{"status", 404}, {"errors", {"Migration not found."}}};
    EXPECT_TRUE(answer(404, gone).no_such_migration());
    EXPECT_FALSE(answer(404, nullptr).no_such_migration());
    EXPECT_FALSE(answer(404, {{"message", "no route matched"}}).no_such_migration());
    EXPECT_FALSE(answer(404, {{"errors", {"Not found."}}}).no_such_migration());
    EXPECT_FALSE(answer(200, gone).no_such_migration());
    EXPECT_TRUE(answer(404, {{"message", "File not found"}}).no_such_file());
    EXPECT_FALSE(answer(404, nullptr).no_such_file());
}

TEST(PayloadOfClaim, ADifferentStatusIsDerivedAgainFromTheStatement) {
    Migration listed;
    listed.status = 3;
    listed.lock_version = 4;
    listed.table = "old";
    listed.host = "db1";
    listed.ddl_statement = "ALTER TABLE old DROP COLUMN a";
    Migration now;
    now.status = 0;
    now.lock_version = 9;
    now.ddl_statement = "ALTER TABLE `new one` ADD COLUMN b INT";
    const Migration payload = payload_of_claim(listed, now);
    EXPECT_EQ(payload.status, 0);
    EXPECT_EQ(payload.table, "new one");
    EXPECT_EQ(payload.host, "db1");
}

TEST(PayloadOfClaim, TheTableIsTheStatementsAlsoWhenTheListingNamesAnother) {
    Migration listed;
    listed.status = 0;
    listed.lock_version = 4;
    listed.table = "other";
    listed.ddl_statement = "ALTER TABLE t DROP COLUMN a";
    Migration now = listed;
    now.lock_version = 5;
    EXPECT_EQ(payload_of_claim(listed, now).table, "t");
    listed.ddl_statement = now.ddl_statement = "please drop a column";
    EXPECT_EQ(payload_of_claim(listed, now).table, "other");
}

OwedCall owed(CallKind kind, int claimed_status) {
    OwedCall call;
    call.kind = kind;
    call.claimed_status = claimed_status;
    call.lane = Lane::kHandOn;
    return call;
}

Migration shown(int status, bool staged, const std::string& run_host) {
    Migration m;
    m.status = status;
    m.staged = staged;
    m.run_host = run_host;
    return m;
}

TEST(JudgeSend, NextStepIsNeverSentToACancelledMigration) {
    // next_step on an unstaged migration in status 9 would make it "failed".
    const auto verdict =
        judge_send(owed(CallKind::kNextStep, 3), shown(9, false, "us"), "us", false);
    EXPECT_EQ(verdict.kind, SendVerdict::Kind::kSuperseded);
}

TEST(JudgeSend, AnAnswerThatWasLostIsRecognised) {
    EXPECT_EQ(judge_send(owed(CallKind::kNextStep, 3), shown(4, false, ""), "us", false).kind,
              SendVerdict::Kind::kAlreadyDone);
    EXPECT_EQ(judge_send(owed(CallKind::kOffer, 3), shown(3, true, ""), "us", false).kind,
              SendVerdict::Kind::kAlreadyDone);
}

TEST(JudgeSend, CompleteAfterThePointOfNoReturnIsSentWhateverIsShown) {
    EXPECT_EQ(judge_send(owed(CallKind::kComplete, 5), shown(9, true, "them"), "us", true).kind,
              SendVerdict::Kind::kSend);
    EXPECT_EQ(judge_send(owed(CallKind::kComplete, 5), shown(9, true, "them"), "us", false).kind,
              SendVerdict::Kind::kSuperseded);
    EXPECT_EQ(judge_send(owed(CallKind::kComplete, 5), shown(8, false, ""), "us", true).kind,
              SendVerdict::Kind::kAlreadyDone);
}

TEST(JudgeSend, ReportsGoOnlyWhileThePinIsOurs) {
    EXPECT_EQ(judge_send(owed(CallKind::kProgress, 3), shown(3, false, ""), "us", false).kind,
              SendVerdict::Kind::kSuperseded);
    EXPECT_EQ(judge_send(owed(CallKind::kProgress, 3), shown(3, false, "us"), "us", false).kind,
              SendVerdict::Kind::kSend);
}

TEST(JudgeSend, TheStateFileOfAHandOnGoesAlsoWhenALateUnpinTookThePin) {
    using Kind = SendVerdict::Kind;
    const auto kind = [](Lane lane, const Migration& m) {
        OwedCall call = owed(CallKind::kWriteState, 3);
        call.lane = lane;
        return judge_send(call, m, "us", false).kind;
    };
    EXPECT_EQ(kind(Lane::kHandOn, shown(3, false, "")), Kind::kSend);
    EXPECT_EQ(kind(Lane::kHandOn, shown(3, true, "")), Kind::kSuperseded);
    EXPECT_EQ(kind(Lane::kHandOn, shown(4, false, "")), Kind::kSuperseded);
    EXPECT_EQ(kind(Lane::kHandOn, shown(3, false, "them")), Kind::kSuperseded);
    EXPECT_EQ(kind(Lane::kReport, shown(3, false, "")), Kind::kSuperseded);
}

AttemptEnd ended(Step step, std::optional<Outcome> outcome) {
    AttemptEnd end;
    end.step = step;
    end.outcome = outcome;
    return end;
}

TEST(Conclude, ADirectStatementThatMayHaveBeenSentIsNeverCalledFailed) {
    RetryPolicy policy;
    policy.attempts_max = 2;
    AttemptEnd end = ended(Step::kRun, Outcome::kRetry);
    end.direct = true;
    EXPECT_EQ(conclude(end, Step::kRun, 9, false, policy).transition, CallKind::kFail);
    end.ddl_sent = true;
    EXPECT_EQ(conclude(end, Step::kRun, 9, false, policy).next, Conclusion::Next::kRetry);
}

TEST(Conclude, WaitingForTheTablesLockUsesUpNoTries) {
    AttemptEnd end = ended(Step::kPrepare, Outcome::kRetry);
    end.reason = "table_busy";
    const Conclusion conclusion = conclude(end, Step::kPrepare, 99, false, RetryPolicy{});
    EXPECT_EQ(conclusion.next, Conclusion::Next::kRetry);
    EXPECT_FALSE(conclusion.counts);
}

TEST(Conclude, ACopyThatKeepsBreakingBecomesAnErrorThatCanBeResumed) {
    const Conclusion conclusion =
        conclude(ended(Step::kRun, std::nullopt), Step::kRun, 4, false, RetryPolicy{});
    EXPECT_EQ(conclusion.transition, CallKind::kError);
    EXPECT_TRUE(conclusion.deliver_state);
}

TEST(Backoff, DoublesUpToItsMaximum) {
    RetryPolicy policy;
    EXPECT_EQ(backoff(1, policy), std::chrono::seconds(2));
    EXPECT_EQ(backoff(3, policy), std::chrono::seconds(8));
    EXPECT_EQ(backoff(50, policy), std::chrono::seconds(300));
}

}  // namespace
}  // namespace shift
