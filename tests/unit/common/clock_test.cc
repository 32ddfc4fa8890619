#include "common/clock.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

using namespace std::chrono_literals;

namespace shift {
namespace {

// 2026-11-23 18:10:52.123 UTC
const WallTime kMoment = WallTime(1'795'457'452'123ms);

class LocalZone : public ::testing::Test {
  protected:
    void SetUp() override {
        ::setenv("TZ", "UTC-2", 1);  // two hours east
        ::tzset();
    }
    void TearDown() override {
        ::unsetenv("TZ");
        ::tzset();
    }
};

TEST(IsoTime, IsUtcWithMilliseconds) {
    EXPECT_EQ(iso_time(kMoment), "2026-11-23T18:10:52.123Z");
    EXPECT_EQ(iso_time(WallTime{}), "1970-01-01T00:00:00.000Z");
}

TEST(IsoTime, RoundsDownBeforeTheEpochToo) {
    EXPECT_EQ(iso_time(WallTime(-1ms)), "1969-12-31T23:59:59.999Z");
}

TEST(ParseIsoTime, IsTheInverse) {
    EXPECT_EQ(parse_iso_time("2026-11-23T18:10:52.123Z"), kMoment);
    EXPECT_EQ(iso_time(parse_iso_time("2024-02-29T00:00:00.000Z")), "2024-02-29T00:00:00.000Z");
}

TEST(ParseIsoTime, GivesTheNearestThatThereIsRoomFor) {
    const WallTime far = parse_iso_time("9026-11-23T18:10:52.999Z");
    EXPECT_EQ(iso_time(far).substr(0, 5), "2116-");
    const WallTime long_ago = parse_iso_time("0000-01-01T00:00:00.000Z");
    EXPECT_EQ(iso_time(long_ago).substr(0, 5), "1823-");
    EXPECT_LT(WallTime::duration::zero(), far - long_ago);
}

TEST(ParseIsoTime, GivesTheEpochForAnythingElse) {
    for (const char* text : {"", "yesterday", "2026-11-23 18:10:52.123Z", "2026-11-23T18:10:52Z",
                             "2026-02-31T00:00:00.000Z", "2026-11-23T25:00:00.000Z",
                             "2026-11-23T18:10:52.12xZ", "2026-11-23T18:10:52.123Z "}) {
        EXPECT_EQ(parse_iso_time(text), WallTime{}) << text;
    }
}

TEST_F(LocalZone, LogLinesCarryLocalTime) {
    EXPECT_EQ(local_time(kMoment), "2026-11-23 20:10:52");
}

TEST_F(LocalZone, TrashNamesBeginWithLocalTimeAndMilliseconds) {
    EXPECT_EQ(trash_timestamp(kMoment), "20261123201052123");
}

}  // namespace
}  // namespace shift
