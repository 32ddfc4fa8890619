#pragma once

#include <optional>
#include <string>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"

namespace shift {

// A small blocking HTTP client for command-line tools (libcurl). The daemon has its own on the
// loop.
struct HttpOptions {
    std::string cert;
    std::string key;
    std::string ca;
    bool verify = true;
    long timeout_ms = 30'000;
};
struct HttpAnswer {
    long status = 0;
    std::string body;                             // at most 64 MiB
    std::optional<WallTime> date = std::nullopt;  // the peer's clock, if it told
};
// Sends `body` as JSON when it is not null. Redirects are not followed.
// Errors: kUnavailable - could not connect (nothing was sent); kDeadline - sent, no full answer.
Result<HttpAnswer> http_call(const std::string& method, const std::string& url, const Json& body,
                             const HttpOptions& options);
// base + path with exactly one slash between.
std::string join_url(const std::string& base, const std::string& path);

// `text` as a value in a URL's query.
std::string url_encoded(const std::string& text);

}  // namespace shift
