#include "ctl/since.h"

#include <fmt/format.h>
#include <time.h>

#include <charconv>
#include <optional>

namespace shift::ctl {
namespace {

std::optional<std::chrono::seconds> parse_age(const std::string& text) {
    std::int64_t number = 0;
    const char* end_of_text = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), end_of_text, number);
    constexpr std::int64_t kMost = 100'000'000;
    if (error != std::errc{} || end + 1 != end_of_text || number < 0 || number > kMost) {
        return std::nullopt;
    }
    switch (*end) {
        case 's':
            return std::chrono::seconds(number);
        case 'm':
            return std::chrono::minutes(number);
        case 'h':
            return std::chrono::hours(number);
        case 'd':
            return std::chrono::hours(24 * number);
        case 'w':
            return std::chrono::hours(24 * 7 * number);
        default:
            return std::nullopt;
    }
}

std::optional<WallTime> parse_local(const std::string& text) {
    for (const char* format : {"%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M",
                               "%Y-%m-%dT%H:%M", "%Y-%m-%d"}) {
        tm parts{};
        parts.tm_isdst = -1;
        const char* end = ::strptime(text.c_str(), format, &parts);
        if (end != nullptr && *end == '\0') {
            return wall_time(::mktime(&parts));
        }
    }
    return std::nullopt;
}

std::optional<WallTime> parse_utc(const std::string& text) {
    if (const WallTime exact = parse_iso_time(text); exact != WallTime{}) {
        return exact;
    }
    tm parts{};
    const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (end == nullptr || *end != '\0') {
        return std::nullopt;
    }
    return wall_time(::timegm(&parts));
}

}  // namespace

Result<WallTime> parse_since(const std::string& text, WallTime now) {
    if (const auto age = parse_age(text)) {
        const auto seconds = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
        return wall_time((seconds - *age).count());
    }
    if (const auto time = parse_utc(text)) {
        return *time;
    }
    if (const auto time = parse_local(text)) {
        return *time;
    }
    return Error{Errc::kInvalidArgument,
                 fmt::format("'{}' is no time: write 90s, 10m, 2h, 3d or 1w, a day as 2026-11-23, "
                             "or '2026-11-23 18:10' (local time)",
                             text)};
}

}  // namespace shift::ctl
