#include "supervisor/metrics/metrics_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "common/host_port.h"
#include "supervisor/loop/uv_send.h"
#include "supervisor/metrics/exposition.h"

namespace shift {
namespace {

constexpr std::size_t kScrapersMax = 16;
constexpr std::size_t kRequestBytesMax = 8 * 1024;
constexpr int kScrapeBacklog = 16;
constexpr std::uint64_t kClientMs = 10'000;
constexpr std::uint64_t kScrapeSweepMs = 2'000;

std::string response(const char* status, const char* type, const std::string& body, bool head) {
    return fmt::format(
        "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
        status, type, body.size(), head ? "" : body);
}

Error no_address(const std::string& address) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("metrics_listen: '{}' is neither a port nor a numeric address with "
                             "one, such as 127.0.0.1:9812",
                             address)};
}

}  // namespace

struct MetricsServer::Client {
    MetricsServer* server;
    UvOwned<uv_tcp_t> socket{new uv_tcp_t{}};
    std::uint64_t since_ms = 0;
    std::string request;
    char buffer[2048];

    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(socket.get()); }
};

MetricsServer::~MetricsServer() {
    while (!clients_.empty()) {
        drop(*clients_.begin());
    }
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::listen(uv_loop_t& loop,
                                                             const std::string& address,
                                                             Scrape scrape) {
    std::unique_ptr<MetricsServer> server(new MetricsServer(loop, std::move(scrape)));
    RETURN_IF_ERROR(server->bind(address));
    return server;
}

Status MetricsServer::bind(const std::string& address) {
    const bool port_alone = address.find(':') == std::string::npos;
    const auto parsed = parse_host_port(port_alone ? "127.0.0.1:" + address : address);
    if (!parsed.ok()) {
        return no_address(address);
    }
    const auto& [host, port] = *parsed;
    sockaddr_storage where{};
    auto* four = reinterpret_cast<sockaddr_in*>(&where);
    auto* six = reinterpret_cast<sockaddr_in6*>(&where);
    if (uv_ip4_addr(host.c_str(), port, four) == 0) {
        is_loopback_ = ntohl(four->sin_addr.s_addr) >> 24U == IN_LOOPBACKNET;
    } else if (uv_ip6_addr(host.c_str(), port, six) == 0) {
        is_loopback_ = IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) != 0;
    } else {
        return no_address(address);
    }
    listener_.reset(new uv_tcp_t{});
    uv_tcp_init(&loop_, listener_.get());
    listener_->data = this;
    int rc = uv_tcp_bind(listener_.get(), reinterpret_cast<const sockaddr*>(&where), 0);
    if (rc == 0) {
        rc = uv_listen(reinterpret_cast<uv_stream_t*>(listener_.get()), kScrapeBacklog,
                       [](uv_stream_t* stream, int status) {
                           if (status == 0) {
                               static_cast<MetricsServer*>(stream->data)->accept();
                           }
                       });
    }
    if (rc < 0) {
        return Error{Errc::kIo, fmt::format("metrics_listen {}: {}", address, uv_strerror(rc)), rc};
    }
    sweeper_ = std::make_unique<UvTicker>(loop_, kScrapeSweepMs, [this] { drop_slow(); });
    return Ok{};
}

int MetricsServer::port() const {
    sockaddr_storage where{};
    int size = sizeof where;
    if (uv_tcp_getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&where), &size) != 0) {
        return 0;
    }
    return where.ss_family == AF_INET6
               ? ntohs(reinterpret_cast<const sockaddr_in6*>(&where)->sin6_port)
               : ntohs(reinterpret_cast<const sockaddr_in*>(&where)->sin_port);
}

void MetricsServer::accept() {
    auto* client = new Client{.server = this, .request = {}, .buffer = {}};
    uv_tcp_init(&loop_, client->socket.get());
    client->socket->data = client;
    client->since_ms = uv_now(&loop_);
    clients_.insert(client);
    if (uv_accept(reinterpret_cast<uv_stream_t*>(listener_.get()), client->stream()) != 0 ||
        clients_.size() > kScrapersMax) {
        drop(client);
        return;
    }
    uv_read_start(
        client->stream(),
        [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
            auto* reading = static_cast<Client*>(handle->data);
            *buffer = uv_buf_init(reading->buffer, sizeof reading->buffer);
        },
        [](uv_stream_t* handle, ssize_t got, const uv_buf_t* buffer) {
            auto* reading = static_cast<Client*>(handle->data);
            if (got < 0) {
                reading->server->drop(reading);
            } else {
                reading->server->on_bytes(*reading, {buffer->base, static_cast<std::size_t>(got)});
            }
        });
}

void MetricsServer::on_bytes(Client& client, std::string_view bytes) {
    client.request += bytes;
    if (client.request.size() > kRequestBytesMax) {
        drop(&client);
        return;
    }
    // A request of this kind has no body: the empty line ends it.
    if (client.request.find("\r\n\r\n") == std::string::npos &&
        client.request.find("\n\n") == std::string::npos) {
        return;
    }
    uv_read_stop(client.stream());
    const std::string line = client.request.substr(0, client.request.find_first_of("\r\n"));
    const std::size_t space = line.find(' ');
    const std::string method = line.substr(0, space);
    std::string path = space == std::string::npos ? "" : line.substr(space + 1);
    path.resize(std::min(path.find_first_of(" ?"), path.size()));
    const bool head = method == "HEAD";
    if (method != "GET" && !head) {
        answer(client, response("405 Method Not Allowed", "text/plain", "only GET\n", head));
    } else if (path == "/metrics") {
        answer(client, response("200 OK", kExpositionType, scrape_(), head));
    } else {
        answer(client, response("404 Not Found", "text/plain", "see /metrics\n", head));
    }
}

void MetricsServer::answer(Client& client, std::string response) {
    const int rc = uv_send(client.stream(), std::move(response), [this, &client](int status) {
        if (status != UV_ECANCELED) {
            drop(&client);
        }
    });
    if (rc != 0) {
        drop(&client);
    }
}

void MetricsServer::drop(Client* client) {
    clients_.erase(client);
    delete client;
}

void MetricsServer::drop_slow() {
    const std::uint64_t now = uv_now(&loop_);
    std::vector<Client*> slow;
    std::copy_if(clients_.begin(), clients_.end(), std::back_inserter(slow),
                 [now](const Client* client) { return now - client->since_ms > kClientMs; });
    std::for_each(slow.begin(), slow.end(), [this](Client* client) { drop(client); });
}

}  // namespace shift
