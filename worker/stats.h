#pragma once

#include <string>

#include "worker/context.h"
#include "worker/mysql/inspect.h"

namespace shift {

// The `stats` event: sizes of the table as the server estimates them, null for a view.
void report_stats(Context& context, const std::string& when, const TableFacts& facts);

}  // namespace shift
