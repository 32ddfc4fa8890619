#include "api/config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

#include "common/file.h"
#include "common/text.h"

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

TEST(ApiConfig, ItsKeysAreThoseOfTheManualPage) {
    const std::string root = SHIFT_SOURCE_ROOT;
    const auto source = read_file(root + "/api/config.cc", 1 << 20);
    const auto page = read_file(root + "/packaging/man/shift-api.8", 1 << 20);
    ASSERT_TRUE(source.ok() && page.ok());
    std::set<std::string> known;
    for (std::size_t at = source->find("{\""); at != std::string::npos;
         at = source->find("{\"", at + 1)) {
        known.insert(source->substr(at + 2, source->find('"', at + 2) - at - 2));
    }
    std::set<std::string> documented;
    for (const std::string& line : split(*page, '\n')) {
        constexpr std::string_view kItem = ".It Cm ";
        if (line.starts_with(kItem)) {
            for (const std::string& key : split(line.substr(kItem.size()), ',')) {
                documented.emplace(trim(key));
            }
        }
    }
    EXPECT_GT(known.size(), 10U);
    EXPECT_EQ(documented, known);
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
