#include "common/clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <ctime>

namespace shift {
namespace {

struct Split {
    std::time_t seconds = 0;
    int millis = 0;
};

Split split_time(WallTime time) {
    const auto since = time.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    const auto rest = std::chrono::floor<std::chrono::milliseconds>(since - seconds);
    return {static_cast<std::time_t>(seconds.count()), static_cast<int>(rest.count())};
}

std::tm local_parts(std::time_t seconds) {
    std::tm parts{};
    localtime_r(&seconds, &parts);
    return parts;
}

// The number in text[begin, begin + digits), or -1.
int digits_at(const std::string& text, std::size_t begin, std::size_t digits) {
    int number = 0;
    for (std::size_t i = begin; i < begin + digits; ++i) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

}  // namespace

WallTime wall_time(std::time_t seconds) {
    // A whole second less, for the fractions.
    constexpr auto kMost =
        std::chrono::duration_cast<std::chrono::seconds>(WallTime::duration::max() / 2).count() - 1;
    return WallTime(std::chrono::seconds(std::clamp<std::int64_t>(seconds, -kMost, kMost)));
}

std::string iso_time(WallTime time) {
    const auto [seconds, millis] = split_time(time);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                       millis);
}

WallTime parse_iso_time(const std::string& text) {
    constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd.dddZ";
    if (text.size() != kShape.size()) {
        return WallTime{};
    }
    for (std::size_t i = 0; i < kShape.size(); ++i) {
        const bool fits =
            kShape[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == kShape[i];
        if (!fits) {
            return WallTime{};
        }
    }
    std::tm parts{};
    parts.tm_year = digits_at(text, 0, 4) - 1900;
    parts.tm_mon = digits_at(text, 5, 2) - 1;
    parts.tm_mday = digits_at(text, 8, 2);
    parts.tm_hour = digits_at(text, 11, 2);
    parts.tm_min = digits_at(text, 14, 2);
    parts.tm_sec = digits_at(text, 17, 2);
    const std::tm asked = parts;
    const std::time_t seconds = timegm(&parts);
    // timegm() normalises the 31st of February; that is not a time either.
    if (parts.tm_mon != asked.tm_mon || parts.tm_mday != asked.tm_mday ||
        parts.tm_hour != asked.tm_hour || parts.tm_min != asked.tm_min ||
        parts.tm_sec != asked.tm_sec) {
        return WallTime{};
    }
    return wall_time(seconds) + std::chrono::milliseconds(digits_at(text, 20, 3));
}

std::string local_time(WallTime time) {
    const std::tm parts = local_parts(split_time(time).seconds);
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string trash_timestamp(WallTime time) {
    const auto [seconds, millis] = split_time(time);
    const std::tm parts = local_parts(seconds);
    return fmt::format("{:04}{:02}{:02}{:02}{:02}{:02}{:03}", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                       millis);
}

}  // namespace shift
