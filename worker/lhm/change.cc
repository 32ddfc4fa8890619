#include "worker/lhm/change.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "common/ddl.h"
#include "common/text.h"
#include "worker/lhm/names.h"

namespace shift::lhm {
namespace {

constexpr std::string_view kPlaceholder = "%s";
constexpr std::size_t kIndexNameBytesMax = 64;

struct IndexPart {
    std::string name;
    std::string length;  // "(10)"
};

// "group (10)" -> `group`, (10). A name in backticks may hold anything.
IndexPart parse_part(const std::string& text) {
    const std::string_view all = trim(text);
    IndexPart part;
    std::size_t end = 0;
    if (!all.empty() && all[0] == '`') {
        part.name = read_quoted_identifier(all, end);
    } else {
        end = std::min(all.find_first_of("( \t"), all.size());
        part.name = std::string(all.substr(0, end));
    }
    part.length = std::string(trim(all.substr(end)));
    return part;
}

Result<std::string> index_columns(const std::vector<std::string>& columns) {
    std::string list;
    for (const std::string& text : columns) {
        const IndexPart part = parse_part(text);
        const std::string direction = to_lower_ascii(part.length);
        const bool good =
            part.length.empty() || direction == "asc" || direction == "desc" ||
            (part.length.size() > 2 && part.length.front() == '(' &&
             part.length.find_first_not_of("0123456789", 1) == part.length.size() - 1 &&
             part.length.back() == ')');
        if (part.name.empty() || !good) {
            return Error{Errc::kInvalidArgument,
                         fmt::format("'{}' is no column of an index", text)};
        }
        list += fmt::format("{}{}{}{}", list.empty() ? "" : ", ", quote_identifier(part.name),
                            direction == "asc" || direction == "desc" ? " " : "", part.length);
    }
    if (list.empty()) {
        return Error{Errc::kInvalidArgument, "an index needs columns"};
    }
    return list;
}

std::vector<std::string> plain_columns(const std::vector<std::string>& columns) {
    std::vector<std::string> names;
    for (const std::string& text : columns) {
        names.push_back(parse_part(text).name);
    }
    return names;
}

std::string index_name(const ChangeStep& step, const TableShape& shape) {
    return step.name.empty() ? default_index_name(shape.name, plain_columns(step.columns))
                             : step.name;
}

Result<std::string> add_index(const ChangeStep& step, const TableShape& shape,
                              const std::string& table) {
    ASSIGN_OR_RETURN(const std::string columns, index_columns(step.columns));
    const std::string name = index_name(step, shape);
    if (name.size() > kIndexNameBytesMax) {
        return Error{Errc::kInvalidArgument, "the index name " + name + " is too long"};
    }
    return fmt::format("CREATE {}INDEX {} ON {} ({})",
                       step.verb == ChangeStep::Verb::kAddUniqueIndex ? "UNIQUE " : "",
                       quote_identifier(name), table, columns);
}

// By name, else the index over exactly these columns in this order, else one that is called as the
// only word says, else LHM's name for the columns.
std::string removed_index(const ChangeStep& step, const TableShape& shape) {
    if (!step.name.empty()) {
        return step.name;
    }
    const std::vector<std::string> wanted = plain_columns(step.columns);
    for (const Index& index : shape.indexes) {
        const bool same = index.columns.size() == wanted.size() &&
                          std::equal(wanted.begin(), wanted.end(), index.columns.begin(),
                                     [](const std::string& name, const IndexColumn& column) {
                                         return iequals_ascii(name, column.name);
                                     });
        if (same && index.name != "PRIMARY") {
            return index.name;
        }
    }
    const bool is_name =
        wanted.size() == 1 &&
        std::any_of(shape.indexes.begin(), shape.indexes.end(),
                    [&wanted](const Index& index) { return iequals_ascii(index.name, wanted[0]); });
    return is_name ? wanted[0] : default_index_name(shape.name, wanted);
}

// The definition of a column as SHOW CREATE TABLE has it, without name and comma: for servers that
// know no RENAME COLUMN.
Result<std::string> column_text(const TableShape& shape, const std::string& name) {
    const std::string head = "  " + quote_identifier(name) + " ";
    for (const std::string& line : split(shape.definition, '\n')) {
        if (line.size() > head.size() && iequals_ascii(line.substr(0, head.size()), head)) {
            std::string text = line.substr(head.size());
            if (!text.empty() && text.back() == ',') {
                text.pop_back();
            }
            return text;
        }
    }
    return Error{Errc::kInvalidArgument,
                 fmt::format("table {} has no column {}", shape.name, name)};
}

Result<std::string> rename_column(const ChangeStep& step, const TableShape& shape,
                                  const std::string& table, const ServerFlavour& flavour) {
    if (flavour.renames_columns()) {
        return fmt::format("ALTER TABLE {} RENAME COLUMN {} TO {}", table,
                           quote_identifier(step.name), quote_identifier(step.to));
    }
    ASSIGN_OR_RETURN(const std::string definition, column_text(shape, step.name));
    return fmt::format("ALTER TABLE {} CHANGE COLUMN {} {} {}", table, quote_identifier(step.name),
                       quote_identifier(step.to), definition);
}

std::string change_column(const ChangeStep& step, const std::string& table) {
    const std::string words = to_lower_ascii(trim(step.definition));
    const bool is_default = words.starts_with("drop default") || words.starts_with("set default");
    return fmt::format("ALTER TABLE {} {} COLUMN {} {}", table, is_default ? "ALTER" : "MODIFY",
                       quote_identifier(step.name), step.definition);
}

// A statement on the table that stands for %s, and on nothing else.
Result<std::string> raw_statement(const ChangeStep& step, const std::string& table) {
    const std::string& text = step.definition;
    const std::size_t at = text.find(kPlaceholder);
    if (at == std::string::npos ||
        text.find(kPlaceholder, at + kPlaceholder.size()) != std::string::npos) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("'{}': the table must stand there once as %s, as in "
                                 "\"ALTER TABLE %s ADD COLUMN x INT\"",
                                 text)};
    }
    std::string head = to_lower_ascii(trim(text.substr(0, at)));
    const bool known = head == "alter table" ||
                       (head.starts_with("create ") && head.find(" index ") != std::string::npos) ||
                       head.starts_with("drop index ");
    if (!known) {
        return Error{
            Errc::kInvalidArgument,
            fmt::format("'{}': only ALTER TABLE %s, CREATE INDEX .. ON %s and DROP INDEX .. "
                        "ON %s can be done",
                        text)};
    }
    return text.substr(0, at) + table + text.substr(at + kPlaceholder.size());
}

