#include "worker/state.h"

#include <fmt/format.h>

#include "common/file.h"
#include "common/text.h"

namespace shift {
namespace {

constexpr std::size_t kStateBytesMax = std::size_t{4} * 1024 * 1024;
constexpr const char* kStateFileName = "/statefile.txt";

std::optional<StateFile> read_state(const std::string& path, Reporter& reporter) {
    const Result<std::string> text = read_file(path, kStateBytesMax);
    if (!text.ok() || trim(*text).empty()) {
        return std::nullopt;
    }
    Result<StateFile> state = parse_state_file(*text);
    if (!state.ok()) {
        reporter.note(LogLevel::kWarn, fmt::format("state file {} is taken for none: {}", path,
                                                   state.error().message));
        return std::nullopt;
    }
    return std::move(state).value();
}

}  // namespace

std::optional<StateFile> choose_state(std::optional<StateFile> local,
                                      std::optional<StateFile> api) {
    if (!local || !api) {
        return local ? local : api;
    }
    if (local->claim != api->claim) {
        return local->claim > api->claim ? local : api;
    }
    return api->saved_at > local->saved_at ? api : local;
}

std::optional<StateFile> load_state(const Job& job, const AttemptFiles& files, Reporter& reporter) {
    auto state = choose_state(read_state(job.files_dir + kStateFileName, reporter),
                              read_state(files.api_state_file(), reporter));
    if (state) {
        (void)take_copy_state(*state, read_copy_state(job));
    }
    return state;
}

std::string copy_state_path(const Job& job) {
    return job.files_dir + "/ptosc-state.txt";
}

std::optional<OscCopyState> read_copy_state(const Job& job) {
    const Result<std::string> text = read_file(copy_state_path(job), kStateBytesMax);
    auto state = text.ok() ? parse_copy_state(*text) : Result<OscCopyState>(text.error());
    return state.ok() ? std::optional(std::move(state).value()) : std::nullopt;
}

bool take_copy_state(StateFile& state, const std::optional<OscCopyState>& saved) {
    if (!saved || !saved->is_resumable() || saved->copy_id != state.copy_id ||
        saved->chunks < state.chunks || saved->runs < state.runs || state.step == "rename") {
        return false;
    }
    const bool moved = saved->chunks != state.chunks || saved->step != state.step;
    put_copy_state(state, *saved);
    return moved;
}

void save_state(Context& context, StateFile state) {
    state.engine = context.engine;
    state.migration = context.job.migration;
    state.claim = context.job.claim;
    state.saved_at = iso_time(context.clock.wall());
    if (state.server.empty()) {
        state.server = context.database.server().id;
        state.server_started = context.database.server().started_s;
    }
    const Status written =
        write_file_atomic(context.job.files_dir + kStateFileName, format_state_file(state), 0640);
    if (!written.ok()) {
        context.reporter.note(LogLevel::kWarn,
                              "state file not written: " + written.error().message);
    }
    context.state = std::move(state);
}

}  // namespace shift
