#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"

namespace shift {

// The value type of everything JSON in this project. Read with simdjson (strict, fast, validates
// UTF-8), written with nlohmann::json; no third library.
using Json = nlohmann::json;

// Parses one JSON document.
// Errors: kInvalidArgument - not JSON, invalid UTF-8, nested deeper than simdjson allows.
Result<Json> parse_json(std::string_view text);

// One line, no trailing newline; invalid UTF-8 in strings becomes U+FFFD, never an exception.
std::string to_line(const Json& value);

// Field access for data we did not write ourselves. A missing member, null and a wrong type are
// told apart only where a caller needs it.
// Accepts a JSON number or a decimal string ("7"), as the shift API does; nullopt for anything
// else (missing, null, fractions, out of range).
std::optional<std::int64_t> get_int(const Json& object, const char* key);
// A JSON string; a number or boolean is given as its text; nullopt when missing or null.
std::optional<std::string> get_string(const Json& object, const char* key);
// true/false, 0/1 and "0"/"1"/"true"/"false"; nullopt otherwise.
std::optional<bool> get_bool(const Json& object, const char* key);

std::string string_or(const Json& object, const char* key, std::string_view fallback);
std::int64_t int_or(const Json& object, const char* key, std::int64_t fallback);
bool bool_or(const Json& object, const char* key, bool fallback);

// iso_time(); null for the epoch, which stands for "never" in this project.
Json time_or_null(WallTime time);

}  // namespace shift
