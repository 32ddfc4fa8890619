#include "worker/lhm/column_map.h"

#include <gtest/gtest.h>

namespace shift::lhm {
namespace {

Column column(const std::string& name, const std::string& type, bool nullable = true) {
    Column column;
    column.name = name;
    column.column_type = type;
    column.data_type = type.substr(0, type.find_first_of("( "));
    column.nullable = column.has_default = nullable;
    if (column.data_type.ends_with("char") || column.data_type.ends_with("text") ||
        column.data_type == "enum") {
        column.charset = "utf8mb4";
        column.collation = "utf8mb4_general_ci";
    }
    if (column.data_type == "enum") {
        column.members = type_members(type);
    }
    return column;
}

TableShape shape(std::vector<Column> columns, std::vector<Index> indexes = {}) {
    TableShape shape;
    shape.name = "t";
    shape.columns = std::move(columns);
    shape.indexes = std::move(indexes);
    return shape;
}

Index index(const std::string& name, bool unique, const std::vector<std::string>& columns) {
    Index index;
    index.name = name;
    index.unique = unique;
    for (const std::string& one : columns) {
        index.columns.push_back({one, false, 0, false});
    }
    return index;
}

std::string pairs(const ColumnMap& map) {
    std::string text;
    for (const ColumnPair& pair : map.pairs) {
        text += pair.from.name + ">" + pair.to.name + " ";
    }
    return text;
}

TEST(ColumnMap, FollowsNamesThroughStatements) {
    const TableShape original =
        shape({column("id", "int", false), column("a", "int"), column("b", "int")});
    const TableShape shadow =
        shape({column("id", "int", false), column("c", "int"), column("a", "int")});
    // a becomes b's old name in two steps: a -> x -> c, b -> a.
    const auto map = map_columns(original, shadow,
                                 {alter_effects("RENAME COLUMN a TO x, RENAME COLUMN b TO a"),
                                  alter_effects("CHANGE x c INT")});
    ASSERT_TRUE(map.ok()) << map.error().message;
    EXPECT_EQ(pairs(*map), "id>id a>c b>a ");
}

TEST(ColumnMap, ColumnsSwapTheirNames) {
    const TableShape both = shape({column("a", "int"), column("b", "int")});
    const auto map =
        map_columns(both, both, {alter_effects("RENAME COLUMN a TO b, RENAME COLUMN b TO a")});
    EXPECT_EQ(pairs(*map), "b>a a>b ");
}

TEST(ColumnMap, WhatCannotBeFollowedIsRefused) {
    const TableShape original = shape({column("id", "int"), column("a", "int")});
    EXPECT_FALSE(map_columns(original, shape({column("id", "int"), column("b", "int")}), {}).ok());
    const auto again = map_columns(original, original, {alter_effects("DROP a, ADD a INT")});
    ASSERT_FALSE(again.ok());
    EXPECT_NE(again.error().message.find("MODIFY a"), std::string::npos);
}

TEST(ColumnMap, NewColumnsGetWhatAlterTableFillsIn) {
    const TableShape original = shape({column("id", "int", false)});
    TableShape shadow = shape({column("id", "int", false), column("n", "int", false),
                               column("s", "varchar(3)", false),
                               column("e", "enum('x','y')", false), column("d", "int")});
    const auto map = map_columns(original, shadow, {alter_effects("ADD n INT NOT NULL")});
    ASSERT_EQ(map->filled.size(), 3u);
    EXPECT_EQ(map->filled[0].literal, "0");
    EXPECT_EQ(map->filled[1].literal, "''");
    EXPECT_EQ(map->filled[2].literal, "1");
    EXPECT_EQ(map->added, std::vector<std::string>{"d"});
    shadow.columns.push_back(column("t", "datetime", false));
    const auto refused = map_columns(original, shadow, {});
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().message.find("DEFAULT"), std::string::npos);
}

TEST(ColumnMap, GeneratedColumnsOfTheShadowAreNotInserted) {
    TableShape original = shape({column("id", "int", false), column("g", "int")});
    TableShape shadow = original;
    shadow.columns[1].generated = true;
    EXPECT_EQ(pairs(*map_columns(original, shadow, {})), "id>id ");
    // The other way round the value is copied.
    EXPECT_EQ(pairs(*map_columns(shadow, original, {})), "id>id g>g ");
}

TEST(ColumnMap, TheKeyNeedsAnIndexInTheShadow) {
    const TableShape original =
        shape({column("id", "int", false), column("u", "varchar(9)", false)},
              {index("PRIMARY", true, {"id"})});
    const CopyKey key = walkable_keys(original).at(0);
    TableShape shadow = original;
    shadow.indexes = {index("PRIMARY", true, {"u", "id"})};
    const ColumnMap map = *map_columns(original, shadow, {});
    EXPECT_FALSE(shadow_key(key, map, shadow));
    EXPECT_TRUE(notices_repeats(map, shadow));
    shadow.indexes.push_back(index("by_id", false, {"id"}));
    const auto found = shadow_key(key, map, shadow);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->key.index, "by_id");
    EXPECT_TRUE(found->same_order);
    shadow.indexes = {index("by_id", false, {"id"})};
    EXPECT_FALSE(notices_repeats(map, shadow));
}

