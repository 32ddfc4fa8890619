#include "common/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "common/test_points.h"

namespace shift {
namespace {

Error os_error(const char* what, const std::string& path, int error) {
    const Errc code = error == ENOENT ? Errc::kNotFound : Errc::kIo;
    return Error{code, fmt::format("{} {}: {}", what, path, std::strerror(error)), error};
}

Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0) {
    int fd = -1;
    do {
        fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return os_error("open", path, errno);
    }
    return UniqueFd(fd);
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

// The file's name for its crash points; a fingerprint in it is "*", so that it is the same in
// every run.
std::string point_of(const std::string& path) {
    constexpr std::size_t kFingerprintMin = 16;
    std::string name;
    for (std::size_t at = path.rfind('/') + 1; at < path.size();) {
        const std::size_t end =
            std::min(path.find_first_not_of("0123456789abcdef", at), path.size());
        if (end - at >= kFingerprintMin) {
            name += '*';
            at = end;
        } else {
            name += path[at++];
        }
    }
    return name;
}

Status sync_folder(const std::string& folder) {
    ASSIGN_OR_RETURN(const UniqueFd fd, open_file(folder, O_RDONLY | O_DIRECTORY));
    if (::fsync(fd.get()) != 0) {
        return os_error("fsync", folder, errno);
    }
    return Ok{};
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
    ASSIGN_OR_RETURN(const UniqueFd fd, open_file(path, O_RDONLY));
    std::string text;
    // Not sized by fstat(): files in /proc say 0, and a log may grow while it is read.
    constexpr std::size_t kChunk = 64 * 1024;
    for (;;) {
        const std::size_t have = text.size();
        text.resize(have + kChunk);
        const ssize_t got = ::read(fd.get(), text.data() + have, kChunk);
        if (got < 0 && errno == EINTR) {
            text.resize(have);
            continue;
        }
        if (got < 0) {
            return os_error("read", path, errno);
        }
        text.resize(have + static_cast<std::size_t>(got));
        if (text.size() > bytes_max) {
            return Error{Errc::kInvalidArgument,
                         fmt::format("{}: larger than {} bytes", path, bytes_max)};
        }
        if (got == 0) {
            return text;
        }
    }
}

Result<std::string> read_file_range(const std::string& path, std::uint64_t offset,
                                    std::size_t bytes) {
    ASSIGN_OR_RETURN(const UniqueFd fd, open_file(path, O_RDONLY));
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) {
        return os_error("stat", path, errno);
    }
    // A small file asked for with a generous limit must not cost the limit.
    const auto size = static_cast<std::uint64_t>(info.st_size);
    const std::uint64_t left = size > offset ? size - offset : 0;
    std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, left)), '\0');
    std::size_t have = 0;
    while (have < text.size()) {
        const ssize_t got = ::pread(fd.get(), text.data() + have, text.size() - have,
                                    static_cast<off_t>(offset + have));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return os_error("read", path, errno);
        }
        if (got == 0) {
            break;
        }
        have += static_cast<std::size_t>(got);
    }
    text.resize(have);
    return text;
}

Status write_file_atomic(const std::string& path, std::string_view text, mode_t mode) {
    const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
    // One of that name can only be the rest of a dead process that had our pid.
    (void)::unlink(temporary.c_str());
    ASSIGN_OR_RETURN(UniqueFd fd, open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600));
    const auto finish = [&]() -> Status {
        RETURN_IF_ERROR(write_all(fd.get(), text, temporary));
        // fchmod() and not open()'s mode: who may read the file must not hang on the umask.
        if (::fchmod(fd.get(), mode) != 0) {
            return os_error("chmod", temporary, errno);
        }
        if (::fsync(fd.get()) != 0) {
            return os_error("fsync", temporary, errno);
        }
        fd.reset();
        crash_point("file-rename", point_of(path));
        if (::rename(temporary.c_str(), path.c_str()) != 0) {
            return os_error("rename to", path, errno);
        }
        crash_point("file-renamed", point_of(path));
        return Ok{};
    };
    if (Status status = finish(); !status.ok()) {
        (void)::unlink(temporary.c_str());
        return status;
    }
    return sync_folder(folder_of(path));
}

Status make_directories(const std::string& path, mode_t mode) {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
        const std::string part = path.substr(0, end);
        if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST) {
            const int error = errno;
            struct stat info {};
            // A read-only or foreign parent may refuse mkdir although the folder is there.
            if (::stat(part.c_str(), &info) != 0) {
                return os_error("create folder", part, error);
            }
        }
        if (end == std::string::npos) {
            break;
        }
    }
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        return os_error("stat", path, errno);
    }
    if (!S_ISDIR(info.st_mode)) {
        return Error{Errc::kIo, fmt::format("{}: not a folder", path), ENOTDIR};
    }
    return Ok{};
}

std::optional<std::uint64_t> file_size(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(info.st_size);
}

bool path_exists(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0;
}

Status remove_file(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return os_error("remove", path, errno);
    }
    return Ok{};
}

Result<UniqueFd> lock_file(const std::string& path) {
    ASSIGN_OR_RETURN(UniqueFd fd, open_file(path, O_RDWR | O_CREAT, 0600));
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            return Error{Errc::kConflict, fmt::format("{}: another process holds the lock", path),
                         errno};
        }
        if (errno != EINTR) {
            return os_error("lock", path, errno);
        }
    }
    return fd;
}

Result<bool> is_locked(const std::string& path) {
    auto opened = open_file(path, O_RDONLY);
    if (!opened.ok()) {
        if (opened.error().code == Errc::kNotFound) {
            return false;
        }
        return std::move(opened).error();
    }
    // A shared lock conflicts with the holder's exclusive one, but not with another look at the
    // same moment, which would otherwise be taken for a holder.
    while (::flock(opened->get(), LOCK_SH | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            return true;
        }
        if (errno != EINTR) {
            return os_error("lock", path, errno);
        }
    }
    return false;  // Closing the descriptor releases what was just taken.
}

Status write_all(int fd, std::string_view bytes, const std::string& what) {
    while (!bytes.empty()) {
        const ssize_t put = ::write(fd, bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return os_error("write", what, errno);
        }
        bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return Ok{};
}

}  // namespace shift
