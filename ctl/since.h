#pragma once

#include <string>

#include "common/clock.h"
#include "common/result.h"

namespace shift::ctl {

// A moment as people write it: "90s", "10m", "2h", "3d", "1w" before `now`; "2026-11-23",
// "2026-11-23 18:10", "2026-11-23 18:10:05" in local time; with "T" and "Z" in UTC.
// Errors: kInvalidArgument naming these forms.
Result<WallTime> parse_since(const std::string& text, WallTime now);

}  // namespace shift::ctl
