#include "api/server.h"

#include <dirent.h>
#include <fmt/format.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "api/web/page.h"
#include "common/text.h"

// Every method is routed by one catch-all pattern of the library to handle(), which looks the path
// up in the tables below; a path that no table knows is a JSON 404. Bodies are read here and not by
// the library, because it refuses form bodies above 8 KiB. Handlers run on the library's threads.

namespace shift::api {
namespace {

constexpr const char* kJsonType = "application/json; charset=utf-8";
constexpr const char* kMigrations = "/api/v1/migrations";
// The library gives every connection a thread for as long as it is open, idle ones as well: when
// all are taken, a new one waits until an idle one has been kept for kKeepAliveSeconds.
constexpr std::size_t kThreads = 256;
constexpr std::size_t kKeepAliveRequests = 1000;
constexpr time_t kKeepAliveSeconds = 5;
constexpr time_t kTransferSeconds = 30;

using Endpoint = Answer (Service::*)(const Params&);
using Endpoints = std::map<std::string, Endpoint, std::less<>>;

// POST /api/v1/migrations/<name>
const Endpoints& actions() {
    static const Endpoints kActions = {
        {"unstage", &Service::unstage},
        {"next_step", &Service::next_step},
        {"complete", &Service::complete},
        {"cancel", &Service::cancel},
        {"fail", &Service::fail},
        {"error", &Service::error},
        {"offer", &Service::offer},
        {"unpin_run_host", &Service::unpin_run_host},
        {"append_to_file", &Service::append_to_file},
        {"write_file", &Service::write_file},
        {"approve", &Service::approve},
        {"unapprove", &Service::unapprove},
        {"start", &Service::start},
        {"enqueue", &Service::enqueue},
        {"dequeue", &Service::dequeue},
        {"pause", &Service::pause},
        {"rename", &Service::rename},
        {"resume", &Service::resume},
        {"cancel_cli", &Service::cancel_cli},
    };
    return kActions;
}

// What the logger says about the request that this thread serves.
struct RequestNote {
    std::chrono::steady_clock::time_point began;
    std::string migration;
};
thread_local RequestNote request_note;

// JSON as Rails writes it: `<`, `>`, `&` and the two line separators that JavaScript does not allow
// in strings are escaped. Outside of strings none of them occurs in JSON.
std::string rails_json(const Json& value) {
    const std::string plain = to_line(value);
    std::string escaped;
    escaped.reserve(plain.size() + plain.size() / 16);
    for (std::size_t i = 0; i < plain.size(); ++i) {
        const char c = plain[i];
        if (c == '<' || c == '>' || c == '&') {
            escaped += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else if (plain.compare(i, 3, "\xe2\x80\xa8") == 0) {
            escaped += "\\u2028";
            i += 2;
        } else if (plain.compare(i, 3, "\xe2\x80\xa9") == 0) {
            escaped += "\\u2029";
            i += 2;
        } else {
            escaped += c;
        }
    }
    return escaped;
}

void send(httplib::Response& response, const Answer& answer) {
    response.status = answer.status;
    response.set_header("Cache-Control", "max-age=0, private, must-revalidate");
    response.set_content(rails_json(answer.body), kJsonType);
}

Answer plain_error(int status, const std::string& message) {
    return {status, {{"status", status}, {"errors", {message}}}};
}

// For what the library refuses by itself.
std::string refusal_text(int status) {
    switch (status) {
        case 404:
            return "Not found.";
        case 413:
            return "body is too large";
        case 414:
            return "the path is too long";
        default:
            return fmt::format("the request was refused ({})", status);
    }
}

std::string_view query_of(const httplib::Request& request) {
    const std::string_view target = request.target;
    const std::size_t mark = target.find('?');
    return mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
}

// "Application/JSON; charset=utf-8" -> "application/json"
std::string media_type(const httplib::Request& request) {
    const std::string value = request.get_header_value("Content-Type");
    return to_lower_ascii(trim(std::string_view(value).substr(0, value.find(';'))));
}

// A browser names the page a request comes from; a page of another site may not change anything.
bool is_cross_site(const httplib::Request& request) {
    if (request.method == "GET" || request.method == "HEAD" || !request.has_header("Origin")) {
        return false;
    }
    const std::string origin = request.get_header_value("Origin");
    const std::size_t scheme = origin.find("://");
    return scheme == std::string::npos ||
           !iequals_ascii(std::string_view(origin).substr(scheme + 3),
                          request.get_header_value("Host"));
}

// Reads the body, into `params` when it is multipart, else into `body`.
// Errors: kInvalidArgument with the HTTP status in `native`.
Status read_body(const httplib::Request& request, const httplib::Response& response,
                 const httplib::ContentReader& reader, std::string& body, Params& params) {
    if (!request.has_header("Content-Length") && !request.has_header("Transfer-Encoding")) {
        return Ok{};
    }
    std::size_t bytes = 0;
    bool too_large = false;
    const auto fits = [&](std::size_t more) {
        bytes += more;
        too_large = bytes > Server::kBodyBytesMax;
        return !too_large;
    };
    bool good = false;
    if (request.is_multipart_form_data()) {
        std::string name;
        std::string value;
        const auto finish = [&] {
            if (!name.empty()) {
                params.add(name, value);
            }
            value.clear();
        };
        good = reader(
            [&](const httplib::MultipartFormData& part) {
                finish();
                name = part.name;
                return true;
            },
            [&](const char* data, std::size_t length) {
                value.append(data, length);
                return fits(length);
            });
        finish();
    } else {
        good = reader([&](const char* data, std::size_t length) {
            body.append(data, length);
            return fits(length);
        });
    }
    // The library sets the status of the response when it refuses a Content-Length itself.
    if (too_large || (!good && response.status == 413)) {
        return Error{Errc::kInvalidArgument, "body is too large", 413};
    }
    return good ? Status(Ok{}) : Error{Errc::kInvalidArgument, "body cannot be read", 400};
}

// True for a connection that this process accepted on `port`.
bool is_accepted_on(int fd, int port) {
    sockaddr_storage address{};
    socklen_t length = sizeof(address);
    int listening = 0;
    socklen_t flag_length = sizeof(listening);
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
        ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &flag_length) != 0 ||
        listening != 0) {
        return false;
    }
    // The port is at the same place in both families.
    const bool internet = address.ss_family == AF_INET || address.ss_family == AF_INET6;
    const auto* ipv4 = reinterpret_cast<const sockaddr_in*>(&address);
    return internet && ntohs(ipv4->sin_port) == port;
}

// The library waits for kept-alive connections until they time out and gives no access to them.
// With their reading side shut, idle ones end at once; a request under way is still answered.
void end_idle_connections(int port) {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), &::closedir);
    if (folder == nullptr) {
        return;
    }
    while (const dirent* entry = ::readdir(folder.get())) {
        const auto fd = leading_integer(entry->d_name);
        if (fd && *fd > 2 && is_accepted_on(static_cast<int>(*fd), port)) {
            (void)::shutdown(static_cast<int>(*fd), SHUT_RD);
        }
    }
}

}  // namespace

