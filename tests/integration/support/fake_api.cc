#include "tests/integration/support/fake_api.h"

#include <httplib.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <utility>

#include "common/text.h"
#include "tests/integration/support/sockets.h"

namespace shift::testing {

namespace {

constexpr std::size_t kRequestBytesMax = 256U * 1024 * 1024;

void reset_connection(int fd) {
    const linger now{.l_onoff = 1, .l_linger = 0};  // close() sends a reset
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

UniqueFd bound_socket(int port) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    const sockaddr_in address = loopback(port);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw std::runtime_error(std::string("bind: ") + std::strerror(errno));
    }
    return fd;
}

// Reads from a connection; what is left over after one request begins the next.
class Reader {
  public:
    explicit Reader(int fd) : fd_(fd) {}

    // nullopt: closed, or not HTTP.
    std::optional<HttpRequest> next() {
        std::size_t end = 0;
        while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
            if (!more()) {
                return std::nullopt;
            }
        }
        const std::string head = buffer_.substr(0, end);
        buffer_.erase(0, end + 4);
        HttpRequest request;
        const std::string first = head.substr(0, head.find("\r\n"));
        const std::vector<std::string> words = split(first, ' ');
        if (words.size() != 3) {
            return std::nullopt;
        }
        request.method = words[0];
        const std::size_t question = words[1].find('?');
        request.path = words[1].substr(0, question);
        request.query = question == std::string::npos ? "" : words[1].substr(question + 1);
        const std::string lower = to_lower_ascii(head) + "\r\n";
        if (lower.find("expect: 100-continue") != std::string::npos &&
            !send_all(fd_, "HTTP/1.1 100 Continue\r\n\r\n")) {
            return std::nullopt;
        }
        if (lower.find("transfer-encoding: chunked") != std::string::npos) {
            return read_chunks(request) ? std::optional(request) : std::nullopt;
        }
        const std::size_t at = lower.find("\r\ncontent-length:");
        const std::size_t length =
            at == std::string::npos ? 0 : std::strtoull(lower.c_str() + at + 17, nullptr, 10);
        if (length > kRequestBytesMax || !take(length, request.body)) {
            return std::nullopt;
        }
        return request;
    }

  private:
    bool more() {
        char block[65536];
        const ssize_t got = ::recv(fd_, block, sizeof block, 0);
        if (got <= 0 || buffer_.size() > kRequestBytesMax) {
            return false;
        }
        buffer_.append(block, static_cast<std::size_t>(got));
        return true;
    }
    bool take(std::size_t size, std::string& out) {
        while (buffer_.size() < size) {
            if (!more()) {
                return false;
            }
        }
        out += buffer_.substr(0, size);
        buffer_.erase(0, size);
        return true;
    }
    bool read_chunks(HttpRequest& request) {
        while (true) {
            std::size_t end = 0;
            while ((end = buffer_.find("\r\n")) == std::string::npos) {
                if (!more()) {
                    return false;
                }
            }
            const std::size_t size = std::strtoull(buffer_.c_str(), nullptr, 16);
            buffer_.erase(0, end + 2);
            std::string ignored;
            if (size > kRequestBytesMax || !take(size, request.body) || !take(2, ignored)) {
                return false;
            }
            if (size == 0) {
                return true;
            }
        }
    }

    int fd_;
    std::string buffer_;
};

std::string endpoint_of(const std::string& method, const std::string& path) {
    const std::string word = path.substr(path.rfind('/') + 1);
    if (!word.empty() && word.find_first_not_of("0123456789") == std::string::npos) {
        return method == "GET" ? "show" : method == "DELETE" ? "delete" : "update";
    }
    return word;
}

ApiCall describe(const HttpRequest& request) {
    ApiCall call;
    call.at = std::chrono::steady_clock::now();
    call.method = request.method;
    call.path = request.path;
    call.query = request.query;
    call.body = request.body;
    call.endpoint = endpoint_of(request.method, request.path);
    if (Result<Json> parsed = parse_json(request.body); parsed.ok()) {
        call.json = *parsed;
    }
    if (call.endpoint == "show" || call.endpoint == "update" || call.endpoint == "delete") {
        call.migration = std::stoll(request.path.substr(request.path.rfind('/') + 1));
    } else {
        for (const char* key : {"id", "migration_id"}) {
            if (const auto id = get_int(call.json, key)) {
                call.migration = *id;
            }
        }
        const auto query = parse_query(request.query);
        if (const auto found = query.find("migration_id"); found != query.end()) {
            call.migration = std::strtoll(found->second.c_str(), nullptr, 10);
        }
    }
    return call;
}

}  // namespace

