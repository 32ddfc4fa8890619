#include "common/http.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <ctime>
#include <memory>

#include "common/text.h"

namespace shift {
namespace {

constexpr std::size_t kBodyBytesMax = 64UL * 1024 * 1024;

// libcurl, loaded by the first call. Linked, it would be loaded with some thirty libraries (TLS,
// LDAP, Kerberos ...) by every worker, of which few ever call, and by every `status`: a quarter of
// a worker's memory and half of the time such a program takes to start.
struct Curl {
    decltype(&curl_global_init) global_init = nullptr;
    decltype(&curl_easy_init) easy_init = nullptr;
    decltype(&curl_easy_cleanup) easy_cleanup = nullptr;
    decltype(&curl_easy_setopt) easy_setopt = nullptr;
    decltype(&curl_easy_getinfo) easy_getinfo = nullptr;
    decltype(&curl_easy_perform) easy_perform = nullptr;
    decltype(&curl_easy_strerror) easy_strerror = nullptr;
    decltype(&curl_slist_append) slist_append = nullptr;
    decltype(&curl_slist_free_all) slist_free_all = nullptr;
    decltype(&curl_getdate) getdate = nullptr;
    std::string trouble;  // "" = all of it is there
};

template <typename F>
void look_up(void* library, const char* name, F*& into, std::string& trouble) {
    into = reinterpret_cast<F*>(::dlsym(library, name));
    if (into == nullptr && trouble.empty()) {
        trouble = fmt::format("libcurl has no {}", name);
    }
}

Curl load_curl() {
    Curl curl;
    void* library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        const char* why = ::dlerror();
        curl.trouble = fmt::format("libcurl: {}", why == nullptr ? "not to be loaded" : why);
        return curl;
    }
    look_up(library, "curl_global_init", curl.global_init, curl.trouble);
    look_up(library, "curl_easy_init", curl.easy_init, curl.trouble);
    look_up(library, "curl_easy_cleanup", curl.easy_cleanup, curl.trouble);
    look_up(library, "curl_easy_setopt", curl.easy_setopt, curl.trouble);
    look_up(library, "curl_easy_getinfo", curl.easy_getinfo, curl.trouble);
    look_up(library, "curl_easy_perform", curl.easy_perform, curl.trouble);
    look_up(library, "curl_easy_strerror", curl.easy_strerror, curl.trouble);
    look_up(library, "curl_slist_append", curl.slist_append, curl.trouble);
    look_up(library, "curl_slist_free_all", curl.slist_free_all, curl.trouble);
    look_up(library, "curl_getdate", curl.getdate, curl.trouble);
    if (curl.trouble.empty() && curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        curl.trouble = "libcurl does not start";
    }
    return curl;
}

const Curl& curl() {
    static const Curl loaded = load_curl();
    return loaded;
}

struct EasyCloser {
    void operator()(CURL* easy) const noexcept { curl().easy_cleanup(easy); }
};
using CurlEasy = std::unique_ptr<CURL, EasyCloser>;

struct ListCloser {
    void operator()(curl_slist* list) const noexcept { curl().slist_free_all(list); }
};
using CurlList = std::unique_ptr<curl_slist, ListCloser>;

struct Sink {
    std::string body;
    bool too_large = false;
};

std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* data) noexcept {
    auto* sink = static_cast<Sink*>(data);
    const std::size_t length = size * count;
    if (sink->body.size() + length > kBodyBytesMax) {
        sink->too_large = true;
        return 0;
    }
    sink->body.append(bytes, length);
    return length;
}

std::size_t on_header(char* bytes, std::size_t size, std::size_t count, void* data) noexcept {
    const std::string_view line(bytes, size * count);
    constexpr std::string_view kDate = "date:";
    if (line.size() > kDate.size() && iequals_ascii(line.substr(0, kDate.size()), kDate)) {
        const std::string text(trim(line.substr(kDate.size())));
        if (const std::time_t time = curl().getdate(text.c_str(), nullptr); time >= 0) {
            static_cast<HttpAnswer*>(data)->date = wall_time(time);
        }
    }
    return size * count;
}

void add_header(CurlList& list, const char* header) {
    curl_slist* longer = curl().slist_append(list.get(), header);
    (void)list.release();
    list.reset(longer);
}

// CURLOPT_NOPROXY replaces what the environment says, so that is kept beside our own names.
std::string no_proxy_hosts() {
    std::string hosts = "localhost,127.0.0.1,::1";
    for (const char* name : {"no_proxy", "NO_PROXY"}) {
        if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
            return std::string(value) == "*" ? "*" : hosts + "," + value;
        }
    }
    return hosts;
}

