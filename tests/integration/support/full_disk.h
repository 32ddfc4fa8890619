#pragma once

#include <map>
#include <string>

namespace shift::testing {

// A folder on a disk that can be full. As root a tmpfs of a few MiB is mounted there and filled up
// with a file; elsewhere (or with SHIFT_NO_TMPFS=1) programs that were started with environment()
// are told ENOSPC by a preloaded library (full_disk_shim.cc).
class FullDisk {
  public:
    // `folder` is made; it must be empty. `control` is a folder on another disk.
    FullDisk(std::string folder, const std::string& control);
    ~FullDisk();
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;

    bool is_mounted() const { return is_mounted_; }
    // For the programs whose writes are to fail.
    std::map<std::string, std::string> environment() const;
    void fill();
    void free();

  private:
    std::string folder_;
    std::string flag_;
    bool is_mounted_ = false;
};

}  // namespace shift::testing
