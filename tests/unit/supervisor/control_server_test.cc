#include "supervisor/control/control_server.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "common/file.h"
#include "common/unique_fd.h"
#include "tests/unit/common/temp_dir.h"
#include "tests/unit/supervisor/loop_thread.h"

namespace shift {
namespace {

// A server on a loop of its own, and its raw socket.
class ControlServerTest : public LoopThread<ControlServer> {
  protected:
    void listen(const ControlServer::Groups& groups = {}) {
        auto server = ControlServer::listen(
            loop_, path_, groups,
            [this](const ControlRequest& request, const ControlCaller& caller) -> Result<Json> {
                if (request.command == "status") {
                    return Json{{"uid", caller.uid}, {"as", caller.as}, {"room", big_}};
                }
                return Error{Errc::kInvalidArgument, "unknown"};
            },
            log_);
        ASSERT_TRUE(server.ok()) << server.error().message;
        run(*std::move(server));
    }
    UniqueFd connect() const {
        UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un where{};
        where.sun_family = AF_UNIX;
        std::memcpy(where.sun_path, path_.data(), path_.size());
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
        return fd;
    }
    static void say(const UniqueFd& fd, const std::string& text) {
        (void)!::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
    }
    // One line; "" when the server hung up.
    static std::string hear(const UniqueFd& fd) {
        std::string line;
        char c = 0;
        while (::recv(fd.get(), &c, 1, 0) == 1) {
            if (c == '\n') {
                return line;
            }
            line += c;
        }
        return "";
    }
    unsigned mode() const {
        struct stat info {};
        EXPECT_EQ(::stat(path_.c_str(), &info), 0);
        return info.st_mode & 0777;
    }

    TempDir dir_;
    std::string path_ = dir_ / "s";
    std::string big_;
    Logger log_{LogLevel::kError};
};

TEST_F(ControlServerTest, AnswersOneLineForEach) {
    listen();
    const UniqueFd fd = connect();
    say(fd, control_request("status", Json::object(), "alice") + control_request("x", nullptr));
    const Json first = *parse_json(hear(fd));
    EXPECT_EQ(first["data"]["uid"], ::geteuid());
    EXPECT_EQ(first["data"]["as"], "alice");
    EXPECT_EQ((*parse_json(hear(fd)))["error"], "unknown");
    say(fd, "{\"command\":");  // in pieces
    say(fd, "\"status\"}\n");
    EXPECT_EQ((*parse_json(hear(fd)))["ok"], true);
}

TEST_F(ControlServerTest, GarbageIsAnsweredAndTheConnectionStays) {
    listen();
    const UniqueFd fd = connect();
    for (const char* line :
         {"\n", "hello\n", "[1]\n", "{\"protocol\":99,\"command\":\"status\"}\n"}) {
        say(fd, line);
        EXPECT_EQ((*parse_json(hear(fd)))["code"], "refused") << line;
    }
    say(fd, control_request("status", Json::object()));
    EXPECT_EQ((*parse_json(hear(fd)))["ok"], true);
}

TEST_F(ControlServerTest, ALineThatNeverEndsIsCutOff) {
    listen();
    const UniqueFd fd = connect();
    const std::string piece(4096, 'x');
    for (std::size_t sent = 0; sent <= kControlRequestBytesMax + piece.size();
         sent += piece.size()) {
        say(fd, piece);
    }
    say(fd, "\n");
    EXPECT_EQ((*parse_json(hear(fd)))["error"], "request is too long");
    EXPECT_EQ(hear(fd), "");
}

TEST_F(ControlServerTest, TooManyRequestsASecondAreRefused) {
    listen();
    const UniqueFd fd = connect();
    std::string burst;
    for (int i = 0; i < 1200; ++i) {
        burst += control_request("status", Json::object());
    }
    say(fd, burst);
    int answered = 0;
    Json last;
    for (std::string line = hear(fd); !line.empty(); line = hear(fd)) {
        last = *parse_json(line);
        answered += last["ok"].get<bool>() ? 1 : 0;
    }
    EXPECT_GE(answered, 1000);
    EXPECT_LT(answered, 1200);
    EXPECT_EQ(last["code"], "busy");
}

TEST_F(ControlServerTest, AClientThatDoesNotReadIsDropped) {
    big_ = std::string(1024 * 1024, 'x');
    listen();
    const UniqueFd fd = connect();
    std::string burst;
    for (int i = 0; i < 100; ++i) {
        burst += control_request("status", Json::object());
    }
    say(fd, burst);
    int answers = 0;
    while (!hear(fd).empty()) {
        ++answers;
    }
    EXPECT_LT(answers, 100);
    // Others are served.
    big_.clear();
    EXPECT_TRUE(control_call(path_, "status", Json::object(), 10'000).ok());
}

TEST_F(ControlServerTest, ClientsHaveALimit) {
    listen();
    std::vector<UniqueFd> idle;
    for (int i = 0; i < 64; ++i) {
        idle.push_back(connect());
        say(idle.back(), control_request("status", Json::object()));
        ASSERT_NE(hear(idle.back()), "") << i;
    }
    const UniqueFd late = connect();
    EXPECT_EQ((*parse_json(hear(late)))["code"], "busy");
    EXPECT_EQ(hear(late), "");
    idle.pop_back();
    bool served = false;
    for (int i = 0; i < 1000 && !served; ++i) {
        served = control_call(path_, "status", Json::object(), 10'000).ok();
    }
    EXPECT_TRUE(served);
}

TEST_F(ControlServerTest, WithoutItsGroupsTheFileIsTheOwners) {
    listen({"no-such-group-here", ""});
    EXPECT_EQ(mode(), 0600U);
    const group* own = ::getgrgid(::getegid());
    ASSERT_NE(own, nullptr);
    server_->set_groups({own->gr_name, ""});
    EXPECT_EQ(mode(), 0666U);
}

TEST_F(ControlServerTest, ASecondDaemonIsNotLetIn) {
    listen();
    const auto second = ControlServer::listen(
        loop_, path_, {}, [](const ControlRequest&, const ControlCaller&) { return Json(); }, log_);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, Errc::kConflict);
    EXPECT_TRUE(control_call(path_, "status", Json::object(), 10'000).ok());
}

}  // namespace
}  // namespace shift
