#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/control_protocol.h"
#include "common/exit_code.h"
#include "common/file.h"
#include "common/unique_fd.h"
#include "ctl/cli.h"
#include "tests/unit/common/temp_dir.h"

// shift-supervisorctl run in this process, against a daemon and an API that say what a test wants.

namespace shift::ctl {

// Accepts connections one after the other on `listener` and hands each to `serve`, until it goes.
class Server {
  public:
    using Serve = std::function<void(int fd)>;

    Server(UniqueFd listener, Serve serve) : listener_(std::move(listener)) {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::pipe(ends), 0);
        stop_read_ = UniqueFd(ends[0]);
        stop_write_ = UniqueFd(ends[1]);
        thread_ = std::thread([this, serve = std::move(serve)] {
            for (;;) {
                pollfd ready[2] = {{listener_.get(), POLLIN, 0}, {stop_read_.get(), POLLIN, 0}};
                if (::poll(ready, 2, -1) <= 0 || ready[1].revents != 0) {
                    return;
                }
                const UniqueFd peer(::accept(listener_.get(), nullptr, nullptr));
                serve(peer.get());
            }
        });
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() {
        stop_write_.reset();
        thread_.join();
    }

  private:
    UniqueFd listener_;
    UniqueFd stop_read_;
    UniqueFd stop_write_;
    std::thread thread_;
};

// A daemon as far as the control socket shows one.
class FakeDaemon {
  public:
    using Answer = std::function<std::string(const Json& request)>;
    FakeDaemon(const std::string& path, Answer answer)
        : answer_(std::move(answer)), server_(listen_on(path), [this](int fd) { serve(fd); }) {}
    std::vector<std::string> commands() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return commands_;
    }

  private:
    static UniqueFd listen_on(const std::string& path) {
        UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(fd.get(), 5), 0);
        return fd;
    }
    void serve(int fd) {
        std::string line;
        char c = 0;
        while (::read(fd, &c, 1) == 1 && c != '\n') {
            line += c;
        }
        const Json request = *parse_json(line);
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            commands_.push_back(request["command"].get<std::string>() + to_line(request["args"]));
        }
        (void)write_all(fd, answer_(request), "test");
    }

    Answer answer_;
    std::mutex mutex_;
    std::vector<std::string> commands_;
    Server server_;
};

// An API that answers by "METHOD path".
class FakeApi {
  public:
    using Answer = std::function<std::pair<int, std::string>(const std::string& request,
                                                             const std::string& body)>;
    explicit FakeApi(Answer answer)
        : answer_(std::move(answer)), server_(bind_somewhere(), [this](int fd) { serve(fd); }) {}
    std::string url() const { return fmt::format("http://127.0.0.1:{}/api/v1/", port_); }
    std::vector<std::string> requests() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return requests_;
    }

  private:
    UniqueFd bind_somewhere() {
        UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(fd.get(), 5), 0);
        EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
        port_ = ntohs(address.sin_port);
        return fd;
    }
    void serve(int fd) {
        std::string text;
        char buffer[4096];
        std::size_t head = std::string::npos;
        std::size_t want = 0;
        while (head == std::string::npos || text.size() < head + 4 + want) {
            const ssize_t got = ::read(fd, buffer, sizeof buffer);
            if (got <= 0) {
                return;
            }
            text.append(buffer, static_cast<std::size_t>(got));
            head = text.find("\r\n\r\n");
            const std::string key = "Content-Length: ";
            if (const std::size_t at = text.find(key); at != std::string::npos) {
                want = std::strtoul(text.c_str() + at + key.size(), nullptr, 10);
            }
        }
        const std::string request = text.substr(0, text.find(" HTTP/"));
        const std::string body = text.substr(head + 4);
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            requests_.push_back(body.empty() ? request : request + " " + body);
        }
        const auto [status, answer] = answer_(request, body);
        (void)write_all(fd,
                        fmt::format("HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: {}"
                                    "\r\n\r\n{}",
                                    status, answer.size(), answer),
                        "test");
    }

    Answer answer_;
    std::mutex mutex_;
    std::vector<std::string> requests_;
    int port_ = 0;
    Server server_;
};

struct Outcome {
    int code = 0;
    std::string out;
    std::string err;
};

inline Outcome run(const std::vector<std::string>& words) {
    std::vector<const char*> argv = {"shift-supervisorctl"};
    for (const std::string& word : words) {
        argv.push_back(word.c_str());
    }
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    Outcome outcome;
    outcome.code = run_cli(static_cast<int>(argv.size()), argv.data());
    outcome.out = ::testing::internal::GetCapturedStdout();
    outcome.err = ::testing::internal::GetCapturedStderr();
    return outcome;
}

inline bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

inline Json status_of(int owed, bool active, const Json& migrations = Json::array()) {
    return Json{{"version", "0.1.0"},
                {"state", active ? "draining" : "running"},
                {"drain", {{"active", active}, {"by", "command"}, {"owed", owed}}},
                {"migrations", migrations}};
}

inline std::string migration(int status, int lock, const Json& actions = Json::array()) {
    return to_line(Json{
        {"migration", {{"id", 7}, {"status", status}, {"lock_version", lock}, {"staged", false}}},
        {"available_actions", actions}});
}

class Cli : public ::testing::Test {
  protected:
    TempDir dir_;
    std::string socket_ = dir_ / "control.sock";
};

}  // namespace shift::ctl
