#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/unique_fd.h"
#include "tests/integration/support/wait.h"

namespace shift::testing {

// A TCP relay on a loopback port between clients and a server: cuts, holds up and redirects what
// goes through. What it looks for in the bytes of the client is plain text, so no TLS.
class TcpProxy {
  public:
    explicit TcpProxy(int upstream_port);
    ~TcpProxy();
    TcpProxy(const TcpProxy&) = delete;
    TcpProxy& operator=(const TcpProxy&) = delete;

    int port() const { return port_; }
    // New connections go there.
    void redirect(int upstream_port) { upstream_port_ = upstream_port; }
    // Both sides of every open connection are reset.
    void cut_all();
    // While down, new connections are reset at once.
    void down();
    void up() { is_down_ = false; }
    // Every piece that comes through waits this long.
    void delay(milliseconds time) { delay_ms_ = static_cast<int>(time.count()); }

    // When a client's bytes contain `text`, that connection is cut:
    enum class Cut {
        kBefore,  // and nothing of them reaches the server
        kSent,    // as soon as they were passed on: the server does it and nobody is told
        kDone,    // when the server's answer to them is here: it was done, and nobody is told
    };
    void cut_on(const std::string& text, Cut cut, int times = 1);
    // When a client's bytes contain `text` for the first time, `call` runs before they are passed
    // on.
    void call_on(const std::string& text, std::function<void()> call);
    // How many connections cut_on() has cut.
    int cuts() const { return cuts_; }

  private:
    struct Trap {
        std::string text;
        Cut cut = Cut::kBefore;
        int left = 0;
        std::function<void()> call = {};  // instead of a cut
    };
    struct Pair {
        UniqueFd client;
        UniqueFd server;
    };

    void accept_loop();
    void relay(UniqueFd client);
    bool pass(const Pair& pair, bool from_client, std::string& recent);
    // False: no trap is sprung.
    bool is_trapped(const std::string& text, Trap& sprung);

    int port_ = 0;
    std::atomic<int> upstream_port_;
    UniqueFd listener_;
    std::thread accepter_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> is_down_{false};
    std::atomic<int> delay_ms_{0};
    std::atomic<int> cuts_{0};
    std::atomic<unsigned> epoch_{0};  // rises when open connections are to end
    std::mutex mutex_;
    std::vector<Trap> traps_;
    std::vector<std::thread> relays_;
};

}  // namespace shift::testing
