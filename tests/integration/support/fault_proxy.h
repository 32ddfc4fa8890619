#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/support/wait.h"

namespace shift::testing {

// A TCP proxy in front of a server that can be told to misbehave: what ProxySQL, a load balancer or
// a network does to long connections. Every change takes effect at once.
class FaultProxy {
  public:
    explicit FaultProxy(int target_port);
    ~FaultProxy();
    FaultProxy(const FaultProxy&) = delete;
    FaultProxy& operator=(const FaultProxy&) = delete;

    int port() const { return port_; }
    // Ends all connections now; new ones work.
    void cut();
    // Down: all connections end, new ones are refused until up().
    void down();
    void up() { is_down_ = false; }
    // New connections go there (existing ones stay).
    void redirect(int target_port) { target_ = target_port; }
    // Each packet of the client waits so long.
    void delay(milliseconds time) { delay_ms_ = static_cast<int>(time.count()); }

    // When a client sends `text`: its connection ends, once. `forwards`: the server gets the packet
    // and only its answer is lost; else the server never sees it.
    void cut_at(const std::string& text, bool forwards);
    // Whether that has happened.
    bool has_cut() const { return has_cut_; }
    int connections() const { return connections_; }

  private:
    void accept_all();
    void serve(int client);
    bool pass(int from, int to, bool from_client);

    int port_ = 0;
    int listener_ = -1;
    std::atomic<int> target_;
    std::atomic<bool> is_down_{false};
    std::atomic<bool> is_over_{false};
    std::atomic<int> delay_ms_{0};
    std::atomic<int> generation_{0};
    std::atomic<int> connections_{0};
    std::atomic<bool> has_cut_{false};
    std::mutex mutex_;  // guards what follows
    std::string cut_text_;
    bool cut_forwards_ = false;
    std::vector<std::thread> threads_;
    std::thread accepter_;  // last
};

}  // namespace shift::testing
