#include "worker/mysql/errors.h"

#include <gtest/gtest.h>

#include "tests/unit/worker/mysql_error.h"
#include "worker/mysql/inspect.h"
#include "worker/mysql/lock.h"

namespace shift {
namespace {

TEST(MysqlErrors, WhatGoesAwayByItselfIsTransient) {
    for (const unsigned native : {2002u, 2003u, 2005u, 1040u, 1205u, 1213u, 2006u, 2013u, 2055u}) {
        EXPECT_TRUE(is_transient(mysql_error(native))) << native;
    }
    for (const unsigned native : {1044u, 1045u, 1142u, 1227u, 1049u, 1064u, 1146u}) {
        EXPECT_FALSE(is_transient(mysql_error(native))) << native;
    }
}

TEST(MysqlErrors, AnUnknownEffectIsTold) {
    for (const unsigned native : {2006u, 2013u, 2055u, 1317u, 1927u}) {
        EXPECT_EQ(mysql_error(native).code, Errc::kDeadline) << native;
    }
    EXPECT_EQ(mysql_error(1205).code, Errc::kUnavailable);
    EXPECT_TRUE(is_lost_connection(mysql_error(2013)));
    EXPECT_FALSE(is_lost_connection(mysql_error(1317)));
}

TEST(MysqlLock, NameIsSha1OfSchemaNulTable) {
    // printf 'd1\0t' | sha1sum
    EXPECT_EQ(database_lock_name("d1", "t", false),
              "shift:d8c53b0453c93a990dfdd762d124aab14df43ebb");
    EXPECT_EQ(database_lock_name("D1", "T", true), database_lock_name("d1", "t", false));
    EXPECT_NE(database_lock_name("D1", "T", false), database_lock_name("d1", "t", false));
}

TEST(MysqlInspect, TheCounterIsNoPartOfADefinition) {
    EXPECT_EQ(without_auto_increment("CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB "
                                     "AUTO_INCREMENT=77 DEFAULT CHARSET=latin1"),
              "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB DEFAULT CHARSET=latin1");
    // Only among the options, not in a comment of a column.
    const std::string comment = "CREATE TABLE `t` (\n  `a` int COMMENT ' AUTO_INCREMENT=7'\n) x";
    EXPECT_EQ(without_auto_increment(comment), comment);
}

}  // namespace
}  // namespace shift
