#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace shift::ctl {

// Columns that `text` takes on a terminal: wide East Asian characters and emoji two, combining
// ones none.
std::size_t display_width(std::string_view text);
// At most `columns` columns of `text`, with "…" in place of what was cut off.
std::string fit_width(std::string_view text, std::size_t columns);
// `text` as one line that cannot move a terminal's cursor: control characters become blanks or '?',
// invalid UTF-8 U+FFFD. Everything the API or the daemon tells goes through here.
std::string one_line(std::string_view text);
// The same for text of many lines: newlines and tabs stay.
std::string printable(std::string_view text);

// The first `rows` lines of `text`, the last of them saying how many are left out; 0 = all.
std::string fit_height(const std::string& text, int rows);

// "[####------]  42%"
std::string progress_bar(double percent, std::size_t cells);
// "950", "12.3k", "4.5M"
std::string short_number(double value);
// "1.5 MiB"
std::string byte_size(double bytes);

}  // namespace shift::ctl
