#include "common/json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>
#include <cmath>

namespace shift {
namespace {

Json convert(const simdjson::dom::element& element) {
    using simdjson::dom::element_type;
    switch (element.type()) {
        case element_type::OBJECT: {
            Json object = Json::object();
            for (const auto field : simdjson::dom::object(element)) {
                object[std::string(field.key)] = convert(field.value);
            }
            return object;
        }
        case element_type::ARRAY: {
            Json array = Json::array();
            for (const auto item : simdjson::dom::array(element)) {
                array.push_back(convert(item));
            }
            return array;
        }
        case element_type::STRING: return std::string(std::string_view(element));
        case element_type::INT64: return std::int64_t(element);
        case element_type::UINT64: return std::uint64_t(element);
        case element_type::DOUBLE: return double(element);
        case element_type::BOOL: return bool(element);
        case element_type::NULL_VALUE: return nullptr;
    }
    return nullptr;
}

const Json* member(const Json& object, const char* key) {
    if (!object.is_object()) {
        return nullptr;
    }
    const auto it = object.find(key);
    return it == object.end() || it->is_null() ? nullptr : &*it;
}

}  // namespace

Result<Json> parse_json(std::string_view text) {
    simdjson::dom::parser parser;
    const simdjson::padded_string padded(text);
    simdjson::dom::element root;
    if (const auto code = parser.parse(padded).get(root); code != simdjson::SUCCESS) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("not JSON: {}", simdjson::error_message(code))};
    }
    return convert(root);
}

std::string to_line(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<std::int64_t> get_int(const Json& object, const char* key) {
    const Json* value = member(object, key);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (value->is_number_unsigned()) {
        const auto number = value->get<std::uint64_t>();
        if (number > static_cast<std::uint64_t>(INT64_MAX)) {
            return std::nullopt;
        }
        return static_cast<std::int64_t>(number);
    }
    if (value->is_number_integer()) {
        return value->get<std::int64_t>();
    }
    if (value->is_string()) {
        const auto& text = value->get_ref<const std::string&>();
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error == std::errc{} && end == text.data() + text.size() && !text.empty()) {
            return number;
        }
    }
    return std::nullopt;
}

std::optional<std::string> get_string(const Json& object, const char* key) {
    const Json* value = member(object, key);
    if (value == nullptr || value->is_object() || value->is_array()) {
        return std::nullopt;
    }
    return value->is_string() ? value->get<std::string>() : value->dump();
}

std::optional<bool> get_bool(const Json& object, const char* key) {
    const Json* value = member(object, key);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (value->is_boolean()) {
        return value->get<bool>();
    }
    const std::string text = value->is_string() ? value->get<std::string>() : value->dump();
    if (text == "1" || text == "true") {
        return true;
    }
    if (text == "0" || text == "false") {
        return false;
    }
    return std::nullopt;
}

std::string string_or(const Json& object, const char* key, std::string_view fallback) {
    return get_string(object, key).value_or(std::string(fallback));
}
std::int64_t int_or(const Json& object, const char* key, std::int64_t fallback) {
    return get_int(object, key).value_or(fallback);
}
bool bool_or(const Json& object, const char* key, bool fallback) {
    return get_bool(object, key).value_or(fallback);
}

Json time_or_null(WallTime time) {
    return time == WallTime{} ? Json() : Json(iso_time(time));
}

}  // namespace shift
