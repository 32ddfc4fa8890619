#pragma once

#include <string>

namespace shift::testing {

// A folder of its own in TMPDIR (else /tmp), with a short name: unix socket paths end at 107 bytes,
// so TMPDIR must be short too. Removed with the object, unless the running test has failed by then
// or keep() was called.
class TempDir {
  public:
    TempDir();
    ~TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;

    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    void keep() { keep_ = true; }

  private:
    std::string path_;
    bool keep_ = false;
};

// The last `lines` lines of a file, or a sentence saying that there is none.
std::string tail_file(const std::string& path, int lines);
// The whole file, or "" when there is none.
std::string slurp(const std::string& path);
void spit(const std::string& path, const std::string& text, unsigned mode = 0644);

}  // namespace shift::testing