Result<std::string> sql_of(const ChangeStep& step, const TableShape& shape,
                           const std::string& table, const ServerFlavour& flavour) {
    switch (step.verb) {
        case ChangeStep::Verb::kAddColumn:
            return fmt::format("ALTER TABLE {} ADD COLUMN {} {}", table,
                               quote_identifier(step.name), step.definition);
        case ChangeStep::Verb::kRemoveColumn:
            return fmt::format("ALTER TABLE {} DROP COLUMN {}", table, quote_identifier(step.name));
        case ChangeStep::Verb::kChangeColumn:
            return change_column(step, table);
        case ChangeStep::Verb::kRenameColumn:
            return rename_column(step, shape, table, flavour);
        case ChangeStep::Verb::kAddIndex:
        case ChangeStep::Verb::kAddUniqueIndex:
            return add_index(step, shape, table);
        case ChangeStep::Verb::kRemoveIndex:
            return fmt::format("ALTER TABLE {} DROP INDEX {}", table,
                               quote_identifier(removed_index(step, shape)));
        case ChangeStep::Verb::kDdl:
            return raw_statement(step, table);
        case ChangeStep::Verb::kAlter:
            return fmt::format("ALTER TABLE {} {}", table, step.definition);
    }
    return Error{Errc::kInternal, "unknown verb"};
}

// A name up to `stop`, or in backticks. Moves `at` behind it.
std::string read_name(std::string_view text, std::size_t& at, char stop) {
    if (at < text.size() && text[at] == '`') {
        return read_quoted_identifier(text, at);
    }
    std::string name;
    while (at < text.size() && text[at] != stop) {
        name += text[at++];
    }
    return name;
}

}  // namespace

const char* verb_name(ChangeStep::Verb verb) {
    switch (verb) {
        case ChangeStep::Verb::kAddColumn:
            return "add_column";
        case ChangeStep::Verb::kRemoveColumn:
            return "remove_column";
        case ChangeStep::Verb::kChangeColumn:
            return "change_column";
        case ChangeStep::Verb::kRenameColumn:
            return "rename_column";
        case ChangeStep::Verb::kAddIndex:
            return "add_index";
        case ChangeStep::Verb::kAddUniqueIndex:
            return "add_unique_index";
        case ChangeStep::Verb::kRemoveIndex:
            return "remove_index";
        case ChangeStep::Verb::kDdl:
            return "ddl";
        case ChangeStep::Verb::kAlter:
            return "alter";
    }
    return "?";
}

Result<ChangeStatement> statement_of(const ChangeStep& step, const TableShape& shape,
                                     const std::string& shadow, const ServerFlavour& flavour) {
    ChangeStatement statement;
    const std::string table = qualified_name(shape.database, shadow);
    ASSIGN_OR_RETURN(statement.sql, sql_of(step, shape, table, flavour));
    if (const auto alter = alter_specification(statement.sql); alter.ok()) {
        if (renames_table(alter->specification)) {
            return Error{Errc::kInvalidArgument,
                         "a table cannot be renamed this way: run it as a direct ALTER"};
        }
        statement.effects = alter_effects(alter->specification);
    } else if (to_lower_ascii(trim(statement.sql)).starts_with("alter")) {
        return alter.error().within(statement.sql);
    }
    if (!statement.effects.acts_on_rows.empty()) {
        return Error{
            Errc::kInvalidArgument,
            fmt::format("{} changes rows, not the table's shape, which a copy cannot do: run "
                        "it as a direct ALTER",
                        statement.effects.acts_on_rows)};
    }
    return statement;
}

Result<QualifiedTable> parse_qualified_table(std::string_view text) {
    QualifiedTable name;
    std::size_t at = 0;
    name.database = read_name(text, at, '.');
    const bool has_dot = at < text.size() && text[at] == '.';
    ++at;
    name.table = has_dot ? read_name(text, at, '\0') : "";
    if (name.database.empty() || name.table.empty() || at < text.size()) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("'{}' is no table: write DATABASE.TABLE, with backticks around a "
                                 "name that holds a dot",
                                 text)};
    }
    return name;
}

}  // namespace shift::lhm
