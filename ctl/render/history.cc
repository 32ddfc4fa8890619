#include "ctl/render/history.h"

#include <fmt/format.h>

#include <chrono>
#include <vector>

#include "common/text.h"
#include "ctl/render/table.h"
#include "ctl/render/text.h"

namespace shift::ctl {
namespace {

// "2026-11-23 18:10:52" in local time: what people compare with their own notes.
std::string local_of(const Json& object, const char* key) {
    const WallTime time = parse_iso_time(string_or(object, key, ""));
    return time == WallTime{} ? "" : local_time(time);
}

std::string_view status_colour(const std::string& status) {
    if (status == "completed") {
        return colour::kGreen;
    }
    return status == "failed" || status == "error" ? colour::kRed : "";
}

std::string_view kind_colour(const std::string& kind) {
    if (kind == "outcome" || kind == "ended" || kind == "told") {
        return colour::kCyan;
    }
    return kind == "not_told" || kind == "skipped" || kind == "disowned" ? colour::kYellow : "";
}

// {"what":"swap","table":"t"} -> "what=swap table=t"
std::string detail_text(const Json& detail) {
    if (!detail.is_object()) {
        return detail.is_string() ? detail.get<std::string>() : to_line(detail);
    }
    std::string text;
    for (const auto& [key, value] : detail.items()) {
        const bool empty = value.is_null() || (value.is_string() && value == "");
        if (!empty) {
            text += text.empty() ? "" : " ";
            text += key + "=" + (value.is_string() ? value.get<std::string>() : to_line(value));
        }
    }
    return text;
}

}  // namespace

std::string render_history(const Json& history, const View& view) {
    Column id{"ID", true};
    Column status{"STATUS"};
    status.colour = status_colour;
    Column since{"SINCE"};
    Column table{"TABLE", false, 12};
    Column server{"CLUSTER/SERVER", false, 12, 3};
    Column statement{"STATEMENT", false, 12, 4};
    Column rows{"ROWS", true, 0, 5};
    Column worked{"WORKED", true, 0, 2};
    Column attempts{"TRIES", true, 0, 6};
    Column message{"LAST WORDS", false, 12, 1};
    const Json& list = member(history, "migrations");
    for (const Json& m : list) {
        id.cells.push_back(text_of(m, "id"));
        status.cells.push_back(text_of(m, "status_name"));
        since.cells.push_back(local_of(m, "since"));
        table.cells.push_back(text_of(m, "tbl"));
        server.cells.push_back(text_of(m, "cluster") + "/" + text_of(m, "server"));
        statement.cells.push_back(text_of(m, "ddl_statement"));
        const auto copied = number_of(m, "rows_copied");
        rows.cells.push_back(copied ? short_number(*copied) : "");
        const auto seconds = number_of(m, "worked_s");
        worked.cells.push_back(
            seconds ? format_duration(std::chrono::seconds(static_cast<std::int64_t>(*seconds)))
                    : "");
        attempts.cells.push_back(text_of(m, "attempts"));
        message.cells.push_back(text_of(m, "message"));
    }
    if (id.cells.empty()) {
        return "no migrations\n";
    }
    return render_table(
        {id, status, since, table, server, statement, rows, worked, attempts, message}, view);
}

std::string render_events(const Json& events, const View& view) {
    std::string out;
    for (const Json& event : events) {
        const std::string kind = text_of(event, "kind");
        const std::string line =
            fmt::format("{}  {:<10} {:<14} {}", local_of(event, "at"), text_of(event, "source"),
                        kind, one_line(detail_text(member(event, "detail"))));
        out += paint(view, kind_colour(kind), limited(line, view)) + '\n';
    }
    return out;
}

std::string render_why(const Json& why, const View& view) {
    Block block;
    block.add("migration", text_of(why, "id"));
    block.add("reason", paint(view, colour::kBold, text_of(why, "code")));
    block.add("because", text_of(why, "text"));
    block.add("means", text_of(why, "meaning"));
    block.add("evidence", one_line(detail_text(member(why, "evidence"))));
    block.add("do", text_of(why, "advice"));
    return block.take();
}

}  // namespace shift::ctl
