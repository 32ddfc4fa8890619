#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/render/view.h"

namespace shift::ctl {

// A column of a table. All columns have one cell a row.
struct Column {
    const char* title;
    bool right = false;
    std::size_t least = 0;  // may be narrowed to this; 0 = never
    int drop = 0;           // columns with the highest go first when there is no room; 0 = never
    std::vector<std::string> cells = {};
    std::size_t width = 0;
    // The colour of a cell; none = plain.
    std::function<std::string_view(const std::string& cell)> colour = nullptr;
};

// Titles and rows within the view's width. Columns that may be dropped are when nobody fills them.
// `below` gives lines that belong to a row, printed under it; none = there are none.
std::string render_table(std::vector<Column> columns, const View& view,
                         const std::function<std::string(std::size_t row)>& below = nullptr);

}  // namespace shift::ctl
