#include "worker/lhm/copy_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "common/ddl.h"
#include "common/text.h"

namespace shift::lhm {
namespace {

std::string reference(const KeyColumn& column, const std::string& table) {
    return table + quote_identifier(column.name);
}

// "e IN (3,4)": the members on one side of a value. No ENUM has the number 0 but for a value that
// was no member.
std::string enum_side(const std::string& name, const KeyColumn& column, const std::string& value,
                      bool behind) {
    const int at = std::stoi(value);
    const int first = behind ? at + 1 : 0;
    const int last = behind ? column.members : at - 1;
    if (first > last) {
        return "FALSE";
    }
    std::string list;
    for (int number = first; number <= last; ++number) {
        list += fmt::format("{}{}", list.empty() ? "" : ",", number);
    }
    return fmt::format("{} IN ({})", name, list);
}

// Rows whose column `column` is behind (or before) `value`.
std::string side(const KeyColumn& column, const std::string& value, const std::string& table,
                 bool behind) {
    const bool greater = behind != column.descending;
    const std::string name = reference(column, table);
    if (column.kind == ValueKind::kEnum) {
        return enum_side(name, column, value, greater);
    }
    return fmt::format("{} {} {}", name, greater ? ">" : "<", key_literal(column, value));
}

// (a > 1 OR (a = 1 AND (b > 2 OR (b = 2 AND c > 3)))): tuples are not compared by index here.
std::string beyond(const CopyKey& key, const KeyValue& value, const std::string& table, bool behind,
                   bool with_equal) {
    std::string text;
    std::string closing;
    for (std::size_t i = 0; i < key.columns.size(); ++i) {
        const KeyColumn& column = key.columns[i];
        const std::string strict = side(column, value[i], table, behind);
        const std::string equal =
            fmt::format("{} = {}", reference(column, table), key_literal(column, value[i]));
        if (i + 1 < key.columns.size()) {
            text += fmt::format("({} OR ({} AND ", strict, equal);
            closing += "))";
        } else if (!with_equal) {
            text += strict;
        } else if (column.kind == ValueKind::kEnum) {
            text += fmt::format("({} OR {})", strict, equal);
        } else {
            const bool greater = behind != column.descending;
            text += fmt::format("{} {}= {}", reference(column, table), greater ? ">" : "<",
                                key_literal(column, value[i]));
        }
    }
    return text + closing;
}

std::string bytes_of(std::string_view hex) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes += static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1]));
    }
    return bytes;
}

std::string hex_of(std::string_view bytes) {
    std::string hex;
    for (const char c : bytes) {
        hex += fmt::format("{:02X}", static_cast<unsigned char>(c));
    }
    return hex;
}

bool consists_of(std::string_view text, std::string_view allowed) {
    return text.find_first_not_of(allowed) == std::string_view::npos;
}

bool is_value(const KeyColumn& column, const std::string& value) {
    constexpr std::size_t kNumberBytesMax = 100;
    switch (column.kind) {
        case ValueKind::kEnum:
            return !value.empty() && value.size() < 6 && consists_of(value, "0123456789");
        case ValueKind::kNumber:
            return !value.empty() && value.size() < kNumberBytesMax &&
                   consists_of(value, "0123456789.-") && value != "-" && value != "." &&
                   value.find('-', 1) == std::string::npos;
        case ValueKind::kFloat:
            return !value.empty() && value.size() < kNumberBytesMax &&
                   consists_of(value, "0123456789.-+eE");
        case ValueKind::kText:
        case ValueKind::kBinary:
            return value.size() % 2 == 0 && consists_of(value, "0123456789ABCDEFabcdef");
        case ValueKind::kQuoted:
            return !value.empty() && value.size() < kNumberBytesMax &&
                   consists_of(value, "0123456789abcdefABCDEF.:- ");
    }
    return false;
}

