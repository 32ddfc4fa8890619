#include "worker/osc/copy_hold.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/file.h"

namespace shift {
namespace {

using namespace std::chrono_literals;

class FakeClock final : public Clock {
  public:
    SteadyTime now() const override { return at; }
    WallTime wall() const override { return WallTime{}; }
    SteadyTime at{};
};

class Hold : public ::testing::Test {
  protected:
    Hold() : dir_(make_dir()) {}
    ~Hold() override { std::filesystem::remove_all(dir_); }

    static std::string make_dir() {
        std::string pattern = "/tmp/shift-hold-XXXXXX";
        return ::mkdtemp(pattern.data());
    }
    bool is_paused() const { return path_exists(pause_); }
    int remarks(const std::string& part) const {
        const std::string log = read_file(dir_ + "/log", 1'000'000).ok()
                                    ? read_file(dir_ + "/log", 1'000'000).value()
                                    : "";
        int count = 0;
        for (std::size_t at = log.find(part); at != std::string::npos;
             at = log.find(part, at + 1)) {
            ++count;
        }
        return count;
    }

    std::string dir_;
    std::string pause_ = dir_ + "/pause";
    FakeClock clock_;
    Logger logger_{LogLevel::kError};
    Reporter reporter_{EventWriter::open(dir_ + "/events", dir_ + "/reserve").value(),
                       dir_ + "/log", clock_, logger_};
};

TEST_F(Hold, TheFileIsThereWhileThereIsAReason) {
    std::ofstream(pause_) << "left by an earlier run";
    {
        CopyHold hold(pause_, reporter_, clock_);
        EXPECT_FALSE(is_paused());
        hold.follow("");
        EXPECT_FALSE(is_paused());
        hold.follow("replica a is 2 s behind");
        hold.follow("replica a is 3 s behind");
        EXPECT_TRUE(is_paused());
        hold.follow("");
        EXPECT_FALSE(is_paused());
        hold.follow("replica a is 2 s behind");
    }
    EXPECT_FALSE(is_paused());
}

TEST_F(Hold, BeginningAndEndAreSaidOnce) {
    CopyHold hold(pause_, reporter_, clock_);
    for (int second = 0; second < 300; ++second) {
        clock_.at += 1s;
        hold.follow("replica a is far behind");
    }
    hold.follow("");
    hold.follow("");
    EXPECT_EQ(remarks("the copy waits: replica a is far behind"), 1);
    EXPECT_EQ(remarks("the copy goes on"), 1);
}

TEST_F(Hold, ALagAroundItsLimitDoesNotFillTheLog) {
    CopyHold hold(pause_, reporter_, clock_);
    for (int second = 0; second < 120; ++second) {
        clock_.at += 1s;
        hold.follow(second % 2 == 0 ? "behind" : "");
        EXPECT_EQ(is_paused(), second % 2 == 0);
    }
    EXPECT_EQ(remarks("the copy waits"), 2);
    // One that lasts is told, though late.
    for (int second = 0; second < 60; ++second) {
        clock_.at += 1s;
        hold.follow("behind");
    }
    EXPECT_EQ(remarks("the copy waits"), 3);
}

TEST_F(Hold, AFileThatCannotBeMadeIsSaidOnce) {
    CopyHold hold(dir_ + "/nowhere/pause", reporter_, clock_);
    hold.follow("behind");
    hold.follow("behind");
    hold.follow("");
    EXPECT_EQ(remarks("the copy cannot be held"), 1);
    EXPECT_EQ(remarks("the copy waits"), 0);
}

}  // namespace
}  // namespace shift
