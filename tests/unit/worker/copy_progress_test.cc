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

OscCopyState saved(std::int64_t rows, std::int64_t chunks) {
    OscCopyState state;
    state.rows = rows;
    state.chunks = chunks;
    state.estimate = 1000;
    return state;
}

TEST(CopyProgress, RowsOfEarlierRunsCount) {
    const SteadyTime begin{};
    CopyProgress progress(begin, 0);
    progress.add(saved(600, 6), begin);
    const Progress first = progress.at(begin);
    EXPECT_EQ(first.rows, 600);
    EXPECT_EQ(first.percent, 60.0);
    EXPECT_EQ(first.rows_per_s, 0) << "nothing was copied in this run";
    progress.add(saved(700, 7), begin + std::chrono::seconds(10));
    const Progress later = progress.at(begin + std::chrono::seconds(10));
    EXPECT_EQ(later.percent, 70.0);
    EXPECT_EQ(later.rows_per_s, 10.0);
    EXPECT_EQ(later.eta_s, 30);
}

TEST(CopyProgress, NeverFallsSilentWhenMoreRowsComeThanEstimated) {
    const SteadyTime begin{};
    CopyProgress progress(begin, 0);
    progress.add(saved(5000, 50), begin);
    EXPECT_EQ(progress.at(begin).percent, 99.0);
    EXPECT_EQ(progress.at(begin).rows_total, 5000);
    progress.finish();
    EXPECT_EQ(progress.at(begin).percent, 100.0);
}

TEST(CopyProgress, AHoldIsShownAndAChunkEndsAThrottle) {
    const SteadyTime begin{};
    CopyProgress progress(begin, 0);
    progress.add(saved(100, 1), begin);
    progress.add(parse_osc_line("Pausing because Threads_running=200."), begin);
    EXPECT_EQ(progress.at(begin).throttle, "Pausing because Threads_running=200.");
    progress.add(saved(100, 1), begin);
    EXPECT_NE(progress.at(begin).throttle, "");
    progress.add(saved(200, 2), begin);
    EXPECT_EQ(progress.at(begin).throttle, "");
    progress.hold("replica db2 is 9 s behind");
    EXPECT_EQ(progress.at(begin).throttle, "replica db2 is 9 s behind");
}

}  // namespace
}  // namespace shift
