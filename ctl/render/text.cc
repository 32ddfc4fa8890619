#include "ctl/render/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/text.h"

namespace shift::ctl {
namespace {

constexpr std::string_view kEllipsis = "\xE2\x80\xA6";

struct Character {
    char32_t code = 0;
    std::size_t bytes = 0;
};

// The first character of valid UTF-8 (everything shown went through clean_utf8()).
Character first_character(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const std::size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (bytes == 1 || bytes > text.size()) {
        return {lead, 1};
    }
    char32_t code = lead & (0xFFU >> (bytes + 1));
    for (std::size_t i = 1; i < bytes; ++i) {
        code = code << 6U | (static_cast<unsigned char>(text[i]) & 0x3FU);
    }
    return {code, bytes};
}

using Range = std::pair<char32_t, char32_t>;

template <std::size_t N>
bool in_ranges(const std::array<Range, N>& ranges, char32_t code) {
    return std::any_of(ranges.begin(), ranges.end(), [code](const Range& range) {
        return code >= range.first && code <= range.second;
    });
}

// Source: Unicode 15, EastAsianWidth.txt (W and F) and the combining blocks, coarsened to blocks.
constexpr std::array<Range, 11> kNoWidth = {{{0x0300, 0x036F},
                                             {0x0483, 0x0489},
                                             {0x0591, 0x05BD},
                                             {0x064B, 0x065F},
                                             {0x1AB0, 0x1AFF},
                                             {0x1DC0, 0x1DFF},
                                             {0x200B, 0x200F},
                                             {0x202A, 0x202E},
                                             {0x2060, 0x2064},
                                             {0x20D0, 0x20FF},
                                             {0xFE00, 0xFE0F}}};
constexpr std::array<Range, 14> kWide = {{{0x1100, 0x115F},
                                          {0x2E80, 0x303E},
                                          {0x3041, 0x33FF},
                                          {0x3400, 0x4DBF},
                                          {0x4E00, 0xA4CF},
                                          {0xA960, 0xA97F},
                                          {0xAC00, 0xD7A3},
                                          {0xF900, 0xFAFF},
                                          {0xFE30, 0xFE6F},
                                          {0xFF00, 0xFF60},
                                          {0xFFE0, 0xFFE6},
                                          {0x1F300, 0x1F64F},
                                          {0x1F680, 0x1FAFF},
                                          {0x20000, 0x3FFFD}}};

std::size_t character_width(char32_t code) {
    if (code < kNoWidth[0].first) {
        return 1;
    }
    if (in_ranges(kNoWidth, code)) {
        return 0;
    }
    return in_ranges(kWide, code) ? 2 : 1;
}

// Characters that steer a terminal or turn the direction of text around.
bool is_steering(char32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x202A && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069);
}

std::string without_steering(std::string_view text, bool keep_lines) {
    const std::string clean = clean_utf8(text);
    std::string out;
    for (std::string_view rest = clean; !rest.empty();) {
        const Character character = first_character(rest);
        const bool space = character.code == '\n' || character.code == '\t';
        if (keep_lines && space) {
            out += rest[0];
        } else if (space || character.code == '\r') {
            out += ' ';
        } else if (is_steering(character.code)) {
            out += '?';
        } else {
            out += rest.substr(0, character.bytes);
        }
        rest.remove_prefix(character.bytes);
    }
    return out;
}

}  // namespace

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const Character character = first_character(text);
        width += character_width(character.code);
        text.remove_prefix(character.bytes);
    }
    return width;
}

std::string fit_width(std::string_view text, std::size_t columns) {
    if (display_width(text) <= columns) {
        return std::string(text);
    }
    if (columns == 0) {
        return {};
    }
    std::string out;
    std::size_t width = 0;
    while (!text.empty()) {
        const Character character = first_character(text);
        width += character_width(character.code);
        if (width > columns - 1) {
            break;
        }
        out += text.substr(0, character.bytes);
        text.remove_prefix(character.bytes);
    }
    return out.append(kEllipsis);
}

std::string fit_height(const std::string& text, int rows) {
    const auto lines = std::count(text.begin(), text.end(), '\n');
    if (rows <= 0 || lines <= rows) {
        return text;
    }
    std::size_t end = 0;
    for (int row = 1; row < rows; ++row) {
        end = text.find('\n', end) + 1;
    }
    return text.substr(0, end) + fmt::format("... {} more lines\n", lines - rows + 1);
}

std::string one_line(std::string_view text) {
    return without_steering(text, false);
}
std::string printable(std::string_view text) {
    return without_steering(text, true);
}

std::string progress_bar(double percent, std::size_t cells) {
    const double share = std::clamp(percent, 0.0, 100.0);
    const auto full = static_cast<std::size_t>(share / 100 * static_cast<double>(cells));
    // Rounded down: 100% is said when it is done, not before.
    return fmt::format("[{}{}] {:>3}%", std::string(full, '#'), std::string(cells - full, '-'),
                       static_cast<int>(share));
}

std::string short_number(double value) {
    constexpr std::array<std::pair<double, const char*>, 3> kUnits = {
        {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}}};
    for (const auto& [unit, letter] : kUnits) {
        if (value >= unit * 0.99995) {
            return fmt::format("{:.1f}{}", value / unit, letter);
        }
    }
    return fmt::format("{:.0f}", std::max(0.0, value));
}

std::string byte_size(double bytes) {
    constexpr std::array<const char*, 5> kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < kUnits.size()) {
        bytes /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{:.0f} bytes", bytes)
                     : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

}  // namespace shift::ctl
