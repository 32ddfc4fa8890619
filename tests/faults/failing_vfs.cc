#include "tests/faults/failing_vfs.h"

#include <sqlite3.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <new>
#include <sstream>

namespace shift::testing {
namespace {

// One at a time: SQLite's callbacks know no owner but the file system itself.
struct World {
    sqlite3_vfs* real = nullptr;
    int fails_in = 0;  // 0 = never
    bool for_good = false;
    bool has_failed = false;
    std::map<std::string, std::string> synced;  // path -> contents at the last sync

    // True: this call fails.
    bool count() {
        if (fails_in == 0) {
            return false;
        }
        if (fails_in > 1) {
            --fails_in;
            return false;
        }
        has_failed = true;
        fails_in = for_good ? 1 : 0;
        return true;
    }
};
World& world() {
    static World the_world;
    return the_world;
}

std::string slurp(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

struct File {
    sqlite3_file base;  // must be first: SQLite sees this
    std::string* path;
    sqlite3_file* inner() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
File& of(sqlite3_file* file) {
    return *reinterpret_cast<File*>(file);
}
sqlite3_file* in(sqlite3_file* file) {
    return of(file).inner();
}

int x_close(sqlite3_file* file) {
    const int rc = in(file)->pMethods->xClose(in(file));
    delete of(file).path;
    return rc;
}
int x_read(sqlite3_file* file, void* to, int n, sqlite3_int64 at) {
    return in(file)->pMethods->xRead(in(file), to, n, at);
}
int x_write(sqlite3_file* file, const void* from, int n, sqlite3_int64 at) {
    if (world().count()) {
        // As a full disk does it: the first half may have arrived.
        (void)in(file)->pMethods->xWrite(in(file), from, n / 2, at);
        return SQLITE_FULL;
    }
    return in(file)->pMethods->xWrite(in(file), from, n, at);
}
int x_truncate(sqlite3_file* file, sqlite3_int64 size) {
    return world().count() ? SQLITE_IOERR_TRUNCATE : in(file)->pMethods->xTruncate(in(file), size);
}
int x_sync(sqlite3_file* file, int flags) {
    if (world().count()) {
        return SQLITE_IOERR_FSYNC;
    }
    const int rc = in(file)->pMethods->xSync(in(file), flags);
    if (rc == SQLITE_OK && of(file).path != nullptr) {
        world().synced[*of(file).path] = slurp(*of(file).path);
    }
    return rc;
}
int x_size(sqlite3_file* file, sqlite3_int64* size) {
    return in(file)->pMethods->xFileSize(in(file), size);
}
int x_lock(sqlite3_file* file, int how) {
    return in(file)->pMethods->xLock(in(file), how);
}
int x_unlock(sqlite3_file* file, int how) {
    return in(file)->pMethods->xUnlock(in(file), how);
}
int x_check(sqlite3_file* file, int* held) {
    return in(file)->pMethods->xCheckReservedLock(in(file), held);
}
int x_control(sqlite3_file* file, int what, void* arg) {
    return in(file)->pMethods->xFileControl(in(file), what, arg);
}
int x_sector(sqlite3_file* file) {
    return in(file)->pMethods->xSectorSize(in(file));
}
int x_traits(sqlite3_file* file) {
    return in(file)->pMethods->xDeviceCharacteristics(in(file));
}
int x_shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** to) {
    return in(file)->pMethods->xShmMap(in(file), page, size, extend, to);
}
int x_shm_lock(sqlite3_file* file, int offset, int n, int flags) {
    return in(file)->pMethods->xShmLock(in(file), offset, n, flags);
}
void x_shm_barrier(sqlite3_file* file) {
    in(file)->pMethods->xShmBarrier(in(file));
}
int x_shm_unmap(sqlite3_file* file, int remove) {
    return in(file)->pMethods->xShmUnmap(in(file), remove);
}

constexpr sqlite3_io_methods kMethods = {
    2,          x_close,       x_read,      x_write,   x_truncate, x_sync,   x_size,
    x_lock,     x_unlock,      x_check,     x_control, x_sector,   x_traits, x_shm_map,
    x_shm_lock, x_shm_barrier, x_shm_unmap, nullptr,   nullptr};

int x_open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    file->pMethods = nullptr;
    const bool makes =
        (flags & SQLITE_OPEN_CREATE) != 0 && name != nullptr && !std::filesystem::exists(name);
    if (makes && world().count()) {
        return SQLITE_CANTOPEN;
    }
    const int rc = world().real->xOpen(world().real, name, in(file), flags, out_flags);
    if (rc == SQLITE_OK) {
        of(file).path = name == nullptr ? nullptr : new std::string(name);
        file->pMethods = &kMethods;
    }
    return rc;
}
int x_delete(sqlite3_vfs*, const char* name, int sync) {
    return world().count() ? SQLITE_IOERR_DELETE : world().real->xDelete(world().real, name, sync);
}

sqlite3_vfs& failing() {
    static sqlite3_vfs vfs;
    return vfs;
}

}  // namespace

FailingVfs::FailingVfs() {
    world() = World{};
    world().real = sqlite3_vfs_find("unix");
    sqlite3_vfs& vfs = failing();
    vfs = *world().real;
    vfs.pNext = nullptr;
    vfs.zName = "failing";
    vfs.szOsFile = static_cast<int>(sizeof(File)) + world().real->szOsFile;
    vfs.xOpen = x_open;
    vfs.xDelete = x_delete;
    sqlite3_vfs_register(&vfs, 1);
}

FailingVfs::~FailingVfs() {
    sqlite3_vfs_unregister(&failing());
    sqlite3_vfs_register(world().real, 1);
}

void FailingVfs::fail_at(int n, bool for_good) {
    world().fails_in = n;
    world().for_good = for_good;
    world().has_failed = false;
}

void FailingVfs::heal() {
    world().fails_in = 0;
}

bool FailingVfs::has_failed() const {
    return world().has_failed;
}

void FailingVfs::lose_unsynced(const std::string& folder) {
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
        const std::string path = file.path();
        const auto kept = world().synced.find(path);
        if (kept == world().synced.end()) {
            std::filesystem::remove(path);
        } else {
            std::ofstream out(path, std::ios::binary | std::ios::trunc);
            out << kept->second;
        }
    }
}

}  // namespace shift::testing
