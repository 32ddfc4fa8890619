#include "common/http.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <thread>

#include "common/file.h"
#include "common/text.h"
#include "common/unique_fd.h"

namespace shift {
namespace {

// Serves one connection on the loopback: reads one request, sends `answer`, closes.
class OneShotHttp {
  public:
    explicit OneShotHttp(std::string answer)
        : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(listener_.get(), 5), 0);
        EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this, answer = std::move(answer)] {
            const UniqueFd peer(::accept(listener_.get(), nullptr, nullptr));
            read_request(peer.get());
            (void)write_all(peer.get(), answer, "test");
        });
    }
    ~OneShotHttp() { join(); }
    std::string url(const std::string& path) const {
        return fmt::format("http://127.0.0.1:{}{}", port_, path);
    }
    const std::string& request() {
        join();
        return request_;
    }

  private:
    void join() {
        if (thread_.joinable()) {
            thread_.join();
        }
    }
    void read_request(int fd) {
        char buffer[4096];
        for (;;) {
            const std::size_t head = request_.find("\r\n\r\n");
            if (head != std::string::npos) {
                const std::string key = "Content-Length: ";
                const std::size_t at = request_.find(key);
                const std::size_t want =
                    at == std::string::npos
                        ? 0
                        : std::strtoul(request_.c_str() + at + key.size(), nullptr, 10);
                if (request_.size() >= head + 4 + want) {
                    return;
                }
            }
            const ssize_t got = ::read(fd, buffer, sizeof buffer);
            if (got <= 0) {
                return;
            }
            request_.append(buffer, static_cast<std::size_t>(got));
        }
    }

    UniqueFd listener_;
    int port_ = 0;
    std::string request_;
    std::thread thread_;
};

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

bool has_curl() {
    return ::dlopen("libcurl.so.4", RTLD_LAZY | RTLD_NOLOAD) != nullptr;
}
const bool kHadCurlAtStart = has_curl();

TEST(HttpCall, LoadsLibcurlWhenItIsMadeAndNotWithTheProgram) {
    EXPECT_FALSE(kHadCurlAtStart);
    (void)http_call("GET", "ftp://127.0.0.1/", nullptr, HttpOptions{}).ok();
    EXPECT_TRUE(has_curl());
}

TEST(HttpCall, SendsJsonAndNoAcceptHeader) {
    OneShotHttp server(kOk);
    const auto answer =
        http_call("POST", server.url("/api/v1/migrations/approve"), Json{{"id", 7}}, HttpOptions{});
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "{}");
    const std::string request = server.request();
    EXPECT_EQ(request.rfind("POST /api/v1/migrations/approve HTTP/1.1\r\n", 0), 0U);
    EXPECT_NE(request.find("Content-Type: application/json\r\n"), std::string::npos);
    EXPECT_EQ(request.find("Accept"), std::string::npos);
    EXPECT_EQ(request.find("Expect"), std::string::npos);
    EXPECT_EQ(request.substr(request.size() - 8), "{\"id\":7}");
}

TEST(HttpCall, GetAndDeleteHaveNoBody) {
    for (const char* method : {"GET", "DELETE"}) {
        OneShotHttp server(kOk);
        ASSERT_TRUE(http_call(method, server.url("/x?y=1"), nullptr, HttpOptions{}).ok());
        const std::string request = server.request();
        EXPECT_EQ(request.rfind(std::string(method) + " /x?y=1 HTTP/1.1\r\n", 0), 0U);
        EXPECT_EQ(request.find("Content-"), std::string::npos);
    }
}

TEST(HttpCall, GivesErrorsOfTheServerAsAnswers) {
    OneShotHttp server("HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>");
    const auto answer = http_call("GET", server.url("/x"), nullptr, HttpOptions{});
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(answer->status, 404);
    EXPECT_EQ(answer->body, "<html>");
}

TEST(HttpCall, DoesNotFollowRedirects) {
    OneShotHttp server(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    const auto answer = http_call("GET", server.url("/x"), nullptr, HttpOptions{});
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(answer->status, 302);
}

TEST(HttpCall, KnowsThatNothingWasSentWhenNobodyListens) {
    // Bound but not listening: the port is ours and refuses connections.
    const UniqueFd bound(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(bound.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(::getsockname(bound.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    const auto answer =
        http_call("POST", fmt::format("http://127.0.0.1:{}/x", ntohs(address.sin_port)),
                  Json::object(), HttpOptions{});
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().code, Errc::kUnavailable);
}

TEST(HttpCall, DoesNotKnowTheEffectWhenTheAnswerIsCut) {
    OneShotHttp server("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
    const auto answer = http_call("POST", server.url("/x"), Json::object(), HttpOptions{});
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().code, Errc::kDeadline);
}

TEST(HttpCall, RefusesOtherSchemes) {
    for (const char* url : {"file:///etc/passwd", "ftp://x/", "nonsense://x"}) {
        EXPECT_EQ(http_call("GET", url, nullptr, HttpOptions{}).error().code,
                  Errc::kInvalidArgument)
            << url;
    }
}

TEST(HttpCall, UsesNoProxyForTheLoopback) {
    ::setenv("http_proxy", "http://127.0.0.1:1", 1);
    OneShotHttp server(kOk);
    const auto answer = http_call("GET", server.url("/x"), nullptr, HttpOptions{});
    ::unsetenv("http_proxy");
    EXPECT_TRUE(answer.ok());
}

TEST(UrlEncoded, KeepsOnlyWhatEveryUrlMayHold) {
    EXPECT_EQ(url_encoded("db-1.example_com~A9"), "db-1.example_com~A9");
    EXPECT_EQ(url_encoded("a b&c=d/%+\xc3\xa9"), "a%20b%26c%3Dd%2F%25%2B%C3%A9");
    EXPECT_EQ(url_encoded(""), "");
}

TEST(JoinUrl, HasExactlyOneSlashBetween) {
    for (const char* base : {"http://h/api", "http://h/api/"}) {
        for (const char* path : {"migrations", "/migrations"}) {
            EXPECT_EQ(join_url(base, path), "http://h/api/migrations");
        }
    }
}

}  // namespace
}  // namespace shift
