#include <gtest/gtest.h>

#include "api/mysql_target.h"

namespace shift::api {
namespace {

Cluster unreachable_cluster() {
    Cluster cluster;
    cluster.name = "main";
    cluster.rw_host = "127.0.0.1";
    cluster.port = 1;  // nobody listens there
    cluster.check_target = true;
    return cluster;
}

TEST(MysqlTargets, AClusterThatIsNotToBeCheckedHasNoTarget) {
    const SystemClock clock;
    MysqlTargets targets(clock, false);
    Cluster cluster = unreachable_cluster();
    cluster.check_target = false;
    EXPECT_EQ(targets.target(cluster, "d"), nullptr);
    EXPECT_TRUE(targets.databases(cluster).empty());
}

TEST(MysqlTargets, AnUnreachableTargetIsAnErrorNotACrash) {
    const SystemClock clock;
    MysqlTargets targets(clock, false);
    const Cluster cluster = unreachable_cluster();
    const auto target = targets.target(cluster, "d");
    ASSERT_NE(target, nullptr);
    for (int i = 0; i < 2; ++i) {  // the second answer is remembered
        const auto parsed = parse_ddl("ALTER TABLE t ADD x INT", target.get());
        ASSERT_FALSE(parsed.ok());
        EXPECT_EQ(parsed.error().code, Errc::kUnavailable);
    }
    EXPECT_TRUE(targets.databases(cluster).empty());
}

TEST(MysqlTargets, ATableOfAnotherDatabaseCountsAsMissing) {
    const SystemClock clock;
    MysqlTargets targets(clock, false);
    const Cluster cluster = unreachable_cluster();
    const auto target = targets.target(cluster, "d");
    const auto parsed = parse_ddl("ALTER TABLE other.t ADD x INT", target.get());
    ASSERT_FALSE(parsed.ok());
    EXPECT_EQ(parsed.error().message, "table does not exist!");
    EXPECT_TRUE(parse_ddl("CREATE TABLE other.t (a INT)", target.get()).ok());
}

}  // namespace
}  // namespace shift::api
