#include "worker/doctor/credentials.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "common/file.h"
#include "common/mysql_option_file.h"

namespace shift {

Result<Credentials> Credentials::lay_down(const Config& config) {
    Credentials credentials;
    credentials.file_ = config.mysql_defaults_file;
    if (config.mysql_user.empty()) {
        return credentials;
    }
    credentials.fd_ = UniqueFd(::memfd_create("credentials", MFD_CLOEXEC));
    // The client library does not read a file that others may write.
    if (!credentials.fd_ || ::fchmod(credentials.fd_.get(), 0600) != 0) {
        return Error{Errc::kIo, fmt::format("memfd: {}", std::strerror(errno)), errno};
    }
    RETURN_IF_ERROR(
        write_all(credentials.fd_.get(), mysql_option_file(config), "credentials"));
    credentials.file_ = fmt::format("/proc/self/fd/{}", credentials.fd_.get());
    return credentials;
}

}  // namespace shift
