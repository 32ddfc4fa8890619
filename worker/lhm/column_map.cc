#include "worker/lhm/column_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <set>

#include "common/text.h"
#include "worker/lhm/column_types.h"

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

std::int64_t scale_of(const Column& column) {
    return is_one_of(column.data_type, {"decimal", "numeric"}) ? type_numbers(column)[1] : 0;
}

// Of an integer; 0 for other numbers.
int bits_of(const Column& column) {
    constexpr std::array<std::pair<std::string_view, int>, 5> kSizes = {
        {{"tinyint", 8}, {"smallint", 16}, {"mediumint", 24}, {"int", 32}, {"bigint", 64}}};
    for (const auto& [type, bits] : kSizes) {
        if (column.data_type == type) {
            return bits;
        }
    }
    return 0;
}

// How much a text or a string of bytes holds at most; of a TEXT, in the longest characters.
std::int64_t room_of(const Column& column, bool at_least) {
    const std::int64_t of_character = at_least && is_text(column) ? 4 : 1;
    if (column.data_type.starts_with("tiny")) {
        return 255 / of_character;
    }
    if (column.data_type.starts_with("medium")) {
        return 16'777'215 / of_character;
    }
    if (column.data_type.starts_with("long")) {
        return 4'294'967'295 / of_character;
    }
    const bool is_plain = column.data_type == "text" || column.data_type == "blob";
    return is_plain ? 65'535 / of_character : type_numbers(column)[0];
}

bool has_room(const ColumnPair& pair) {
    return pair.from.data_type == pair.to.data_type
               ? room_of(pair.from, true) <= room_of(pair.to, true)
               : room_of(pair.from, false) <= room_of(pair.to, true);
}

// 'a' and 'a ' are two values.
// Source: MariaDB's collations "_nopad_"; MySQL 8.0's of UCA 9.0.0.
bool minds_blanks(const Column& column) {
    return column.collation.find("nopad") != std::string::npos ||
           column.collation.find("_0900_") != std::string::npos;
}

// A row is found by the shadow's value and the original's alike.
bool is_found_again(const ColumnPair& pair) {
    // Blanks at the end are all that a text loses without an error.
    return pair.keeps_values() ||
           (is_text(pair.from) && is_text(pair.to) && pair.from.collation == pair.to.collation &&
            !minds_blanks(pair.to));
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
                       is_found_again(*pair) &&
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

bool ColumnPair::keeps_values() const {
    if (is_same_type()) {
        return true;
    }
    if (is_exact(from) && is_exact(to)) {
        // A small number is a year of this century; a BIT has no sign.
        const bool is_read_anew =
            (to.data_type == "year" || to.data_type == "bit") && from.data_type != to.data_type;
        return !is_read_anew && scale_of(from) <= scale_of(to);
    }
    if (is_inexact(from)) {
        const bool is_wide = to.data_type != "float" || from.data_type == "float";
        return is_inexact(to) && is_wide && to.column_type.find('(') == std::string::npos;
    }
    if (from.data_type == "date" && to.data_type == "datetime") {
        return true;
    }
    if (is_one_of(to.data_type, {"time", "datetime", "timestamp"})) {
        return from.data_type == to.data_type && type_numbers(from)[0] <= type_numbers(to)[0];
    }
    if (is_text(from) && is_text(to)) {
        // A CHAR loses the blanks at its end.
        return (to.data_type != "char" || from.data_type == "char") && has_room(*this);
    }
    if (is_bytes(from) && is_bytes(to)) {
        return to.data_type != "binary" && has_room(*this);
    }
    const bool are_lists = from.data_type == to.data_type && !to.members.empty();
    return are_lists && from.members.size() <= to.members.size() &&
           std::equal(from.members.begin(), from.members.end(), to.members.begin());
}

bool ColumnPair::always_fits() const {
    if (from.nullable && !to.nullable) {
        return false;
    }
    if (is_same_type()) {
        return true;
    }
    if (!keeps_values() || (to.is_unsigned() && !from.is_unsigned())) {
        return false;
    }
    if (is_text(to)) {
        return from.charset == to.charset;
    }
    if (is_exact(to)) {
        // A sign takes the place of a bit.
        const bool gets_sign = from.is_unsigned() && !to.is_unsigned();
        return bits_of(from) > 0 && bits_of(from) + (gets_sign ? 1 : 0) <= bits_of(to);
    }
    return true;
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
        // A number that becomes text is not found by the number any more, nor one that is rounded;
        // an ENUM is by its number.
        if (made->kind != column.kind || !is_found_again(*pair) ||
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
