#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/result.h"

namespace shift {

// Connects to the unix socket at `path`, sends `request` and gives the first `lines` lines that
// come back, without their newlines. Blocking, for command-line tools.
// Errors: kUnavailable - nobody listens there (native: errno), nothing was done; kDeadline - no
// full answer within timeout_ms; kInvalidArgument - the path is too long for a socket.
Result<std::vector<std::string>> line_call(const std::string& path, const std::string& request,
                                           std::size_t lines, int timeout_ms);

}  // namespace shift
