#include "tests/integration/support/crash_dir.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "tests/integration/support/temp_dir.h"

namespace shift::testing {

CrashDir::CrashDir(std::string path) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
}

void CrashDir::arm(const std::vector<std::string>& points) {
    std::string text = std::to_string(hits().size()) + "\n";
    for (const std::string& point : points) {
        text += point + "\n";
    }
    spit(path_ + "/armed", text);
}

std::size_t CrashDir::left() const {
    if (!std::filesystem::exists(path_ + "/armed")) {
        return 0;
    }
    const std::string text = slurp(path_ + "/armed");
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    return lines > 0 ? lines - 1 : 0;
}

std::string CrashDir::hits() const {
    return std::filesystem::exists(path_ + "/hits") ? slurp(path_ + "/hits") : "";
}

}  // namespace shift::testing
