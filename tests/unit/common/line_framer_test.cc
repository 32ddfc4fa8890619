#include "common/line_framer.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

using Lines = std::vector<std::string>;

TEST(LineFramer, JoinsPiecesIntoLines) {
    LineFramer framer(100);
    EXPECT_EQ(framer.push("ab"), Lines{});
    EXPECT_EQ(framer.push("c\n\nde"), (Lines{"abc", ""}));
    EXPECT_EQ(framer.push("\n"), Lines{"de"});
    EXPECT_EQ(framer.take_rest(), "");
}

TEST(LineFramer, CutsLongLinesOnceAndRecovers) {
    LineFramer framer(4);
    EXPECT_EQ(framer.push("abcdefgh"), Lines{});
    EXPECT_EQ(framer.push("ijk\nxy\n"), (Lines{"abcd", "xy"}));
    EXPECT_EQ(framer.cut_lines(), 1U);
    EXPECT_EQ(framer.push("abcd\n"), Lines{"abcd"});
    EXPECT_EQ(framer.cut_lines(), 1U);
}

TEST(LineFramer, GivesTheRestOnce) {
    LineFramer framer(3);
    framer.push("a\nbcdef");
    EXPECT_EQ(framer.take_rest(), "bcd");
    EXPECT_EQ(framer.take_rest(), "");
    EXPECT_EQ(framer.push("gh\n"), Lines{"gh"});
}

}  // namespace
}  // namespace shift