// nullopt: the index cannot be walked.
std::optional<CopyKey> walkable(const TableShape& shape, const Index& index) {
    if (!index.unique || !index.is_tree || !index.usable) {
        return std::nullopt;
    }
    CopyKey key;
    key.index = index.name;
    for (const IndexColumn& part : index.columns) {
        const Column* column = part.name.empty() ? nullptr : shape.column(part.name);
        if (column == nullptr || part.is_prefix || column->nullable || column->generated) {
            return std::nullopt;
        }
        auto made = key_column(*column, part.descending);
        if (!made) {
            return std::nullopt;
        }
        key.columns.push_back(*std::move(made));
    }
    return key;
}

}  // namespace

std::string key_literal(const KeyColumn& column, const std::string& value) {
    switch (column.kind) {
        case ValueKind::kNumber:
        case ValueKind::kEnum:
            return value;
        case ValueKind::kFloat:
            return value.find('e') == std::string::npos ? value + "e0" : value;
        case ValueKind::kText:
            return fmt::format("_{} X'{}' COLLATE {}", column.charset, value, column.collation);
        case ValueKind::kBinary:
            return fmt::format("X'{}'", value);
        case ValueKind::kQuoted:
            return "'" + value + "'";
    }
    return "NULL";
}

std::string CopyKey::text() const {
    std::string list;
    for (const KeyColumn& column : columns) {
        list += (list.empty() ? "" : ", ") + column.name;
    }
    return fmt::format("{} ({})", index, list);
}

std::string CopyKey::signature() const {
    std::string text = index;
    for (const KeyColumn& column : columns) {
        text += fmt::format("\n{}\n{} {} {} {}", column.name, static_cast<int>(column.kind),
                            column.collation, column.descending ? "desc" : "asc", column.members);
    }
    return text;
}

std::string key_select(const CopyKey& key, const std::string& table) {
    std::string list;
    for (const KeyColumn& column : key.columns) {
        std::string one = reference(column, table);
        if (column.kind == ValueKind::kText || column.kind == ValueKind::kBinary) {
            one = "HEX(" + one + ")";
        } else if (column.kind == ValueKind::kEnum || column.is_bit) {
            one += "+0";
        } else if (column.kind == ValueKind::kFloat) {
            one += "+0e0";
        }
        list += (list.empty() ? "" : ", ") + one;
    }
    return list;
}

std::string key_order(const CopyKey& key, const std::string& table) {
    std::string list;
    for (const KeyColumn& column : key.columns) {
        list += (list.empty() ? "" : ", ") + reference(column, table) +
                (column.descending ? " DESC" : "");
    }
    return list;
}

std::string key_after(const CopyKey& key, const KeyValue& value, const std::string& table) {
    return beyond(key, value, table, true, false);
}

std::string key_before(const CopyKey& key, const KeyValue& value, const std::string& table) {
    return beyond(key, value, table, false, false);
}

std::string key_up_to(const CopyKey& key, const KeyValue& value, const std::string& table) {
    return beyond(key, value, table, false, true);
}

std::string key_is(const CopyKey& key, const KeyValue& value, const std::string& table) {
    std::string text;
    for (std::size_t i = 0; i < key.columns.size(); ++i) {
        text += fmt::format("{}{} = {}", i == 0 ? "" : " AND ", reference(key.columns[i], table),
                            key_literal(key.columns[i], value[i]));
    }
    return text;
}

std::string key_range(const CopyKey& key, const std::optional<KeyValue>& after,
                      const std::optional<KeyValue>& up_to, const std::string& table) {
    if (!after && !up_to) {
        return "TRUE";
    }
    if (!after || !up_to) {
        return after ? key_after(key, *after, table) : key_up_to(key, *up_to, table);
    }
    return fmt::format("{} AND {}", key_after(key, *after, table), key_up_to(key, *up_to, table));
}

KeyValue key_of(const Row& row) {
    KeyValue key;
    for (const auto& value : row) {
        key.push_back(value.value_or(""));
    }
    return key;
}

