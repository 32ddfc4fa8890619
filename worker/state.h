#pragma once

#include <optional>

#include "worker/context.h"

namespace shift {

// The newer of the local state file and the copy the supervisor fetched from the API: the higher
// claim wins, then the later saved_at. Empty and unparsable files count as none (the original
// uploads 0-byte files).
std::optional<StateFile> choose_state(std::optional<StateFile> local, std::optional<StateFile> api);
std::optional<StateFile> load_state(const Job& job, const AttemptFiles& files, Reporter& reporter);

// Fills in who and when, keeps it in the context and writes it (temp, fsync, rename). A failed
// write is reported and not fatal: the older state is still safe.
void save_state(Context& context, StateFile state);

}  // namespace shift
