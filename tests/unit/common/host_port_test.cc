#include "common/host_port.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

TEST(HostPort, ReadsNamesAddressesAndAPortAlone) {
    const auto name = parse_host_port("db1.example:3306");
    ASSERT_TRUE(name.ok());
    EXPECT_EQ(name->host, "db1.example");
    EXPECT_EQ(name->port, 3306);
    const auto six = parse_host_port("[::1]:0");
    ASSERT_TRUE(six.ok());
    EXPECT_EQ(six->host, "::1");
    EXPECT_EQ(six->port, 0);
    const auto alone = parse_host_port(":9100");
    ASSERT_TRUE(alone.ok());
    EXPECT_EQ(alone->host, "");
}

TEST(HostPort, RefusesWhatIsNoneAndSaysWhat) {
    for (const char* text : {"", "db1", "db1:", "db1:x", "db1:33 06", "db1:65536", "db1:-1", "::1",
                             "fe80::1:3306", "db1:3306x"}) {
        const auto parsed = parse_host_port(text);
        ASSERT_FALSE(parsed.ok()) << text;
        EXPECT_NE(parsed.error().message.find("HOST:PORT"), std::string::npos) << text;
    }
}

}  // namespace
}  // namespace shift
