#include "worker/lhm/table_shape.h"

#include <algorithm>
#include <charconv>

#include "common/ddl.h"
#include "common/text.h"
#include "worker/mysql/inspect.h"

namespace shift::lhm {
namespace {

// Columns of a SHOW answer by name; those a server does not have read as nothing.
class Named {
  public:
    explicit Named(const NamedRows& answer) : answer_(answer) {}
    std::string text(const Row& row, std::string_view name) const {
        const auto& all = answer_.columns;
        const auto at = std::find(all.begin(), all.end(), name);
        return at == all.end() ? "" : row[static_cast<std::size_t>(at - all.begin())].value_or("");
    }
    bool is_null(const Row& row, std::string_view name) const {
        const auto& all = answer_.columns;
        const auto at = std::find(all.begin(), all.end(), name);
        return at == all.end() || !row[static_cast<std::size_t>(at - all.begin())];
    }

  private:
    const NamedRows& answer_;
};

bool has_word(const std::string& text, std::string_view word) {
    return to_lower_ascii(text).find(word) != std::string::npos;
}

Column to_column(const Named& named, const Row& row) {
    Column column;
    column.name = named.text(row, "Field");
    column.column_type = named.text(row, "Type");
    const std::string lower = to_lower_ascii(column.column_type);
    column.data_type = lower.substr(0, lower.find_first_of("( "));
    column.collation = named.text(row, "Collation");
    column.charset = column.collation.substr(0, column.collation.find('_'));
    column.nullable = named.text(row, "Null") == "YES";
    const std::string extra = named.text(row, "Extra");
    column.auto_increment = has_word(extra, "auto_increment");
    // "DEFAULT_GENERATED" is MySQL's word for a default that is an expression.
    column.generated = has_word(extra, "virtual generated") ||
                       has_word(extra, "stored generated") || has_word(extra, "persistent") ||
                       extra == "VIRTUAL";
    column.has_default = column.nullable || column.auto_increment || column.generated ||
                         !named.is_null(row, "Default") || has_word(extra, "default_generated");
    if (column.data_type == "enum" || column.data_type == "set") {
        column.members = type_members(column.column_type);
    }
    return column;
}

std::vector<Index> to_indexes(const NamedRows& answer) {
    const Named named(answer);
    std::vector<Index> indexes;
    for (const Row& row : answer.rows) {
        const std::string name = named.text(row, "Key_name");
        if (indexes.empty() || indexes.back().name != name) {
            Index index;
            index.name = name;
            index.unique = named.text(row, "Non_unique") == "0";
            index.is_tree = named.text(row, "Index_type") == "BTREE";
            index.usable =
                named.text(row, "Ignored") != "YES" && named.text(row, "Visible") != "NO";
            indexes.push_back(std::move(index));
        }
        IndexColumn column;
        column.name = named.text(row, "Column_name");
        column.is_prefix = !named.is_null(row, "Sub_part");
        const std::string prefix = named.text(row, "Sub_part");
        (void)std::from_chars(prefix.data(), prefix.data() + prefix.size(), column.prefix);
        column.descending = named.text(row, "Collation") == "D";
        indexes.back().columns.push_back(std::move(column));
    }
    return indexes;
}

std::uint64_t counter_in(std::string_view show_create) {
    constexpr std::string_view kMark = " AUTO_INCREMENT=";
    const std::size_t options = show_create.rfind("\n)");
    const std::size_t at = show_create.find(kMark, options == std::string::npos ? 0 : options);
    std::uint64_t counter = 0;
    if (at != std::string_view::npos) {
        const std::string_view digits = show_create.substr(at + kMark.size());
        (void)std::from_chars(digits.data(), digits.data() + digits.size(), counter);
    }
    return counter;
}

}  // namespace

const Column* TableShape::column(std::string_view wanted) const {
    for (const Column& one : columns) {
        if (iequals_ascii(one.name, wanted)) {
            return &one;
        }
    }
    return nullptr;
}

std::vector<std::string> type_members(std::string_view column_type) {
    std::vector<std::string> members;
    std::size_t at = column_type.find('(');
    while (at != std::string_view::npos && ++at < column_type.size() && column_type[at] == '\'') {
        std::string member;
        for (++at; at < column_type.size(); ++at) {
            if (column_type[at] == '\'') {
                if (at + 1 >= column_type.size() || column_type[at + 1] != '\'') {
                    break;
                }
                ++at;
            }
            member += column_type[at];
        }
        members.push_back(std::move(member));
        at = column_type.find(',', at);
    }
    return members;
}

Result<TableShape> read_shape(Connection& connection, const std::string& database,
                              const std::string& table) {
    TableShape shape;
    ASSIGN_OR_RETURN(const auto facts, table_facts(connection, database, table));
    if (!facts) {
        return Error{Errc::kNotFound, "table " + database + "." + table + " does not exist"};
    }
    shape.database = database;
    shape.name = facts->name;
    shape.engine = facts->engine;
    const std::string name = qualified_name(database, facts->name);
    ASSIGN_OR_RETURN(const auto create, connection.query("SHOW CREATE TABLE " + name));
    if (create.empty() || create[0].size() < 2) {
        return Error{Errc::kInternal, "SHOW CREATE TABLE gave nothing for " + name};
    }
    const std::string text = create[0][1].value_or("");
    shape.definition = without_auto_increment(text);
    shape.auto_increment = counter_in(text);
    shape.partitioned = text.find("\n PARTITION BY ") != std::string::npos ||
                        text.find("\n/*!50100 PARTITION BY") != std::string::npos;
    ASSIGN_OR_RETURN(const NamedRows columns,
                     connection.query_named("SHOW FULL COLUMNS FROM " + name));
    const Named named(columns);
    for (const Row& row : columns.rows) {
        shape.columns.push_back(to_column(named, row));
    }
    ASSIGN_OR_RETURN(const NamedRows keys, connection.query_named("SHOW INDEX FROM " + name));
    shape.indexes = to_indexes(keys);
    return shape;
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace shift::lhm
