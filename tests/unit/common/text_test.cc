#include "common/text.h"

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace shift {
namespace {

const std::string kBad = "\xEF\xBF\xBD";

TEST(CleanUtf8, KeepsValidTextOfEveryLength) {
    const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
    EXPECT_EQ(clean_utf8(text), text);
}

TEST(CleanUtf8, ReplacesEveryInvalidByte) {
    EXPECT_EQ(clean_utf8("a\xFFz"), "a" + kBad + "z");
    EXPECT_EQ(clean_utf8("\xC3"), kBad);
    EXPECT_EQ(clean_utf8("\xC0\xAF"), kBad + kBad);                        // overlong
    EXPECT_EQ(clean_utf8("\xE0\x80\xAF"), kBad + kBad + kBad);             // overlong
    EXPECT_EQ(clean_utf8("\xED\xA0\x80"), kBad + kBad + kBad);             // surrogate
    EXPECT_EQ(clean_utf8("\xF4\x90\x80\x80"), kBad + kBad + kBad + kBad);  // above U+10FFFF
    EXPECT_EQ(clean_utf8("\xE2\x82"), kBad + kBad);                        // cut off
}

TEST(CleanErrorMessage, HasNothingTheApiRefuses) {
    EXPECT_EQ(clean_error_message(std::string("a\0b", 3)), "ab");
    EXPECT_EQ(clean_error_message("x\xF0\x9F\x98\x80y"), "x" + kBad + "y");
    EXPECT_EQ(clean_error_message("caf\xC3\xA9"), "caf\xC3\xA9");
}

TEST(CleanErrorMessage, CutsBetweenCharactersAndMarksTheCut) {
    EXPECT_EQ(clean_error_message("abcdef", 6), "abcdef");
    EXPECT_EQ(clean_error_message("abcdefg", 6), "abc...");
    EXPECT_EQ(clean_error_message("ab\xC3\xA9\xC3\xA9\xC3\xA9", 6), "ab...");
    EXPECT_EQ(clean_error_message("abcdefg", 2), "ab");
    const std::string large(1'000'000, '\xFF');
    EXPECT_LE(clean_error_message(large).size(), 60'000U);
}

TEST(ToAscii, LeavesPrintableTextAndNewlines) {
    EXPECT_EQ(to_ascii("a b\nc"), "a b\nc");
    EXPECT_EQ(to_ascii("\xC3\xA9\t"), "???");
}

TEST(Utf8Prefix, NeverCutsACharacter) {
    EXPECT_EQ(utf8_prefix("abc", 5), "abc");
    EXPECT_EQ(utf8_prefix("abc", 2), "ab");
    EXPECT_EQ(utf8_prefix("a\xE2\x82\xAC", 3), "a");
    EXPECT_EQ(utf8_prefix("a\xE2\x82\xAC", 1), "a");
    EXPECT_EQ(utf8_prefix("\xE2\x82\xAC", 2), "");
}

TEST(Utf8Prefix, CutsGarbageAnywhere) {
    EXPECT_EQ(utf8_prefix("\x80\x80\x80\x80\x80\x80", 5).size(), 5U);
}

TEST(Trim, TakesWhiteSpaceFromBothEnds) {
    EXPECT_EQ(trim(" \t a b\n"), "a b");
    EXPECT_EQ(trim("  "), "");
    EXPECT_EQ(trim(""), "");
}

TEST(Split, GivesEmptyPartsToo) {
    EXPECT_EQ(split("a,,b", ','), (std::vector<std::string>{"a", "", "b"}));
    EXPECT_EQ(split("", ','), (std::vector<std::string>{""}));
    EXPECT_EQ(split("a,", ','), (std::vector<std::string>{"a", ""}));
}

TEST(CaseFolding, TouchesAsciiLettersOnly) {
    EXPECT_EQ(to_lower_ascii("AbZ\xC3\x89"), "abz\xC3\x89");
    EXPECT_TRUE(iequals_ascii("Table", "tABLE"));
    EXPECT_FALSE(iequals_ascii("Table", "Tables"));
    EXPECT_FALSE(iequals_ascii("a", "b"));
}

TEST(NearestWord, SuggestsAMisspelling) {
    EXPECT_EQ(nearest_word("rest_apii", {"rest_api", "log_dir"}), "rest_api");
    EXPECT_EQ(nearest_word("RestApi", {"rest_api", "log_dir"}), "rest_api");
    EXPECT_EQ(nearest_word("logdir", {"rest_api", "log_dir"}), "log_dir");
}

TEST(NearestWord, IsSilentWhenNothingIsNear) {
    EXPECT_EQ(nearest_word("banana", {"rest_api", "log_dir"}), "");
    EXPECT_EQ(nearest_word("ab", {"xy"}), "");
    EXPECT_EQ(nearest_word("ab", {}), "");
}

TEST(FormatDuration, ShowsDaysOnlyWhenThereAreSome) {
    EXPECT_EQ(format_duration(0s), "00:00:00");
    EXPECT_EQ(format_duration(4h + 5min + 6s), "04:05:06");
    EXPECT_EQ(format_duration(72h + 4h + 5min + 6s), "3d 04:05:06");
    EXPECT_EQ(format_duration(-5s), "00:00:00");
}

TEST(Fingerprint, IsThePublishedFnv1a) {
    EXPECT_EQ(fingerprint(""), "cbf29ce484222325");
    EXPECT_EQ(fingerprint("a"), "af63dc4c8601ec8c");
    EXPECT_NE(fingerprint("ab"), fingerprint("ba"));
}

}  // namespace
}  // namespace shift