struct Server::Impl {
    Impl(Service& the_service, const Logger& the_log) : service(the_service), log(the_log) {}

    Answer api_endpoint(const std::string& method, std::string_view rest, Params& params);
    std::optional<Answer> web_endpoint(const std::string& method, const std::string& path,
                                       Params& params);
    std::optional<Answer> endpoint(const httplib::Request& request, Params& params);
    bool send_page(const httplib::Request& request, httplib::Response& response);
    void handle(const httplib::Request& request, httplib::Response& response,
                const httplib::ContentReader* reader);
    void log_request(const httplib::Request& request, const httplib::Response& response) const;

    Service& service;
    const Logger& log;
    httplib::Server http;
    std::atomic<bool> stop_wanted{false};
    std::atomic<bool> finished{false};
    std::atomic<int> port{0};
};

// `rest` is what follows /api/v1/migrations, without slashes around it.
Answer Server::Impl::api_endpoint(const std::string& method, std::string_view rest,
                                  Params& params) {
    static const Endpoints kById = {{"GET", &Service::show},
                                    {"HEAD", &Service::show},
                                    {"PUT", &Service::update},
                                    {"PATCH", &Service::update},
                                    {"DELETE", &Service::destroy}};
    const bool get = method == "GET" || method == "HEAD";
    if (rest.empty() && get && params.text("run_host")) {
        return service.of_run_host(params);
    }
    if (rest.empty()) {
        return method == "POST" ? service.create(params) : plain_error(404, "Not found.");
    }
    if (get && rest == "staged") {
        return service.staged();
    }
    if (get && rest == "get_file") {
        return service.get_file(params);
    }
    if (method == "POST") {
        const auto action = actions().find(rest);
        return action == actions().end() ? plain_error(404, "Not found.")
                                         : (service.*action->second)(params);
    }
    const auto by_id = kById.find(method);
    if (by_id == kById.end() || rest.find('/') != std::string_view::npos) {
        return plain_error(404, "Not found.");
    }
    params.add("id", rest);
    return (service.*by_id->second)(params);
}

