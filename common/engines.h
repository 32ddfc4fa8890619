#pragma once

#include <string>
#include <vector>

#include "common/result.h"

namespace shift {

// The engines that a long ALTER can be run with here, as `engine` names them in the configuration
// and in custom_options; the first is the default. Everything that takes, offers or documents a
// name goes by this list.
inline const std::vector<std::string>& engine_names() {
    static const std::vector<std::string> names = {"pt-osc"};
    return names;
}

// Errors: kInvalidArgument - no engine of that name; says which there are.
Status check_engine(const std::string& name);

}  // namespace shift
