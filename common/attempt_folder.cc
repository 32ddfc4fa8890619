#include "common/attempt_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "common/file.h"

namespace shift {

Result<AttemptLife> look_at_attempt(const AttemptFiles& files) {
    ASSIGN_OR_RETURN(const bool worker, is_locked(files.worker_lock()));
    if (worker) {
        return AttemptLife::kAlive;
    }
    // Only now: probing engine.lock takes it for a moment, which a living worker must not meet.
    ASSIGN_OR_RETURN(const bool engine, is_locked(files.engine_lock()));
    return engine ? AttemptLife::kOrphanEngine : AttemptLife::kDead;
}

std::string attempt_folder(const std::string& state_dir, std::int64_t attempt) {
    return fmt::format("{}/attempts/{}", state_dir, attempt);
}

Result<std::vector<std::int64_t>> list_attempts(const std::string& state_dir) {
    std::vector<std::int64_t> numbers;
    std::error_code error;
    const std::filesystem::directory_iterator end;
    for (std::filesystem::directory_iterator it(state_dir + "/attempts", error);
         !error && it != end; it.increment(error)) {
        const std::string name = it->path().filename().string();
        std::int64_t number = 0;
        const auto [stop, bad] = std::from_chars(name.data(), name.data() + name.size(), number);
        if (bad == std::errc{} && stop == name.data() + name.size() && number > 0) {
            numbers.push_back(number);
        }
    }
    if (error && error != std::errc::no_such_file_or_directory) {
        return Error{Errc::kIo, fmt::format("{}/attempts: {}", state_dir, error.message()),
                     error.value()};
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

}  // namespace shift