// What is not under /api/v1/migrations.
std::optional<Answer> Server::Impl::web_endpoint(const std::string& method, const std::string& path,
                                                 Params& params) {
    if (method == "POST") {
        return path == "/parser" ? std::optional(service.parse(params)) : std::nullopt;
    }
    if (method != "GET" && method != "HEAD") {
        return std::nullopt;
    }
    if (path == "/_status") {
        return service.health();
    }
    if (path == "/databases") {
        return service.databases(params);
    }
    if (path == "/web/migrations") {
        return service.list(params);
    }
    if (path == "/web/events") {
        return service.events(params);
    }
    if (path == "/web/clusters") {
        return service.clusters();
    }
    return std::nullopt;
}

std::optional<Answer> Server::Impl::endpoint(const httplib::Request& request, Params& params) {
    std::string path = request.path;
    while (path.size() > 1 && path.ends_with('/')) {
        path.pop_back();  // as Rails does
    }
    const std::string_view prefix = kMigrations;
    if (path == prefix) {
        return api_endpoint(request.method, "", params);
    }
    if (path.starts_with(prefix) && path[prefix.size()] == '/') {
        return api_endpoint(request.method, std::string_view(path).substr(prefix.size() + 1),
                            params);
    }
    return web_endpoint(request.method, path, params);
}

// The answers that are not JSON.
bool Server::Impl::send_page(const httplib::Request& request, httplib::Response& response) {
    if (request.method != "GET" && request.method != "HEAD") {
        return false;
    }
    response.set_header("X-Content-Type-Options", "nosniff");
    if (request.path == "/") {
        response.status = 200;
        response.set_header("X-Frame-Options", "DENY");
        response.set_header("Content-Security-Policy",
                            "default-src 'none'; script-src 'unsafe-inline'; "
                            "style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; "
                            "form-action 'none'; frame-ancestors 'none'");
        response.set_content(std::string(web_page()), "text/html; charset=utf-8");
        return true;
    }
    const std::string_view prefix = "/shift_file/";
    if (!request.path.starts_with(prefix)) {
        return false;
    }
    Params params;
    params.add_form(query_of(request));
    params.add("migration_id", std::string_view(request.path).substr(prefix.size()));
    const auto text = service.file_text(params);
    response.status = text ? 200 : 404;
    response.set_content(text.value_or("File not found\n"), "text/plain; charset=utf-8");
    return true;
}

void Server::Impl::handle(const httplib::Request& request, httplib::Response& response,
                          const httplib::ContentReader* reader) {
    Params params;
    std::string body;
    if (reader != nullptr) {
        if (const Status status = read_body(request, response, *reader, body, params);
            !status.ok()) {
            return send(response, plain_error(status.error().native, status.error().message));
        }
    }
    if (is_cross_site(request)) {
        return send(response, plain_error(403, "A page of another site may not do this."));
    }
    const std::string type = media_type(request);
    if (type == "application/json") {
        if (const Status status = params.add_json(body); !status.ok()) {
            return send(response, plain_error(400, status.error().message));
        }
    } else if (type == "application/x-www-form-urlencoded") {
        params.add_form(body);
    }
    params.add_form(query_of(request));
    if (send_page(request, response)) {
        return;
    }
    const auto answer = endpoint(request, params);
    request_note.migration =
        params.text("id").value_or(params.text("migration_id").value_or(std::string()));
    send(response, answer ? *answer : plain_error(404, "Not found."));
}

