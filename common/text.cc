#include "common/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace shift {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Length of the valid UTF-8 character at the start of `text`, 0 when its first byte starts none
// (overlong forms, surrogates and values above U+10FFFF are not valid).
std::size_t character_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto continues = [&](std::size_t i) {
        return i < text.size() && (byte(i) & 0xC0) == 0x80;
    };
    const unsigned char first = byte(0);
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return continues(1) ? 2 : 0;
    }
    if ((first & 0xF0) == 0xE0) {
        if (!continues(1) || !continues(2)) {
            return 0;
        }
        const bool overlong = first == 0xE0 && byte(1) < 0xA0;
        const bool surrogate = first == 0xED && byte(1) >= 0xA0;
        return overlong || surrogate ? 0 : 3;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        if (!continues(1) || !continues(2) || !continues(3)) {
            return 0;
        }
        const bool overlong = first == 0xF0 && byte(1) < 0x90;
        const bool too_large = first == 0xF4 && byte(1) >= 0x90;
        return overlong || too_large ? 0 : 4;
    }
    return 0;
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t substitute = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
        }
    }
    return row[b.size()];
}

}  // namespace

std::string clean_utf8(std::string_view text) {
    std::string clean;
    clean.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = character_length(text);
        if (length == 0) {
            clean += kReplacement;
            text.remove_prefix(1);
        } else {
            clean += text.substr(0, length);
            text.remove_prefix(length);
        }
    }
    return clean;
}

std::string clean_error_message(std::string_view text, std::size_t bytes_max) {
    std::string clean;
    clean.reserve(std::min(text.size(), bytes_max + 4));
    // Nothing behind the limit can come back: characters only grow, and NULs are few.
    while (!text.empty() && clean.size() <= bytes_max) {
        const std::size_t length = character_length(text);
        if (length == 0 || length == 4) {
            clean += kReplacement;
        } else if (text[0] != '\0') {
            clean += text.substr(0, length);
        }
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    if (clean.size() <= bytes_max) {
        return clean;
    }
    constexpr std::string_view kMark = "...";
    if (bytes_max < kMark.size()) {
        return std::string(utf8_prefix(clean, bytes_max));
    }
    return std::string(utf8_prefix(clean, bytes_max - kMark.size())).append(kMark);
}

std::string to_ascii(std::string_view text) {
    std::string ascii(text);
    for (char& c : ascii) {
        if (c != '\n' && (c < ' ' || c > '~')) {
            c = '?';
        }
    }
    return ascii;
}

std::string_view utf8_prefix(std::string_view text, std::size_t bytes_max) {
    if (text.size() <= bytes_max) {
        return text;
    }
    std::size_t end = bytes_max;
    // At most three continuation bytes belong to one character; more are garbage and may be cut.
    for (int back = 0; back < 3 && end > 0; ++back) {
        if ((static_cast<unsigned char>(text[end]) & 0xC0) != 0x80) {
            break;
        }
        --end;
    }
    if ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
        end = bytes_max;
    }
    return text.substr(0, end);
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n\f\v";
    const std::size_t begin = text.find_first_not_of(kSpace);
    if (begin == std::string_view::npos) {
        return {};
    }
    return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    for (;;) {
        const std::size_t at = text.find(separator);
        parts.emplace_back(text.substr(0, at));
        if (at == std::string_view::npos) {
            return parts;
        }
        text.remove_prefix(at + 1);
    }
}

std::string to_lower_ascii(std::string_view text) {
    std::string lowered(text);
    std::transform(lowered.begin(), lowered.end(), lowered.begin(), lower);
    return lowered;
}

bool iequals_ascii(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates) {
    // A third of the letters may be wrong, but never so many that any short word would do.
    std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
    std::string nearest;
    for (const std::string& candidate : candidates) {
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < best && distance < candidate.size()) {
            best = distance;
            nearest = candidate;
        }
    }
    return nearest;
}

std::string format_duration(std::chrono::seconds duration) {
    const auto total = std::max<std::int64_t>(0, duration.count());
    const auto days = total / 86'400;
    const auto clock =
        fmt::format("{:02}:{:02}:{:02}", total % 86'400 / 3'600, total % 3'600 / 60, total % 60);
    return days > 0 ? fmt::format("{}d {}", days, clock) : clock;
}

std::string fingerprint(std::string_view bytes) {
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const char c : bytes) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001B3U;
    }
    return fmt::format("{:016x}", hash);
}

std::string fingerprint_or_none(std::string_view bytes) {
    return bytes.empty() ? "" : fingerprint(bytes);
}

}  // namespace shift
