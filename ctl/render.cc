#include "ctl/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "common/migration.h"
#include "common/text.h"

namespace shift::ctl {
namespace {

constexpr std::string_view kReset = "\x1b[0m";
constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kRed = "\x1b[31m";
constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kYellow = "\x1b[33m";
constexpr std::string_view kCyan = "\x1b[36m";
constexpr std::string_view kEllipsis = "\xE2\x80\xA6";

std::string paint(const View& view, std::string_view colour, const std::string& text) {
    if (!view.colours || colour.empty() || text.empty()) {
        return text;
    }
    return std::string(colour) + text + std::string(kReset);
}

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

std::string padded(const std::string& text, std::size_t columns, bool right) {
    const std::size_t width = display_width(text);
    const std::string blanks(columns > width ? columns - width : 0, ' ');
    return right ? blanks + text : text + blanks;
}

std::optional<double> number(const Json& object, const char* key) {
    if (!object.is_object() || !object.contains(key) || !object[key].is_number()) {
        return std::nullopt;
    }
    return object[key].get<double>();
}

std::string text_of(const Json& object, const char* key) {
    return one_line(string_or(object, key, ""));
}

std::string age_of(const Json& object, const char* key, const View& view) {
    const WallTime then = parse_iso_time(string_or(object, key, ""));
    if (then == WallTime{}) {
        return {};
    }
    return format_duration(std::chrono::duration_cast<std::chrono::seconds>(view.now - then));
}

const Json& member(const Json& object, const char* key) {
    static const Json kNull;
    const auto it = object.find(key);
    return it == object.end() ? kNull : *it;
}

std::string_view state_colour(const std::string& state) {
    if (state == "running") {
        return kGreen;
    }
    if (state == "uncertain" || state == "contesting" || state == "waiting" ||
        state == "draining") {
        return kYellow;
    }
    if (state == "journal failed") {
        return kRed;
    }
    return state == "delivering" ? kCyan : "";
}

// This host has nothing to do for it and nobody waits for anything.
bool is_over(const Json& migration) {
    const std::string state = string_or(migration, "state", "");
    const auto status = get_int(migration, "status");
    const bool final = status && (*status == 8 || *status == 9 || *status == 10);
    return state == "let go" || (state == "handed on" && final);
}

struct Column {
    const char* title;
    bool right = false;
    std::size_t least = 0;  // may be narrowed to this; 0 = never
    int drop = 0;           // columns with the highest go first when there is no room; 0 = never
    std::vector<std::string> cells = {};
    std::size_t width = 0;
};

constexpr std::size_t kGap = 2;

std::size_t total_width(const std::vector<Column>& columns) {
    std::size_t total = 0;
    for (const Column& column : columns) {
        total += column.width + kGap;
    }
    return total == 0 ? 0 : total - kGap;
}

void widen_to_contents(std::vector<Column>& columns) {
    for (Column& column : columns) {
        column.width = display_width(column.title);
        for (const std::string& cell : column.cells) {
            column.width = std::max(column.width, display_width(cell));
        }
    }
}

// Takes the room that is missing from the widest column that may give some.
bool narrow(std::vector<Column>& columns, std::size_t limit) {
    while (total_width(columns) > limit) {
        Column* widest = nullptr;
        for (Column& column : columns) {
            const bool can = column.least > 0 && column.width > column.least;
            if (can && (widest == nullptr || column.width > widest->width)) {
                widest = &column;
            }
        }
        if (widest == nullptr) {
            return false;
        }
        --widest->width;
    }
    return true;
}

void fit_columns(std::vector<Column>& columns, int width) {
    // A column nobody fills only takes room.
    std::erase_if(columns, [](const Column& column) {
        return column.drop > 0 && std::all_of(column.cells.begin(), column.cells.end(),
                                              [](const std::string& c) { return c.empty(); });
    });
    widen_to_contents(columns);
    if (width <= 0) {
        return;
    }
    while (!narrow(columns, static_cast<std::size_t>(width))) {
        const auto first =
            std::max_element(columns.begin(), columns.end(),
                             [](const Column& a, const Column& b) { return a.drop < b.drop; });
        if (first->drop == 0) {
            return;
        }
        columns.erase(first);
        widen_to_contents(columns);
    }
}

constexpr std::size_t kBarCells = 10;

std::vector<Column> migration_columns(const std::vector<const Json*>& migrations,
                                      const View& view) {
    // Titles, and what is given up first on a narrow terminal.
    Column id{"ID", true};
    Column state{"STATE"};
    Column target{"CLUSTER/HOST:PORT", false, 12, 1};
    Column table{"TABLE", false, 12};
    Column step{"STEP/PHASE", false, 6};
    Column progress{"PROGRESS"};
    progress.drop = 2;
    Column rate{"ROWS/S", true, 0, 5};
    Column eta{"ETA", true, 0, 3};
    Column since{"SINCE", true, 0, 4};
    Column attempt{"ATTEMPT", true, 0, 7};
    Column worker{"WORKER", true, 0, 6};
    for (const Json* migration : migrations) {
        const Json& m = *migration;
        id.cells.push_back(text_of(m, "id"));
        state.cells.push_back(text_of(m, "state"));
        const std::string host = text_of(m, "host");
        const std::string address = host.empty() ? "-" : host + ":" + text_of(m, "port");
        target.cells.push_back(text_of(m, "cluster") + "/" + address);
        table.cells.push_back(text_of(m, "database") + "." + text_of(m, "table"));
        const std::string phase = text_of(m, "phase");
        step.cells.push_back(text_of(m, "step") + (phase.empty() ? "" : "/" + phase));
        const auto percent = number(m, "percent");
        progress.cells.push_back(percent ? progress_bar(*percent, kBarCells) : "");
        const auto rows_per_s = number(m, "rows_per_s");
        rate.cells.push_back(rows_per_s ? short_number(*rows_per_s) : "");
        const auto left = get_int(m, "eta_s");
        eta.cells.push_back(left ? format_duration(std::chrono::seconds(*left)) : "");
        since.cells.push_back(age_of(m, "since", view));
        attempt.cells.push_back(int_or(m, "attempt", 0) > 0 ? text_of(m, "attempt") : "");
        worker.cells.push_back(text_of(m, "worker_pid"));
    }
    std::vector<Column> columns = {id,   state, target, table,   step,  progress,
                                   rate, eta,   since,  attempt, worker};
    fit_columns(columns, view.width);
    return columns;
}

std::string limited(const std::string& line, const View& view) {
    return view.width > 0 ? fit_width(line, static_cast<std::size_t>(view.width)) : line;
}

// What does not fit into a table: one line each below the migration's own.
std::string notes_below(const Json& m, const View& view) {
    std::string out;
    const auto note = [&](std::string_view colour, const std::string& text) {
        out += paint(view, colour, limited("      " + text, view)) + '\n';
    };
    if (const std::string why = text_of(m, "throttle"); !why.empty()) {
        note(kYellow, "throttled: " + why);
    }
    if (const std::string why = text_of(m, "reason"); !why.empty()) {
        note("", "reason: " + why);
    }
    if (const std::string why = text_of(m, "error"); !why.empty()) {
        note(kRed, "error: " + why);
    }
    const std::int64_t owed = int_or(m, "owed", 0);
    const WallTime next = parse_iso_time(string_or(m, "next_try", ""));
    std::string waiting;
    if (next > view.now) {
        const auto left = std::chrono::ceil<std::chrono::seconds>(next - view.now);
        waiting = "next try in " + format_duration(left);
    }
    if (owed > 0) {
        note(kCyan, fmt::format("owed: {} call{} to the API{}", owed, owed == 1 ? "" : "s",
                                waiting.empty() ? "" : ", " + waiting));
    } else if (!waiting.empty()) {
        note("", waiting);
    }
    return out;
}

std::string header(const Json& status, const View& view) {
    const std::string state = text_of(status, "state");
    std::string out =
        fmt::format("shift-supervisord {} on {} (pid {}): {} since {}\n",
                    text_of(status, "version"), text_of(status, "run_host"), text_of(status, "pid"),
                    paint(view, state_colour(state), state), age_of(status, "since", view));
    const Json& api = member(status, "api");
    std::string reach = paint(view, kGreen, "reachable");
    if (!bool_or(api, "reachable", false)) {
        const std::string ago = age_of(api, "last_ok", view);
        const std::string why = text_of(api, "last_error");
        reach = ago.empty() && why.empty()
                    ? "not asked yet"
                    : paint(view, kRed, "NOT reachable") +
                          (ago.empty() ? ", never answered" : ", last answer " + ago + " ago") +
                          (why.empty() ? "" : ": " + why);
    }
    out += fmt::format("API {}: {}\n", text_of(api, "url"), reach);
    if (const std::string why = text_of(status, "journal_error"); !why.empty()) {
        out += paint(view, kRed, "journal: " + why) + '\n';
    }
    const Json& drain = member(status, "drain");
    if (bool_or(drain, "active", false)) {
        const std::int64_t owed = int_or(drain, "owed", 0);
        out += paint(view, kYellow,
                     fmt::format("drain: by {}, {}; {}", text_of(drain, "by"),
                                 bool_or(drain, "keep", false) ? "stopped copies stay on this host"
                                                               : "stopped copies are offered",
                                 owed == 0 ? "drained" : fmt::format("{} owed", owed))) +
               '\n';
    }
    for (const Json& skipped : member(status, "skipped")) {
        const std::string id = text_of(skipped, "id");
        out += paint(view, kYellow,
                     limited(fmt::format("skipped: {}: {}", id, text_of(skipped, "why")), view)) +
               '\n';
    }
    return out;
}

// "name:      value" lines; empty values are left out.
class Block {
  public:
    void add(const char* name, const std::string& value) {
        if (!value.empty()) {
            text_ += fmt::format("{:<16} {}\n", fmt::format("{}:", name), value);
        }
    }
    std::string take() { return std::move(text_); }

