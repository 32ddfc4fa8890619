#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "worker/lhm/table_shape.h"

// The key that rows are walked by. Ranges are bounded by keys that exist ("key sets"), never by
// arithmetic on ids: gaps, composite keys and text are all the same. Pure.

namespace shift::lhm {

// How a value of a key column is read from the server and written into a statement, so that the
// server compares it as it compares the column.
// Tried on MariaDB 10.11: each form below is a range on the index (EXPLAIN and handler counts). An
// ENUM compared with > is not; IN with its numbers is.
enum class ValueKind {
    kNumber,  // integers, DECIMAL, YEAR, BIT: digits, never quoted (BIGINT and text meet as DOUBLE)
    kFloat,   // read as DOUBLE: a FLOAT's own text has 6 digits
    kEnum,    // its number
    kText,    // hex of its bytes, in its character set and collation
    kBinary,  // hex
    kQuoted,  // dates, times, UUID, INET6
};

struct KeyColumn {
    std::string name;
    ValueKind kind = ValueKind::kNumber;
    std::string charset;
    std::string collation;
    bool descending = false;
    int members = 0;  // of an ENUM
    bool is_bit = false;
};

struct CopyKey {
    std::string index;
    std::vector<KeyColumn> columns;

    std::string text() const;  // "PRIMARY (shop_id, id)"
    // Tells whether values of one key may be used with another.
    std::string signature() const;
};

// One value per column of the key, each as read by key_select(): digits, hex or a plain time.
using KeyValue = std::vector<std::string>;

// Where a key's columns are in a statement: "`db`.`t`" or an alias, already quoted, with a dot
// behind it; "" = bare names.
std::string key_select(const CopyKey& key, const std::string& table);  // "t.`a`, HEX(t.`b`)"
std::string key_order(const CopyKey& key, const std::string& table);   // "t.`a`, t.`b` DESC"
// One column's value as it stands in a statement.
std::string key_literal(const KeyColumn& column, const std::string& value);
// Rows strictly behind `value` in the order of the key.
std::string key_after(const CopyKey& key, const KeyValue& value, const std::string& table);
// Rows strictly before it.
std::string key_before(const CopyKey& key, const KeyValue& value, const std::string& table);
// Rows at `value` or before it.
std::string key_up_to(const CopyKey& key, const KeyValue& value, const std::string& table);
// The one row.
std::string key_is(const CopyKey& key, const KeyValue& value, const std::string& table);
// "(after; up_to]" of a range whose ends may be open; "TRUE" when both are.
std::string key_range(const CopyKey& key, const std::optional<KeyValue>& after,
                      const std::optional<KeyValue>& up_to, const std::string& table);

// A row of key_select().
KeyValue key_of(const Row& row);

// For people: "(7, 'O''Hara')".
std::string key_text(const CopyKey& key, const KeyValue& value);

// Whether `value` is one that the server could have given for this key: values come back from a
// state file, and nothing else may get into a statement.
bool is_key_value(const CopyKey& key, const KeyValue& value);
// A value that a person gave, column by column. Errors: kInvalidArgument.
Result<KeyValue> parse_key_value(const CopyKey& key, const std::vector<std::string>& words);

// The column as part of a key; nullopt when no range can be made of it (SET, JSON, geometry ...).
std::optional<KeyColumn> key_column(const Column& column, bool descending);

// Every unique key without NULLs that can be walked, best first: the primary key, then those with
// fewer columns, then by name.
std::vector<CopyKey> walkable_keys(const TableShape& shape);
// Why `shape` has none, for people, with the way out.
std::string why_not_walkable(const TableShape& shape);

}  // namespace shift::lhm