std::string key_text(const CopyKey& key, const KeyValue& value) {
    std::string text;
    for (std::size_t i = 0; i < value.size(); ++i) {
        text += i == 0 ? "" : ", ";
        const ValueKind kind = i < key.columns.size() ? key.columns[i].kind : ValueKind::kQuoted;
        if (kind == ValueKind::kText) {
            text += "'" + clean_utf8(bytes_of(value[i])) + "'";
        } else if (kind == ValueKind::kBinary) {
            text += "0x" + value[i];
        } else if (kind == ValueKind::kQuoted) {
            text += "'" + value[i] + "'";
        } else {
            text += value[i];
        }
    }
    return "(" + text + ")";
}

bool is_key_value(const CopyKey& key, const KeyValue& value) {
    if (value.size() != key.columns.size()) {
        return false;
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (!is_value(key.columns[i], value[i])) {
            return false;
        }
    }
    return true;
}

Result<KeyValue> parse_key_value(const CopyKey& key, const std::vector<std::string>& words) {
    KeyValue value;
    for (std::size_t i = 0; i < words.size() && i < key.columns.size(); ++i) {
        const ValueKind kind = key.columns[i].kind;
        const bool is_bytes = kind == ValueKind::kText || kind == ValueKind::kBinary;
        value.push_back(is_bytes ? hex_of(words[i]) : words[i]);
    }
    if (words.size() != key.columns.size() || !is_key_value(key, value)) {
        return Error{Errc::kInvalidArgument, fmt::format("not a value of the key {}", key.text())};
    }
    return value;
}

std::optional<KeyColumn> key_column(const Column& column, bool descending) {
    KeyColumn key;
    key.name = column.name;
    key.descending = descending;
    const std::string_view type = column.data_type;
    if (is_one_of(type, {"tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal",
                         "numeric", "year", "bit"})) {
        key.kind = ValueKind::kNumber;
        key.is_bit = type == "bit";
    } else if (is_one_of(type, {"float", "double", "real"})) {
        key.kind = ValueKind::kFloat;
    } else if (type == "enum") {
        key.kind = ValueKind::kEnum;
        key.members = static_cast<int>(column.members.size());
    } else if (is_one_of(type, {"char", "varchar", "tinytext", "text", "mediumtext", "longtext"}) &&
               !column.collation.empty()) {
        key.kind = ValueKind::kText;
        key.charset = column.charset;
        key.collation = column.collation;
    } else if (is_one_of(type, {"binary", "varbinary"})) {
        key.kind = ValueKind::kBinary;
    } else if (is_one_of(type,
                         {"date", "time", "datetime", "timestamp", "uuid", "inet4", "inet6"})) {
        key.kind = ValueKind::kQuoted;
    } else {
        return std::nullopt;
    }
    return key;
}

std::vector<CopyKey> walkable_keys(const TableShape& shape) {
    std::vector<CopyKey> keys;
    for (const Index& index : shape.indexes) {
        if (auto key = walkable(shape, index)) {
            keys.push_back(*std::move(key));
        }
    }
    std::sort(keys.begin(), keys.end(), [](const CopyKey& a, const CopyKey& b) {
        return std::tuple(a.index != "PRIMARY", a.columns.size(), std::string_view(a.index)) <
               std::tuple(b.index != "PRIMARY", b.columns.size(), std::string_view(b.index));
    });
    return keys;
}

std::string why_not_walkable(const TableShape& shape) {
    std::string why;
    for (const Index& index : shape.indexes) {
        if (!index.unique) {
            continue;
        }
        why += fmt::format("{}{}", why.empty() ? "" : ", ", index.name);
    }
    const std::string seen = why.empty()
                                 ? "it has no unique key"
                                 : fmt::format(
                                       "its unique keys ({}) have columns that may be NULL, are "
                                       "generated, are only prefixes, or are of type SET, JSON or "
                                       "geometry",
                                       why);
    return fmt::format(
        "table {}.{} has no key to walk it by: {}; add a PRIMARY KEY or a unique key over NOT NULL "
        "columns, or run the change as a direct ALTER",
        shape.database, shape.name, seen);
}

}  // namespace shift::lhm
