#include "api/params.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

#include "common/text.h"

namespace shift::api {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Rails' deep munge: `[]` is null.
Json munged(const Json& value) {
    return value.is_array() && value.empty() ? Json(nullptr) : value;
}

std::optional<std::int64_t> from_double(double number) {
    constexpr double kLimit = 9223372036854775808.0;
    if (!std::isfinite(number) || number >= kLimit || number < -kLimit) {
        return std::nullopt;
    }
    return static_cast<std::int64_t>(number);
}

// A JSON number or boolean as an integer; nullopt when it does not fit.
std::optional<std::int64_t> from_scalar(const Json& value) {
    if (value.is_boolean()) {
        return value.get<bool>() ? 1 : 0;
    }
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() >
            static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return std::nullopt;
    }
    if (value.is_number_integer()) {
        return value.get<std::int64_t>();
    }
    return value.is_number() ? from_double(value.get<double>()) : std::nullopt;
}

}  // namespace

std::optional<std::int64_t> leading_integer(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t\n\r\f\v");
    text.remove_prefix(begin == std::string_view::npos ? text.size() : begin);
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) {
        text.remove_prefix(1);
    }
    std::int64_t number = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') {
            break;
        }
        const int digit = negative ? -(c - '0') : c - '0';
        if (__builtin_mul_overflow(number, std::int64_t{10}, &number) ||
            __builtin_add_overflow(number, std::int64_t{digit}, &number)) {
            return std::nullopt;
        }
    }
    return number;
}

std::string decode_form_text(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            decoded += ' ';
        } else if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                   hex_value(text[i + 2]) >= 0) {
            decoded += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        } else {
            decoded += text[i];
        }
    }
    return clean_utf8(decoded);
}

Status Params::add_json(std::string_view body) {
    if (trim(body).empty()) {
        return Ok{};
    }
    ASSIGN_OR_RETURN(const Json parsed, parse_json(body));
    if (parsed.is_object()) {
        for (const auto& [name, value] : parsed.items()) {
            values_[name] = munged(value);
        }
    }
    return Ok{};
}

void Params::add_form(std::string_view text) {
    for (const std::string& pair : split(text, '&')) {
        const std::size_t equal = pair.find('=');
        const std::string_view view = pair;
        const std::string name = decode_form_text(view.substr(0, equal));
        if (name.empty()) {
            continue;
        }
        values_[name] = equal == std::string::npos ? Json(nullptr)
                                                   : Json(decode_form_text(view.substr(equal + 1)));
    }
}

void Params::add(const std::string& name, std::string_view value) {
    values_[name] = clean_utf8(value);
}

std::optional<std::string> Params::text(const char* name) const {
    return get_string(values_, name);
}

Json Params::value(const char* name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? Json(nullptr) : *found;
}

std::optional<std::int64_t> Params::to_i(const char* name) const {
    const Json value = this->value(name);
    if (value.is_string()) {
        return leading_integer(value.get_ref<const std::string&>());
    }
    return from_scalar(value);
}

Result<std::optional<std::int64_t>> Params::integer(const char* name, std::int64_t maximum) const {
    const Json value = this->value(name);
    const bool blank = value.is_string() && trim(value.get_ref<const std::string&>()).empty();
    if (value.is_null() || value.is_structured() || blank) {
        return std::optional<std::int64_t>();
    }
    const auto number = to_i(name);
    if (!number || *number > maximum || *number < -maximum) {
        return Error{Errc::kInvalidArgument, fmt::format("{} is out of range", name)};
    }
    return number;
}

}  // namespace shift::api
