#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/file.h"
#include "common/unique_fd.h"
#include "supervisor/metrics/exposition.h"
#include "supervisor/metrics/metrics_server.h"
#include "tests/unit/supervisor/loop_thread.h"

namespace shift {
namespace {

TEST(Exposition, WritesFamiliesAsPrometheusReadsThem) {
    Exposition out;
    out.family("a_total", "counter", "How many.");
    out.sample({}, 3);
    out.sample({{"x", "1"}, {"y", "a\"b\\c\nd"}}, 0.25);
    EXPECT_EQ(out.text(),
              "# HELP a_total How many.\n# TYPE a_total counter\na_total 3\n"
              "a_total{x=\"1\",y=\"a\\\"b\\\\c\\nd\"} 0.25\n");
}

TEST(Exposition, BucketsAreCumulative) {
    Histogram histogram;
    histogram.observe(std::chrono::microseconds(500));
    histogram.observe(std::chrono::milliseconds(20));
    histogram.observe(std::chrono::seconds(40));
    Exposition out;
    out.family("t_seconds", "histogram", "Took.");
    out.histogram(histogram);
    EXPECT_NE(out.text().find("t_seconds_bucket{le=\"0.001\"} 1\n"), std::string::npos);
    EXPECT_NE(out.text().find("t_seconds_bucket{le=\"0.025\"} 2\n"), std::string::npos);
    EXPECT_NE(out.text().find("t_seconds_bucket{le=\"30\"} 2\n"), std::string::npos);
    EXPECT_NE(out.text().find("t_seconds_bucket{le=\"+Inf\"} 3\n"), std::string::npos);
    EXPECT_NE(out.text().find("t_seconds_count 3\n"), std::string::npos);
    EXPECT_NE(out.text().find("t_seconds_sum 40.0205\n"), std::string::npos) << out.text();
}

// A server on a loop of its own.
class MetricsServerTest : public LoopThread<MetricsServer> {
  protected:
    Status listen(const std::string& address) {
        auto server = MetricsServer::listen(loop_, address, [] { return std::string("up 1\n"); });
        if (!server.ok()) {
            return std::move(server).error();
        }
        run(*std::move(server));
        return Ok{};
    }
    // What the server says to `request`, until it hangs up.
    std::string ask(const std::string& request) {
        UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in where{};
        where.sin_family = AF_INET;
        where.sin_port = htons(static_cast<std::uint16_t>(server_->port()));
        where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
        (void)::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
        std::string text;
        char buffer[4096];
        for (;;) {
            const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
            if (got <= 0) {
                return text;
            }
            text.append(buffer, static_cast<std::size_t>(got));
        }
    }
};

TEST_F(MetricsServerTest, AnswersAScrape) {
    ASSERT_TRUE(listen("127.0.0.1:0").ok());
    EXPECT_TRUE(server_->is_loopback());
    const std::string answer = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
    EXPECT_NE(answer.find("Content-Type: text/plain; version=0.0.4"), std::string::npos);
    EXPECT_NE(answer.find("Content-Length: 5\r\n"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("\r\n\r\nup 1\n"));
}

TEST_F(MetricsServerTest, RefusesEverythingElse) {
    ASSERT_TRUE(listen("0").ok());
    EXPECT_TRUE(ask("GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 404"));
    EXPECT_TRUE(ask("POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    EXPECT_TRUE(ask("\r\n\r\n").starts_with("HTTP/1.1 405"));
    EXPECT_EQ(ask(std::string(20'000, 'x')), "");
    EXPECT_TRUE(ask("HEAD /metrics?x HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
}

TEST_F(MetricsServerTest, WantsANumericAddress) {
    for (const char* address : {"localhost:9812", "127.0.0.1:", "127.0.0.1:99999", ":1", "x"}) {
        const Status status = listen(address);
        ASSERT_FALSE(status.ok()) << address;
        EXPECT_EQ(status.error().code, Errc::kInvalidArgument);
        EXPECT_NE(status.error().message.find("metrics_listen"), std::string::npos);
    }
    ASSERT_TRUE(listen("0.0.0.0:0").ok());
    EXPECT_FALSE(server_->is_loopback());
}

}  // namespace
}  // namespace shift
