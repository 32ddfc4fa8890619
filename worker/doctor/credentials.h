#pragma once

#include <string>

#include "common/config.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace shift {

// The option file that opens the configured database servers, for as long as this object lives: the
// configuration's mysql_* keys, kept in memory so that nothing is left of them however we end, or
// its mysql_defaults_file as it is.
class Credentials {
  public:
    // Errors: kIo.
    static Result<Credentials> lay_down(const Config& config);

    // For this process alone: /proc/self/fd/N, or the configured file.
    const std::string& file() const { return file_; }

  private:
    Credentials() = default;
    UniqueFd fd_;
    std::string file_;
};

}  // namespace shift
