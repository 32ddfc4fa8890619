#include "tests/integration/support/tcp_proxy.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "tests/integration/support/sockets.h"

namespace shift::testing {
namespace {

constexpr int kPollMs = 20;
// A statement may come in two pieces: so much of the end of one is looked at with the next.
constexpr std::size_t kRecentBytes = 256;

// Closed with a reset instead of an orderly end.
void reset(UniqueFd& fd) {
    const linger now{1, 0};
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd.reset();
}

}  // namespace

TcpProxy::TcpProxy(int upstream_port)
    : upstream_port_(upstream_port), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address = loopback(0);
    if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_.get(), 64) != 0) {
        throw std::runtime_error("tcp proxy: no port");
    }
    port_ = port_of(listener_.get());
    accepter_ = std::thread([this] { accept_loop(); });
}

TcpProxy::~TcpProxy() {
    stopping_ = true;
    cut_all();
    accepter_.join();
    for (std::thread& relay : relays_) {
        relay.join();
    }
}

void TcpProxy::cut_all() {
    ++epoch_;
}

void TcpProxy::down() {
    is_down_ = true;
    cut_all();
}

void TcpProxy::cut_on(const std::string& text, Cut cut, int times) {
    const std::lock_guard lock(mutex_);
    traps_.push_back({text, cut, times});
}

void TcpProxy::call_on(const std::string& text, std::function<void()> call) {
    const std::lock_guard lock(mutex_);
    traps_.push_back({text, Cut::kBefore, 1, std::move(call)});
}

bool TcpProxy::is_trapped(const std::string& text, Trap& sprung) {
    const std::lock_guard lock(mutex_);
    for (Trap& trap : traps_) {
        if (trap.left > 0 && text.find(trap.text) != std::string::npos) {
            --trap.left;
            sprung = trap;
            return true;
        }
    }
    return false;
}

void TcpProxy::accept_loop() {
    while (!stopping_) {
        pollfd waiting{listener_.get(), POLLIN, 0};
        if (::poll(&waiting, 1, kPollMs) <= 0) {
            continue;
        }
        UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!client) {
            continue;
        }
        if (is_down_) {
            reset(client);
            continue;
        }
        relays_.emplace_back([this, fd = client.release()] { relay(UniqueFd(fd)); });
    }
}

void TcpProxy::relay(UniqueFd client) {
    const unsigned epoch = epoch_;
    Pair pair{std::move(client), UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))};
    sockaddr_in address = loopback(upstream_port_);
    if (::connect(pair.server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        reset(pair.client);
        return;
    }
    std::string recent;
    bool is_open = true;
    while (is_open && epoch_ == epoch) {
        pollfd ends[2] = {{pair.client.get(), POLLIN, 0}, {pair.server.get(), POLLIN, 0}};
        if (::poll(ends, 2, kPollMs) <= 0) {
            continue;
        }
        for (int i = 0; i < 2 && is_open; ++i) {
            if (ends[i].revents != 0) {
                is_open = pass(pair, i == 0, recent);
            }
        }
    }
    reset(pair.client);
    reset(pair.server);
}

// False: the connection is over.
bool TcpProxy::pass(const Pair& pair, bool from_client, std::string& recent) {
    char buffer[65536];
    const int from = (from_client ? pair.client : pair.server).get();
    const int to = (from_client ? pair.server : pair.client).get();
    const ssize_t got = ::recv(from, buffer, sizeof buffer, 0);
    if (got <= 0) {
        return false;
    }
    const std::string_view bytes(buffer, static_cast<std::size_t>(got));
    if (const int wait = delay_ms_; wait > 0) {
        ::usleep(static_cast<useconds_t>(wait) * 1000);
    }
    Trap trap;
    bool is_cut = false;
    if (from_client) {
        recent.append(bytes);
        is_cut = is_trapped(recent, trap);
        if (is_cut && trap.call) {
            trap.call();
            is_cut = false;
        }
        recent.erase(0, recent.size() - std::min(recent.size(), kRecentBytes));
    }
    if (!is_cut) {
        return send_all(to, bytes);
    }
    ++cuts_;
    if (trap.cut == Cut::kBefore || !send_all(to, bytes)) {
        return false;
    }
    if (trap.cut == Cut::kDone) {
        // Its answer, thrown away.
        pollfd answer{to, POLLIN, 0};
        (void)::poll(&answer, 1, static_cast<int>(stretched(seconds(60)).count()));
    }
    return false;
}

}  // namespace shift::testing
