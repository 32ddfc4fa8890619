#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "api/service.h"
#include "common/log.h"
#include "common/result.h"

namespace shift::api {

// HTTP: turns requests into calls of the Service and its answers into responses. One line per
// request is logged; bodies, queries and headers never are.
class Server {
  public:
    static constexpr std::size_t kBodyBytesMax = 64u << 20;

    Server(Service& service, const Logger& log);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Binds; port 0 takes a free one. The port is known when this returns.
    // Errors: kUnavailable - the address is in use or not ours.
    Result<int> bind(const std::string& host, int port);
    // Serves until stop(); false when the socket failed.
    // Blocks: until stop().
    bool serve();
    // From any thread; requests under way are finished.
    void stop();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace shift::api
