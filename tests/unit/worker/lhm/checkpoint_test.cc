#include "worker/lhm/checkpoint.h"

#include <gtest/gtest.h>

namespace shift::lhm {
namespace {

std::string sha1(const std::string& sql) {
    ChangeStatement statement;
    statement.sql = sql;
    return change_sha1({statement}, names_for("t"));
}

// A claim by the listing and one that was read back carry the statement spaced differently.
TEST(ChangeSha1, IsOfTheChangeAndNotOfItsSpaces) {
    EXPECT_EQ(sha1("ALTER TABLE `d`.`lhmn_t` ADD INDEX i (a)"),
              sha1("ALTER TABLE `d`.`lhmn_t` ADD INDEX i ( a )"));
    EXPECT_NE(sha1("ALTER TABLE `d`.`lhmn_t` ADD INDEX i (a)"),
              sha1("ALTER TABLE `d`.`lhmn_t` ADD INDEX i (b)"));
    EXPECT_NE(sha1("ALTER TABLE `d`.`lhmn_t` ALTER c SET DEFAULT 'a b'"),
              sha1("ALTER TABLE `d`.`lhmn_t` ALTER c SET DEFAULT 'a  b'"));
}

}  // namespace
}  // namespace shift::lhm
