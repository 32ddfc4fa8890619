#include "common/line_call.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>

#include "common/unique_fd.h"

namespace shift {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kAnswerBytesMax = 16 * 1024 * 1024;

Error unavailable(const std::string& path, int error) {
    return Error{Errc::kUnavailable, fmt::format("{}: {}", path, std::strerror(error)), error};
}

Error no_answer(const std::string& path, const std::string& why) {
    return Error{Errc::kDeadline, fmt::format("{}: {}", path, why)};
}

// Waits for `events` on `fd`; false when the deadline passed.
bool wait_for(int fd, short events, steady_clock::time_point deadline) {
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
        if (left.count() <= 0) {
            return false;
        }
        pollfd entry{fd, events, 0};
        const int ready = ::poll(&entry, 1, static_cast<int>(left.count()));
        if (ready > 0) {
            return true;
        }
        if (ready < 0 && errno != EINTR) {
            return false;
        }
    }
}

Result<UniqueFd> connect_to(const std::string& path, steady_clock::time_point deadline) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("socket '{}': a path of 1 to {} bytes is needed", path,
                                 sizeof address.sun_path - 1)};
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) {
        return Error{Errc::kIo, fmt::format("socket: {}", std::strerror(errno)), errno};
    }
    // EAGAIN is the answer of a unix socket whose queue is full: the daemon lives but is busy.
    while (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        if (errno != EAGAIN && errno != EINTR) {
            return unavailable(path, errno);
        }
        constexpr int kPauseMs = 20;
        (void)::poll(nullptr, 0, kPauseMs);
        if (steady_clock::now() >= deadline) {
            return unavailable(path, EAGAIN);
        }
    }
    return fd;
}

Status send_all(int fd, std::string_view bytes, const std::string& path,
                steady_clock::time_point deadline) {
    while (!bytes.empty()) {
        const ssize_t put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (put >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(put));
        } else if (errno == EAGAIN) {
            if (!wait_for(fd, POLLOUT, deadline)) {
                return no_answer(path, "the request is not read");
            }
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return Ok{};  // it hung up, perhaps after saying why: that can still be read
        } else if (errno != EINTR) {
            return no_answer(path, std::strerror(errno));
        }
    }
    return Ok{};
}

Result<std::vector<std::string>> read_lines(int fd, std::size_t wanted, const std::string& path,
                                            steady_clock::time_point deadline) {
    std::string text;
    std::vector<std::string> lines;
    for (;;) {
        if (!wait_for(fd, POLLIN, deadline)) {
            return no_answer(path, "no answer in time");
        }
        char buffer[64 * 1024];
        const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (got < 0) {
            return no_answer(path, std::strerror(errno));
        }
        if (got == 0) {
            return no_answer(path, "the connection was closed without an answer");
        }
        text.append(buffer, static_cast<std::size_t>(got));
        for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
            lines.push_back(text.substr(0, end));
            text.erase(0, end + 1);
            if (lines.size() == wanted) {
                return lines;
            }
        }
        if (text.size() > kAnswerBytesMax) {
            return no_answer(path, "the answer is too long");
        }
    }
}

}  // namespace

Result<std::vector<std::string>> line_call(const std::string& path, const std::string& request,
                                           std::size_t lines, int timeout_ms) {
    const auto deadline = steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    ASSIGN_OR_RETURN(const UniqueFd fd, connect_to(path, deadline));
    RETURN_IF_ERROR(send_all(fd.get(), request, path, deadline));
    return read_lines(fd.get(), lines, path, deadline);
}

}  // namespace shift
