#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/json.h"
#include "common/result.h"

namespace shift::api {

// The parameters of one request as Rails merges them: path over query over body. Values may be JSON
// strings or numbers alike; `[]` counts as null; unknown names are ignored.
class Params {
  public:
    using Fields = std::map<std::string, std::string>;

    // A JSON body. An empty one is no parameters; one that is not an object has none either.
    // Errors: kInvalidArgument - malformed JSON (the answer is 400).
    Status add_json(std::string_view body);
    // "a=1&b=%20x", of a form body or of the query; the last of several equal names wins.
    void add_form(std::string_view text);
    void add(const std::string& name, std::string_view value);

    bool has(const char* name) const { return values_.contains(name); }
    // As Rails casts them:
    // to a text column: a number or boolean is its text; nullopt for null, missing and nested.
    std::optional<std::string> text(const char* name) const;
    // `to_i`: the number the text begins with, else 0; nullopt for null or missing.
    std::optional<std::int64_t> to_i(const char* name) const;
    // to an integer column: "37", 37 and 37.9 are 37, "abc" is 0, true is 1, "" and null are
    // nullopt. Errors: kInvalidArgument - beyond -maximum..maximum.
    Result<std::optional<std::int64_t>> integer(const char* name, std::int64_t maximum) const;
    // true/false, 0/1 and their texts; nullopt for anything else.
    std::optional<bool> flag(const char* name) const { return get_bool(values_, name); }
    // The value as sent, null when missing.
    Json value(const char* name) const;

  private:
    Json values_ = Json::object();
};

// The number `text` begins with (after blanks, with a sign), 0 without one; nullopt when it does
// not fit into 64 bits.
std::optional<std::int64_t> leading_integer(std::string_view text);

// %XX and + decoded; invalid UTF-8 becomes U+FFFD.
std::string decode_form_text(std::string_view text);

}  // namespace shift::api
