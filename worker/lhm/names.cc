#include "worker/lhm/names.h"

#include <fmt/format.h>

#include <charconv>

#include "common/text.h"
#include "worker/mysql/sha1.h"

namespace shift::lhm {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kHashDigits = 8;
constexpr std::string_view kArchivePrefix = "lhma_";
constexpr std::string_view kFailedSuffix = "_failed";

std::string fitted(std::string_view prefix, std::string_view table, std::string_view suffix = "") {
    const std::size_t bytes = prefix.size() + table.size() + suffix.size();
    if (bytes <= kNameBytesMax) {
        return fmt::format("{}{}{}", prefix, table, suffix);
    }
    const std::string hash = sha1_hex(table).substr(0, kHashDigits);
    const std::size_t room = kNameBytesMax - prefix.size() - suffix.size() - hash.size() - 1;
    return fmt::format("{}{}_{}{}", prefix, utf8_prefix(table, room), hash, suffix);
}

// "2026_10_02_14_03_59_123_"
std::string stamp(WallTime at) {
    std::string text = iso_time(at).substr(0, 23);  // without the Z
    for (char& c : text) {
        if (c < '0' || c > '9') {
            c = '_';
        }
    }
    return text + "_";
}

}  // namespace

Names names_for(std::string_view table) {
    Names names;
    names.shadow = fitted("lhmn_", table);
    names.control = fitted("lhmc_", table);
    names.placeholder = fitted("lhmp_", table);
    names.on_delete = fitted("lhmt_del_", table);
    names.on_update = fitted("lhmt_upd_", table);
    names.on_insert = fitted("lhmt_ins_", table);
    names.back_on_delete = fitted("lhmr_del_", table);
    names.back_on_update = fitted("lhmr_upd_", table);
    names.back_on_insert = fitted("lhmr_ins_", table);
    return names;
}

std::string archive_name(std::string_view table, WallTime at) {
    return fitted(std::string(kArchivePrefix) + stamp(at), table);
}

std::string failed_name(std::string_view table, WallTime at) {
    return fitted(std::string(kArchivePrefix) + stamp(at), table, kFailedSuffix);
}

std::optional<WallTime> archive_time(std::string_view name) {
    constexpr std::string_view kShape = "lhma_0000_00_00_00_00_00_000_";
    if (name.size() <= kShape.size()) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < kShape.size(); ++i) {
        const bool digit = name[i] >= '0' && name[i] <= '9';
        if (kShape[i] == '0' ? !digit : name[i] != kShape[i]) {
            return std::nullopt;
        }
    }
    std::string text(name.substr(kArchivePrefix.size(), 23));
    text[4] = text[7] = '-';
    text[10] = 'T';
    text[13] = text[16] = ':';
    text[19] = '.';
    const WallTime at = parse_iso_time(text + "Z");
    return at == WallTime{} ? std::nullopt : std::optional(at);
}

std::string default_index_name(std::string_view table, const std::vector<std::string>& columns) {
    std::string name = fmt::format("index_{}_on_", table);
    for (std::size_t i = 0; i < columns.size(); ++i) {
        name += (i == 0 ? "" : "_and_") + columns[i];
    }
    return fitted("", name);
}

}  // namespace shift::lhm
