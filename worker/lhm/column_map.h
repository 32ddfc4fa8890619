#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "worker/lhm/copy_key.h"
#include "worker/lhm/table_shape.h"
#include "worker/mysql/alter_words.h"

// Which column of the original feeds which column of the shadow. Pure.

namespace shift::lhm {

struct ColumnPair {
    Column from;  // of the original
    Column to;    // of the shadow

    // The values are stored alike, so that no conversion happens.
    bool is_same_type() const;
    // Whatever is converted without an error is the same value afterwards: nothing is rounded,
    // padded, cut or read in another way. false: some values may change.
    bool keeps_values() const;
    // No value of the original is refused or changed.
    bool always_fits() const;
};

// A new column that must be given a value, because it is NOT NULL and has no default: what ALTER
// TABLE itself would fill in.
struct FilledColumn {
    std::string name;
    std::string literal;
};

struct ColumnMap {
    std::vector<ColumnPair> pairs;  // in the order of the shadow's columns
    std::vector<FilledColumn> filled;
    std::vector<std::string> dropped;  // of the original
    std::vector<std::string> added;    // of the shadow, without those of `filled`

    const ColumnPair* by_original(std::string_view name) const;
};

// Follows `effects` (one per statement, in order) from the original's columns to the shadow's, and
// checks the end against what the shadow really has.
// Errors: kInvalidArgument, for people - the statements cannot be followed, drop a column and add
// it again, or add a column that would need a value nobody gave.
Result<ColumnMap> map_columns(const TableShape& original, const TableShape& shadow,
                              const std::vector<AlterEffects>& effects);

// How the copy key is found in the shadow.
struct ShadowKey {
    CopyKey key;  // by the shadow's names and types; index "" = none that begins with the columns
    // Ranges of the original's key are the same rows in the shadow: order and equality of the
    // values are unchanged and an index serves them.
    bool same_order = false;
};
// nullopt: a column of `key` is not copied, or its values may change so that a row is not found by
// them any more, or no index of the shadow begins with its columns (the triggers would read the
// whole shadow for each changed row).
std::optional<ShadowKey> shadow_key(const CopyKey& key, const ColumnMap& map,
                                    const TableShape& shadow);

// Whether a row that is in the shadow already is noticed when it comes again: a unique key of
// copied columns without NULLs.
bool notices_repeats(const ColumnMap& map, const TableShape& shadow);

// Unique keys of the shadow that can refuse a row which the original has: new ones, and those whose
// columns changed type or collation. By name.
std::vector<const Index*> stricter_keys(const ColumnMap& map, const TableShape& original,
                                        const TableShape& shadow);

// The same columns the other way round, for a way back after the swap. Errors: kInvalidArgument -
// a column of the original is not copied, so its values could not be kept.
Result<ColumnMap> reversed(const ColumnMap& map, const TableShape& original);

}  // namespace shift::lhm