  private:
    std::string text_;
};

std::string times(const Json& object, const char* key, const View& view) {
    const std::string text = text_of(object, key);
    const std::string age = age_of(object, key, view);
    return age.empty() ? text : fmt::format("{} ({} ago)", text, age);
}

std::string percent_and_rows(const Json& m) {
    const auto percent = number(m, "percent");
    if (!percent) {
        return {};
    }
    std::string out = progress_bar(*percent, 2 * kBarCells);
    const auto rows = number(m, "rows");
    const auto total = number(m, "rows_total");
    if (rows && total) {
        out += fmt::format("  {} of about {} rows", short_number(*rows), short_number(*total));
    }
    if (const auto rate = number(m, "rows_per_s")) {
        out += fmt::format(", {} rows/s", short_number(*rate));
    }
    if (const auto left = get_int(m, "eta_s")) {
        out += ", ETA " + format_duration(std::chrono::seconds(*left));
    }
    return out;
}

std::string before_and_after(const Json& m, const char* start, const char* end, bool bytes) {
    const auto shown = [&](const char* key) -> std::string {
        const auto value = number(m, key);
        if (!value) {
            return "?";
        }
        return bytes ? byte_size(*value) : fmt::format("{}", int_or(m, key, 0));
    };
    if (!number(m, start) && !number(m, end)) {
        return {};
    }
    return number(m, end) ? shown(start) + " -> " + shown(end) : shown(start);
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

std::string render_status(const Json& status, const View& view) {
    std::string out = header(status, view) + '\n';
    std::vector<const Json*> shown;
    std::size_t hidden = 0;
    for (const Json& migration : member(status, "migrations")) {
        if (view.all || !is_over(migration)) {
            shown.push_back(&migration);
        } else {
            ++hidden;
        }
    }
    const std::string footer =
        hidden == 0 ? "" : fmt::format("{} finished or given away: see them with --all\n", hidden);
    if (shown.empty()) {
        return out + "no migrations here\n" + footer;
    }
    const std::vector<Column> columns = migration_columns(shown, view);
    std::string titles;
    for (const Column& column : columns) {
        const std::string title = fit_width(column.title, column.width);
        titles += padded(title, column.width, column.right) + "  ";
    }
    titles.erase(titles.find_last_not_of(' ') + 1);
    out += paint(view, kBold, titles) + '\n';
    for (std::size_t row = 0; row < shown.size(); ++row) {
        std::string line;
        for (const Column& column : columns) {
            const std::string cell = fit_width(column.cells[row], column.width);
            const bool is_state = std::string_view(column.title) == "STATE";
            const std::string_view colour = is_state ? state_colour(cell) : "";
            const std::string blanks(column.width - display_width(cell), ' ');
            line += column.right ? blanks + cell : paint(view, colour, cell) + blanks;
            line += "  ";
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + '\n' + notes_below(*shown[row], view);
    }
    return out + footer;
}

std::string render_migration(const Json& m, const View& view) {
    Block block;
    block.add("migration", text_of(m, "id"));
    const std::string state = text_of(m, "state");
    block.add("state", paint(view, state_colour(state), state));
    block.add("since", times(m, "since", view));
    block.add("API status", text_of(m, "status_name"));
    const std::string phase = text_of(m, "phase");
    block.add("step", text_of(m, "step") + (phase.empty() ? "" : ", " + phase));
    block.add("cluster", text_of(m, "cluster"));
    const std::string host = text_of(m, "host");
    block.add("server", host.empty() ? "" : host + ":" + text_of(m, "port"));
    block.add("table", text_of(m, "database") + "." + text_of(m, "table"));
    block.add("statement", text_of(m, "ddl_statement"));
    block.add("progress", percent_and_rows(m));
    block.add("throttled", paint(view, kYellow, text_of(m, "throttle")));
    block.add("engine", text_of(m, "engine"));
    const std::int64_t attempt = int_or(m, "attempt", 0);
    const std::int64_t tries = int_or(m, "tries", 0);
    block.add("attempt", attempt <= 0 ? ""
                         : tries > 0  ? fmt::format("{} (try {})", attempt, tries)
                                      : fmt::format("{}", attempt));
    block.add("worker pid", text_of(m, "worker_pid"));
    block.add("engine pid", text_of(m, "engine_pid"));
    block.add("reason", text_of(m, "reason"));
    block.add("error", paint(view, kRed, text_of(m, "error")));
    const std::int64_t owed = int_or(m, "owed", 0);
    block.add("owed",
              owed == 0 ? "" : fmt::format("{} call{} to the API", owed, owed == 1 ? "" : "s"));
    block.add("next try", text_of(m, "next_try"));
    block.add("log", text_of(m, "log_file"));
    return block.take();
}

std::string render_owed(const Json& status) {
    const std::int64_t owed = int_or(member(status, "drain"), "owed", 0);
    if (owed == 0) {
        return "nothing is owed";
    }
    std::vector<std::string> items;
    for (const Json& migration : member(status, "migrations")) {
        const bool busy = int_or(migration, "owed", 0) > 0 || get_int(migration, "worker_pid");
        if (busy) {
            items.push_back(text_of(migration, "id") + " " + text_of(migration, "state"));
        }
    }
    return fmt::format("{} still owed{}{}", owed, items.empty() ? "" : ": ",
                       fmt::join(items, ", "));
}

std::string next_commands(std::int64_t id, const std::vector<std::string>& actions) {
    std::vector<std::string> commands;
    constexpr std::string_view kApprove = "approve_";
    for (const std::string& action : actions) {
        if (action.starts_with(kApprove)) {
            commands.push_back(fmt::format("approve {} --runtype {}", id,
                                           one_line(action.substr(kApprove.size()))));
        } else {
            commands.push_back(fmt::format("{} {}", one_line(action), id));
        }
    }
    return fmt::format("{}", fmt::join(commands, ", "));
}

std::string render_api_result(const Json& migration, const std::vector<std::string>& actions) {
    const std::int64_t id = int_or(migration, "id", 0);
    const int status = static_cast<int>(int_or(migration, "status", -1));
    std::string out = fmt::format("migration {}: {}", id, api_status_name(status));
    if (bool_or(migration, "staged", false)) {
        out += ", waiting for a runner";
    }
    out += '\n';
    if (!actions.empty()) {
        out += fmt::format("next: {}\n", next_commands(id, actions));
    }
    return out;
}

std::string render_api_migration(const Json& m, const std::vector<std::string>& actions,
                                 const View& view) {
    Block block;
    const int status = static_cast<int>(int_or(m, "status", -1));
    block.add("migration", text_of(m, "id"));
    block.add("status", fmt::format("{}{}", api_status_name(status),
                                    bool_or(m, "staged", false) ? ", waiting for a runner" : ""));
    block.add("cluster", text_of(m, "cluster_name"));
    block.add("database", text_of(m, "database"));
    block.add("statement", text_of(m, "ddl_statement"));
    block.add("final insert", text_of(m, "final_insert"));
    const auto runtype = get_int(m, "runtype");
    constexpr std::array<const char*, 6> kRuntypes = {
        "", "long", "short", "maybeshort", "nocheckalter", "maybenocheckalter"};
    block.add("runtype", runtype && *runtype >= 0 && *runtype < std::ssize(kRuntypes)
                             ? kRuntypes[static_cast<std::size_t>(*runtype)]
                             : text_of(m, "runtype"));
    block.add("pinned to", text_of(m, "run_host"));
    if (const auto copied = number(m, "copy_percentage")) {
        block.add("copied", progress_bar(*copied, 2 * kBarCells));
    }
    block.add("rows", before_and_after(m, "table_rows_start", "table_rows_end", false));
    block.add("table size", before_and_after(m, "table_size_start", "table_size_end", true));
    block.add("index size", before_and_after(m, "index_size_start", "index_size_end", true));
    block.add("requested by", text_of(m, "requestor"));
    block.add("pull request", text_of(m, "pr_url"));
    block.add("approved by", text_of(m, "approved_by"));
    block.add("created", times(m, "created_at", view));
    block.add("started", times(m, "started_at", view));
    block.add("completed", times(m, "completed_at", view));
    block.add("renames itself", bool_or(m, "auto_run", false) ? "yes" : "");
    block.add("options", text_of(m, "custom_options"));
    block.add("error", paint(view, kRed, text_of(m, "error_message")));
    block.add("lock version", text_of(m, "lock_version"));
    block.add("next", next_commands(int_or(m, "id", 0), actions));
    return block.take();
}

}  // namespace shift::ctl
