#include "worker/lhm/checksum.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "common/ddl.h"
#include "worker/lhm/column_types.h"

namespace shift::lhm {
namespace {

// No value that people store holds it; it is also what makes the whole text binary, so that columns
// of any character sets go together.
constexpr const char* kSeparator = "X'001F'";

// "(10,2)" of "decimal(10,2) unsigned".
std::string digits_of(const Column& column) {
    const std::size_t open = column.column_type.find('(');
    const std::size_t close = column.column_type.find(')');
    return open == std::string::npos ? "" : column.column_type.substr(open, close - open + 1);
}

std::string to_integer(const Column& column, const std::string& value) {
    return fmt::format("CAST({} AS {})", value,
                       column.is_unsigned() || column.data_type == "bit" ? "UNSIGNED" : "SIGNED");
}

// The original's value as the shadow's exact or inexact number.
std::optional<std::string> to_number(const Column& from, const Column& to,
                                     const std::string& value) {
    if (!is_number(from) && !is_text(from)) {
        return std::nullopt;
    }
    if (is_inexact(from) && is_exact(to)) {
        return std::nullopt;
    }
    if (is_integer(to)) {
        // Assignment rounds, CAST of text to an integer cuts.
        return to_integer(to, is_text(from) ? fmt::format("CAST({} AS DECIMAL(65,0))", value)
                                            : fmt::format("ROUND({})", value));
    }
    if (is_exact(to)) {
        return fmt::format("CAST({} AS DECIMAL{})", value, digits_of(to));
    }
    if (to.data_type == "float") {
        return std::nullopt;
    }
    return value + "+0e0";
}

struct Sides {
    std::string original;
    std::string shadow;
};

std::optional<Sides> text_sides(const Column& from, const Column& to, const std::string& original,
                                const std::string& shadow) {
    if (from.data_type == "set" && to.data_type == "set") {
        const bool grows = from.members.size() <= to.members.size() &&
                           std::equal(from.members.begin(), from.members.end(), to.members.begin());
        return grows ? std::optional(Sides{original + "+0", shadow + "+0"}) : std::nullopt;
    }
    if (is_text(from) || is_listed(from)) {
        const std::string value = from.charset == to.charset
                                      ? original
                                      : fmt::format("CONVERT({} USING {})", original, to.charset);
        // Blanks at the end are no part of a CHAR, and the server cuts them without a word.
        return is_text(to) ? Sides{"RTRIM(" + value + ")", "RTRIM(" + shadow + ")"}
                           : Sides{value, shadow};
    }
    if (is_exact(from) && from.data_type != "bit") {
        return Sides{fmt::format("CAST({} AS CHAR)", original),
                     fmt::format("CONVERT({} USING utf8mb4)", shadow)};
    }
    return std::nullopt;
}

// nullopt: not comparable.
std::optional<Sides> sides(const ColumnPair& pair, const std::string& original,
                           const std::string& shadow) {
    const Column& from = pair.from;
    const Column& to = pair.to;
    if (is_geometry(from) || is_geometry(to)) {
        return from.data_type == to.data_type
                   ? std::optional(Sides{"HEX(" + original + ")", "HEX(" + shadow + ")"})
                   : std::nullopt;
    }
    if (pair.is_same_type()) {
        return Sides{original, shadow};
    }
    if (is_number(to)) {
        const auto cast = to_number(from, to, original);
        const std::string plain = is_integer(to)   ? to_integer(to, shadow)
                                  : is_inexact(to) ? shadow + "+0e0"
                                                   : shadow;
        return cast ? std::optional(Sides{*cast, plain}) : std::nullopt;
    }
    if (is_text(to) || is_listed(to)) {
        return text_sides(from, to, original, shadow);
    }
    if (is_bytes(to) && is_bytes(from)) {
        // BINARY(n) pads with zero bytes, which TRIM takes off both.
        const bool pads = from.data_type == "binary" || to.data_type == "binary";
        return pads ? Sides{fmt::format("TRIM(TRAILING X'00' FROM {})", original),
                            fmt::format("TRIM(TRAILING X'00' FROM {})", shadow)}
                    : Sides{original, shadow};
    }
    // A DATE that becomes a DATETIME, a TIME(3) a TIME: what fewer digits make of a value depends
    // on the server's mode, so only more digits are compared.
    if (from.data_type == "date" && to.data_type == "datetime") {
        return Sides{original, fmt::format("DATE({})", shadow)};
    }
    if (from.data_type == to.data_type && digits_of(from) <= digits_of(to) &&
        is_one_of(to.data_type, {"time", "datetime", "timestamp"})) {
        return Sides{fmt::format("CAST({} AS {}{})", original,
                                 to.data_type == "time" ? "TIME" : "DATETIME", digits_of(to)),
                     shadow};
    }
    return std::nullopt;
}

// Without a limit that the size of a row sets: VARCHARs and VARBINARYs are bounded by it.
bool may_be_huge(const Column& column) {
    return is_geometry(column) || column.data_type == "json" ||
           (column.data_type != "tinytext" && column.data_type.ends_with("text")) ||
           (column.data_type != "tinyblob" && column.data_type.ends_with("blob"));
}

// CONCAT_WS gives NULL when it grows beyond max_allowed_packet, and BIT_XOR passes over NULLs: a
// huge value is in it with its checksum only. A row that is too long all the same never equals its
// copy (`when_null` differs), so that it is not taken for verified.
std::string values_hash(const std::string& list, int when_null) {
    return fmt::format("IFNULL(CRC32(CONCAT_WS({}{})), CAST({} AS UNSIGNED))", kSeparator, list,
                       when_null);
}

std::string key_hash(const std::vector<std::string>& names) {
    std::string list;
    for (const std::string& name : names) {
        list += ", " + name;
    }
    return fmt::format("(CRC32(CONCAT_WS({}{})) | 1)", kSeparator, list);
}

}  // namespace

RowHash row_hash(const ColumnMap& map, const CopyKey& key, const std::string& original,
                 const std::string& shadow) {
    RowHash hash;
    std::string from_list;
    std::string to_list;
    std::string from_nulls;
    std::string to_nulls;
    std::vector<std::string> from_key;
    std::vector<std::string> to_key;
    for (const ColumnPair& pair : map.pairs) {
        const std::string from = original + quote_identifier(pair.from.name);
        const std::string to = shadow + quote_identifier(pair.to.name);
        const auto both = sides(pair, from, to);
        if (!both) {
            hash.left_out.push_back(fmt::format("{} ({} to {})", pair.from.name,
                                                pair.from.column_type, pair.to.column_type));
            continue;
        }
        const bool is_huge = may_be_huge(pair.from) || may_be_huge(pair.to);
        from_list += ", " + (is_huge ? "CRC32(" + both->original + ")" : both->original);
        to_list += ", " + (is_huge ? "CRC32(" + both->shadow + ")" : both->shadow);
        if (pair.from.nullable || pair.to.nullable) {
            // CONCAT_WS leaves NULLs out without a trace.
            from_nulls += ", ISNULL(" + from + ")";
            to_nulls += ", ISNULL(" + to + ")";
        }
        const bool in_key =
            std::any_of(key.columns.begin(), key.columns.end(),
                        [&pair](const KeyColumn& column) { return column.name == pair.from.name; });
        if (in_key) {
            from_key.push_back(both->original);
            to_key.push_back(both->shadow);
        }
    }
    hash.original = values_hash(from_list + from_nulls, 1) + " * " + key_hash(from_key);
    hash.shadow = values_hash(to_list + to_nulls, 2) + " * " + key_hash(to_key);
    return hash;
}

std::string aggregate(const std::string& hash) {
    return fmt::format("CONCAT(COUNT(*), '/', COALESCE(BIT_XOR({}), 0))", hash);
}

}  // namespace shift::lhm
