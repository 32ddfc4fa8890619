#include "ctl/render/table.h"

#include <algorithm>

#include "ctl/render/text.h"

namespace shift::ctl {
namespace {

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

std::string padded(const Column& column, const std::string& text, std::string_view colour,
                   const View& view) {
    const std::size_t width = display_width(text);
    const std::string blanks(column.width > width ? column.width - width : 0, ' ');
    const std::string shown = paint(view, colour, text);
    return (column.right ? blanks + shown : shown + blanks) + std::string(kGap, ' ');
}

std::string without_trailing_blanks(std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
}

}  // namespace

std::string render_table(std::vector<Column> columns, const View& view,
                         const std::function<std::string(std::size_t row)>& below) {
    fit_columns(columns, view.width);
    if (columns.empty()) {
        return {};
    }
    std::string titles;
    for (const Column& column : columns) {
        titles += padded(column, fit_width(column.title, column.width), "", view);
    }
    std::string out = paint(view, colour::kBold, without_trailing_blanks(titles)) + '\n';
    for (std::size_t row = 0; row < columns[0].cells.size(); ++row) {
        std::string line;
        for (const Column& column : columns) {
            const std::string cell = fit_width(column.cells[row], column.width);
            line += padded(column, cell, column.colour ? column.colour(cell) : "", view);
        }
        out += without_trailing_blanks(std::move(line)) + '\n';
        out += below ? below(row) : "";
    }
    return out;
}

}  // namespace shift::ctl
