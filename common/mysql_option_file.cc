#include "common/mysql_option_file.h"

#include <fmt/format.h>

namespace shift {
namespace {

// A value of a MySQL option file: quoted, so that '#' and spaces mean themselves.
// Source: MariaDB manual "Option Files", escape sequences in values.
std::string option_value(const std::string& value) {
    std::string quoted = "\"";
    for (const char c : value) {
        switch (c) {
            case '\\':
                quoted += "\\\\";
                break;
            case '"':
                quoted += "\\\"";
                break;
            case '\n':
                quoted += "\\n";
                break;
            case '\r':
                quoted += "\\r";
                break;
            default:
                quoted += c;
        }
    }
    return quoted + "\"";
}

}  // namespace

std::string mysql_option_file(const Config& config) {
    std::string text = "[client]\n";
    const auto add = [&text](const char* key, const std::string& value) {
        if (!value.empty()) {
            text += fmt::format("{}={}\n", key, option_value(value));
        }
    };
    add("user", config.mysql_user);
    add("password", config.mysql_password);
    add("ssl-cert", config.mysql_cert);
    add("ssl-key", config.mysql_key);
    add("ssl-ca", config.mysql_root_ca);
    return text;
}

}  // namespace shift
