#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <string>

#include "common/migration.h"

namespace shift::ctl {

// Names what it wants; CLI11's own check prints the range of a double.
template <typename T>
CLI::Validator at_least_one() {
    return CLI::Validator(
        [](std::string& text) {
            T number = 0;
            const char* end_of_text = text.data() + text.size();
            const auto [end, error] = std::from_chars(text.data(), end_of_text, number);
            const bool good = error == std::errc{} && end == end_of_text && number >= 1;
            return good ? std::string() : fmt::format("'{}' is not a number from 1 on", text);
        },
        "");
}

inline CLI::Option* add_id(CLI::App* verb, MigrationId& id) {
    return verb->add_option("ID", id, "number of the migration")
        ->required()
        ->type_name("")
        ->check(at_least_one<MigrationId>());
}

}  // namespace shift::ctl
