#pragma once

#include <string>

#include "common/config.h"

namespace shift {

// The [client] group with the configuration's mysql_* keys, for a file that only its user may read:
// it holds the password. Only of use with a mysql_user; else mysql_defaults_file serves.
std::string mysql_option_file(const Config& config);

}  // namespace shift
