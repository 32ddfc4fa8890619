#include "worker/lhm/column_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/text.h"

namespace shift::lhm {
namespace {

// Columns of the original by the name they have so far, in lower case.
using Alive = std::map<std::string, const Column*>;

Error unfollowed(const std::string& what) {
    return Error{Errc::kInvalidArgument, what};
}

Status follow(const AlterEffects& effects, Alive& alive, Alive& lost) {
    std::map<std::string, const Column*> moved;
    for (const AlterEffects::Rename& rename : effects.renamed) {
        const std::string from = to_lower_ascii(rename.from);
        const auto it = alive.find(from);
        if (it != alive.end()) {
            moved.emplace(to_lower_ascii(rename.to), it->second);
            alive.erase(it);
        }
    }
    for (const std::string& name : effects.dropped) {
        if (auto gone = alive.extract(to_lower_ascii(name)); !gone.empty()) {
            lost.insert(std::move(gone));
        }
    }
    for (const std::string& name : effects.added) {
        if (lost.find(to_lower_ascii(name)) != lost.end()) {
            return unfollowed(fmt::format(
                "the change drops column {0} and adds it again, which would lose its values: say "
                "MODIFY {0} to keep them, or drop it in one migration and add it in another",
                name));
        }
    }
    for (auto& [name, column] : moved) {
        if (!alive.emplace(name, column).second) {
            return unfollowed("two columns would be called " + name);
        }
    }
    return Ok{};
}

// What ALTER TABLE fills into a new NOT NULL column without a default.
// Source: the manuals' "implicit defaults". Zero dates are not among them here: whether the server
// takes one depends on its sql_mode, and nobody wants it.
std::optional<std::string> implicit_default(const Column& column) {
    static const std::set<std::string, std::less<>> kNumbers = {
        "tinyint", "smallint", "mediumint", "int",  "integer", "bigint", "decimal",
        "numeric", "float",    "double",    "real", "bit",     "year"};
    static const std::set<std::string, std::less<>> kTexts = {
        "char",      "varchar",  "tinytext", "text",       "mediumtext", "longtext", "binary",
        "varbinary", "tinyblob", "blob",     "mediumblob", "longblob",   "set"};
    if (kNumbers.find(column.data_type) != kNumbers.end()) {
        return "0";
    }
    if (kTexts.find(column.data_type) != kTexts.end()) {
        return "''";
    }
    if (column.data_type == "enum" && !column.members.empty()) {
        return "1";  // the first member
    }
    return std::nullopt;
}

Status add_new_column(const Column& column, ColumnMap& map) {
    if (column.generated) {
        return Ok{};
    }
    if (column.has_default) {
        map.added.push_back(column.name);
        return Ok{};
    }
    const auto literal = implicit_default(column);
    if (!literal) {
        return unfollowed(fmt::format(
            "the new column {} ({}) is NOT NULL and has no DEFAULT, so rows that exist have no "
            "value for it: give it a DEFAULT",
            column.name, column.column_type));
    }
    map.filled.push_back({column.name, *literal});
    return Ok{};
}

bool is_order_kept(const ColumnPair& pair) {
    if (pair.is_same_type()) {
        return true;
    }
    const auto kept = [&](std::initializer_list<std::string_view> types) {
        return std::find(types.begin(), types.end(), pair.from.data_type) != types.end() &&
               std::find(types.begin(), types.end(), pair.to.data_type) != types.end();
    };
    if (kept({"tinyint", "smallint", "mediumint", "int", "integer", "bigint"})) {
        return true;
    }
    if (kept({"varbinary"}) || kept({"varchar"})) {
        return pair.from.charset == pair.to.charset && pair.from.collation == pair.to.collation;
    }
    if (kept({"enum"}) && pair.from.collation == pair.to.collation) {
        return pair.from.members.size() <= pair.to.members.size() &&
               std::equal(pair.from.members.begin(), pair.from.members.end(),
                          pair.to.members.begin());
    }
    // More digits, never fewer: a value that is rounded is not equal any more.
    return kept({"date", "datetime"}) && pair.from.data_type == "date";
}

bool begins_with(const Index& index, const std::vector<std::string>& columns, bool in_order) {
    if (index.columns.size() < columns.size() || !index.is_tree || !index.usable) {
        return false;
    }
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const auto is_here = [&](const IndexColumn& part) {
            return !part.is_prefix && iequals_ascii(part.name, columns[i]);
        };
        const auto end = index.columns.begin() + static_cast<std::ptrdiff_t>(columns.size());
        if (in_order ? !is_here(index.columns[i])
                     : std::none_of(index.columns.begin(), end, is_here)) {
            return false;
        }
    }
    return true;
}

const Index* index_for(const TableShape& shadow, const std::vector<std::string>& columns,
                       bool in_order) {
    const Index* best = nullptr;
    for (const Index& index : shadow.indexes) {
        if (begins_with(index, columns, in_order) &&
            (best == nullptr || (index.unique && !best->unique))) {
            best = &index;
        }
    }
    return best;
}

bool is_copied_unique(const Index& index, const ColumnMap& map, const TableShape& shadow) {
    if (!index.unique) {
        return false;
    }
    return std::all_of(index.columns.begin(), index.columns.end(), [&](const IndexColumn& part) {
        const Column* column = shadow.column(part.name);
        return column != nullptr && !column->nullable &&
               std::any_of(map.pairs.begin(), map.pairs.end(),
                           [&](const ColumnPair& pair) { return pair.to.name == column->name; });
    });
}

// The original has a unique key over the very same values.
bool has_like(const Index& wanted, const ColumnMap& map, const TableShape& original) {
    return std::any_of(original.indexes.begin(), original.indexes.end(), [&](const Index& index) {
        if (!index.unique || !index.is_tree || index.columns.size() > wanted.columns.size()) {
            return false;  // a key over fewer columns is the stricter one
        }
        return std::all_of(
            index.columns.begin(), index.columns.end(), [&](const IndexColumn& part) {
                const ColumnPair* pair = map.by_original(part.name);
                return pair != nullptr && !part.is_prefix && is_order_kept(*pair) &&
                       std::any_of(wanted.columns.begin(), wanted.columns.end(),
                                   [&](const IndexColumn& theirs) {
                                       return !theirs.is_prefix &&
                                              iequals_ascii(theirs.name, pair->to.name);
                                   });
            });
    });
}

}  // namespace