FakeApi::FakeApi() {
    placeholder_ = bound_socket(0);
    port_ = port_of(placeholder_.get());
    listen();
}

FakeApi::~FakeApi() {
    stopping_ = true;
    down();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return threads_ == 0; });
}

std::string FakeApi::url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/api/v1/";
}

void FakeApi::listen() {
    listener_ = bound_socket(port_);
    if (::listen(listener_.get(), 64) != 0) {
        throw std::runtime_error("listen failed");
    }
    is_down_ = false;
    accepter_ = std::thread([this, fd = listener_.get()] { accept_loop(fd); });
}

void FakeApi::down() {
    is_down_ = true;
    if (accepter_.joinable()) {
        ::shutdown(listener_.get(), SHUT_RDWR);  // wakes accept()
        accepter_.join();
        listener_.reset();
    }
    const std::lock_guard guard(mutex_);
    ++epoch_;
    for (const int fd : open_) {
        reset_connection(fd);
        ::shutdown(fd, SHUT_RDWR);
    }
    changed_.notify_all();
}

void FakeApi::up() {
    if (!accepter_.joinable()) {
        listen();
    }
}

void FakeApi::accept_loop(int fd) {
    while (!stopping_ && !is_down_) {
        const int peer = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
        if (peer < 0) {
            if (errno == EINTR || errno == ECONNABORTED) {
                continue;
            }
            return;
        }
        const int on = 1;
        ::setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        {
            const std::lock_guard guard(mutex_);
            open_.insert(peer);
            ++threads_;
        }
        std::thread([this, peer] {
            serve(peer);
            {
                const std::lock_guard guard(mutex_);
                open_.erase(peer);
                ::close(peer);
                --threads_;
                changed_.notify_all();
            }
        }).detach();
    }
}

void FakeApi::serve(int fd) {
    Reader reader(fd);
    while (!stopping_ && !is_down_) {
        const std::optional<HttpRequest> request = reader.next();
        if (!request || !answer(fd, *request)) {
            return;
        }
    }
}

std::unique_ptr<Fault> FakeApi::take_fault(const ApiCall& call) {
    const std::lock_guard guard(mutex_);
    for (Fault& fault : faults_) {
        const bool meant = (fault.endpoint.empty() || fault.endpoint == call.endpoint) &&
                           (fault.migration == 0 || fault.migration == call.migration);
        if (!meant || fault.times == 0) {
            continue;
        }
        if (fault.skip > 0) {
            --fault.skip;
            continue;
        }
        if (fault.times > 0) {
            --fault.times;
        }
        return std::make_unique<Fault>(fault);
    }
    return nullptr;
}

std::size_t FakeApi::record(ApiCall call) {
    const std::lock_guard guard(mutex_);
    calls_.push_back(std::move(call));
    return calls_.size() - 1;
}

bool FakeApi::hang(int fd, std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    std::unique_lock lock(mutex_);
    const std::uint64_t now = epoch_;
    while (epoch_ == now && !stopping_) {
        if (changed_.wait_until(lock, std::min(end, std::chrono::steady_clock::now() +
                                                        std::chrono::milliseconds{50})) ==
                std::cv_status::timeout &&
            std::chrono::steady_clock::now() >= end) {
            return true;
        }
        char byte = 0;
        const ssize_t got = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)) {
            return false;
        }
    }
    return false;
}

HttpReply FakeApi::work(const HttpRequest& request) {
    if (upstream_port_ == 0) {
        return model_.handle(request);
    }
    httplib::Client client("127.0.0.1", upstream_port_);
    client.set_read_timeout(60, 0);
    client.set_connection_timeout(5, 0);
    httplib::Request forwarded;
    forwarded.method = request.method;
    forwarded.path = request.path + (request.query.empty() ? "" : "?" + request.query);
    forwarded.body = request.body;
    if (!request.body.empty()) {
        forwarded.set_header("Content-Type", "application/json");
    }
    const httplib::Result result = client.send(forwarded);
    HttpReply reply;
    if (!result) {
        reply.status = 502;
        reply.content_type = "text/plain";
        reply.body = "upstream: " + httplib::to_string(result.error());
        return reply;
    }
    reply.status = result->status;
    reply.content_type = result->get_header_value("Content-Type");
    reply.body = result->body;
    return reply;
}

namespace {

std::string head_of(const HttpReply& reply) {
    std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " x\r\n";
    head += "Content-Type: " + reply.content_type + "\r\n";
    head += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
    for (const auto& [name, value] : reply.headers) {
        head += name + ": " + value + "\r\n";
    }
    return head + "\r\n";
}

}  // namespace

