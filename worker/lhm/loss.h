#pragma once

#include <string>
#include <vector>

#include "worker/lhm/column_map.h"

// Conversions that change a value without an error: digits that are rounded away, blanks that are
// cut, numbers of ENUM members that take the place of their names. Pure.

namespace shift::lhm {

struct ValueLoss {
    std::string column;     // its name in the original
    std::string condition;  // true where the shadow's value is another one than the original's
    std::string original;   // both values, as expressions
    std::string shadow;
};

// Of each column whose values may change so. `original` and `shadow` are prefixes as in copy_key.h.
std::vector<ValueLoss> value_losses(const ColumnMap& map, const std::string& original,
                                    const std::string& shadow);

}  // namespace shift::lhm
