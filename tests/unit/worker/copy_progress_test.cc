#include "worker/osc/copy_progress.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

using namespace std::chrono_literals;

OscLine percent(int value) {
    return OscLine{OscLineKind::kProgress, value, 0, ""};
}

TEST(CopyProgress, CarriesTheShareForwardBetweenLines) {
    const SteadyTime start = SteadyTime{} + 1h;
    CopyProgress progress(start, 5);
    progress.add(OscLine{OscLineKind::kApproxRows, 0, 1000, ""}, start);
    EXPECT_EQ(progress.at(start + 3s).percent, 0);
    progress.add(percent(10), start + 5s);
    EXPECT_DOUBLE_EQ(progress.at(start + 5s).percent, 10);
    EXPECT_DOUBLE_EQ(progress.at(start + 7s).percent, 14);
    EXPECT_EQ(progress.at(start + 7s).rows, 140);
    EXPECT_EQ(progress.at(start + 7s).eta_s, 43);
    // Never further than the next line would be.
    EXPECT_DOUBLE_EQ(progress.at(start + 1h).percent, 22);
}

TEST(CopyProgress, NeverFallsAndNeverSaysDoneTooEarly) {
    const SteadyTime start = SteadyTime{} + 1h;
    CopyProgress progress(start, 1000);
    progress.add(percent(99), start + 5s);
    progress.add(percent(98), start + 6s);
    EXPECT_DOUBLE_EQ(progress.at(start + 10s).percent, 99);
    progress.finish();
    EXPECT_DOUBLE_EQ(progress.at(start + 11s).percent, 100);
    EXPECT_EQ(progress.at(start + 11s).rows, 1000);
}

TEST(CopyProgress, StandsStillWhileThrottledAndSaysWhy) {
    const SteadyTime start = SteadyTime{} + 1h;
    CopyProgress progress(start, 1000);
    progress.add(percent(10), start + 5s);
    progress.add(OscLine{OscLineKind::kThrottled, 0, 0, "Pausing because x"}, start + 6s);
    EXPECT_DOUBLE_EQ(progress.at(start + 6s).percent, progress.at(start + 60s).percent);
    EXPECT_EQ(progress.at(start + 7s).throttle, "Pausing because x");
    progress.add(percent(20), start + 70s);
    EXPECT_EQ(progress.at(start + 71s).throttle, "");
}

}  // namespace
}  // namespace shift
