#include "ctl/render/view.h"

#include <fmt/format.h>

#include <chrono>

#include "common/text.h"
#include "ctl/render/text.h"

namespace shift::ctl {
namespace {

constexpr std::string_view kReset = "\x1b[0m";

}  // namespace

std::string paint(const View& view, std::string_view colour, const std::string& text) {
    if (!view.colours || colour.empty() || text.empty()) {
        return text;
    }
    return std::string(colour) + text + std::string(kReset);
}

std::string limited(const std::string& line, const View& view) {
    return view.width > 0 ? fit_width(line, static_cast<std::size_t>(view.width)) : line;
}

std::optional<double> number_of(const Json& object, const char* key) {
    const Json& value = member(object, key);
    return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

std::string text_of(const Json& object, const char* key) {
    return one_line(string_or(object, key, ""));
}

const Json& member(const Json& object, const char* key) {
    static const Json kNull;
    if (!object.is_object()) {
        return kNull;
    }
    const auto it = object.find(key);
    return it == object.end() ? kNull : *it;
}

std::string age_of(const Json& object, const char* key, const View& view) {
    const WallTime then = parse_iso_time(string_or(object, key, ""));
    if (then == WallTime{}) {
        return {};
    }
    return format_duration(std::chrono::duration_cast<std::chrono::seconds>(view.now - then));
}

std::string time_and_age(const Json& object, const char* key, const View& view) {
    const std::string text = text_of(object, key);
    const std::string age = age_of(object, key, view);
    return age.empty() ? text : fmt::format("{} ({} ago)", text, age);
}

void Block::add(const char* name, const std::string& value) {
    if (!value.empty()) {
        text_ += fmt::format("{:<16} {}\n", fmt::format("{}:", name), value);
    }
}

}  // namespace shift::ctl
