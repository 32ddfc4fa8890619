#include "tests/integration/support/full_disk.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "common/unique_fd.h"
#include "tests/integration/support/temp_dir.h"

namespace shift::testing {
namespace {

constexpr const char* kFiller = "/filler";

bool may_mount() {
    const char* forbidden = std::getenv("SHIFT_NO_TMPFS");
    return ::geteuid() == 0 && (forbidden == nullptr || *forbidden == '\0');
}

}  // namespace

FullDisk::FullDisk(std::string folder, const std::string& control)
    : folder_(std::move(folder)), flag_(control + "/disk-full") {
    std::filesystem::create_directories(folder_);
    is_mounted_ = may_mount() && ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=16m") == 0;
}

FullDisk::~FullDisk() {
    if (is_mounted_) {
        (void)::umount2(folder_.c_str(), MNT_DETACH);
    }
}

std::map<std::string, std::string> FullDisk::environment() const {
    if (is_mounted_) {
        return {};
    }
    return {{"LD_PRELOAD", SHIFT_FULL_DISK_SHIM},
            {"SHIFT_FULL_DIR", folder_},
            {"SHIFT_FULL_FLAG", flag_}};
}

void FullDisk::fill() {
    spit(flag_, "");
    if (!is_mounted_) {
        return;
    }
    const UniqueFd filler(
        ::open((folder_ + kFiller).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    // Down to the last byte: a smaller piece may still fit where a page does not.
    for (std::size_t piece = 65536; piece > 0; piece /= 2) {
        const std::vector<char> bytes(piece, 'x');
        while (::write(filler.get(), bytes.data(), piece) > 0) {
        }
    }
}

void FullDisk::free() {
    (void)::unlink(flag_.c_str());
    (void)::unlink((folder_ + kFiller).c_str());
}

}  // namespace shift::testing