TEST(ColumnMap, TellsConversionsThatKeepValues) {
    const auto keeps = [](const std::string& from, const std::string& to) {
        return ColumnPair{column("a", from), column("a", to)}.keeps_values();
    };
    for (const auto& [from, to] :
         std::vector<std::pair<std::string, std::string>>{{"int(11)", "bigint(20)"},
                                                          {"bigint(20)", "int(11) unsigned"},
                                                          {"int(11)", "decimal(12,0)"},
                                                          {"decimal(10,2)", "decimal(8,3)"},
                                                          {"year(4)", "smallint(6)"},
                                                          {"float", "double"},
                                                          {"float(7,3)", "float"},
                                                          {"date", "datetime"},
                                                          {"time(2)", "time(4)"},
                                                          {"varchar(20)", "varchar(21)"},
                                                          {"varchar(255)", "text"},
                                                          {"varbinary(4)", "varbinary(8)"},
                                                          {"binary(4)", "varbinary(4)"},
                                                          {"tinyblob", "blob"},
                                                          {"enum('a','b')", "enum('a','b','c')"}}) {
        EXPECT_TRUE(keeps(from, to)) << from << " to " << to;
    }
    for (const auto& [from, to] :
         std::vector<std::pair<std::string, std::string>>{{"decimal(10,4)", "decimal(10,2)"},
                                                          {"decimal(10,4)", "bigint(20)"},
                                                          {"int(11)", "year(4)"},
                                                          {"bigint(20)", "bit(64)"},
                                                          {"int(11)", "float"},
                                                          {"double", "float"},
                                                          {"double", "double(7,3)"},
                                                          {"double", "decimal(10,2)"},
                                                          {"datetime", "date"},
                                                          {"datetime(6)", "datetime(3)"},
                                                          {"varchar(20)", "varchar(19)"},
                                                          {"varchar(20)", "char(20)"},
                                                          {"text", "varchar(255)"},
                                                          {"varbinary(4)", "binary(4)"},
                                                          {"binary(4)", "binary(8)"},
                                                          {"varchar(20)", "int(11)"},
                                                          {"enum('a','b')", "enum('b','a')"}}) {
        EXPECT_FALSE(keeps(from, to)) << from << " to " << to;
    }
}

TEST(ColumnMap, OnlyStricterKeysAreWatched) {
    const TableShape original =
        shape({column("id", "int", false), column("a", "int"), column("b", "varchar(9)")},
              {index("PRIMARY", true, {"id"}), index("a", true, {"a"})});
    TableShape shadow = original;
    shadow.columns[0].column_type = "bigint";
    shadow.columns[0].data_type = "bigint";
    const ColumnMap same = *map_columns(original, shadow, {});
    EXPECT_TRUE(stricter_keys(same, original, shadow).empty());
    shadow.indexes.push_back(index("ab", true, {"a", "b"}));  // a alone is unique already
    EXPECT_TRUE(stricter_keys(same, original, shadow).empty());
    shadow.indexes.push_back(index("b", true, {"b"}));
    ASSERT_EQ(stricter_keys(same, original, shadow).size(), 1u);
    EXPECT_EQ(stricter_keys(same, original, shadow)[0]->name, "b");
}

TEST(ColumnMap, ADroppedColumnHasNoWayBack) {
    const TableShape original = shape({column("id", "int", false), column("a", "int")});
    const TableShape shadow = shape({column("id", "int", false), column("n", "int")});
    const auto map = map_columns(original, shadow, {alter_effects("DROP a, ADD n INT")});
    EXPECT_EQ(map->dropped, std::vector<std::string>{"a"});
    EXPECT_FALSE(reversed(*map, original).ok());
    const auto kept = map_columns(original, original, {});
    EXPECT_EQ(pairs(*reversed(*kept, original)), "id>id a>a ");
}

}  // namespace
}  // namespace shift::lhm
