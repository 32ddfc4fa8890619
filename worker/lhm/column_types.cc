#include "worker/lhm/column_types.h"

#include <algorithm>
#include <charconv>

namespace shift::lhm {

bool is_integer(const Column& column) {
    return is_one_of(column.data_type, {"tinyint", "smallint", "mediumint", "int", "integer",
                                        "bigint", "year", "bit"});
}

bool is_exact(const Column& column) {
    return is_integer(column) || is_one_of(column.data_type, {"decimal", "numeric"});
}

bool is_inexact(const Column& column) {
    return is_one_of(column.data_type, {"float", "double", "real"});
}

bool is_number(const Column& column) {
    return is_exact(column) || is_inexact(column);
}

bool is_text(const Column& column) {
    return !column.collation.empty() && column.data_type != "enum" && column.data_type != "set";
}

bool is_listed(const Column& column) {
    return column.data_type == "enum" || column.data_type == "set";
}

bool is_bytes(const Column& column) {
    return column.data_type.ends_with("binary") || column.data_type.ends_with("blob");
}

bool is_geometry(const Column& column) {
    return is_one_of(column.data_type,
                     {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring",
                      "multipolygon", "geometrycollection", "geomcollection"});
}

bool is_time(const Column& column) {
    return is_one_of(column.data_type, {"date", "time", "datetime", "timestamp"});
}

std::array<std::int64_t, 2> type_numbers(const Column& column) {
    std::array<std::int64_t, 2> numbers{};
    const std::string& type = column.column_type;
    const std::size_t open = std::min(type.find('('), type.size());
    const char* const behind = type.data() + type.size();
    const char* at = std::min(type.data() + open + 1, behind);
    for (std::int64_t& one : numbers) {
        const auto [end, error] = std::from_chars(at, behind, one);
        if (error != std::errc{} || end == behind || *end != ',') {
            break;
        }
        at = end + 1;
    }
    return numbers;
}

}  // namespace shift::lhm
