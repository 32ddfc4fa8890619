#include "common/engines.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/text.h"

namespace shift {

Status check_engine(const std::string& name) {
    const auto& names = engine_names();
    if (std::find(names.begin(), names.end(), name) != names.end()) {
        return Ok{};
    }
    const std::string known = fmt::format("{}", fmt::join(names, ", "));
    if (name == "direct") {
        return Error{Errc::kInvalidArgument,
                     fmt::format("'direct' is no engine of a long ALTER (there is: {}); approve "
                                 "the migration as short to run its statement directly",
                                 known)};
    }
    return Error{Errc::kInvalidArgument,
                 fmt::format("'{}' is no engine of this version (there is: {})",
                             utf8_prefix(name, 100), known)};
}

}  // namespace shift
