#include "api/migration_rules.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace shift::api {
namespace {

const std::string kNow = "2026-11-23T10:00:00.000Z";

MigrationRow row_in(int status, bool staged = false) {
    MigrationRow row;
    row.id = 7;
    row.status = status;
    row.staged = staged;
    row.lock_version = 4;
    row.claim_id = "claim";
    row.run_host = "host";
    return row;
}

using Transition = std::function<bool(MigrationRow&)>;

// The statuses from which `transition` does something; checks on the way that every change adds one
// to lock_version and that a refusal changes nothing.
std::set<int> statuses_that_allow(const Transition& transition, bool staged = false) {
    std::set<int> allowed;
    for (int status = 0; status <= 14; ++status) {
        const MigrationRow before = row_in(status, staged);
        MigrationRow after = before;
        if (transition(after)) {
            allowed.insert(status);
            EXPECT_EQ(after.lock_version, before.lock_version + 1) << "status " << status;
        } else {
            EXPECT_EQ(after, before) << "status " << status;
        }
    }
    return allowed;
}

std::set<int> every_status() {
    return {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
}

TEST(MigrationRules, NextStepMovesOnlyUnstagedMachineStatuses) {
    EXPECT_EQ(statuses_that_allow(&next_step), (std::set{0, 3, 5, 9, 11}));
    EXPECT_EQ(statuses_that_allow(&next_step, /*staged=*/true), std::set<int>{});
    MigrationRow row = row_in(9);
    ASSERT_TRUE(next_step(row));
    EXPECT_EQ(row.status, 10);
}

TEST(MigrationRules, CompleteAndFailHaveNoGuard) {
    EXPECT_EQ(statuses_that_allow([](auto& row) { return complete(row, kNow); }), every_status());
    EXPECT_EQ(statuses_that_allow([](auto& row) { return fail(row, "x"); }), every_status());
    EXPECT_EQ(statuses_that_allow(&unpin_run_host), every_status());
}

TEST(MigrationRules, CancelTakesEveryRunningStatusAndStagesIt) {
    EXPECT_EQ(statuses_that_allow(&cancel), (std::set{3, 4, 5, 6, 11, 12, 13}));
    MigrationRow row = row_in(4);
    ASSERT_TRUE(cancel(row));
    EXPECT_EQ(row.status, 9);
    EXPECT_TRUE(row.staged);
    EXPECT_EQ(row.claim_id, std::nullopt);
    EXPECT_EQ(row.run_host, "host");
}

TEST(MigrationRules, ErrorOfferAndPauseNeedARunningMigration) {
    EXPECT_EQ(statuses_that_allow([](auto& row) { return error(row, "x"); }), std::set{3});
    EXPECT_EQ(statuses_that_allow(&offer), std::set{3});
    EXPECT_EQ(statuses_that_allow(&pause), std::set{3});
}

TEST(MigrationRules, OfferKeepsTheRunHost) {
    MigrationRow row = row_in(3);
    ASSERT_TRUE(offer(row));
    EXPECT_EQ(row.status, 3);
    EXPECT_TRUE(row.staged);
    EXPECT_EQ(row.run_host, "host");
}

TEST(MigrationRules, FailKeepsStagedAndEndsAutoRun) {
    MigrationRow row = row_in(3, /*staged=*/true);
    row.auto_run = true;
    ASSERT_TRUE(fail(row, std::nullopt));
    EXPECT_EQ(row.status, 10);
    EXPECT_TRUE(row.staged);
    EXPECT_EQ(row.auto_run, false);
    EXPECT_EQ(row.error_message, std::nullopt);
}

TEST(MigrationRules, PeoplesTransitionsNeedTheirStatus) {
    EXPECT_EQ(statuses_that_allow([](auto& row) { return approve(row, 4, 1, "bob", kNow); }),
              std::set{1});
    EXPECT_EQ(statuses_that_allow([](auto& row) { return unapprove(row, 4); }), std::set{2});
    EXPECT_EQ(statuses_that_allow([](auto& row) { return start(row, 4, true, kNow); }),
              (std::set{2, 14}));
    EXPECT_EQ(statuses_that_allow([](auto& row) { return enqueue(row, 4); }), std::set{2});
    EXPECT_EQ(statuses_that_allow([](auto& row) { return dequeue(row, 4); }), std::set{14});
    EXPECT_EQ(statuses_that_allow([](auto& row) { return rename(row, 4); }), std::set{4});
    EXPECT_EQ(statuses_that_allow([](auto& row) { return resume(row, 4, false); }),
              (std::set{12, 13}));
}

TEST(MigrationRules, AWrongOrMissingLockVersionIsRefused) {
    for (const LockVersion version : {LockVersion(3), LockVersion(5), LockVersion()}) {
        MigrationRow row = row_in(2);
        EXPECT_FALSE(start(row, version, true, kNow));
        EXPECT_FALSE(may_delete(row, version));
    }
    EXPECT_TRUE(may_delete(row_in(2), 4));
    EXPECT_FALSE(may_delete(row_in(3), 4));
}

TEST(MigrationRules, ResumeClearsTheError) {
    MigrationRow row = row_in(13);
    row.error_message = "boom";
    ASSERT_TRUE(resume(row, 4, std::nullopt));
    EXPECT_EQ(row.error_message, std::nullopt);
    EXPECT_EQ(row.auto_run, std::nullopt);
}

TEST(MigrationRules, APinnedMigrationIsUnstagedByItsOwnHostOnly) {
    const MigrationRow pinned = row_in(9, /*staged=*/true);
    MigrationRow row = pinned;
    EXPECT_FALSE(unstage(row, {"c1", "another"}, kNow));
    EXPECT_EQ(row, pinned);
    EXPECT_TRUE(unstage(row, {"c1", "host"}, kNow));
    row = pinned;
    EXPECT_TRUE(unstage(row, {}, kNow)) << "a runner that does not say who it is";
}

TEST(MigrationRules, UnstageClaimsAndPinsInOneStep) {
    MigrationRow row = row_in(3, /*staged=*/true);
    row.run_host.reset();
    ASSERT_TRUE(unstage(row, {"c1", "runner1"}, kNow));
    EXPECT_FALSE(row.staged);
    EXPECT_EQ(row.run_host, "runner1");
    EXPECT_EQ(row.lock_version, 5);
    EXPECT_EQ(row.updated_at, kNow);
    EXPECT_TRUE(is_repeated_claim(row, {"c1", "runner1"}));
    EXPECT_FALSE(is_repeated_claim(row, {"c2", "runner1"}));
    EXPECT_FALSE(is_repeated_claim(row, {}));
}

TEST(MigrationRules, UnstageIsRefusedToAnotherHostThanThePinned) {
    MigrationRow row = row_in(3, /*staged=*/true);
    EXPECT_FALSE(unstage(row, {"c1", "runner1"}, kNow));
    EXPECT_TRUE(row.staged);
    EXPECT_TRUE(unstage(row, {"c1", "host"}, kNow));
}

TEST(MigrationRules, UnstageWithoutExtrasKeepsThePin) {
    MigrationRow row = row_in(0, /*staged=*/true);
    ASSERT_TRUE(unstage(row, {}, kNow));
    EXPECT_EQ(row.run_host, "host");
    EXPECT_EQ(row.claim_id, std::nullopt);
}

TEST(MigrationRules, TheNextStagingEndsTheClaim) {
    MigrationRow row = row_in(3, /*staged=*/true);
    ASSERT_TRUE(unstage(row, {"c1", {}}, kNow));
    ASSERT_TRUE(pause(row));
    EXPECT_FALSE(is_repeated_claim(row, {"c1", {}}));
    ASSERT_TRUE(unstage(row, {"c2", {}}, kNow));
    EXPECT_FALSE(is_repeated_claim(row, {"c1", {}}));
}

using Actions = std::vector<std::string>;

TEST(MigrationRules, ActionsFollowTheStatus) {
    EXPECT_EQ(available_actions(row_in(0), false), Actions{"delete"});
    EXPECT_EQ(available_actions(row_in(2), false),
              (Actions{"unapprove", "start", "delete", "enqueue"}));
    EXPECT_EQ(available_actions(row_in(3), false), (Actions{"pause", "cancel"}));
    EXPECT_EQ(available_actions(row_in(3), true), Actions{"cancel"});
    EXPECT_EQ(available_actions(row_in(4), false), (Actions{"rename", "cancel"}));
    EXPECT_EQ(available_actions(row_in(5), false), Actions{"cancel"});
    EXPECT_EQ(available_actions(row_in(11), false), Actions{"cancel"});
    EXPECT_EQ(available_actions(row_in(12), false), (Actions{"resume", "cancel"}));
    EXPECT_EQ(available_actions(row_in(13), false), (Actions{"resume", "cancel"}));
    EXPECT_EQ(available_actions(row_in(14), false), (Actions{"dequeue", "delete"}));
    for (const int end : {6, 7, 8, 9, 10, 15, -1}) {
        EXPECT_EQ(available_actions(row_in(end), false), Actions{}) << end;
    }
}

Actions approvals(int initial_runtype, std::optional<std::int64_t> rows) {
    MigrationRow row = row_in(1);
    row.initial_runtype = initial_runtype;
    row.table_rows_start = rows;
    return available_actions(row, false);
}

TEST(MigrationRules, ASmallTableCanOnlyBeApprovedShort) {
    for (const int runtype : {1, 2, 3, 5}) {
        EXPECT_EQ(approvals(runtype, 5000), (Actions{"approve_short", "delete"})) << runtype;
    }
    EXPECT_EQ(approvals(1, 5001), (Actions{"approve_long", "delete"}));
    EXPECT_EQ(approvals(2, 5001), (Actions{"approve_short", "delete"}));
    EXPECT_EQ(approvals(3, {}), (Actions{"approve_long", "approve_short", "delete"}));
    EXPECT_EQ(approvals(5, {}), (Actions{"approve_nocheckalter", "delete"}));
    EXPECT_EQ(approvals(0, {}), Actions{"delete"});
    EXPECT_EQ(approvals(4, 1), Actions{"delete"});
}

TEST(MigrationRules, ATableOfAMetaRequestIsNeverSmall) {
    MigrationRow row = row_in(1);
    row.table_rows_start = 10;
    row.meta_request_id = 3;
    EXPECT_FALSE(is_small_table(row));
}

TEST(MigrationRules, TheObjectHasThe32KeysOfTheOriginal) {
    const Json object = to_json(row_in(0));
    EXPECT_EQ(object.size(), 32u);
    EXPECT_FALSE(object.contains("claim_id"));
    EXPECT_TRUE(object["final_insert"].is_null());
    EXPECT_EQ(object["auto_run"], false);
}

}  // namespace
}  // namespace shift::api
