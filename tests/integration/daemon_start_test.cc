// What the daemon does before and while it first talks to the API: its configuration, certificates.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>

#include "tests/integration/support/child_process.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/supervisor_process.h"
#include "tests/integration/support/temp_dir.h"

namespace shift::testing {
namespace {

using ::testing::HasSubstr;

TEST(DaemonStart, AMissingConfigurationEndsWith78AndItsPath) {
    const TempDir dir;
    const std::string path = dir / "none.yaml";
    const ToolResult result = run_tool({program("shift-supervisord"), "--config", path});
    EXPECT_EQ(result.status.code, 78);
    EXPECT_THAT(result.err, HasSubstr(path));
}

// An API over TLS that lists nothing, with a certificate for 127.0.0.1 that nobody has signed.
class TlsApi {
  public:
    explicit TlsApi(const TempDir& dir, const std::string& name = "IP:127.0.0.1")
        : certificate_(dir / "api.pem"), output_(dir / "api.out") {
        const ToolResult made =
            run_tool({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                      "-subj", "/CN=api", "-addext", "subjectAltName=" + name, "-keyout",
                      dir / "api.key", "-out", certificate_});
        EXPECT_EQ(made.status.code, 0) << made.err;
        server_.start({.argv = {"python3", "-u", "-c", kProgram, certificate_, dir / "api.key"},
                       .output = output_});
        EXPECT_TRUE(poll_until([this] { return port() != 0; })) << slurp(output_);
    }
    std::string url() const { return "https://127.0.0.1:" + std::to_string(port()) + "/api/v1/"; }
    const std::string& certificate() const { return certificate_; }

  private:
    static constexpr const char* kProgram =
        "import http.server, ssl, sys\n"
        "class Api(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200)\n"
        "        self.send_header('Content-Type', 'application/json')\n"
        "        self.send_header('Content-Length', '2')\n"
        "        self.end_headers()\n"
        "        self.wfile.write(b'[]')\n"
        "    def log_message(self, *words):\n"
        "        pass\n"
        "context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
        "context.load_cert_chain(sys.argv[1], sys.argv[2])\n"
        "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Api)\n"
        "server.socket = context.wrap_socket(server.socket, server_side=True,\n"
        "                                    do_handshake_on_connect=False)\n"
        "print('port', server.server_address[1])\n"
        "server.serve_forever()\n";

    int port() const {
        const std::string text = slurp(output_);
        int number = 0;
        if (const std::size_t at = text.find("port "); at != std::string::npos) {
            (void)std::from_chars(text.data() + at + 5, text.data() + text.size(), number);
        }
        return number;
    }

    std::string certificate_;
    std::string output_;
    ChildProcess server_;
};

// Starts a daemon there; its `api` in `status` once it has asked, and the settings were `settings`.
Json api_seen(const TempDir& dir, const std::string& url,
              const std::map<std::string, std::string>& settings) {
    SupervisorProcess supervisor(dir.path(), url, settings);
    supervisor.start();
    Json api;
    EXPECT_TRUE(poll_until([&] {
        api = supervisor.status().value("api", Json::object());
        return bool_or(api, "reachable", false) || !string_or(api, "last_error", "").empty();
    })) << supervisor.logs();
    return api;
}

TEST(DaemonStart, TheCertificateOfTheApiIsVerified) {
    const TempDir dir;
    const TlsApi api(dir);
    Json seen = api_seen(dir, api.url(), {});
    EXPECT_FALSE(bool_or(seen, "reachable", true));
    EXPECT_THAT(string_or(seen, "last_error", ""), HasSubstr("certificate")) << to_line(seen);
    seen = api_seen(dir, api.url(), {{"rest_ca", api.certificate()}});
    EXPECT_TRUE(bool_or(seen, "reachable", false)) << to_line(seen);
    seen = api_seen(dir, api.url(), {{"rest_verify", "false"}});
    EXPECT_TRUE(bool_or(seen, "reachable", false)) << to_line(seen);
}

TEST(DaemonStart, ACertificateOfAnotherHostIsRefused) {
    const TempDir dir;
    const TlsApi api(dir, "DNS:api.example.com");
    const Json seen = api_seen(dir, api.url(), {{"rest_ca", api.certificate()}});
    EXPECT_FALSE(bool_or(seen, "reachable", true));
    EXPECT_NE(string_or(seen, "last_error", ""), "");
}

}  // namespace
}  // namespace shift::testing
