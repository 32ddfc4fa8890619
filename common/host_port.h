#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace shift {

struct HostPort {
    std::string host;  // without the brackets of an IPv6 address; "" when the text named none
    int port = 0;
};

// "db1:3306", "127.0.0.1:0", "[::1]:3306"; ":9100" has no host. The port: 0 to 65535.
// Errors: kInvalidArgument, naming the text and the form that is wanted.
Result<HostPort> parse_host_port(std::string_view text);

}  // namespace shift
