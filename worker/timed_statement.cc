#include "worker/timed_statement.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "worker/mysql/inspect.h"

namespace shift {
namespace {

constexpr std::chrono::milliseconds kPoll{200};
constexpr std::chrono::seconds kConnectAgain{2};

// Ends the statement of `thread_id` when it is time to. Opens its session only then: an idle one
// would have to be kept alive.
class Watcher {
  public:
    Watcher(Context& context, std::uint64_t thread_id, std::chrono::seconds timeout)
        : context_(context), thread_id_(thread_id), timeout_(timeout), thread_([this] { run(); }) {}
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;
    ~Watcher() {
        {
            const std::lock_guard lock(mutex_);
            is_over_ = true;
        }
        over_.notify_all();
        thread_.join();
    }

  private:
    bool sleep(std::chrono::milliseconds time) {
        std::unique_lock lock(mutex_);
        return over_.wait_for(lock, time, [this] { return is_over_; });
    }
    void run() {
        const SteadyTime deadline = context_.clock.now() + timeout_;
        while (!sleep(kPoll)) {
            if (!context_.stop.is_urgent() && context_.clock.now() < deadline) {
                continue;
            }
            // The statement may end while we connect. The session is the worker's own and serves
            // nothing else before this watcher is joined, so a late KILL QUERY hits nothing.
            (void)context_.database.kill_own_statement(thread_id_).ok();
            if (sleep(kConnectAgain)) {
                return;
            }
        }
    }

    Context& context_;
    std::uint64_t thread_id_;
    std::chrono::seconds timeout_;
    std::mutex mutex_;
    std::condition_variable over_;
    bool is_over_ = false;
    std::thread thread_;
};

}  // namespace

Status execute_timed(Context& context, Connection& connection, const std::string& sql,
                     std::chrono::seconds timeout) {
    const Watcher watcher(context, connection.thread_id(), timeout);
    return connection.execute(sql);
}

Status while_keeping_lock(Context& context, Connection& connection,
                          const std::function<Status()>& work) {
    const std::uint64_t thread_id = connection.thread_id();
    std::future<Status> answer = std::async(std::launch::async, work);
    Status kept = Ok{};
    while (answer.wait_for(kPoll) != std::future_status::ready) {
        if (kept.ok()) {
            kept = context.database.keep_alive();
        }
        if (!kept.ok() || context.stop.is_urgent()) {
            (void)context.database.kill_own_statement(thread_id).ok();
        }
    }
    Status done = answer.get();
    RETURN_IF_ERROR(kept);
    return done;
}

Status wait_for_thread(Context& context, std::uint64_t thread_id) {
    const SteadyTime deadline = context.clock.now() + context.job.ddl_timeout;
    constexpr std::chrono::seconds kGrace{30};
    for (;;) {
        ASSIGN_OR_RETURN(Connection * look, context.database.look());
        ASSIGN_OR_RETURN(const auto threads, server_threads(*look));
        const bool lives =
            std::any_of(threads.begin(), threads.end(),
                        [thread_id](const ServerThread& thread) { return thread.id == thread_id; });
        if (!lives) {
            return Ok{};
        }
        const auto locked = context.database.locked();
        if (locked.ok() && (*locked)->thread_id() == thread_id) {
            return Ok{};  // the session is still ours; its statement has ended
        }
        const SteadyTime now = context.clock.now();
        if (context.stop.is_urgent() || now >= deadline) {
            RETURN_IF_ERROR(context.database.kill_thread(thread_id, true));
        }
        if (now >= deadline + kGrace) {
            return Error{Errc::kUnavailable,
                         fmt::format("server thread {} does not end", thread_id)};
        }
        std::this_thread::sleep_for(kPoll);
    }
}

}  // namespace shift
