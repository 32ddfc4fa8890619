#include "worker/osc/chunk_key.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

UniqueKey key(std::string name, std::vector<KeyColumn> columns, int nullable = 0) {
    return UniqueKey{std::move(name), std::move(columns), nullable};
}

std::string reason(const UniqueKey& of, bool is_mariadb = true,
                   const std::string& version = "3.2.1") {
    const auto trouble = chunk_key_trouble(of, is_mariadb, version);
    return trouble ? trouble->reason : "";
}

TEST(ChunkKey, IsThePrimaryKeyElseTheBestUniqueKeyAsTheToolSorts) {
    const UniqueKey primary = key("PRIMARY", {{"a", "int"}, {"b", "int"}});
    const UniqueKey wide = key("a_wide", {{"a", "int"}, {"b", "int"}});
    const UniqueKey narrow = key("z_narrow", {{"c", "int"}});
    const UniqueKey other = key("y_narrow", {{"d", "int"}});
    const UniqueKey open = key("nullable", {{"e", "int"}}, 1);
    const auto chosen = [](const std::vector<UniqueKey>& keys) { return chunk_key(keys)->name; };
    EXPECT_EQ(chosen({narrow, primary, wide}), "PRIMARY");
    EXPECT_EQ(chosen({wide, narrow, open}), "z_narrow");
    EXPECT_EQ(chosen({wide, narrow, other}), "y_narrow");
    EXPECT_EQ(chosen({open, wide}), "a_wide");
    EXPECT_EQ(chunk_key({}), nullptr);
}

TEST(ChunkKey, OrdinaryTypesAreFine) {
    for (const char* type : {"int", "bigint", "varchar", "char", "decimal", "date", "datetime",
                             "timestamp", "time", "year", "uuid", "inet6", "text"}) {
        EXPECT_EQ(reason(key("PRIMARY", {{"a", type}, {"b", type}})), "") << type;
    }
}

TEST(ChunkKey, InexactNumbersSetsAndBitsAreRefusedAnywhere) {
    for (const bool is_mariadb : {true, false}) {
        EXPECT_EQ(reason(key("PRIMARY", {{"a", "float"}}), is_mariadb), "inexact_key");
        EXPECT_EQ(reason(key("k", {{"b", "int"}, {"a", "double"}}), is_mariadb), "inexact_key");
        EXPECT_EQ(reason(key("k", {{"b", "int"}, {"a", "set"}}), is_mariadb), "set_key");
        EXPECT_EQ(reason(key("k", {{"b", "int"}, {"a", "bit"}}), is_mariadb), "bit_key");
    }
}

TEST(ChunkKey, AnEnumBeforeAnotherColumnIsRefusedOnMariadb) {
    const UniqueKey before = key("PRIMARY", {{"e", "enum"}, {"n", "int"}});
    const UniqueKey last = key("PRIMARY", {{"n", "int"}, {"e", "enum"}});
    EXPECT_EQ(reason(before), "enum_key");
    EXPECT_EQ(reason(before, false), "");
    EXPECT_EQ(reason(last), "");
}

TEST(ChunkKey, BinaryIsRefusedOnMysqlWithAnOldTool) {
    for (const char* type : {"binary", "varbinary", "blob", "tinyblob"}) {
        const UniqueKey binary = key("PRIMARY", {{"id", type}});
        EXPECT_EQ(reason(binary, true), "");
        EXPECT_EQ(reason(binary, false, "3.2.1"), "binary_key");
        EXPECT_EQ(reason(binary, false, ""), "binary_key");
        EXPECT_EQ(reason(binary, false, "3.3.1"), "");
        EXPECT_NE(chunk_key_trouble(binary, false, "3.2.1")->message.find("3.3.0 or later"),
                  std::string::npos);
    }
}

}  // namespace
}  // namespace shift
