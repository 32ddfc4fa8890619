#include "worker/final_insert.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

TEST(FinalInsert, OnlyOneInsertInto) {
    EXPECT_TRUE(is_final_insert("INSERT INTO t VALUES (1)"));
    EXPECT_TRUE(is_final_insert("insert \n into\tt select 1"));
    for (const char* text :
         {"", "INSERT", "INSERT INTO", "INSERT INTO ", "INSERTINTO t", "INSERT INTOt VALUES (1)",
          "DELETE FROM t", "INSERT INTO t VALUES (1);", "INSERT IGNORE INTO t VALUES (1)",
          " INSERT INTO t VALUES (1)"}) {
        EXPECT_FALSE(is_final_insert(text)) << text;
    }
}

TEST(FinalInsert, TargetIsRead) {
    const auto target = [](const char* text) {
        const auto found = insert_target(text);
        return found ? found->database + "|" + found->table : "none";
    };
    EXPECT_EQ(target("INSERT INTO t VALUES (1)"), "|t");
    EXPECT_EQ(target("INSERT INTO t(a) VALUES (1)"), "|t");
    EXPECT_EQ(target("insert into `a``b` . `t t` values (1)"), "a`b|t t");
    EXPECT_EQ(target("INSERT INTO d.t SELECT 1"), "d|t");
    EXPECT_EQ(target("INSERT INTO (1)"), "none");
}

}  // namespace
}  // namespace shift
