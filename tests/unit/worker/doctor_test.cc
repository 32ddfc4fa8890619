#include <gtest/gtest.h>

#include "worker/doctor/rights_check.h"
#include "worker/doctor/server_check.h"

namespace shift {
namespace {

TEST(ServerToCheck, IsHostPortAndDatabases) {
    const auto server = parse_server_to_check("db1.example.com:3307/shop,odd name");
    ASSERT_TRUE(server.ok());
    EXPECT_EQ(server->host, "db1.example.com");
    EXPECT_EQ(server->port, 3307);
    EXPECT_EQ(server->databases, (std::vector<std::string>{"shop", "odd name"}));
    EXPECT_EQ(parse_server_to_check("[::1]:3306")->host, "::1");
    EXPECT_TRUE(parse_server_to_check("h:1/")->databases.empty());
    for (const char* text : {"", "db1", ":3306", "db1:", "db1:0", "db1:70000", "db1:33x"}) {
        EXPECT_FALSE(parse_server_to_check(text).ok()) << text;
    }
}

TEST(SchemaPattern, KnowsWildcardsAndTheirEscapes) {
    EXPECT_TRUE(matches_schema_pattern("shop", "shop"));
    EXPECT_FALSE(matches_schema_pattern("shop", "shop2"));
    EXPECT_TRUE(matches_schema_pattern("shop%", "shop"));
    EXPECT_TRUE(matches_schema_pattern("%_eu", "shop_eu"));
    EXPECT_TRUE(matches_schema_pattern("shop_eu", "shopXeu"));
    EXPECT_FALSE(matches_schema_pattern("shop\\_eu", "shopXeu"));
    EXPECT_TRUE(matches_schema_pattern("shop\\_eu", "shop_eu"));
    EXPECT_FALSE(matches_schema_pattern("", "x"));
}

TEST(Grants, MissingLooksAtBothLevels) {
    Grants grants;
    grants.global = {"SELECT"};
    grants.schemas = {{"shop%", "INSERT"}, {"other", "DROP"}};
    const std::vector<std::string> wanted = {"SELECT", "INSERT", "DROP"};
    EXPECT_EQ(grants.missing(wanted, "shop_eu"), (std::vector<std::string>{"DROP"}));
    EXPECT_EQ(grants.missing(wanted, "other"), (std::vector<std::string>{"INSERT"}));
    EXPECT_EQ(grants.missing(wanted, ""), (std::vector<std::string>{"INSERT", "DROP"}));
}

}  // namespace
}  // namespace shift
