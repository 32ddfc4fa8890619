#include "worker/lhm/deferred_indexes.h"

#include <gtest/gtest.h>

namespace shift::lhm {
namespace {

constexpr const char* kDefinition =
    "CREATE TABLE `t` (\n"
    "  `id` int(11) NOT NULL AUTO_INCREMENT,\n"
    "  `n` int(11) DEFAULT NULL,\n"
    "  PRIMARY KEY (`n`),\n"
    "  UNIQUE KEY `u` (`id`,`n`),\n"
    "  KEY `counter` (`id`),\n"
    "  KEY `a``, KEY b` (`n`) COMMENT 'x,',\n"
    "  KEY `last` (`n`,`id`)\n"
    ") ENGINE=InnoDB";

TableShape shape() {
    TableShape shape;
    shape.engine = "InnoDB";
    shape.definition = kDefinition;
    Column id;
    id.name = "id";
    id.auto_increment = true;
    Column n;
    n.name = "n";
    shape.columns = {id, n};
    const auto index = [](const std::string& name, const std::string& first, bool unique) {
        Index one;
        one.name = name;
        one.unique = unique;
        one.columns.push_back({first, false, 0, false});
        return one;
    };
    shape.indexes = {index("PRIMARY", "n", true), index("u", "id", true),
                     index("counter", "id", false), index("a`, KEY b", "n", false),
                     index("last", "n", false)};
    return shape;
}

TEST(DeferredIndexes, AreThoseThatNothingNeedsDuringTheCopy) {
    const auto waiting = deferrable_indexes(shape(), "PRIMARY");
    ASSERT_EQ(waiting.size(), 2U);
    EXPECT_EQ(waiting[0].definition, "KEY `a``, KEY b` (`n`) COMMENT 'x,'");
    EXPECT_EQ(waiting[1].definition, "KEY `last` (`n`,`id`)");
    EXPECT_EQ(deferrable_indexes(shape(), "LAST").size(), 1U);
    TableShape other = shape();
    other.engine = "Aria";
    EXPECT_TRUE(deferrable_indexes(other, "PRIMARY").empty());
    other = shape();
    other.indexes.back().is_tree = false;
    EXPECT_EQ(deferrable_indexes(other, "PRIMARY").size(), 1U);
}

TEST(DeferredIndexes, AreNoPartOfTheDefinitionThatIsCompared) {
    const auto waiting = deferrable_indexes(shape(), "PRIMARY");
    const std::string full = kDefinition;
    const std::string none = without_indexes(full, waiting);
    EXPECT_EQ(none.find("last"), std::string::npos);
    std::string one = full;
    const std::string last = ",\n  KEY `last` (`n`,`id`)";
    one.erase(one.find(last), last.size());
    EXPECT_EQ(without_indexes(one, waiting), none);
    EXPECT_EQ(without_indexes(full, {}), full);
    std::string another = full;
    another.replace(another.find("`last` (`n`,`id`)"), 17, "`last` (`id`)");
    EXPECT_NE(without_indexes(another, waiting), none);
}

TEST(DeferredIndexes, WaitOnlyWhereItPaysAndHarmsNobody) {
    constexpr std::int64_t kLarge = std::int64_t{1} << 30;
    EXPECT_EQ(why_not_deferred(DeferIndexes::kAuto, kLarge, 0), "");
    EXPECT_EQ(why_not_deferred(DeferIndexes::kAuto, 1000, 0), "the table is small");
    EXPECT_EQ(why_not_deferred(DeferIndexes::kAuto, kLarge, 2),
              "2 replicas would stand still while they are built");
    EXPECT_EQ(why_not_deferred(DeferIndexes::kYes, 1000, 1), "");
    EXPECT_EQ(why_not_deferred(DeferIndexes::kNo, kLarge, 0), "told so");
}

}  // namespace
}  // namespace shift::lhm
