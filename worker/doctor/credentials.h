#pragma once

#include <optional>
#include <string>

#include "common/config.h"
#include "common/result.h"

namespace shift {

// The option file that opens the configured database servers, for as long as this object lives: the
// configuration's mysql_* keys in a folder of their own that only we may read, or its
// mysql_defaults_file as it is.
class Credentials {
  public:
    // Errors: kIo.
    static Result<Credentials> lay_down(const Config& config);
    Credentials(Credentials&& other) noexcept;
    Credentials& operator=(Credentials&&) = delete;
    ~Credentials();

    const std::string& file() const { return file_; }

  private:
    Credentials() = default;
    std::string folder_;  // "" = nothing of ours to remove
    std::string file_;
};

}  // namespace shift
