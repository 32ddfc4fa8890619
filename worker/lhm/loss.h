#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "worker/lhm/column_map.h"
#include "worker/mysql/connection.h"

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

// Any of them, as one condition; "" when there is none.
std::string loss_condition(const std::vector<ValueLoss>& losses);
// What to select so that loss_text() can tell of a row that both tables hold.
std::string loss_select(const std::vector<ValueLoss>& losses);
// "price '1.2345' would become '1.23'", from the columns of loss_select() that begin at `first`;
// "" when the row keeps its values.
std::string loss_text(const std::vector<ValueLoss>& losses, const Row& row, std::size_t first);

}  // namespace shift::lhm
