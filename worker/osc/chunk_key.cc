#include "worker/osc/chunk_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <tuple>

#include "worker/osc/osc_run.h"

namespace shift {
namespace {

constexpr const char* kWayOut = "run it as a short (direct) migration";

bool is_binary(std::string_view type) {
    return type.ends_with("binary") || type.ends_with("blob");
}

KeyTrouble trouble(std::string reason, const UniqueKey& key, const KeyColumn& column,
                   const std::string& what) {
    return KeyTrouble{std::move(reason),
                      fmt::format("pt-online-schema-change walks the table by its key {}, whose "
                                  "column {} is {}: {}",
                                  key.name, column.name, column.type, what)};
}

}  // namespace

const UniqueKey* chunk_key(const std::vector<UniqueKey>& keys) {
    const auto rank = [](const UniqueKey& key) {
        return std::tuple(key.name != "PRIMARY", key.nullable, key.columns.size(),
                          std::string_view(key.name));
    };
    const auto best =
        std::min_element(keys.begin(), keys.end(),
                         [&](const UniqueKey& a, const UniqueKey& b) { return rank(a) < rank(b); });
    return best == keys.end() ? nullptr : &*best;
}

std::optional<KeyTrouble> chunk_key_trouble(const UniqueKey& key, bool is_mariadb,
                                            const std::string& tool_version) {
    for (const KeyColumn& column : key.columns) {
        const bool is_last = &column == &key.columns.back();
        if (column.type == "float" || column.type == "double") {
            return trouble("inexact_key", key, column,
                           fmt::format("it would leave rows out silently; {}", kWayOut));
        }
        if (column.type == "set") {
            return trouble("set_key", key, column,
                           fmt::format("it would leave rows out silently; {}", kWayOut));
        }
        if (column.type == "bit") {
            return trouble("bit_key", key, column,
                           fmt::format("it dies after its first chunk; {}", kWayOut));
        }
        if (column.type == "enum" && is_mariadb && !is_last) {
            return trouble(
                "enum_key", key, column,
                fmt::format("with another column behind it, it dies on MariaDB; {}", kWayOut));
        }
        if (is_binary(column.type) && !is_mariadb && version_is_below(tool_version, 3, 3, 0)) {
            return trouble(
                "binary_key", key, column,
                fmt::format("version {} dies on MySQL (warning 1300); use 3.3.0 or later, or {}",
                            tool_version.empty() ? "unknown" : tool_version, kWayOut));
        }
    }
    return std::nullopt;
}

}  // namespace shift
