#include "common/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "tests/unit/common/temp_dir.h"

namespace shift {
namespace {

// What a logger writes to stderr while this lives.
class Captured {
  public:
    Captured() { ::testing::internal::CaptureStderr(); }
    std::string text() { return ::testing::internal::GetCapturedStderr(); }
};

std::string logged(LogLevel threshold, LogLevel level, const Json& fields) {
    Captured captured;
    Logger(threshold).log(level, "claimed", fields);
    return captured.text();
}

std::string info(const Json& fields) {
    const std::string line = logged(LogLevel::kInfo, LogLevel::kInfo, fields);
    const std::size_t level = line.find("level=");
    return level == std::string::npos ? line : line.substr(level);
}

TEST(Logger, WritesOneLineWithStableKeys) {
    EXPECT_EQ(info(Json{{"migration", 17}, {"claim", 3}}),
              "level=info event=claimed claim=3 migration=17\n");
}

TEST(Logger, BeginsWithATimeOutsideTheJournal) {
    const std::string line = logged(LogLevel::kInfo, LogLevel::kWarn, Json::object());
    EXPECT_NE(parse_iso_time(line.substr(0, 24)), WallTime{});
    EXPECT_EQ(line.substr(24), " level=warn event=claimed\n");
}

TEST(Logger, QuotesWhatWouldBreakTheLine) {
    EXPECT_EQ(info(Json{{"text", "two words"}}), "level=info event=claimed text=\"two words\"\n");
    EXPECT_EQ(info(Json{{"text", "a\nb\"c\\d\te=f\x01"}}),
              "level=info event=claimed text=\"a\\nb\\\"c\\\\d\\te=f\\x01\"\n");
    EXPECT_EQ(info(Json{{"text", ""}}), "level=info event=claimed text=\"\"\n");
    EXPECT_EQ(info(Json{{"text", "caf\xC3\xA9"}}), "level=info event=claimed text=caf\xC3\xA9\n");
    EXPECT_EQ(info(Json{{"text", "\xFF"}}), "level=info event=claimed text=\xEF\xBF\xBD\n");
}

TEST(Logger, LeavesOutUnknownValuesAndHidesSecrets) {
    EXPECT_EQ(info(Json{{"a", nullptr}, {"mysql_password", "hunter2"}, {"b", true}}),
              "level=info event=claimed b=true mysql_password=***\n");
}

TEST(Logger, CutsLongValues) {
    EXPECT_LT(info(Json{{"text", std::string(1'000'000, 'x')}}).size(), 10'000U);
}

TEST(Logger, IsSilentBelowItsThreshold) {
    EXPECT_EQ(logged(LogLevel::kWarn, LogLevel::kInfo, Json::object()), "");
    EXPECT_NE(logged(LogLevel::kWarn, LogLevel::kError, Json::object()), "");
}

TEST(ParseLogLevel, TakesUnknownWordsForInfo) {
    EXPECT_EQ(parse_log_level("debug"), LogLevel::kDebug);
    EXPECT_EQ(parse_log_level("warn"), LogLevel::kWarn);
    EXPECT_EQ(parse_log_level("error"), LogLevel::kError);
    EXPECT_EQ(parse_log_level("loud"), LogLevel::kInfo);
}

}  // namespace
}  // namespace shift
