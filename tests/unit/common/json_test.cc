#include "common/json.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

TEST(ParseJson, ReadsEveryKindOfValue) {
    const auto value = parse_json(
        R"({"i":-7,"u":18446744073709551615,"d":1.5,"s":"x\u20ac","b":true,"n":null,"a":[1,[2]]})");
    ASSERT_TRUE(value.ok());
    EXPECT_EQ((*value)["i"], -7);
    EXPECT_EQ((*value)["u"], 18446744073709551615U);
    EXPECT_EQ((*value)["d"], 1.5);
    EXPECT_EQ((*value)["s"], "x\xE2\x82\xAC");
    EXPECT_EQ((*value)["a"][1][0], 2);
    EXPECT_TRUE((*value)["n"].is_null());
}

TEST(ParseJson, RefusesWhatIsNotJson) {
    for (const char* text :
         {"", "<html>", "{", "{\"a\":\"\n\"}", "{\"a\":\"\xFF\"}", "1 2", "'a'"}) {
        EXPECT_EQ(parse_json(text).error().code, Errc::kInvalidArgument) << text;
    }
    EXPECT_FALSE(parse_json(std::string(100'000, '[')).ok());
}

TEST(ToLine, NeverThrowsOnInvalidUtf8) {
    EXPECT_EQ(to_line(Json{{"a", "\xFF\n"}}), "{\"a\":\"\xEF\xBF\xBD\\n\"}");
}

TEST(GetInt, TakesNumbersAndDecimalStringsOnly) {
    const Json json = *parse_json(
        R"({"n":7,"s":"7","f":7.5,"t":"7x","e":"","z":null,"big":18446744073709551615,"o":{}})");
    EXPECT_EQ(get_int(json, "n"), 7);
    EXPECT_EQ(get_int(json, "s"), 7);
    for (const char* key : {"f", "t", "e", "z", "big", "o", "missing"}) {
        EXPECT_EQ(get_int(json, key), std::nullopt) << key;
    }
    EXPECT_EQ(get_int(Json::array(), "n"), std::nullopt);
}

TEST(GetString, GivesScalarsAsText) {
    const Json json = *parse_json(R"({"s":"x","n":7,"b":true,"z":null,"o":{},"a":[]})");
    EXPECT_EQ(get_string(json, "s"), "x");
    EXPECT_EQ(get_string(json, "n"), "7");
    EXPECT_EQ(get_string(json, "b"), "true");
    for (const char* key : {"z", "o", "a", "missing"}) {
        EXPECT_EQ(get_string(json, key), std::nullopt) << key;
    }
    EXPECT_EQ(string_or(json, "z", "y"), "y");
}

TEST(GetBool, TakesTheApisWaysOfSayingIt) {
    const Json json = *parse_json(R"({"t":true,"one":1,"zero":"0","no":"no","two":2})");
    EXPECT_EQ(get_bool(json, "t"), true);
    EXPECT_EQ(get_bool(json, "one"), true);
    EXPECT_EQ(get_bool(json, "zero"), false);
    EXPECT_EQ(get_bool(json, "no"), std::nullopt);
    EXPECT_EQ(get_bool(json, "two"), std::nullopt);
    EXPECT_TRUE(bool_or(json, "missing", true));
}

TEST(Result, CarriesItsStoryOutermostFirst) {
    const Error error = Error{Errc::kIo, "permission denied", 13}.within("open x").within("job 17");
    EXPECT_EQ(error.message, "job 17: open x: permission denied");
    EXPECT_EQ(error.native, 13);
    EXPECT_STREQ(errc_name(Errc::kConflict), "conflict");
}

}  // namespace
}  // namespace shift