bool ColumnPair::is_same_type() const {
    return iequals_ascii(from.column_type, to.column_type) && from.collation == to.collation;
}

const ColumnPair* ColumnMap::by_original(std::string_view name) const {
    const auto it = std::find_if(pairs.begin(), pairs.end(), [name](const ColumnPair& pair) {
        return iequals_ascii(pair.from.name, name);
    });
    return it == pairs.end() ? nullptr : &*it;
}

Result<ColumnMap> map_columns(const TableShape& original, const TableShape& shadow,
                              const std::vector<AlterEffects>& effects) {
    Alive alive;
    for (const Column& column : original.columns) {
        alive.emplace(to_lower_ascii(column.name), &column);
    }
    Alive lost;
    for (const AlterEffects& one : effects) {
        RETURN_IF_ERROR(follow(one, alive, lost));
    }
    ColumnMap map;
    for (const Column& column : shadow.columns) {
        const auto it = alive.find(to_lower_ascii(column.name));
        if (it == alive.end()) {
            RETURN_IF_ERROR(add_new_column(column, map));
            continue;
        }
        if (!column.generated) {
            map.pairs.push_back({*it->second, column});
        }
        alive.erase(it);
    }
    for (const auto& [name, column] : alive) {
        return unfollowed(fmt::format(
            "column {} is not in the changed table and no statement says so: the change "
            "cannot be followed, run it as a direct ALTER",
            column->name));
    }
    for (const auto& [name, column] : lost) {
        map.dropped.push_back(column->name);
    }
    return map;
}

std::optional<ShadowKey> shadow_key(const CopyKey& key, const ColumnMap& map,
                                    const TableShape& shadow) {
    ShadowKey found;
    found.same_order = true;
    std::vector<std::string> names;
    for (const KeyColumn& column : key.columns) {
        const ColumnPair* pair = map.by_original(column.name);
        if (pair == nullptr) {
            return std::nullopt;
        }
        auto made = key_column(pair->to, column.descending);
        if (!made) {
            return std::nullopt;
        }
        // A number that becomes text is not found by the number any more; an ENUM is by its number.
        if (made->kind != column.kind ||
            (column.kind == ValueKind::kEnum && !is_order_kept(*pair))) {
            return std::nullopt;
        }
        found.same_order = found.same_order && is_order_kept(*pair);
        found.key.columns.push_back(*std::move(made));
        names.push_back(pair->to.name);
    }
    const Index* ordered = index_for(shadow, names, true);
    const Index* any = ordered != nullptr ? ordered : index_for(shadow, names, false);
    if (any == nullptr) {
        return std::nullopt;
    }
    found.same_order = found.same_order && ordered != nullptr;
    found.key.index = any->name;
    return found;
}

bool notices_repeats(const ColumnMap& map, const TableShape& shadow) {
    return std::any_of(shadow.indexes.begin(), shadow.indexes.end(),
                       [&](const Index& index) { return is_copied_unique(index, map, shadow); });
}

std::vector<const Index*> stricter_keys(const ColumnMap& map, const TableShape& original,
                                        const TableShape& shadow) {
    std::vector<const Index*> found;
    for (const Index& index : shadow.indexes) {
        if (index.unique && !has_like(index, map, original)) {
            found.push_back(&index);
        }
    }
    return found;
}

Result<ColumnMap> reversed(const ColumnMap& map, const TableShape& original) {
    ColumnMap back;
    for (const Column& column : original.columns) {
        const ColumnPair* pair = map.by_original(column.name);
        if (pair != nullptr && !column.generated) {
            back.pairs.push_back({pair->to, pair->from});
        } else if (!column.generated) {
            return unfollowed(fmt::format(
                "column {} is dropped, so a way back could not keep its values: drop it in a later "
                "migration, or go without a rollback window",
                column.name));
        }
    }
    return back;
}

}  // namespace shift::lhm
