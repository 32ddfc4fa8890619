#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "common/check.h"

namespace shift {

// A folder of its own for one test; gone with everything in it at the end.
class TempDir {
  public:
    TempDir() {
        std::string pattern = (std::filesystem::temp_directory_path() / "shift-XXXXXX").native();
        CHECK(::mkdtemp(pattern.data()) != nullptr, "no temporary folder");
        path_ = pattern;
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

}  // namespace shift
