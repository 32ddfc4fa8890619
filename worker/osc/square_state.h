#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/job.h"
#include "common/result.h"
#include "common/state_file.h"
#include "worker/osc/osc_command.h"

// The state file that Square's patched pt-online-schema-change writes with --save-state and reads
// with --load-state. Facts: it is truncated and written anew after every chunk, so a reader (or the
// tool itself after a kill) may find it empty or cut; it is a dump of Perl objects, so whoever
// writes one runs code in the tool that loads it; and loading it restores every option but
// --exit-at, whatever the command line says.

namespace shift {

// Files of one migration under its files_dir. The first is the tool's; the second is the last whole
// one, kept by us, named after the copy it belongs to. Neither ever comes from the API.
std::string square_save_path(const Job& job);
std::string square_good_path(const Job& job, const std::string& copy_id);

// The tool's file when it is whole (its last key is there) and of this table; nullopt otherwise.
// Pure.
std::optional<StateFile> parse_whole_square_state(std::string_view text,
                                                  const std::string& database,
                                                  const std::string& table);

// `text` with the limits of today's plan in place of those it was saved with. Pure.
// Errors: kInvalidArgument - an option is not where the tool keeps it, so that the tool would go on
// with the old value without a word.
Result<std::string> with_todays_options(std::string_view text, const OscPlan& plan);

}  // namespace shift
