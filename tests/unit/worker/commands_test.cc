#include "worker/commands.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace shift {
namespace {

class Commands : public ::testing::Test {
  protected:
    Commands() : dir_(make_dir()) {}
    ~Commands() override { std::filesystem::remove_all(dir_); }

    static std::string make_dir() {
        std::string pattern = "/tmp/shift-commands-XXXXXX";
        return ::mkdtemp(pattern.data());
    }
    Json ask(const std::string& line) {
        return parse_json(answer_command(line, stop_, reporter_)).value();
    }

    std::string dir_;
    SystemClock clock_;
    Logger logger_{LogLevel::kError};
    StopRequest stop_;
    Reporter reporter_{EventWriter::open(dir_ + "/events", dir_ + "/reserve").value(),
                       dir_ + "/log", clock_, logger_};
};

TEST_F(Commands, StopTakesEachReason) {
    EXPECT_EQ(ask(R"({"command":"stop","reason":"pause"})"), (Json{{"ok", true}}));
    EXPECT_EQ(stop_.reason(), StopReason::kPause);
    EXPECT_FALSE(stop_.is_urgent());
    EXPECT_EQ(ask(R"({"command":"stop","reason":"cancel"})"), (Json{{"ok", true}}));
    EXPECT_TRUE(stop_.is_urgent());
    ask(R"({"command":"stop","reason":"drain"})");
    EXPECT_EQ(stop_.reason(), StopReason::kCancel);  // a cancel stays one
    EXPECT_EQ(ask(R"({"command":"stop","reason":"whim"})").at("ok"), false);
}

TEST_F(Commands, StatusIsTheLastProgress) {
    EXPECT_EQ(ask(R"({"command":"status"})").at("data"), Json::object());
    Progress progress;
    progress.percent = 12.34;
    progress.rows = 7;
    progress.phase = "copy";
    reporter_.progress(progress);
    const Json data = ask(R"({"command":"status"})").at("data");
    EXPECT_EQ(data.at("percent"), 12.3);
    EXPECT_EQ(data.at("rows"), 7);
    EXPECT_EQ(data.at("phase"), "copy");
}

TEST_F(Commands, AnythingElseIsRefusedPolitely) {
    EXPECT_EQ(ask(R"({"command":"retune"})"), (Json{{"ok", false}, {"error", "unsupported"}}));
    for (const char* line : {"", "nonsense", "[]", "{}", "\xff"}) {
        EXPECT_EQ(ask(line).at("ok"), false) << line;
    }
    EXPECT_FALSE(stop_.reason());
}

}  // namespace
}  // namespace shift
