#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"

namespace shift::ctl {

// Everything people read, made from data alone: no clock, no terminal, no files.
struct View {
    int width = 0;         // columns, 0 = no limit
    bool colours = false;  // SGR sequences
    WallTime now{};
    bool all = false;  // also migrations with which this host is done
};

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

// The answer of the daemon's `status` (common/control_protocol.h), with a trailing newline.
std::string render_status(const Json& status, const View& view);
// One member of its "migrations", as a block.
std::string render_migration(const Json& migration, const View& view);
// "2 calls or attempts owed: 17 running, 18 delivering": what a drain waits for.
std::string render_owed(const Json& status);

// A migration as the API tells it, as a block.
std::string render_api_migration(const Json& migration, const std::vector<std::string>& actions,
                                 const View& view);
// "migration 7: awaiting start" and the verbs that are possible next.
std::string render_api_result(const Json& migration, const std::vector<std::string>& actions);
// The commands that `actions` (available_actions of the API) stand for: "start 7, delete 7".
std::string next_commands(std::int64_t id, const std::vector<std::string>& actions);

}  // namespace shift::ctl
