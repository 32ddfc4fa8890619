// Happy path: call() adds an easy handle; curl tells which sockets and which timeout it wants
// (on_socket, on_timer), libuv reports readiness (on_poll), finished transfers are collected and
// their callbacks run from a later turn of the loop. Failure: every way a transfer can end becomes
// an ApiAnswer; `sent` is false only where the connection was never made.

#include "supervisor/upstream/curl_upstream.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <utility>
#include <vector>

#include "common/http.h"
#include "common/test_points.h"
#include "common/text.h"

namespace shift {
namespace {

// An answer that matters is a migration, a list of them, or a state file; an error page may be of
// any size (the Rails debug page repeats the parameters: 65 MB were seen), its start is enough.
constexpr std::size_t kBodyBytesMax = 32 * 1024 * 1024;
constexpr std::size_t kErrorBodyBytesMax = 4 * 1024;
constexpr long kConnectTimeoutMs = 5'000;
constexpr std::size_t kBriefBytesMax = 200;

std::string one_line(std::string_view text) {
    std::string line = clean_utf8(utf8_prefix(trim(text), kBriefBytesMax));
    for (char& c : line) {
        if (static_cast<unsigned char>(c) < ' ') {
            c = ' ';
        }
    }
    return line;
}

// "next_step", "staged"; for migrations/7 "read" or "update".
std::string call_name(const ApiRequest& request) {
    const std::string path = request.path.substr(0, request.path.find('?'));
    const std::string name = path.substr(path.rfind('/') + 1);
    if (name.find_first_not_of("0123456789") != std::string::npos) {
        return name;
    }
    return request.method == "GET" ? "read" : "update";
}

}  // namespace

struct CurlUpstream::Exchange {
    CurlUpstream* owner = nullptr;
    CURL* easy = nullptr;
    std::string name;
    curl_slist* headers = nullptr;
    std::string url;
    std::string request_body;
    std::string body;
    bool cut = false;  // we stopped reading on purpose
    Done done;

    long status() const {
        long code = 0;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
        return code;
    }
    ~Exchange() {
        curl_easy_cleanup(easy);
        curl_slist_free_all(headers);
    }
};

struct CurlUpstream::Socket {
    CurlUpstream* owner;
    curl_socket_t fd;
    UvOwned<uv_poll_t> poll;
};

CurlUpstream::CurlUpstream(uv_loop_t& loop, const Config& config)
    : loop_(loop), config_(config), multi_(curl_multi_init()), timer_(new uv_timer_t{}) {
    CHECK(multi_ != nullptr, "curl_multi_init");
    uv_timer_init(&loop_, timer_.get());
    timer_->data = this;
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlUpstream::on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlUpstream::on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, 8L);
}

CurlUpstream::~CurlUpstream() {
    for (Exchange* exchange : exchanges_) {
        curl_multi_remove_handle(multi_, exchange->easy);
        delete exchange;
    }
    curl_multi_cleanup(multi_);  // calls on_socket(REMOVE) for what is left
}

void CurlUpstream::apply_tls(CURL* easy) const {
    const auto set = [easy](CURLoption option, const std::string& value) {
        if (!value.empty()) {
            curl_easy_setopt(easy, option, value.c_str());
        }
    };
    set(CURLOPT_SSLCERT, config_.rest_cert);
    set(CURLOPT_SSLKEY, config_.rest_key);
    set(CURLOPT_CAINFO, config_.rest_ca);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, config_.rest_verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, config_.rest_verify ? 2L : 0L);
}

void CurlUpstream::call(ApiRequest request, Done done) {
    auto* exchange = new Exchange;
    exchange->name = call_name(request);
    crash_point("api-call", exchange->name);
    exchange->owner = this;
    exchange->easy = curl_easy_init();
    CHECK(exchange->easy != nullptr, "curl_easy_init");
    exchange->url = join_url(config_.rest_api, request.path);
    exchange->done = std::move(done);
    exchange->headers = curl_slist_append(exchange->headers, "Accept:");
    exchange->headers = curl_slist_append(exchange->headers, "Expect:");
    CURL* easy = exchange->easy;
    curl_easy_setopt(easy, CURLOPT_URL, exchange->url.c_str());
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (!request.body.is_null()) {
        exchange->request_body = to_line(request.body);
        exchange->headers = curl_slist_append(exchange->headers, "Content-Type: application/json");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         static_cast<curl_off_t>(exchange->request_body.size()));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, exchange->request_body.data());
    }
    if (request.method != "GET") {
        // On a reused connection that dies before the first answer byte curl itself sends the
        // request again, also a POST: the API would do it twice.
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "shift-supervisor/" SHIFT_VERSION);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(config_.rest_timeout.count()));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &CurlUpstream::on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &CurlUpstream::on_open);
    apply_tls(easy);
    exchanges_.insert(exchange);
    curl_multi_add_handle(multi_, easy);  // sets the timer; the transfer starts from the loop
}

