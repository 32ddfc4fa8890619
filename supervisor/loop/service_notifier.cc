#include "supervisor/loop/service_notifier.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace shift {
namespace {

constexpr std::size_t kStatusBytesMax = 512;

std::string take_variable(const char* name) {
    const char* value = std::getenv(name);
    std::string text = value != nullptr ? value : "";
    (void)::unsetenv(name);
    return text;
}

std::optional<std::int64_t> parse_number(const std::string& text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number <= 0) {
        return std::nullopt;
    }
    return number;
}

}  // namespace

ServiceNotifier ServiceNotifier::take_from_environment() {
    std::string address = take_variable("NOTIFY_SOCKET");
    const auto watchdog_us = parse_number(take_variable("WATCHDOG_USEC"));
    const std::string watched = take_variable("WATCHDOG_PID");
    std::optional<Millis> watchdog;
    if (watchdog_us && (watched.empty() || watched == std::to_string(::getpid()))) {
        watchdog = Millis(*watchdog_us / 1000);
    }
    return {std::move(address), watchdog};
}

ServiceNotifier::ServiceNotifier(std::string address, std::optional<Millis> watchdog)
    : address_(std::move(address)), watchdog_(watchdog) {
    const bool is_known = address_.starts_with('/') || address_.starts_with('@');
    if (is_known && address_.size() < sizeof sockaddr_un{}.sun_path) {
        socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    }
}

void ServiceNotifier::ready() {
    tell("READY=1");
}

void ServiceNotifier::reloading(SteadyTime now) {
    const auto since =
        std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch());
    tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", since.count()));
}

void ServiceNotifier::stopping() {
    tell("STOPPING=1");
}

void ServiceNotifier::status(std::string_view text) {
    std::string line(text.substr(0, kStatusBytesMax));
    std::replace_if(
        line.begin(), line.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
    if (line != status_) {
        status_ = std::move(line);
        status_owed_ = true;
        send_owed();
    }
}

void ServiceNotifier::turned(SteadyTime now) {
    send_owed();
    if (watchdog_ && (!fed_ || now - *fed_ >= *watchdog_ / 2) && send("WATCHDOG=1")) {
        fed_ = now;
    }
}

void ServiceNotifier::tell(std::string_view message) {
    owed_ += owed_.empty() ? "" : "\n";
    owed_ += message;
    send_owed();
}

void ServiceNotifier::send_owed() {
    std::string message = owed_;
    if (status_owed_) {
        message += (message.empty() ? "STATUS=" : "\nSTATUS=") + status_;
    }
    if (message.empty() || send(message)) {
        owed_.clear();
        status_owed_ = false;
    }
}

bool ServiceNotifier::send(std::string_view message) const {
    if (!socket_) {
        return true;
    }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, address_.data(), address_.size());
    if (address.sun_path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size() +
                                             (address.sun_path[0] == '\0' ? 0 : 1));
    const ssize_t sent = ::sendto(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL,
                                  reinterpret_cast<const sockaddr*>(&address), size);
    // Only a full queue empties again; a manager that is gone is not waited for.
    return sent >= 0 || (errno != EAGAIN && errno != ENOBUFS);
}

}  // namespace shift