void set_request(CURL* easy, const std::string& method, const Json& body,
                 const std::string& payload) {
    curl().easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
    if (!body.is_null() || method == "POST" || method == "PUT") {
        curl().easy_setopt(easy, CURLOPT_POST, 1L);
        curl().easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                           static_cast<curl_off_t>(payload.size()));
        curl().easy_setopt(easy, CURLOPT_POSTFIELDS, payload.c_str());
    }
}

void set_transport(CURL* easy, const std::string& url, const std::string& no_proxy,
                   const HttpOptions& options) {
    curl().easy_setopt(easy, CURLOPT_URL, url.c_str());
#if LIBCURL_VERSION_NUM >= 0x075500
    curl().easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl().easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
    curl().easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl().easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl().easy_setopt(easy, CURLOPT_NOPROXY, no_proxy.c_str());
    curl().easy_setopt(easy, CURLOPT_TIMEOUT_MS, options.timeout_ms);
    curl().easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, options.verify ? 1L : 0L);
    curl().easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, options.verify ? 2L : 0L);
    curl().easy_setopt(easy, CURLOPT_USERAGENT, "shift-supervisor/" SHIFT_VERSION);
    if (!options.cert.empty()) {
        curl().easy_setopt(easy, CURLOPT_SSLCERT, options.cert.c_str());
    }
    if (!options.key.empty()) {
        curl().easy_setopt(easy, CURLOPT_SSLKEY, options.key.c_str());
    }
    if (!options.ca.empty()) {
        curl().easy_setopt(easy, CURLOPT_CAINFO, options.ca.c_str());
    }
}

// Whether the request may have reached the peer decides between "retry" and "look first".
Error transfer_error(CURL* easy, CURLcode code, const std::string& method, const std::string& url,
                     const char* detail) {
    const std::string why = *detail != '\0' ? detail : curl().easy_strerror(code);
    const std::string message = fmt::format("{} {}: {}", method, url, why);
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
        return Error{Errc::kInvalidArgument, message};
    }
    curl_off_t before_request_us = 0;
    curl().easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &before_request_us);
    const bool nothing_sent = before_request_us == 0;
    return Error{nothing_sent ? Errc::kUnavailable : Errc::kDeadline, message,
                 static_cast<int>(code)};
}

}  // namespace

Result<HttpAnswer> http_call(const std::string& method, const std::string& url, const Json& body,
                             const HttpOptions& options) {
    if (!curl().trouble.empty()) {
        return Error{Errc::kInternal, curl().trouble};
    }
    const CurlEasy easy(curl().easy_init());
    if (!easy) {
        return Error{Errc::kInternal, "libcurl does not start"};
    }
    const std::string payload = body.is_null() ? std::string() : to_line(body);
    const std::string no_proxy = no_proxy_hosts();
    Sink sink;
    char detail[CURL_ERROR_SIZE] = "";
    set_transport(easy.get(), url, no_proxy, options);
    set_request(easy.get(), method, body, payload);
    CurlList headers;
    // With an Accept header the Rails API answers an unknown id by 500 instead of 404.
    add_header(headers, "Accept:");
    add_header(headers, "Expect:");
    if (!body.is_null()) {
        add_header(headers, "Content-Type: application/json");
    }
    curl().easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
    curl().easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, on_body);
    curl().easy_setopt(easy.get(), CURLOPT_WRITEDATA, &sink);
    HttpAnswer answer;
    curl().easy_setopt(easy.get(), CURLOPT_HEADERFUNCTION, on_header);
    curl().easy_setopt(easy.get(), CURLOPT_HEADERDATA, &answer);
    curl().easy_setopt(easy.get(), CURLOPT_ERRORBUFFER, detail);
    if (const CURLcode code = curl().easy_perform(easy.get()); code != CURLE_OK) {
        if (sink.too_large) {
            return Error{Errc::kDeadline, fmt::format("{} {}: the answer is larger than {} bytes",
                                                      method, url, kBodyBytesMax)};
        }
        return transfer_error(easy.get(), code, method, url, detail);
    }
    curl().easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &answer.status);
    answer.body = std::move(sink.body);
    return answer;
}

std::string join_url(const std::string& base, const std::string& path) {
    std::string_view left = base;
    while (!left.empty() && left.back() == '/') {
        left.remove_suffix(1);
    }
    std::string_view right = path;
    while (!right.empty() && right.front() == '/') {
        right.remove_prefix(1);
    }
    return fmt::format("{}/{}", left, right);
}

std::string url_encoded(const std::string& text) {
    constexpr std::string_view kPlain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    std::string result;
    for (const char c : text) {
        if (kPlain.find(c) != std::string_view::npos) {
            result += c;
        } else {
            result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return result;
}

}  // namespace shift
