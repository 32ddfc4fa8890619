#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "common/check.h"

namespace shift::api {

// A folder of its own, removed when it goes.
class TempFolder {
  public:
    TempFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "shift-api-XXXXXX").string();
        CHECK(::mkdtemp(name.data()) != nullptr, "mkdtemp");
        path_ = name;
    }
    ~TempFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;

    std::string file(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

}  // namespace shift::api
