#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "worker/mysql/connection.h"

namespace shift::lhm {

struct Column {
    std::string name;
    std::string data_type;    // "varchar", lower case
    std::string column_type;  // "varchar(20)", "int(10) unsigned"
    std::string charset;      // "" for what is no text
    std::string collation;
    bool nullable = false;
    bool has_default = false;  // an INSERT may leave it out
    bool generated = false;    // cannot be inserted
    bool auto_increment = false;
    std::vector<std::string> members;  // of an ENUM or SET, in order

    bool is_unsigned() const { return column_type.find("unsigned") != std::string::npos; }
};

struct IndexColumn {
    std::string name;  // "" for an expression
    bool is_prefix = false;
    int prefix = 0;  // characters or bytes
    bool descending = false;
};

struct Index {
    std::string name;
    bool unique = false;
    bool is_tree = true;  // neither FULLTEXT nor SPATIAL nor HASH
    bool usable = true;   // the optimizer may be told to use it
    std::vector<IndexColumn> columns;
};

// What a table is made of, as SHOW says it.
struct TableShape {
    std::string database;
    std::string name;
    std::string engine;
    std::string definition;            // SHOW CREATE TABLE without the AUTO_INCREMENT counter
    std::uint64_t auto_increment = 0;  // 0 = none
    bool partitioned = false;
    std::vector<Column> columns;
    std::vector<Index> indexes;

    // By name, which is compared without case. nullptr when there is none.
    const Column* column(std::string_view name) const;
};

// Errors: kNotFound - no such table; as errc_of_mysql().
Result<TableShape> read_shape(Connection& connection, const std::string& database,
                              const std::string& table);

// The members of "enum('a','b''c')" in order. Pure.
std::vector<std::string> type_members(std::string_view column_type);

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words);

}  // namespace shift::lhm
