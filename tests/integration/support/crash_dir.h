#pragma once

#include <string>
#include <vector>

namespace shift::testing {

// The folder of SHIFT_CRASH_DIR (common/test_points.h): where processes are told to die.
class CrashDir {
  public:
    // Made when it is not there.
    explicit CrashDir(std::string path);
    const std::string& path() const { return path_; }

    // "NAME COUNT" or "NAME COUNT @STATUS": whichever process passes the first one so often from
    // now on dies there; then the next one is armed.
    void arm(const std::vector<std::string>& points);
    // How many of them have not struck.
    std::size_t left() const;
    // Lines "PID STATUS NAME" of the points passed so far.
    std::string hits() const;

  private:
    std::string path_;
};

}  // namespace shift::testing
