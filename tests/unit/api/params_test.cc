#include "api/params.h"

#include <gtest/gtest.h>

#include <string>

namespace shift::api {
namespace {

constexpr std::int64_t kInt32Max = 2147483647;
constexpr std::int64_t kInt64Max = 9223372036854775807;

Params from_json(const std::string& body) {
    Params params;
    EXPECT_TRUE(params.add_json(body).ok()) << body;
    return params;
}

// "37", "null" or "refused".
std::string cast(const std::string& value, std::int64_t maximum = kInt32Max) {
    const auto number = from_json("{\"v\":" + value + "}").integer("v", maximum);
    if (!number.ok()) {
        return "refused";
    }
    return *number ? std::to_string(**number) : "null";
}

TEST(Params, ValuesAreCastToIntegerColumnsAsRailsDoes) {
    EXPECT_EQ(cast("\"37\""), "37");
    EXPECT_EQ(cast("37"), "37");
    EXPECT_EQ(cast("37.9"), "37");
    EXPECT_EQ(cast("\"37.9\""), "37");
    EXPECT_EQ(cast("\"abc\""), "0");
    EXPECT_EQ(cast("\"\""), "null");
    EXPECT_EQ(cast("null"), "null");
    EXPECT_EQ(cast("[]"), "null");
    EXPECT_EQ(cast("true"), "1");
    EXPECT_EQ(cast("-5"), "-5");
    EXPECT_EQ(cast("101"), "101");
}

TEST(Params, IntegersBeyondTheColumnAreRefused) {
    EXPECT_EQ(cast("2147483647"), "2147483647");
    EXPECT_EQ(cast("2147483648"), "refused");
    EXPECT_EQ(cast("9223372036854775807", kInt64Max), "9223372036854775807");
    EXPECT_EQ(cast("9223372036854775808", kInt64Max), "refused");
    EXPECT_EQ(cast("\"99999999999999999999\"", kInt64Max), "refused");
    EXPECT_EQ(cast("1e300", kInt64Max), "refused");
}

TEST(Params, IdsAreTheNumberThatTheTextBeginsWith) {
    EXPECT_EQ(leading_integer("1abc"), 1);
    EXPECT_EQ(leading_integer(" 12"), 12);
    EXPECT_EQ(leading_integer("abc"), 0);
    EXPECT_EQ(leading_integer("-3"), -3);
    EXPECT_EQ(leading_integer(""), 0);
    EXPECT_EQ(leading_integer("-9223372036854775808"), INT64_MIN);
    EXPECT_EQ(leading_integer("9223372036854775808"), std::nullopt);
}

TEST(Params, TheQueryWinsOverTheBodyAndThePathOverBoth) {
    Params params = from_json(R"({"id":1,"a":"body"})");
    params.add_form("id=2&a=query");
    params.add("id", "3");
    EXPECT_EQ(params.to_i("id"), 3);
    EXPECT_EQ(params.text("a"), "query");
}

TEST(Params, FormsAreDecoded) {
    Params params;
    params.add_form("contents=a+b%20%26%3D%0A&empty=&bare&x=1&x=2");
    EXPECT_EQ(params.text("contents"), "a b &=\n");
    EXPECT_EQ(params.text("empty"), "");
    EXPECT_TRUE(params.has("bare"));
    EXPECT_EQ(params.text("bare"), std::nullopt);
    EXPECT_EQ(params.text("x"), "2");
}

TEST(Params, ABadEscapeStaysAsItIs) {
    EXPECT_EQ(decode_form_text("100%"), "100%");
    EXPECT_EQ(decode_form_text("%zz%4"), "%zz%4");
}

TEST(Params, InvalidUtf8IsReplaced) {
    EXPECT_EQ(decode_form_text("a%ffb"),
              "a\xef\xbf\xbd"
              "b");
}

TEST(Params, MalformedJsonIsAnError) {
    Params params;
    EXPECT_FALSE(params.add_json("{\"id\":").ok());
    EXPECT_FALSE(params.add_json("{\"a\":\"line\nbreak\"}").ok());
    EXPECT_FALSE(params.add_json("{\"a\":\"\\ud83d\"}").ok());
    EXPECT_TRUE(params.add_json("").ok());
    EXPECT_TRUE(params.add_json("[1]").ok());
}

TEST(Params, NumbersAndBooleansHaveTexts) {
    const Params params = from_json(R"({"n":12,"b":true,"o":{},"s":"x"})");
    EXPECT_EQ(params.text("n"), "12");
    EXPECT_EQ(params.text("b"), "true");
    EXPECT_EQ(params.text("o"), std::nullopt);
    EXPECT_EQ(params.text("s"), "x");
    EXPECT_EQ(params.text("missing"), std::nullopt);
}

}  // namespace
}  // namespace shift::api
