#include "common/control_protocol.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <functional>
#include <thread>

#include "common/file.h"
#include "common/unique_fd.h"
#include "tests/unit/common/temp_dir.h"

namespace shift {
namespace {

// Accepts one connection, reads the request line and lets `serve` answer.
class OneShotServer {
  public:
    using Serve = std::function<void(int fd, const std::string& request)>;

    OneShotServer(const std::string& path, Serve serve)
        : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address),
                  0);
        EXPECT_EQ(::listen(listener_.get(), 5), 0);
        thread_ = std::thread([this, serve = std::move(serve)] {
            const UniqueFd peer(::accept(listener_.get(), nullptr, nullptr));
            std::string request;
            char c = 0;
            while (::read(peer.get(), &c, 1) == 1 && c != '\n') {
                request += c;
            }
            serve(peer.get(), request);
        });
    }
    ~OneShotServer() { thread_.join(); }

  private:
    UniqueFd listener_;
    std::thread thread_;
};

TEST(ControlMessages, AreOneLineEach) {
    EXPECT_EQ(control_request("status", Json::object()),
              "{\"args\":{},\"command\":\"status\",\"protocol\":1}\n");
    EXPECT_EQ(control_ok(Json{{"a", "x\ny"}}),
              "{\"data\":{\"a\":\"x\\ny\"},\"ok\":true,\"protocol\":2}\n");
    EXPECT_EQ(control_error("no"),
              "{\"code\":\"refused\",\"error\":\"no\",\"ok\":false,\"protocol\":2}\n");
}

TEST(ControlMessages, ARequestCarriesTheVersionItsCommandCameWith) {
    for (const ControlCommand& command : control_commands()) {
        const Json request = *parse_json(control_request(command.name, Json::object()));
        EXPECT_EQ(request["protocol"], command.since);
        EXPECT_LE(command.since, kControlProtocol);
    }
    EXPECT_EQ((*parse_json(control_request("dance", Json::object())))["protocol"],
              kControlProtocol);
}

TEST(ParseControlRequest, TakesWhatControlRequestWrites) {
    const auto request = parse_control_request(control_request("drain", {{"keep", true}}, "alice"));
    ASSERT_TRUE(request.ok());
    EXPECT_EQ(request->command, "drain");
    EXPECT_EQ(request->args["keep"], true);
    EXPECT_EQ(request->as, "alice");
}

TEST(ParseControlRequest, RefusesWhatIsNone) {
    for (const char* line :
         {"", "hello", "[]", "7", "{}", R"({"command":""})", R"({"command":{}})",
          R"({"command":"status","args":[]})", R"({"command":"status","args":"x"})",
          R"({"protocol":99,"command":"status"})", "{\"command\":\"\xff\"}"}) {
        const auto request = parse_control_request(line);
        ASSERT_FALSE(request.ok()) << line;
        EXPECT_EQ(request.error().code, Errc::kInvalidArgument);
    }
}

TEST(ParseControlRequest, KeepsANameShortAndOnOneLine) {
    const auto request = parse_control_request(
        to_line(Json{{"command", "status"}, {"as", "a\nb\x1b" + std::string(500, 'x')}}));
    ASSERT_TRUE(request.ok());
    EXPECT_EQ(request->as.size(), kControlAsBytesMax);
    EXPECT_TRUE(request->as.starts_with("a b x"));
}

TEST(ControlCall, AsksAndGetsTheData) {
    const TempDir dir;
    std::string asked;
    Result<Json> answer = Json();
    {
        const OneShotServer server(dir / "s", [&](int fd, const std::string& request) {
            asked = request;
            // In two pieces, as a large answer comes.
            ASSERT_TRUE(write_all(fd, "{\"protocol\":1,\"ok\":true,", "test").ok());
            ASSERT_TRUE(write_all(fd, "\"data\":{\"pid\":7}}\n", "test").ok());
        });
        answer = control_call(dir / "s", "drain", Json{{"keep", true}}, 10'000);
    }
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ((*answer)["pid"], 7);
    EXPECT_EQ((*parse_json(asked))["args"]["keep"], true);
}

TEST(ControlCall, GivesTheDaemonsReasonForARefusal) {
    const TempDir dir;
    const OneShotServer server(dir / "s", [](int fd, const std::string&) {
        (void)write_all(fd, control_error("unknown command"), "test");
    });
    const auto answer = control_call(dir / "s", "dance", Json::object(), 10'000);
    EXPECT_EQ(answer.error().code, Errc::kInvalidArgument);
    EXPECT_EQ(answer.error().message, "unknown command");
}

TEST(ControlCall, TellsRefusalsApart) {
    for (const auto refusal : {ControlRefusal::kPermission, ControlRefusal::kBusy}) {
        const TempDir dir;
        const OneShotServer server(dir / "s", [&](int fd, const std::string&) {
            (void)write_all(fd, control_error("no", refusal), "test");
        });
        const auto answer = control_call(dir / "s", "drain", Json::object(), 10'000);
        const bool denied = refusal == ControlRefusal::kPermission;
        EXPECT_EQ(answer.error().native, denied ? EPERM : 0);
        EXPECT_EQ(answer.error().code, denied ? Errc::kInvalidArgument : Errc::kConflict);
    }
}

TEST(ControlCall, TellsADaemonThatIsNotThere) {
    const TempDir dir;
    EXPECT_EQ(control_call(dir / "s", "status", Json::object(), 1000).error().code,
              Errc::kUnavailable);
    ASSERT_TRUE(write_file_atomic(dir / "f", "", 0600).ok());
    EXPECT_EQ(control_call(dir / "f", "status", Json::object(), 1000).error().code,
              Errc::kUnavailable);
}

TEST(ControlCall, DoesNotKnowTheEffectWithoutAnAnswer) {
    const TempDir dir;
    const OneShotServer server(dir / "s", [](int, const std::string&) {});
    EXPECT_EQ(control_call(dir / "s", "status", Json::object(), 10'000).error().code,
              Errc::kDeadline);
}

TEST(ControlCall, GivesUpAtItsDeadline) {
    const TempDir dir;
    const OneShotServer server(dir / "s", [](int fd, const std::string&) {
        char c = 0;
        (void)!::read(fd, &c, 1);  // until the client hangs up
    });
    EXPECT_EQ(control_call(dir / "s", "status", Json::object(), 50).error().code, Errc::kDeadline);
}

TEST(ControlCall, RefusesAnswersThatAreNoneOfThisProtocol) {
    for (const char* line : {"hello\n", "{}\n", "[]\n"}) {
        const TempDir dir;
        const OneShotServer server(
            dir / "s", [&](int fd, const std::string&) { (void)write_all(fd, line, "test"); });
        EXPECT_EQ(control_call(dir / "s", "status", Json::object(), 10'000).error().code,
                  Errc::kDeadline)
            << line;
    }
}

TEST(ControlCall, RefusesAPathThatIsTooLong) {
    const auto answer = control_call("/" + std::string(200, 'x'), "status", Json::object(), 1000);
    EXPECT_EQ(answer.error().code, Errc::kInvalidArgument);
}

}  // namespace
}  // namespace shift
