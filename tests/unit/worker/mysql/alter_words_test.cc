#include "worker/mysql/alter_words.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

using Keys = std::vector<std::vector<std::string>>;

TEST(AlterWords, UniqueKeysAreFoundWhereverTheyStand) {
    EXPECT_TRUE(adds_unique_key("ADD UNIQUE KEY k (a)"));
    EXPECT_TRUE(adds_unique_key("add column x int unique"));
    EXPECT_TRUE(adds_unique_key("DROP PRIMARY KEY, ADD PRIMARY KEY (b)"));
    EXPECT_FALSE(adds_unique_key("DROP PRIMARY KEY"));
    EXPECT_FALSE(adds_unique_key("ADD COLUMN `unique` INT COMMENT 'unique, primary'"));
    EXPECT_FALSE(adds_unique_key("ADD c INT /* UNIQUE */ -- UNIQUE\n, ADD d INT # UNIQUE"));
}

TEST(AlterWords, CollationsMayMakeRowsEqual) {
    EXPECT_TRUE(may_lose_duplicates("CONVERT TO CHARACTER SET utf8mb4"));
    EXPECT_TRUE(may_lose_duplicates("MODIFY a VARCHAR(9) COLLATE utf8mb4_bin"));
    EXPECT_FALSE(may_lose_duplicates("ADD COLUMN a INT, DROP INDEX b"));
}

TEST(AlterWords, ColumnRenamesAreFound) {
    EXPECT_TRUE(renames_column("ADD x INT, RENAME COLUMN a TO b"));
    EXPECT_FALSE(renames_column("CHANGE a b INT"));
    EXPECT_FALSE(renames_column("RENAME INDEX a TO b"));
    EXPECT_FALSE(renames_column("ADD x INT COMMENT 'RENAME COLUMN a TO b'"));
}

TEST(AlterWords, TableRenamesAreFound) {
    EXPECT_TRUE(renames_table("RENAME TO u"));
    EXPECT_TRUE(renames_table("ADD x INT, RENAME `column`"));
    EXPECT_FALSE(renames_table("RENAME COLUMN a TO b, RENAME INDEX c TO d, RENAME KEY e TO f"));
}

TEST(AlterWords, KeyColumnsAreReadForGroupBy) {
    EXPECT_EQ(added_unique_keys("ADD UNIQUE KEY `k 1` (`a``b`, c(10) DESC), ADD d INT"),
              (Keys{{"`a``b`", "LEFT(`c`, 10)"}}));
    EXPECT_EQ(added_unique_keys("ADD CONSTRAINT x UNIQUE (a), ADD PRIMARY KEY (b, c)"),
              (Keys{{"`a`"}, {"`b`", "`c`"}}));
    EXPECT_EQ(added_unique_keys("ADD UNIQUE INDEX USING BTREE (a)"), (Keys{{"`a`"}}));
    EXPECT_EQ(added_unique_keys("ADD UNIQUE ((a + 1))"), Keys{});
    EXPECT_EQ(added_unique_keys("ADD COLUMN x INT UNIQUE"), Keys{});
}

TEST(AlterWords, ColumnsThatComeGoAndChangeTheirNameAreTold) {
    const AlterEffects effects = alter_effects(
        "RENAME COLUMN a TO `b c`, CHANGE COLUMN `x``y` z INT DEFAULT '1,2', CHANGE k K INT, "
        "DROP d, DROP COLUMN IF EXISTS `key`, DROP INDEX i, DROP PRIMARY KEY, ADD e DECIMAL(3,2), "
        "ADD COLUMN IF NOT EXISTS f INT, ADD (g ENUM('(', ','), h INT), ADD UNIQUE (e), "
        "ALTER COLUMN n DROP DEFAULT, MODIFY m INT");
    ASSERT_EQ(effects.renamed.size(), 2u);
    EXPECT_EQ(effects.renamed[0].from, "a");
    EXPECT_EQ(effects.renamed[0].to, "b c");
    EXPECT_EQ(effects.renamed[1].from, "x`y");
    EXPECT_EQ(effects.renamed[1].to, "z");
    EXPECT_EQ(effects.dropped, (std::vector<std::string>{"d", "key"}));
    EXPECT_EQ(effects.added, (std::vector<std::string>{"e", "f", "g", "h"}));
    EXPECT_EQ(effects.acts_on_rows, "");
    EXPECT_EQ(alter_effects("ADD x INT, DROP PARTITION p0").acts_on_rows, "DROP PARTITION");
    EXPECT_EQ(alter_effects("EXCHANGE PARTITION p WITH TABLE t").acts_on_rows,
              "EXCHANGE PARTITION");
    EXPECT_EQ(alter_effects("CONVERT TO CHARACTER SET utf8mb4").acts_on_rows, "");
}

TEST(AlterWords, UnfinishedTextEnds) {
    for (const char* text : {"ADD UNIQUE (", "ADD UNIQUE (a", "ADD UNIQUE", "ADD `", "'\\", "/*",
                             "ADD UNIQUE (a,", "PRIMARY", "RENAME COLUMN", "CHANGE a", "ADD (a",
                             "DROP"}) {
        EXPECT_NO_FATAL_FAILURE((void)added_unique_keys(text)) << text;
        EXPECT_NO_FATAL_FAILURE((void)alter_effects(text)) << text;
    }
}

}  // namespace
}  // namespace shift
