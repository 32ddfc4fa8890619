#include "worker/doctor/credentials.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/file.h"
#include "common/mysql_option_file.h"

namespace shift {

Result<Credentials> Credentials::lay_down(const Config& config) {
    Credentials credentials;
    credentials.file_ = config.mysql_defaults_file;
    if (config.mysql_user.empty()) {
        return credentials;
    }
    std::string folder = "/tmp/shift-check-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) {
        return Error{Errc::kIo, fmt::format("{}: {}", folder, std::strerror(errno)), errno};
    }
    credentials.folder_ = folder;
    credentials.file_ = folder + "/credentials.cnf";
    RETURN_IF_ERROR(write_file_atomic(credentials.file_, mysql_option_file(config), 0600));
    return credentials;
}

Credentials::Credentials(Credentials&& other) noexcept
    : folder_(std::exchange(other.folder_, "")), file_(std::move(other.file_)) {}

Credentials::~Credentials() {
    if (!folder_.empty()) {
        (void)remove_file(file_);
        (void)::rmdir(folder_.c_str());
    }
}

}  // namespace shift
