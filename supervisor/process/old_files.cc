#include "supervisor/process/old_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <system_error>

#include "common/attempt_folder.h"
#include "common/file.h"
#include "common/test_points.h"

namespace shift {
namespace {

namespace fs = std::filesystem;

WallTime written_at(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
        return WallTime::max();  // not known: not old
    }
    return wall_time(info.st_mtim.tv_sec);
}

std::vector<std::string> entries_of(const std::string& folder) {
    std::vector<std::string> paths;
    std::error_code error;
    const fs::directory_iterator end;
    for (fs::directory_iterator it(folder, error); !error && it != end; it.increment(error)) {
        paths.push_back(it->path().string());
    }
    return paths;
}

// N of "PREFIX-N".
std::optional<MigrationId> number_in(const std::string& path, std::string_view prefix) {
    const std::string name = fs::path(path).filename().string();
    MigrationId id = 0;
    const char* begin = name.data() + prefix.size();
    const char* end_of_name = name.data() + name.size();
    if (!name.starts_with(prefix)) {
        return std::nullopt;
    }
    const auto [end, error] = std::from_chars(begin, end_of_name, id);
    return error == std::errc{} && end == end_of_name ? std::optional(id) : std::nullopt;
}

}  // namespace

void remove_old_attempts(const std::string& state_dir, WallTime before) {
    const auto numbers = list_attempts(state_dir);
    if (!numbers.ok()) {
        return;
    }
    for (const std::int64_t number : *numbers) {
        const AttemptFiles files(attempt_folder(state_dir, number));
        if (!path_exists(files.closed()) || written_at(files.closed()) >= before) {
            continue;
        }
        const auto life = look_at_attempt(files);
        if (life.ok() && *life == AttemptLife::kDead) {
            std::error_code error;
            fs::remove_all(files.dir, error);
        }
    }
}

std::vector<MigrationId> find_old_migration_files(const std::string& log_dir, WallTime before) {
    std::vector<MigrationId> ids;
    for (const std::string& folder : entries_of(log_dir)) {
        const auto id = number_in(folder, "id-");
        if (!id || written_at(folder) >= before) {
            continue;
        }
        const std::vector<std::string> files = entries_of(folder);
        const bool is_old = std::all_of(files.begin(), files.end(), [before](const auto& file) {
            return written_at(file) < before;
        });
        if (is_old) {
            ids.push_back(*id);
        }
    }
    return ids;
}

void put_files_aside(const std::string& log_dir, MigrationId id) {
    std::error_code error;
    crash_point("put-aside");
    fs::rename(fmt::format("{}id-{}", log_dir, id), fmt::format("{}gone-{}", log_dir, id), error);
    crash_point("was-put-aside");
}

void remove_files_put_aside(const std::string& log_dir) {
    for (const std::string& folder : entries_of(log_dir)) {
        if (number_in(folder, "gone-")) {
            std::error_code error;
            fs::remove_all(folder, error);
        }
    }
}

}  // namespace shift
