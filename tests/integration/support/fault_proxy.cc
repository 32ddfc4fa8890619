#include "tests/integration/support/fault_proxy.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "tests/integration/support/sockets.h"

namespace shift::testing {

FaultProxy::FaultProxy(int target_port) : target_(target_port) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(0);
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 64) != 0) {
        throw std::runtime_error("fault proxy: cannot listen");
    }
    port_ = port_of(listener_);
    accepter_ = std::thread([this] { accept_all(); });
}

FaultProxy::~FaultProxy() {
    is_over_ = true;
    ++generation_;
    accepter_.join();
    ::close(listener_);
    for (std::thread& thread : threads_) {
        thread.join();
    }
}

void FaultProxy::cut() {
    ++generation_;
}

void FaultProxy::down() {
    is_down_ = true;
    ++generation_;
}

void FaultProxy::cut_at(const std::string& text, bool forwards) {
    const std::lock_guard lock(mutex_);
    cut_text_ = text;
    cut_forwards_ = forwards;
    has_cut_ = false;
}

void FaultProxy::accept_all() {
    while (!is_over_) {
        pollfd ready{listener_, POLLIN, 0};
        if (::poll(&ready, 1, 20) <= 0) {
            continue;
        }
        const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0) {
            continue;
        }
        if (is_down_) {
            // As a port that nobody listens on, as far as a client can tell: an immediate end.
            const linger hard{1, 0};
            (void)::setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
            ::close(client);
            continue;
        }
        const std::lock_guard lock(mutex_);
        threads_.emplace_back([this, client] { serve(client); });
    }
}

// false: the connection ends.
bool FaultProxy::pass(int from, int to, bool from_client) {
    char buffer[65536];
    const ssize_t got = ::recv(from, buffer, sizeof buffer, 0);
    if (got <= 0) {
        return false;
    }
    bool cuts = false;
    bool forwards = false;
    if (from_client) {
        std::this_thread::sleep_for(milliseconds(delay_ms_));
        const std::lock_guard lock(mutex_);
        const std::string text(buffer, static_cast<std::size_t>(got));
        cuts = !cut_text_.empty() && text.find(cut_text_) != std::string::npos;
        forwards = cut_forwards_;
        if (cuts) {
            cut_text_.clear();
        }
    }
    if (cuts && !forwards) {
        has_cut_ = true;
        return false;
    }
    if (!send_all(to, {buffer, static_cast<std::size_t>(got)})) {
        return false;
    }
    if (cuts) {
        // The server has it; its answer goes nowhere.
        char nothing[1];
        pollfd answered{to, POLLIN, 0};
        (void)::poll(&answered, 1, 10'000);
        (void)::recv(to, nothing, 0, MSG_PEEK);
        has_cut_ = true;
        return false;
    }
    return true;
}

void FaultProxy::serve(int client) {
    ++connections_;
    const int born = generation_;
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(target_);
    const int on = 1;
    for (const int fd : {client, server}) {
        (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        pollfd both[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
        bool open = true;
        while (open && generation_ == born) {
            if (::poll(both, 2, 20) <= 0) {
                continue;
            }
            if ((both[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
                open = pass(client, server, true);
            }
            if (open && (both[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
                open = pass(server, client, false);
            }
        }
    }
    ::close(client);
    ::close(server);
}

}  // namespace shift::testing
