#include "worker/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/ddl.h"
#include "common/text.h"

namespace shift {

std::string shadow_name(MigrationId migration, std::string_view table) {
    const std::string head = fmt::format("_{}_", migration);
    constexpr std::string_view kTail = "_new";
    const std::size_t room = kIdentifierBytesMax - head.size() - kTail.size();
    return fmt::format("{}{}{}", head, utf8_prefix(table, room), kTail);
}

bool is_original_shadow_name(std::string_view name, std::string_view table) {
    constexpr std::size_t kUnderscoresMax = 10;  // pt-osc tries that many names
    if (name.size() > kIdentifierBytesMax) {
        return false;
    }
    for (std::size_t count = 1; count <= kUnderscoresMax; ++count) {
        if (name == std::string(count, '_') + std::string(table) + "_new") {
            return true;
        }
    }
    return false;
}

std::vector<std::string> osc_trigger_names(std::string_view database, std::string_view table) {
    constexpr std::size_t kPrefixBytesMax = 60;
    std::string prefix = fmt::format("pt_osc_{}_{}", database, table);
    for (char& c : prefix) {
        const bool word =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!word) {
            c = '_';
        }
    }
    prefix.resize(std::min(prefix.size(), kPrefixBytesMax));
    return {prefix + "_del", prefix + "_upd", prefix + "_ins"};
}

std::string trash_name(std::string_view timestamp, std::string_view table) {
    return std::string(utf8_prefix(fmt::format("{}_{}", timestamp, table), kIdentifierBytesMax));
}

bool is_trash_name(std::string_view name, std::string_view table) {
    const std::size_t digits = name.find_first_not_of("0123456789");
    return digits != 0 && digits != std::string_view::npos &&
           name == trash_name(name.substr(0, digits), table);
}

std::string scratch_name(MigrationId migration) {
    return fmt::format("_shift_{}_check", migration);
}

bool is_plain_ascii(std::string_view name) {
    return std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace shift
