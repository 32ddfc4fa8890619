#pragma once

#include <array>
#include <cstdint>

#include "worker/lhm/table_shape.h"

// Families of column types. Pure.

namespace shift::lhm {

bool is_integer(const Column& column);  // YEAR and BIT too
bool is_exact(const Column& column);    // and DECIMAL
bool is_inexact(const Column& column);  // FLOAT, DOUBLE
bool is_number(const Column& column);
bool is_text(const Column& column);    // CHAR to LONGTEXT
bool is_listed(const Column& column);  // ENUM, SET
bool is_bytes(const Column& column);   // BINARY to LONGBLOB
bool is_geometry(const Column& column);
bool is_time(const Column& column);  // DATE, TIME, DATETIME, TIMESTAMP

// The numbers in the type's brackets: 10 and 2 of "decimal(10,2)", 11 and 0 of "int(11)".
std::array<std::int64_t, 2> type_numbers(const Column& column);

}  // namespace shift::lhm