// curl's own sockets are inherited by every child (7.88): a worker would hold the API's
// connections.
curl_socket_t CurlUpstream::on_open(void*, curlsocktype, curl_sockaddr* address) {
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t CurlUpstream::on_body(char* data, std::size_t size, std::size_t count, void* user) {
    auto* exchange = static_cast<Exchange*>(user);
    const std::size_t bytes = size * count;
    const std::size_t max = exchange->status() == 200 ? kBodyBytesMax : kErrorBodyBytesMax;
    if (exchange->body.size() + bytes > max) {
        exchange->body.append(data, max - exchange->body.size());
        exchange->cut = true;
        return 0;  // ends the transfer; finish() knows why
    }
    exchange->body.append(data, bytes);
    return bytes;
}

int CurlUpstream::on_socket(CURL*, curl_socket_t fd, int what, void* self, void* user) {
    auto* upstream = static_cast<CurlUpstream*>(self);
    auto* socket = static_cast<Socket*>(user);
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(upstream->multi_, fd, nullptr);
        if (socket != nullptr) {
            uv_poll_stop(socket->poll.get());
            delete socket;
        }
        return 0;
    }
    if (socket == nullptr) {
        socket = new Socket{upstream, fd, UvOwned<uv_poll_t>(new uv_poll_t{})};
        uv_poll_init_socket(&upstream->loop_, socket->poll.get(), fd);
        socket->poll->data = socket;
        curl_multi_assign(upstream->multi_, fd, socket);
    }
    int events = 0;
    events |= what != CURL_POLL_IN ? UV_WRITABLE : 0;
    events |= what != CURL_POLL_OUT ? UV_READABLE : 0;
    uv_poll_start(socket->poll.get(), events, &CurlUpstream::on_poll);
    return 0;
}

void CurlUpstream::on_poll(uv_poll_t* poll, int status, int events) {
    const auto* socket = static_cast<Socket*>(poll->data);
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    // `socket` may be gone after this: curl removes it when the transfer ends.
    socket->owner->drive(socket->fd, flags);
}

int CurlUpstream::on_timer(CURLM*, long timeout_ms, void* self) {
    auto* upstream = static_cast<CurlUpstream*>(self);
    if (timeout_ms < 0) {
        uv_timer_stop(upstream->timer_.get());
        return 0;
    }
    // curl must not be called back from inside its own timer callback: at least one loop turn.
    uv_timer_start(
        upstream->timer_.get(),
        [](uv_timer_t* timer) {
            static_cast<CurlUpstream*>(timer->data)->drive(CURL_SOCKET_TIMEOUT, 0);
        },
        static_cast<std::uint64_t>(timeout_ms), 0);
    return 0;
}

void CurlUpstream::drive(curl_socket_t fd, int events) {
    int running = 0;
    curl_multi_socket_action(multi_, fd, events, &running);
    collect_finished();
}

void CurlUpstream::collect_finished() {
    // First take everything out of curl, then run callbacks: they may add calls.
    std::vector<std::pair<Exchange*, CURLcode>> finished;
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        Exchange* exchange = nullptr;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
        finished.emplace_back(exchange, message->data.result);
    }
    for (const auto& [exchange, code] : finished) {
        curl_multi_remove_handle(multi_, exchange->easy);
    }
    for (const auto& [exchange, code] : finished) {
        finish(exchange, code);
    }
}

void CurlUpstream::finish(Exchange* exchange, CURLcode code) {
    exchanges_.erase(exchange);
    const std::unique_ptr<Exchange> owned(exchange);
    ApiAnswer answer;
    const long status = exchange->status();
    answer.sent = code != CURLE_COULDNT_CONNECT && code != CURLE_COULDNT_RESOLVE_HOST &&
                  code != CURLE_SSL_CONNECT_ERROR && code != CURLE_PEER_FAILED_VERIFICATION;
    if (code == CURLE_OK || (exchange->cut && status != 200)) {
        answer.status = static_cast<int>(status);
    } else {
        answer.error = exchange->cut ? fmt::format("answer larger than {} bytes", kBodyBytesMax)
                                     : curl_easy_strerror(code);
    }
    if (answer.status == 200 || answer.status == 404) {
        if (auto parsed = parse_json(exchange->body); parsed.ok()) {
            answer.is_json = true;
            answer.body = std::move(*parsed);
        } else {
            answer.error = fmt::format("{}: {}", parsed.error().message, one_line(exchange->body));
        }
    }
    if (answer.status != 0 && answer.status != 200) {
        answer.error = one_line(exchange->body);
    }
    crash_point("api-answer", exchange->name);
    exchange->done(std::move(answer));
}

}  // namespace shift
