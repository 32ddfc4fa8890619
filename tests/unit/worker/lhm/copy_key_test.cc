#include "worker/lhm/copy_key.h"

#include <gtest/gtest.h>

namespace shift::lhm {
namespace {

Column column(const char* name, const char* type, const char* collation = "") {
    Column column;
    column.name = name;
    column.column_type = type;
    column.data_type = column.column_type.substr(0, column.column_type.find_first_of("( "));
    column.collation = collation;
    column.charset = column.collation.substr(0, column.collation.find('_'));
    if (column.data_type == "enum") {
        column.members = type_members(column.column_type);
    }
    return column;
}

CopyKey key(const std::vector<Column>& columns) {
    CopyKey key;
    key.index = "PRIMARY";
    for (const Column& one : columns) {
        key.columns.push_back(*key_column(one, false));
    }
    return key;
}

TEST(CopyKey, ANumberIsComparedUnquoted) {
    const CopyKey id = key({column("id", "bigint(20) unsigned")});
    EXPECT_EQ(
        key_range(id, KeyValue{"18446744073709551610"}, KeyValue{"18446744073709551615"}, "t."),
        "t.`id` > 18446744073709551610 AND t.`id` <= 18446744073709551615");
    EXPECT_EQ(key_range(id, std::nullopt, std::nullopt, ""), "TRUE");
    EXPECT_EQ(key_before(id, {"5"}, ""), "`id` < 5");
}

TEST(CopyKey, TuplesAreSpelledOutForTheIndex) {
    const CopyKey pair = key({column("a", "int(11)"), column("b", "date")});
    EXPECT_EQ(key_after(pair, {"1", "2020-01-01"}, ""),
              "(`a` > 1 OR (`a` = 1 AND `b` > '2020-01-01'))");
    EXPECT_EQ(key_up_to(pair, {"1", "2020-01-01"}, ""),
              "(`a` < 1 OR (`a` = 1 AND `b` <= '2020-01-01'))");
}

TEST(CopyKey, TextKeepsItsBytesAndCollation) {
    const CopyKey text = key({column("c`d", "varchar(10)", "utf8mb4_general_ci")});
    EXPECT_EQ(key_select(text, ""), "HEX(`c``d`)");
    EXPECT_EQ(key_after(text, {"C3A9"}, ""),
              "`c``d` > _utf8mb4 X'C3A9' COLLATE utf8mb4_general_ci");
    EXPECT_EQ(key_text(text, {"C3A9"}), "('é')");
}

TEST(CopyKey, AnEnumIsComparedByItsNumbers) {
    const CopyKey e =
        key({column("e", "enum('b','a','c')", "latin1_swedish_ci"), column("n", "int")});
    EXPECT_EQ(key_after(e, {"2", "7"}, ""), "(`e` IN (3) OR (`e` = 2 AND `n` > 7))");
    EXPECT_EQ(key_after(e, {"3", "7"}, ""), "(FALSE OR (`e` = 3 AND `n` > 7))");
    EXPECT_EQ(key_up_to(e, {"1", "7"}, ""), "(`e` IN (0) OR (`e` = 1 AND `n` <= 7))");
    const CopyKey last = key({column("e", "enum('b','a','c')", "latin1_swedish_ci")});
    EXPECT_EQ(key_up_to(last, {"2"}, ""), "(`e` IN (0,1) OR `e` = 2)");
}

TEST(CopyKey, DescendingColumnsAreWalkedInTheirOrder) {
    CopyKey down = key({column("a", "int"), column("b", "int")});
    down.columns[1].descending = true;
    EXPECT_EQ(key_after(down, {"1", "5"}, ""), "(`a` > 1 OR (`a` = 1 AND `b` < 5))");
    EXPECT_EQ(key_order(down, ""), "`a`, `b` DESC");
}

TEST(CopyKey, NothingButAValueGetsIntoAStatement) {
    const CopyKey number = key({column("a", "int")});
    const CopyKey text = key({column("a", "varchar(9)", "utf8mb4_bin")});
    const CopyKey time = key({column("a", "datetime(6)")});
    EXPECT_TRUE(is_key_value(number, {"-12.5"}));
    EXPECT_TRUE(is_key_value(text, {""}));
    EXPECT_TRUE(is_key_value(time, {"2020-01-01 00:00:00.000001"}));
    for (const char* evil : {"1 OR 1=1", "", "1--", "1;", "0x41", "''"}) {
        EXPECT_FALSE(is_key_value(number, {evil})) << evil;
    }
    for (const char* evil : {"4", "zz", "41' OR '1'='1", "4 "}) {
        EXPECT_FALSE(is_key_value(text, {evil})) << evil;
    }
    for (const char* evil : {"'", "2020\\", "a;b", "2020-01-01' --"}) {
        EXPECT_FALSE(is_key_value(time, {evil})) << evil;
    }
    EXPECT_FALSE(is_key_value(number, {"1", "2"}));
    EXPECT_FALSE(parse_key_value(number, {"x"}).ok());
    EXPECT_EQ(parse_key_value(text, {"é"}).value(), KeyValue{"C3A9"});
}

TEST(CopyKey, ChoosesThePrimaryKeyElseTheShortest) {
    TableShape shape;
    shape.columns = {column("a", "int"), column("b", "int"), column("c", "int")};
    shape.columns[2].nullable = true;
    shape.indexes = {{"ab", true, true, true, {{"a", false, 0, false}, {"b", false, 0, false}}},
                     {"b", true, true, true, {{"b", false, 0, false}}},
                     {"c", true, true, true, {{"c", false, 0, false}}},
                     {"p", true, true, true, {{"a", true, 4, false}}},
                     {"plain", false, true, true, {{"a", false, 0, false}}}};
    auto keys = walkable_keys(shape);
    ASSERT_EQ(keys.size(), 2u);  // not the nullable, the prefix, the plain one
    EXPECT_EQ(keys[0].index, "b");
    shape.indexes.push_back(
        {"PRIMARY", true, true, true, {{"a", false, 0, false}, {"b", false, 0, false}}});
    EXPECT_EQ(walkable_keys(shape)[0].index, "PRIMARY");
    EXPECT_FALSE(key_column(column("s", "set('a')", "latin1_bin"), false));
    EXPECT_FALSE(key_column(column("j", "json"), false));
}

TEST(CopyKey, MembersOfAnEnumAreRead) {
    EXPECT_EQ(type_members("enum('a','b''c',',')"), (std::vector<std::string>{"a", "b'c", ","}));
    EXPECT_EQ(type_members("int(10)"), std::vector<std::string>{});
    EXPECT_EQ(type_members("enum('"), std::vector<std::string>{""});
}

}  // namespace
}  // namespace shift::lhm