bool FakeApi::send_reply(int fd, const HttpReply& reply, std::size_t cut_at) {
    const std::string_view body = std::string_view(reply.body).substr(0, cut_at);
    return send_all(fd, head_of(reply)) && send_all(fd, body);
}

bool FakeApi::drip_reply(int fd, const HttpReply& reply, std::chrono::milliseconds delay) {
    const std::string text = head_of(reply) + reply.body;
    return std::all_of(text.begin(), text.end(), [&](const char& byte) {
        return hang(fd, delay) && send_all(fd, {&byte, 1});
    });
}

bool FakeApi::answer(int fd, const HttpRequest& request) {
    ApiCall call = describe(request);
    const std::unique_ptr<Fault> fault = take_fault(call);
    const Wrong wrong = fault ? fault->wrong : Wrong::kRewrite;
    const bool do_work = wrong == Wrong::kAnswerAfter || wrong == Wrong::kResetAfter ||
                         wrong == Wrong::kHangAfter || wrong == Wrong::kCutAfter ||
                         wrong == Wrong::kLateAfter || wrong == Wrong::kDripAfter ||
                         wrong == Wrong::kRewrite;
    // Recorded before the work: whoever sees its effect must find the call.
    call.done = do_work;
    const std::size_t index = record(std::move(call));
    HttpReply reply;
    if (fault && fault->before) {
        fault->before();
    }
    if (do_work) {
        reply = work(request);
    }
    if (fault && (wrong == Wrong::kAnswer || wrong == Wrong::kAnswerAfter)) {
        reply = HttpReply{};
        reply.status = fault->status;
        reply.content_type = fault->content_type;
        reply.body = fault->body;
        if (reply.body.size() < fault->body_bytes) {
            reply.body.append(fault->body_bytes - reply.body.size(), 'x');
        }
        if (!fault->location.empty()) {
            reply.headers["Location"] = fault->location;
        }
    }
    switch (wrong) {
        case Wrong::kReset:
        case Wrong::kResetAfter:
            reset_connection(fd);
            return false;
        case Wrong::kHang:
        case Wrong::kHangAfter:
            hang(fd);
            reset_connection(fd);
            return false;
        case Wrong::kGarbage:
            (void)send_all(fd, std::string("\x00\xff\x16SSH-2.0-no http here\r\n\r\n", 26));
            return false;
        case Wrong::kCutAfter:
            (void)send_reply(fd, reply, reply.body.size() / 2);
            return false;
        case Wrong::kDripAfter:
            (void)drip_reply(fd, reply, fault->delay);
            return false;
        case Wrong::kLateAfter:
            if (!hang(fd, fault->delay)) {
                return false;
            }
            break;
        case Wrong::kRewrite:
            if (fault && fault->rewrite) {
                reply.body = fault->rewrite(reply.body);
            }
            break;
        case Wrong::kAnswer:
        case Wrong::kAnswerAfter:
            break;
    }
    {
        const std::lock_guard guard(mutex_);
        if (index < calls_.size()) {
            calls_[index].status = reply.status;
        }
    }
    return send_reply(fd, reply, reply.body.size());
}

void FakeApi::inject(const Fault& fault) {
    const std::lock_guard guard(mutex_);
    faults_.push_back(fault);
}

void FakeApi::clear_faults() {
    const std::lock_guard guard(mutex_);
    faults_.clear();
    ++epoch_;
    changed_.notify_all();
}

std::vector<ApiCall> FakeApi::calls() const {
    const std::lock_guard guard(mutex_);
    return calls_;
}

std::vector<ApiCall> FakeApi::calls(const std::string& endpoint, MigrationId migration,
                                    bool done_only) const {
    std::vector<ApiCall> out;
    for (ApiCall& call : calls()) {
        if ((endpoint.empty() || call.endpoint == endpoint) &&
            (migration == 0 || call.migration == migration) && (!done_only || call.done)) {
            out.push_back(std::move(call));
        }
    }
    return out;
}

int FakeApi::count(const std::string& endpoint, MigrationId migration, bool done_only) const {
    return static_cast<int>(calls(endpoint, migration, done_only).size());
}

void FakeApi::forget_calls() {
    const std::lock_guard guard(mutex_);
    calls_.clear();
}

std::vector<std::string> FakeApi::sequence(MigrationId migration) const {
    std::vector<std::string> out;
    for (const ApiCall& call : calls("", migration)) {
        std::string line = call.method + " " + call.endpoint;
        if (call.endpoint == "update" && call.json.is_object()) {
            for (const auto& [name, value] : call.json.items()) {
                if (name != "id") {
                    line += " " + name + "=" + string_or(call.json, name.c_str(), "null");
                }
            }
        }
        out.push_back(line);
    }
    return out;
}

}  // namespace shift::testing
