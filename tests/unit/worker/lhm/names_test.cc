#include "worker/lhm/names.h"

#include <gtest/gtest.h>

namespace shift::lhm {
namespace {

const WallTime kTime = parse_iso_time("2000-01-02T03:04:05.000Z");

TEST(LhmNames, AreThoseOfLhm) {
    const Names names = names_for("users");
    EXPECT_EQ(names.shadow, "lhmn_users");
    EXPECT_EQ(names.on_insert, "lhmt_ins_users");
    EXPECT_EQ(names.on_update, "lhmt_upd_users");
    EXPECT_EQ(names.on_delete, "lhmt_del_users");
    EXPECT_EQ(archive_name("original", kTime), "lhma_2000_01_02_03_04_05_000_original");
    EXPECT_EQ(failed_name("original", kTime), "lhma_2000_01_02_03_04_05_000_original_failed");
}

// LHM cuts at 64 without a mark: two tables that share 55 characters share trigger names.
TEST(LhmNames, LongOnesNeverCollide) {
    const std::string head(56, 'x');
    const Names one = names_for(head + "_first");
    const Names two = names_for(head + "_other");
    EXPECT_NE(one.on_insert, two.on_insert);
    EXPECT_NE(one.shadow, two.shadow);
    EXPECT_NE(archive_name(head + "_first", kTime), archive_name(head + "_other", kTime));
    for (const Names& names : {one, two, names_for(std::string(64, 'y')),
                               names_for("日本語の長い長い長い長い長い長い長い名前")}) {
        for (const std::string& name : {names.shadow, names.control, names.placeholder}) {
            EXPECT_LE(name.size(), 64u) << name;
        }
        for (const std::string& name : names.triggers()) {
            EXPECT_LE(name.size(), 64u) << name;
        }
    }
    EXPECT_LE(failed_name(std::string(64, 'z'), kTime).size(), 64u);
}

TEST(LhmNames, TellWhenAnArchiveWasMade) {
    EXPECT_EQ(archive_time(archive_name("t", kTime)), kTime);
    EXPECT_EQ(archive_time(failed_name(std::string(64, 'z'), kTime)), kTime);
    for (const char* name :
         {"lhma_notes", "lhma_2000_01_02_03_04_05_000", "lhmn_2000_01_02_03_04_05_000_t",
          "lhma_2000_01_02_03_04_0x_000_t", "", "lhma_2000-01-02_03_04_05_000_t"}) {
        EXPECT_EQ(archive_time(name), std::nullopt) << name;
    }
}

TEST(LhmNames, IndexesAreNamedByTheirColumns) {
    EXPECT_EQ(default_index_name("users", {"a", "b"}), "index_users_on_a_and_b");
    EXPECT_EQ(default_index_name("users", {std::string(64, 'c')}).size(), 64u);
}

}  // namespace
}  // namespace shift::lhm
