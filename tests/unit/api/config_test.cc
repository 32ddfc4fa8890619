#include "api/config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace shift::api {
namespace {

std::string problem(const std::string& text) {
    const auto config = parse_config(text, "file.yaml");
    return config.ok() ? "accepted" : config.error().message;
}

TEST(ApiConfig, TheShippedFileIsValid) {
    const char* root = std::getenv("SOURCE_ROOT");
    if (root == nullptr) {
        GTEST_SKIP() << "SOURCE_ROOT is not set";
    }
    const auto config = load_config(std::string(root) + "/config/shift-api.yaml");
    ASSERT_TRUE(config.ok()) << config.error().message;
    EXPECT_EQ(config->port, 3000);
    ASSERT_NE(config->find_cluster("main"), nullptr);
    EXPECT_EQ(config->find_cluster("other"), nullptr);
}

TEST(ApiConfig, AnUnknownKeyNamesTheNearestKnownOne) {
    EXPECT_EQ(problem("pport: 1\n"), "file.yaml:1: unknown key pport; did you mean port?");
    EXPECT_EQ(problem("port: 1\nclusters:\n  - name: a\n    rw_hots: b\n"),
              "file.yaml:4: unknown key rw_hots; did you mean rw_host?");
}

TEST(ApiConfig, WrongValuesNameTheKeyAndTheLine) {
    EXPECT_EQ(problem("store: x\nport: 70000\n"),
              "file.yaml:2: port: expected a number from 0 to 65535");
    EXPECT_EQ(problem("scheduler_interval: never\n"),
              "file.yaml:1: scheduler_interval: expected seconds, from 0.05 to 86400");
    EXPECT_EQ(problem("clusters:\n  - rw_host: a\n"),
              "file.yaml:2: clusters: a cluster needs a name");
    EXPECT_EQ(problem("clusters:\n  - name: a\n  - name: a\n"),
              "file.yaml:3: cluster a is declared twice");
    EXPECT_NE(problem("a: [\n"), "accepted");
    EXPECT_NE(problem("- a\n"), "accepted");
}

TEST(ApiConfig, ListenMayCarryThePort) {
    const auto config = parse_config("listen: 127.0.0.1:4711\n", "f");
    ASSERT_TRUE(config.ok());
    EXPECT_EQ(config->listen, "127.0.0.1");
    EXPECT_EQ(config->port, 4711);
    EXPECT_NE(problem("listen: a:b\n"), "accepted");
    EXPECT_EQ(problem("listen: '::1'\n"), "accepted");
}

TEST(ApiConfig, AnEmptyFileIsTheDefaults) {
    const auto config = parse_config("", "f");
    ASSERT_TRUE(config.ok());
    EXPECT_EQ(config->listen, "127.0.0.1");
    EXPECT_EQ(config->port, 3000);
    EXPECT_EQ(config->scheduler_interval, std::chrono::seconds(15));
    EXPECT_EQ(config->parallel_limit, 1);
}

TEST(ApiConfig, AMissingFileIsNotFound) {
    const auto config = load_config("no/such/file.yaml");
    ASSERT_FALSE(config.ok());
    EXPECT_EQ(config.error().code, Errc::kNotFound);
}

}  // namespace
}  // namespace shift::api
