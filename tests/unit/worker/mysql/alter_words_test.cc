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

TEST(AlterWords, UnfinishedTextEnds) {
    for (const char* text : {"ADD UNIQUE (", "ADD UNIQUE (a", "ADD UNIQUE", "ADD `", "'\\", "/*",
                             "ADD UNIQUE (a,", "PRIMARY"}) {
        EXPECT_NO_FATAL_FAILURE((void)added_unique_keys(text)) << text;
    }
}

}  // namespace
}  // namespace shift
