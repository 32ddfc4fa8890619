#include "worker/osc/copy_state.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

OscCopyState sample() {
    OscCopyState state;
    state.copy_id = "00ff00ff00ff00ff";
    state.step = "copy";
    state.shadow = "_7_a b_new";
    state.rows = 1234;
    state.chunks = 5;
    state.runs = 2;
    state.elapsed_s = 61;
    state.estimate = 9000;
    state.orig_ddl = "aa11";
    state.new_ddl = "bb22";
    state.triggers = {{"pt_osc_shop_t_del", "1700000000.12", "cc33"},
                      {"pt_osc_shop_t_ins", "1700000000.13", "dd44"}};
    state.key = "u5052494d415259";
    state.row_enc = {"n", "b00ff0a", "uc3a9"};
    return state;
}

void expect_equal(const OscCopyState& a, const OscCopyState& b) {
    EXPECT_EQ(a.copy_id, b.copy_id);
    EXPECT_EQ(a.step, b.step);
    EXPECT_EQ(a.shadow, b.shadow);
    EXPECT_EQ(a.rows, b.rows);
    EXPECT_EQ(a.chunks, b.chunks);
    EXPECT_EQ(a.runs, b.runs);
    EXPECT_EQ(a.elapsed_s, b.elapsed_s);
    EXPECT_EQ(a.estimate, b.estimate);
    EXPECT_EQ(a.orig_ddl, b.orig_ddl);
    EXPECT_EQ(a.new_ddl, b.new_ddl);
    EXPECT_EQ(a.triggers, b.triggers);
    EXPECT_EQ(a.key, b.key);
    EXPECT_EQ(a.row_enc, b.row_enc);
}

TEST(CopyState, ComesBackAsItWasWritten) {
    const auto parsed = parse_copy_state(format_copy_state(sample()));
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    expect_equal(*parsed, sample());
}

TEST(CopyState, TravelsInTheStateFile) {
    StateFile file;
    file.db = "shop";
    file.orig_tbl = "a b";
    put_copy_state(file, sample());
    EXPECT_EQ(file.row, (std::vector<std::string>{"NULL", std::string("\0\xFF\n", 3), "é"}));
    const auto carried = parse_state_file(format_state_file(file));
    ASSERT_TRUE(carried.ok()) << carried.error().message;
    const auto state = copy_state_of(*carried);
    ASSERT_TRUE(state.ok()) << state.error().message;
    expect_equal(*state, sample());
}

TEST(CopyState, EveryCutIsNoticed) {
    const std::string text = format_copy_state(sample());
    for (std::size_t size = 0; size < text.size(); ++size) {
        EXPECT_FALSE(parse_copy_state(text.substr(0, size)).ok()) << size;
    }
}

TEST(CopyState, NothingButValuesGetsToThePlugin) {
    for (const std::string value : {"", "x", "b0", "bzz", "b00 end", "b00\nend\nrow b00", "N"}) {
        StateFile file;
        put_copy_state(file, sample());
        file.row_enc = {value};
        EXPECT_FALSE(copy_state_of(file).ok()) << value;
    }
    for (const std::string word : {"copy\nend", "Copy", "a b"}) {
        StateFile file;
        put_copy_state(file, sample());
        file.step = word;
        EXPECT_FALSE(copy_state_of(file).ok()) << word;
    }
    StateFile file;
    put_copy_state(file, sample());
    file.row_key = "PRIMARY";
    EXPECT_FALSE(copy_state_of(file).ok());
}

TEST(CopyState, OnlyWithTableAndTriggersACopyGoesOn) {
    OscCopyState state = sample();
    for (const char* step : {"triggers", "copy", "copied"}) {
        state.step = step;
        EXPECT_TRUE(state.is_resumable()) << step;
    }
    for (const char* step : {"", "start", "new_table", "create", "rename"}) {
        state.step = step;
        EXPECT_FALSE(state.is_resumable()) << step;
    }
}

}  // namespace
}  // namespace shift
