#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "common/log.h"
#include "common/result.h"
#include "supervisor/loop/uv_owned.h"

namespace shift {

// GET /metrics over HTTP, as little of it as a Prometheus server needs: one request a connection.
// Never blocks the loop; bounded in clients, request size and time.
class MetricsServer {
  public:
    using Scrape = std::function<std::string()>;

    // `address` is a port on 127.0.0.1, or "host:port" with a numeric host, "127.0.0.1:9812" or
    // "[::1]:9812"; port 0 lets the kernel choose. Nobody is asked who he is: any other than a
    // loopback address opens the figures to the network, which the caller warns of. Errors:
    // kInvalidArgument - no such address; kIo - cannot listen there.
    static Result<std::unique_ptr<MetricsServer>> listen(uv_loop_t& loop,
                                                         const std::string& address, Scrape scrape);
    ~MetricsServer();
    MetricsServer(const MetricsServer&) = delete;
    MetricsServer& operator=(const MetricsServer&) = delete;

    int port() const;
    bool is_loopback() const { return is_loopback_; }

  private:
    struct Client;

    MetricsServer(uv_loop_t& loop, Scrape scrape) : loop_(loop), scrape_(std::move(scrape)) {}
    Status bind(const std::string& address);
    void accept();
    void on_bytes(Client& client, std::string_view bytes);
    void answer(Client& client, std::string response);
    void drop(Client* client);
    void drop_slow();

    uv_loop_t& loop_;
    Scrape scrape_;
    bool is_loopback_ = false;
    UvOwned<uv_tcp_t> listener_;
    std::set<Client*> clients_;
    std::unique_ptr<UvTicker> sweeper_;
};

}  // namespace shift
