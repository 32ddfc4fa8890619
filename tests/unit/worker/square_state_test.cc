#include "worker/osc/square_state.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

// The shape of the patch's dump, shortened.
const char* const kText =
    "--- \n"
    "db: shop\n"
    "dsn: \n"
    "  D: shop\n"
    "mig_tbl: _t_new\n"
    "old_tbl: ~\n"
    "options: !!perl/hash:OptionParser \n"
    "  opts: \n"
    "    critical-load: \n"
    "      default: Threads_running=50\n"
    "      type: A\n"
    "      value: \n"
    "        - Threads_running=200\n"
    "    max-lag: \n"
    "      type: m\n"
    "      value: 1\n"
    "    max-load: \n"
    "      value: \n"
    "        - Threads_running=125\n"
    "orig_tbl: t\n"
    "row: \n"
    "  - 144251\n"
    "step: copy\n"
    "tbl_progress: 144250\n";

TEST(SquareState, IsReadWhenWhole) {
    const auto state = parse_whole_square_state(kText, "shop", "t");
    ASSERT_TRUE(state);
    EXPECT_EQ(state->mig_tbl, "_t_new");
    EXPECT_EQ(state->row, std::vector<std::string>{"144251"});
    EXPECT_EQ(state->step, "copy");
    EXPECT_FALSE(parse_whole_square_state(kText, "shop", "other"));
    EXPECT_FALSE(parse_whole_square_state(kText, "other", "t"));
}

TEST(SquareState, AnyCutIsNotWhole) {
    const std::string text = kText;
    for (std::size_t size = 0; size < text.size(); ++size) {
        EXPECT_FALSE(parse_whole_square_state(text.substr(0, size), "shop", "t")) << size;
    }
}

TEST(SquareState, TakesTodaysLimits) {
    OscPlan plan;
    plan.options.max_threads_running = 77;
    plan.options.max_replication_lag = 9;
    const auto text = with_todays_options(kText, plan);
    ASSERT_TRUE(text.ok()) << text.error().message;
    EXPECT_NE(text->find("        - Threads_running=77\n"), std::string::npos);
    EXPECT_NE(text->find("      value: 9\n"), std::string::npos);
    EXPECT_NE(text->find("- Threads_running=125\n"), std::string::npos) << "another option's";
    EXPECT_NE(text->find("default: Threads_running=50\n"), std::string::npos);
    EXPECT_EQ(text->find("Threads_running=200"), std::string::npos);
    EXPECT_TRUE(parse_whole_square_state(*text, "shop", "t"));
}

TEST(SquareState, SaysSoWhenTheLimitsAreNotFound) {
    EXPECT_FALSE(with_todays_options("db: shop\ntbl_progress: 1\n", OscPlan()).ok());
    std::string text = kText;
    text.replace(text.find("max-lag"), 7, "max-gal");
    EXPECT_FALSE(with_todays_options(text, OscPlan()).ok());
}

}  // namespace
}  // namespace shift
