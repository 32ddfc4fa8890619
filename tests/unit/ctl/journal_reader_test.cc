#include "ctl/journal_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "common/file.h"
#include "tests/unit/common/temp_dir.h"

namespace shift::ctl {
namespace {

class JournalReaderTest : public ::testing::Test {
  protected:
    JournalReaderTest() {
        config_.state_dir = dir_.path();
        config_.log_dir = "/log/";
        config_.run_host = "runner-1";
        config_.rest_api = "http://api/";
    }
    void put(const std::string& sql) {
        sqlite3* db = nullptr;
        ASSERT_EQ(sqlite3_open((dir_ / "journal.db").c_str(), &db), SQLITE_OK);
        char* why = nullptr;
        EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &why), SQLITE_OK) << why;
        sqlite3_close(db);
    }

    TempDir dir_;
    Config config_;
};

TEST_F(JournalReaderTest, ReadsTheStatusOfTheFirstVersionToo) {
    const auto dump =
        read_file(std::string(SHIFT_SOURCE_ROOT) + "/tests/data/journal/v1.sql", 1 << 20);
    ASSERT_TRUE(dump.ok());
    put(*dump);
    const auto reader = JournalReader::open(config_);
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    const auto status = reader->status();
    ASSERT_TRUE(status.ok()) << status.error().message;
    EXPECT_EQ((*status)["state"], "not running");
    EXPECT_EQ((*status)["drain"]["keep"], true);
    EXPECT_EQ((*status)["drain"]["owed"], 7);
    const Json& migration = (*status)["migrations"][0];
    EXPECT_EQ(migration["id"], 4);
    EXPECT_EQ(migration["state"], "delivering");
    EXPECT_EQ(migration["table"], "u");
    EXPECT_EQ(migration["log_file"], "/log/id-4/ptosc-output.log");
    EXPECT_EQ(parse_iso_time(string_or(*status, "journal_of", "")) == WallTime{}, false);
    // Its views are not those of today.
    const auto events = reader->events(1, 0, 10);
    ASSERT_FALSE(events.ok());
    EXPECT_NE(events.error().message.find("has version 1"), std::string::npos);
    // Nothing was changed.
    EXPECT_EQ((*reader->servers())[0]["databases"], Json::array({"app"}));
}

TEST_F(JournalReaderTest, TellsWhyThereIsNone) {
    EXPECT_EQ(JournalReader::open(config_).error().code, Errc::kNotFound);
    ASSERT_TRUE(write_file_atomic(dir_ / "journal.db", std::string(8192, 'x'), 0600).ok());
    EXPECT_EQ(JournalReader::open(config_).error().code, Errc::kIo);
}

TEST_F(JournalReaderTest, RefusesAVersionItDoesNotKnow) {
    put("CREATE TABLE x(y); PRAGMA user_version=99");
    const auto reader = JournalReader::open(config_);
    ASSERT_FALSE(reader.ok());
    EXPECT_EQ(reader.error().code, Errc::kInvalidArgument);
    EXPECT_NE(reader.error().message.find("version 99"), std::string::npos);
}

}  // namespace
}  // namespace shift::ctl
