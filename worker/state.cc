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
    return choose_state(read_state(job.files_dir + kStateFileName, reporter),
                        read_state(files.api_state_file(), reporter));
}

void save_state(Context& context, StateFile state) {
    state.engine = context.job.engine;
    state.migration = context.job.migration;
    state.claim = context.job.claim;
    state.saved_at = iso_time(context.clock.wall());
    state.server = context.database.server().id;
    const Status written =
        write_file_atomic(context.job.files_dir + kStateFileName, format_state_file(state), 0640);
    if (!written.ok()) {
        context.reporter.note(LogLevel::kWarn,
                              "state file not written: " + written.error().message);
    }
    context.state = std::move(state);
}

}  // namespace shift
