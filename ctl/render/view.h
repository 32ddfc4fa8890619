#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/json.h"

namespace shift::ctl {

// Everything people read is made from data alone: no clock, no terminal, no files. What the
// surroundings say comes in here.
struct View {
    int width = 0;         // columns, 0 = no limit
    bool colours = false;  // SGR sequences
    WallTime now{};
    bool all = false;  // also migrations with which this host is done
};

namespace colour {
inline constexpr std::string_view kBold = "\x1b[1m";
inline constexpr std::string_view kRed = "\x1b[31m";
inline constexpr std::string_view kGreen = "\x1b[32m";
inline constexpr std::string_view kYellow = "\x1b[33m";
inline constexpr std::string_view kCyan = "\x1b[36m";
}  // namespace colour

// `text` in `colour` where the view has colours.
std::string paint(const View& view, std::string_view colour, const std::string& text);
// `line` cut to the view's width.
std::string limited(const std::string& line, const View& view);

// Members of an answer, whose shape is never taken for granted: the daemon may be newer.
std::optional<double> number_of(const Json& object, const char* key);
// As one line; "" when missing.
std::string text_of(const Json& object, const char* key);
const Json& member(const Json& object, const char* key);
// "00:10:00" since the time in `key`; "" when there is none.
std::string age_of(const Json& object, const char* key, const View& view);
// The time and how long ago that is.
std::string time_and_age(const Json& object, const char* key, const View& view);

// "name:      value" lines; empty values are left out.
class Block {
  public:
    void add(const char* name, const std::string& value);
    std::string take() { return std::move(text_); }

  private:
    std::string text_;
};

}  // namespace shift::ctl
