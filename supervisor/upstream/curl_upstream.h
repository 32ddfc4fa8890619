#pragma once

#include <curl/curl.h>
#include <uv.h>

#include <memory>
#include <string>
#include <unordered_set>

#include "common/config.h"
#include "supervisor/loop/uv_owned.h"
#include "supervisor/upstream/upstream.h"

namespace shift {

// curl_multi driven by the libuv loop. Only the loop's thread; name resolution is curl's own
// thread. Redirects are not followed, no Accept header is sent (with "Accept: application/json"
// the Rails server answers 500 to an unknown id; shift-api reference, section 1).
class CurlUpstream final : public Upstream {
  public:
    CurlUpstream(uv_loop_t& loop, const Config& config);
    ~CurlUpstream() override;
    CurlUpstream(const CurlUpstream&) = delete;
    CurlUpstream& operator=(const CurlUpstream&) = delete;

    void call(ApiRequest request, Done done) override;
    // Takes over URL, certificates and timeout for later calls.
    void reconfigure(const Config& config) { config_ = config; }

  private:
    struct Exchange;
    struct Socket;

    static curl_socket_t on_open(void*, curlsocktype, curl_sockaddr* address);
    static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void* socket);
    static int on_timer(CURLM*, long timeout_ms, void* self);
    static void on_poll(uv_poll_t* poll, int status, int events);
    static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* exchange);
    void apply_tls(CURL* easy) const;
    void drive(curl_socket_t fd, int events);
    void collect_finished();
    void finish(Exchange* exchange, CURLcode code);

    uv_loop_t& loop_;
    Config config_;
    CURLM* multi_;
    UvOwned<uv_timer_t> timer_;
    std::unordered_set<Exchange*> exchanges_;
};

}  // namespace shift
