#include "worker/names.h"

#include "common/ddl.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

TEST(Names, ShadowHoldsTheMigrationAndFits) {
    EXPECT_EQ(shadow_name(17, "orders"), "_17_orders_new");
    const std::string longest = shadow_name(123456, std::string(64, 'x'));
    EXPECT_EQ(longest.size(), kIdentifierBytesMax);
    EXPECT_TRUE(longest.starts_with("_123456_xxx"));
    EXPECT_TRUE(longest.ends_with("x_new"));
}

TEST(Names, CutNamesKeepWholeCharacters) {
    std::string umlauts;
    for (int i = 0; i < 40; ++i) {
        umlauts += "\xc3\xa4";
    }
    const std::string trash = trash_name("20261123181052123", umlauts);
    EXPECT_LE(trash.size(), kIdentifierBytesMax);
    EXPECT_EQ((trash.size() - 18) % 2, 0u);  // "<17 digits>_" and whole two-byte characters
}

TEST(Names, TriggersAreThoseOfTheTool) {
    EXPECT_EQ(osc_trigger_names("shop", "a-b c"),
              (std::vector<std::string>{"pt_osc_shop_a_b_c_del", "pt_osc_shop_a_b_c_upd",
                                        "pt_osc_shop_a_b_c_ins"}));
    for (const std::string& name : osc_trigger_names("shop", std::string(64, 'x'))) {
        EXPECT_EQ(name.size(), 64u);
    }
}

TEST(Names, OriginalShadowNamesAreBelievedInTheirShapeOnly) {
    EXPECT_TRUE(is_original_shadow_name("_t_new", "t"));
    EXPECT_TRUE(is_original_shadow_name("___t_new", "t"));
    EXPECT_FALSE(is_original_shadow_name("t_new", "t"));
    EXPECT_FALSE(is_original_shadow_name("users", "t"));
    EXPECT_FALSE(is_original_shadow_name("___________t_new", "t"));  // eleven underscores
}

TEST(Names, QualifiedNamesDoubleBackticks) {
    EXPECT_EQ(qualified_name("d`b", "t"), "`d``b`.`t`");
    EXPECT_TRUE(is_plain_ascii("a b"));
    EXPECT_FALSE(is_plain_ascii("t\xc3\xa4"));
}

TEST(Names, ATrashNameIsKnownAgain) {
    const std::string table(60, 't');
    EXPECT_TRUE(is_trash_name("20261123181052123_orders", "orders"));
    EXPECT_TRUE(is_trash_name(trash_name("20261123181052123", table), table));
    for (const char* other : {"orders", "_orders", "20261123181052123_users", "2026orders", ""}) {
        EXPECT_FALSE(is_trash_name(other, "orders")) << other;
    }
}

}  // namespace
}  // namespace shift
