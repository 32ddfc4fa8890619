// A disk that is full, for any program: preloaded (LD_PRELOAD) it answers ENOSPC to every write,
// allocation, new file and new folder below the folder SHIFT_FULL_DIR for as long as the file
// SHIFT_FULL_FLAG exists. Reading, renaming, truncating and removing work, as on a real one.
// Source: write(2), open(2), posix_fallocate(3): ENOSPC.

// Both the names with and those without 64 are replaced: one must not become the other.
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

bool is_full() {
    const char* flag = getenv("SHIFT_FULL_FLAG");
    return flag != nullptr && syscall(SYS_access, flag, F_OK) == 0;
}

bool is_below(const char* path) {
    const char* dir = getenv("SHIFT_FULL_DIR");
    const size_t length = dir == nullptr ? 0 : strlen(dir);
    return length > 0 && strncmp(path, dir, length) == 0;
}

bool is_refused(int fd) {
    if (!is_full()) {
        return false;
    }
    char link[64];
    char path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) {
        return false;
    }
    path[length] = '\0';
    return is_below(path);
}

// A relative name means the current folder.
bool is_refused(const char* path) {
    if (path == nullptr || !is_full()) {
        return false;
    }
    if (path[0] == '/') {
        return is_below(path);
    }
    char cwd[4096];
    return getcwd(cwd, sizeof cwd) != nullptr && is_below(cwd);
}

template <typename F>
F next(const char* name) {
    return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

int refuse() {
    errno = ENOSPC;
    return -1;
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* bytes, size_t count) {
    static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
    return is_refused(fd) ? refuse() : real(fd, bytes, count);
}

ssize_t pwrite(int fd, const void* bytes, size_t count, off_t at) {
    static const auto real = next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
    return is_refused(fd) ? refuse() : real(fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void* bytes, size_t count, off64_t at) {
    static const auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
    return is_refused(fd) ? refuse() : real(fd, bytes, count, at);
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
    static const auto real = next<ssize_t (*)(int, const struct iovec*, int)>("writev");
    return is_refused(fd) ? refuse() : real(fd, parts, count);
}

int posix_fallocate(int fd, off_t at, off_t length) {
    static const auto real = next<int (*)(int, off_t, off_t)>("posix_fallocate");
    return is_refused(fd) ? ENOSPC : real(fd, at, length);
}

int posix_fallocate64(int fd, off64_t at, off64_t length) {
    static const auto real = next<int (*)(int, off64_t, off64_t)>("posix_fallocate64");
    return is_refused(fd) ? ENOSPC : real(fd, at, length);
}

int mkdir(const char* path, mode_t mode) {
    static const auto real = next<int (*)(const char*, mode_t)>("mkdir");
    return is_refused(path) ? refuse() : real(path, mode);
}

int open(const char* path, int flags, ...) {
    static const auto real = next<int (*)(const char*, int, ...)>("open");
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    const bool makes = (flags & O_CREAT) != 0 && syscall(SYS_access, path, F_OK) != 0;
    return makes && is_refused(path) ? refuse() : real(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
    static const auto real = next<int (*)(const char*, int, ...)>("open64");
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    const bool makes = (flags & O_CREAT) != 0 && syscall(SYS_access, path, F_OK) != 0;
    return makes && is_refused(path) ? refuse() : real(path, flags, mode);
}

}  // extern "C"
