#pragma once

#include <string>

#include "common/json.h"
#include "ctl/render/view.h"

namespace shift::ctl {

// The answer of `workers`: one line an attempt.
std::string render_workers(const Json& answer, const View& view);

}  // namespace shift::ctl
