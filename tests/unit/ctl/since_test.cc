#include "ctl/since.h"

#include <gtest/gtest.h>
#include <time.h>

#include <cstdlib>

namespace shift::ctl {
namespace {

const WallTime kNowTime = parse_iso_time("2026-11-23T18:10:00.000Z");

std::string since(const std::string& text) {
    const auto time = parse_since(text, kNowTime);
    return time.ok() ? iso_time(*time) : time.error().message;
}

TEST(Since, TakesAges) {
    EXPECT_EQ(since("90s"), "2026-11-23T18:08:30.000Z");
    EXPECT_EQ(since("10m"), "2026-11-23T18:00:00.000Z");
    EXPECT_EQ(since("2h"), "2026-11-23T16:10:00.000Z");
    EXPECT_EQ(since("3d"), "2026-11-20T18:10:00.000Z");
    EXPECT_EQ(since("1w"), "2026-11-16T18:10:00.000Z");
    EXPECT_EQ(since("0s"), iso_time(kNowTime));
    EXPECT_EQ(since("100000000w").substr(0, 5), "1823-");
}

TEST(Since, TakesTimes) {
    const char* old = std::getenv("TZ");
    const std::string before = old == nullptr ? "" : old;
    ::setenv("TZ", "Europe/Berlin", 1);
    ::tzset();
    EXPECT_EQ(since("2026-07-01"), "2026-06-30T22:00:00.000Z");
    EXPECT_EQ(since("2026-11-23 18:10"), "2026-11-23T17:10:00.000Z");
    EXPECT_EQ(since("2026-11-23 18:10:05"), "2026-11-23T17:10:05.000Z");
    EXPECT_EQ(since("2026-11-23T18:10:05"), "2026-11-23T17:10:05.000Z");
    EXPECT_EQ(since("2026-11-23T18:10:05Z"), "2026-11-23T18:10:05.000Z");
    EXPECT_EQ(since("9999-12-31").substr(0, 5), "2116-");
    EXPECT_EQ(since("9999-12-31T00:00:00Z").substr(0, 5), "2116-");
    EXPECT_EQ(since("2026-11-23T18:10:05.250Z"), "2026-11-23T18:10:05.250Z");
    old == nullptr ? ::unsetenv("TZ") : ::setenv("TZ", before.c_str(), 1);
    ::tzset();
}

TEST(Since, RefusesWhatIsNone) {
    for (const char* text : {"", "yesterday", "10", "10x", "-5m", "2026-13-45", "99999999999d",
                             "2026-11-23 18:10 and more"}) {
        EXPECT_FALSE(parse_since(text, kNowTime).ok()) << text;
    }
}

}  // namespace
}  // namespace shift::ctl
