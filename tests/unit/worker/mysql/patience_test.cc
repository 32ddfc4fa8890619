#include <gtest/gtest.h>

#include <chrono>

#include "worker/mysql/database.h"

namespace shift {
namespace {

// Each try makes the application queue for a second: a pause is no reason to hurry.
TEST(Patience, APauseDoesNotShortenTheRestsBetweenTries) {
    StopRequest stop;
    stop.request(StopReason::kPause);
    int tries = 0;
    const auto begun = std::chrono::steady_clock::now();
    const Status status = patiently(
        stop, [&tries] { return tries >= 3; },
        [&tries]() -> Status {
            ++tries;
            return Error{Errc::kUnavailable, "Lock wait timeout exceeded", 1205};
        });
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(tries, 3);
    EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(1900));
}

TEST(Patience, ACancelEndsARest) {
    StopRequest stop;
    stop.request(StopReason::kCancel);
    const auto begun = std::chrono::steady_clock::now();
    stop.rest_for(std::chrono::hours(1));
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::minutes(1));
}

}  // namespace
}  // namespace shift
