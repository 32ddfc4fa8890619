#include "common/why.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "common/control_protocol.h"
#include "common/file.h"
#include "common/text.h"

namespace shift {
namespace {

std::vector<std::string> lines_of(const std::string& document) {
    const auto text = read_file(std::string(SHIFT_SOURCE_ROOT) + "/" + document, 1 << 20);
    EXPECT_TRUE(text.ok());
    return text.ok() ? split(*text, '\n') : std::vector<std::string>();
}

TEST(WhyTable, IsTheTableOfTheDocument) {
    std::vector<std::string> documented;
    for (const std::string& line : lines_of("docs/troubleshooting.md")) {
        const bool is_number = line.starts_with("| ") && line.size() > 2 && line[2] != '`';
        if (line.starts_with("| `") && !is_number) {
            documented.push_back(line);
        }
    }
    std::vector<std::string> table;
    for (const WhyEntry& entry : why_table()) {
        table.push_back(fmt::format("| `{}` | {} | {} |", entry.name, entry.meaning, entry.advice));
    }
    EXPECT_EQ(documented, table);
}

TEST(WhyTable, IsInTheReadme) {
    std::vector<std::string> documented;
    bool is_there = false;
    for (const std::string& line : lines_of("README.md")) {
        is_there = line == "## Troubleshooting" || (is_there && !line.starts_with("## "));
        if (is_there && line.starts_with("| `")) {
            documented.push_back(line);
        }
    }
    std::vector<std::string> table;
    for (const WhyEntry& entry : why_table()) {
        table.push_back(fmt::format("| `{}` | {} |", entry.name, entry.meaning));
    }
    EXPECT_EQ(documented, table);
}

TEST(ControlCommands, AreTheTableOfTheDocument) {
    std::set<std::string> documented;
    for (const std::string& line : lines_of("docs/control-protocol.md")) {
        const auto cells = split(line, '|');
        if (cells.size() > 5 && trim(cells[1]).starts_with('`')) {
            documented.insert(
                fmt::format("{} {} {}", trim(cells[1]), trim(cells[2]), trim(cells[3])));
        }
    }
    std::set<std::string> known;
    for (const ControlCommand& command : control_commands()) {
        known.insert(fmt::format("`{}` {} {}", command.name, command.since,
                                 command.access == ControlAccess::kRead ? "read" : "write"));
    }
    EXPECT_EQ(documented, known);
}

}  // namespace
}  // namespace shift