void Server::Impl::log_request(const httplib::Request& request,
                               const httplib::Response& response) const {
    constexpr std::size_t kPathBytesMax = 200;
    const auto elapsed = std::chrono::steady_clock::now() - request_note.began;
    Json fields = {
        {"method", request.method},
        {"path", request.path.substr(0, kPathBytesMax)},
        {"status", response.status},
        {"peer", request.remote_addr},
        {"body_bytes", response.body.size()},
        {"elapsed_ms", std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count()}};
    if (!request_note.migration.empty()) {
        fields["migration"] = request_note.migration.substr(0, 20);
    }
    log.log(response.status >= 500 ? LogLevel::kError : LogLevel::kInfo, "request", fields);
}

Server::Server(Service& service, const Logger& log) : impl_(std::make_unique<Impl>(service, log)) {
    Impl& impl = *impl_;
    httplib::Server& http = impl.http;
    constexpr const char* kAnyPath = R"([\s\S]*)";
    const auto without_body = [&impl](const httplib::Request& request,
                                      httplib::Response& response) {
        impl.handle(request, response, nullptr);
    };
    const auto with_body = [&impl](const httplib::Request& request, httplib::Response& response,
                                   const httplib::ContentReader& reader) {
        impl.handle(request, response, &reader);
    };
    http.Get(kAnyPath, without_body);
    http.Post(kAnyPath, with_body);
    http.Put(kAnyPath, with_body);
    http.Patch(kAnyPath, with_body);
    http.Delete(kAnyPath, with_body);
    http.set_pre_routing_handler([](const httplib::Request&, httplib::Response&) {
        request_note = {std::chrono::steady_clock::now(), ""};
        return httplib::Server::HandlerResponse::Unhandled;
    });
    http.set_error_handler([](const httplib::Request&, httplib::Response& response) {
        if (response.body.empty()) {
            send(response, plain_error(response.status, refusal_text(response.status)));
        }
    });
    http.set_exception_handler(
        [&impl](const httplib::Request&, httplib::Response& response, std::exception_ptr problem) {
            std::string what = "unknown exception";
            try {
                std::rethrow_exception(problem);
            } catch (const std::exception& e) {
                what = e.what();
            } catch (...) {
            }
            impl.log.error("exception", {{"text", what}});
            send(response, plain_error(500, "Internal server error."));
        });
    http.set_logger([&impl](const httplib::Request& request, const httplib::Response& response) {
        impl.log_request(request, response);
    });
    http.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    http.set_payload_max_length(kBodyBytesMax);
    http.set_keep_alive_max_count(kKeepAliveRequests);
    http.set_keep_alive_timeout(kKeepAliveSeconds);
    http.set_read_timeout(kTransferSeconds);
    http.set_write_timeout(kTransferSeconds);
    http.set_tcp_nodelay(true);
    // Not SO_REUSEPORT, the library's default: a second server on the port must fail, not share it.
    http.set_socket_options([](socket_t socket) {
        const int on = 1;
        (void)::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    });
}

Server::~Server() = default;

Result<int> Server::bind(const std::string& host, int port) {
    int bound = port;
    bool good = true;
    if (port == 0) {
        bound = impl_->http.bind_to_any_port(host);
        good = bound > 0;
    } else {
        good = impl_->http.bind_to_port(host, port);
    }
    if (!good) {
        return Error{
            Errc::kUnavailable,
            fmt::format("listen on {}:{}: the address is in use or not of this host", host, port)};
    }
    impl_->port = bound;
    return bound;
}

bool Server::serve() {
    const bool good = impl_->stop_wanted || impl_->http.listen_after_bind();
    impl_->finished = true;
    return good;
}

void Server::stop() {
    impl_->stop_wanted = true;
    while (!impl_->finished) {  // the library forgets a stop that comes before it listens
        if (impl_->http.is_running()) {
            impl_->http.stop();
        }
        end_idle_connections(impl_->port);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

}  // namespace shift::api
