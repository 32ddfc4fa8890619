#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/json.h"
#include "common/unique_fd.h"
#include "tests/fakes/api_model.h"

namespace shift::testing {

// One request as it arrived.
struct ApiCall {
    std::chrono::steady_clock::time_point at;
    std::string method;
    std::string path;
    std::string query;
    // The last word of the path: "staged", "unstage", ...; for /migrations/7 "show" (GET) or
    // "update" (PUT, PATCH).
    std::string endpoint;
    std::string body;
    Json json;                  // the body, null when it is not JSON
    MigrationId migration = 0;  // from path, body or query; 0 = none
    bool done = false;          // the work behind it was done
    int status = 0;             // as answered; 0 = no answer went out
};

// What to do to a call instead of answering it.
enum class Wrong {
    kAnswer,       // `status` and `body`; the work is not done
    kAnswerAfter,  // the work is done, then `status` and `body`
    kReset,        // TCP reset; nothing was done
    kResetAfter,   // the work is done, then a TCP reset
    kHang,         // never answered; nothing was done
    kHangAfter,    // the work is done, never answered
    kGarbage,      // bytes that are no HTTP
    kCutAfter,     // the work is done; the answer ends in the middle of the body
    kLateAfter,    // the work is done, answered after `delay`
    kDripAfter,    // the work is done, answered byte by byte, `delay` between them
    kRewrite,      // the answer is given through `rewrite` (unchanged without one)
};
struct Fault {
    std::string endpoint = {};  // "" = every call
    Wrong wrong = Wrong::kAnswer;
    int times = 1;              // this many calls; -1 = until clear_faults()
    int skip = 0;               // after leaving this many alone
    MigrationId migration = 0;  // only calls about it; 0 = any
    int status = 500;
    std::chrono::milliseconds delay{0};
    std::string body = {};
    std::size_t body_bytes = 0;  // pads the body to this size
    std::string content_type = "text/html; charset=utf-8";
    std::string location = {};  // sent as a Location header when not empty
    std::function<std::string(const std::string&)> rewrite = {};
    std::function<void()> before = {};  // runs when the call has arrived, before the work
};

// An HTTP server in this process between the supervisor and an API: the model (default), or the
// real shift-api behind forward_to(). Records every call; breaks those it was told to.
class FakeApi {
  public:
    FakeApi();
    ~FakeApi();
    FakeApi(const FakeApi&) = delete;
    FakeApi& operator=(const FakeApi&) = delete;

    int port() const { return port_; }
    std::string url() const;  // "http://127.0.0.1:PORT/api/v1/"
    ApiModel& model() { return model_; }
    void forward_to(int port) { upstream_port_ = port; }

    void inject(const Fault& fault);
    void clear_faults();  // hanging calls are reset
    // Connections are refused and open ones reset, until up().
    void down();
    void up();

    std::vector<ApiCall> calls() const;
    // Calls of `endpoint` about `migration` (0 = any); `done_only`: those whose work was done.
    std::vector<ApiCall> calls(const std::string& endpoint, MigrationId migration = 0,
                               bool done_only = false) const;
    int count(const std::string& endpoint, MigrationId migration = 0, bool done_only = false) const;
    void forget_calls();
    // One line per call about `migration` (0 = all), for messages and order checks:
    // "POST unstage", "PUT update copy_percentage=100", "POST append_to_file".
    std::vector<std::string> sequence(MigrationId migration) const;

  private:
    void listen();
    void accept_loop(int fd);
    void serve(int fd);
    // False: the connection is over.
    bool answer(int fd, const HttpRequest& request);
    bool send_reply(int fd, const HttpReply& reply, std::size_t cut_at);
    bool drip_reply(int fd, const HttpReply& reply, std::chrono::milliseconds delay);
    HttpReply work(const HttpRequest& request);
    std::unique_ptr<Fault> take_fault(const ApiCall& call);
    // Until the peer goes away, the fault is lifted, we end, or `limit` has passed: then true.
    bool hang(int fd, std::chrono::milliseconds limit = std::chrono::hours{1});
    std::size_t record(ApiCall call);

    ApiModel model_;
    int port_ = 0;
    UniqueFd placeholder_;  // keeps the port ours while down
    UniqueFd listener_;
    std::atomic<int> upstream_port_{0};
    std::thread accepter_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> is_down_{false};

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t epoch_ = 0;  // rises when hanging calls are to end
    std::vector<Fault> faults_;
    std::vector<ApiCall> calls_;
    std::set<int> open_;
    int threads_ = 0;
};

}  // namespace shift::testing
