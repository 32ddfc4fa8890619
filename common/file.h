#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "common/unique_fd.h"

namespace shift {

// The whole file, at most `bytes_max`.
// Errors: kNotFound; kInvalidArgument - larger than bytes_max; kIo.
Result<std::string> read_file(const std::string& path, std::size_t bytes_max);

// `bytes` bytes from `offset` (fewer at the end of the file). Errors: kNotFound, kIo.
Result<std::string> read_file_range(const std::string& path, std::uint64_t offset,
                                    std::size_t bytes);

// Writes to a temporary name in the same folder, fsyncs, renames over `path`, fsyncs the folder:
// after a crash `path` holds the old text or the new one, never a part.
Status write_file_atomic(const std::string& path, std::string_view text, mode_t mode);

// mkdir -p; existing folders are fine.
Status make_directories(const std::string& path, mode_t mode);

// Size in bytes, nullopt when there is no such file.
std::optional<std::uint64_t> file_size(const std::string& path);
bool path_exists(const std::string& path);
Status remove_file(const std::string& path);  // missing is fine

// Opens (creating, 0600, CLOEXEC) and flocks `path` exclusively without waiting. The lock lives as
// long as any copy of the descriptor, also one inherited by a child.
// Errors: kConflict - another process holds it; kIo.
Result<UniqueFd> lock_file(const std::string& path);
// True when some process holds the flock of `path`; false when free or there is no such file.
Result<bool> is_locked(const std::string& path);

Status write_all(int fd, std::string_view bytes, const std::string& what);

}  // namespace shift
