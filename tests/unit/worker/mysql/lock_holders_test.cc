#include "worker/mysql/lock_holders.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

TEST(MaskedStatement, HidesWhatIsTheApplicationsData) {
    EXPECT_EQ(masked_statement("SELECT * FROM t1\n  WHERE a='x' AND b = \"y\\\"z\" AND c=17", 200),
              "SELECT * FROM t1 WHERE a=? AND b = ? AND c=?");
    EXPECT_EQ(masked_statement("UPDATE `odd 'name` SET x=0xFF, y=-1.5e3", 200),
              "UPDATE `odd 'name` SET x=?, y=-?.?");
    EXPECT_EQ(masked_statement("INSERT INTO t VALUES ('it''s', 'never ending", 200),
              "INSERT INTO t VALUES (??, ?");
    EXPECT_EQ(masked_statement("SELECT `never ending", 200), "SELECT `never ending");
    EXPECT_EQ(masked_statement("", 200), "");
}

TEST(MaskedStatement, IsCutBetweenCharacters) {
    const std::string wide = "SELECT \xE8\xA1\xA8\xE8\xA1\xA8\xE8\xA1\xA8";
    EXPECT_EQ(masked_statement(wide, 11), "SELECT \xE8\xA1\xA8...");
    EXPECT_EQ(masked_statement(wide, 100), wide);
}

TEST(TableLockHolder, IsTold) {
    TableLockHolder holder;
    holder.thread_id = 12;
    holder.user = "app";
    holder.host = "10.0.0.5:3310";
    holder.for_s = 312;
    holder.is_idle = true;
    EXPECT_EQ(to_text(holder), "thread 12 (app@10.0.0.5:3310), idle in a transaction for 312 s");
    holder.statement = "SELECT ?";
    EXPECT_EQ(to_text(holder),
              "thread 12 (app@10.0.0.5:3310), idle in a transaction for 312 s, last statement: "
              "SELECT ?");
    holder.is_idle = false;
    EXPECT_EQ(to_text(holder), "thread 12 (app@10.0.0.5:3310), busy for 312 s: SELECT ?");
}

}  // namespace
}  // namespace shift
