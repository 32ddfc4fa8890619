#pragma once

#include <optional>
#include <string>

#include "common/event_log.h"

namespace shift {

// What people are told of an attempt that ended without success; nullopt = it died without a word.
// "" when it did what it was started for, or stopped as it was asked to.
std::string trouble_of(const std::optional<Outcome>& outcome, const std::string& message);

}  // namespace shift
