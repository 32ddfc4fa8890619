#pragma once

#include <optional>

#include "worker/context.h"
#include "worker/osc/copy_state.h"

namespace shift {

// The newer of the local state file and the copy the supervisor fetched from the API: the higher
// claim wins, then the later saved_at. Empty and unparsable files count as none (the original
// uploads 0-byte files).
std::optional<StateFile> choose_state(std::optional<StateFile> local, std::optional<StateFile> api);
std::optional<StateFile> load_state(const Job& job, const AttemptFiles& files, Reporter& reporter);

// Where our plugin keeps what it saved last: exact to the chunk, where the state file is seconds
// old.
std::string copy_state_path(const Job& job);
std::optional<OscCopyState> read_copy_state(const Job& job);
// Brings a state file up to what the plugin saved, when both are of the same copy and the plugin's
// is later. True when something changed.
bool take_copy_state(StateFile& state, const std::optional<OscCopyState>& saved);

// Fills in who and when (the server only when the state names none: a copy belongs to the run of
// the server it was begun or gone on with), keeps it in the context and writes it (temp, fsync,
// rename). A failed write is reported and not fatal: the older state is still safe.
void save_state(Context& context, StateFile state);

}  // namespace shift
