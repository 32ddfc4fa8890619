#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/result.h"
#include "common/stop_request.h"
#include "worker/lhm/ledger.h"
#include "worker/lhm/sessions.h"
#include "worker/lhm/throttle.h"

namespace shift::lhm {

// One connection of a crew, and what it may use.
struct Hand {
    Sessions& sessions;
    Throttle& throttle;
    StopRequest& stop;  // asked for from outside, or because another hand failed
    Ledger& ledger;
    std::string role;                   // "copy 2"
    std::chrono::seconds read_timeout;  // of its session
    std::string begin_session = {};     // Crew::Job::begin_session
    std::optional<Connection> connection = {};
    int row_lock_wait_s = -1;  // of the session as it was set last; -1 = not by us
    int outages = 0;           // there had been when the session was opened

    // The session, opened when there is none (any more).
    Result<Connection*> session();
    // After a statement failed because the session is gone.
    Status reconnect(const Error& lost);
    Status use(Result<Connection> opened);
};

struct CrewTally {
    std::atomic<std::int64_t> rows{0};
    std::atomic<std::int64_t> chunks{0};
};

// N threads with a session each that claim ranges from a ledger until it is complete. The first
// failure stops all of them; what a hand had claimed is given back.
class Crew {
  public:
    struct Job {
        std::string role;  // "copy"
        std::chrono::seconds read_timeout{600};
        std::string begin_session;                 // each session's first statement; "" = none
        std::function<std::int64_t()> rows;        // of the next range
        std::function<bool(int number)> may_work;  // hand number 1..N; asked before each range
        // Ledger::FindEnd for the hand's session.
        std::function<Result<std::optional<KeyValue>>(
            Hand& hand, const std::optional<KeyValue>& after, const std::optional<KeyValue>& up_to,
            std::int64_t rows)>
            find_end;
        // Does one range to its end, telling the ledger. Called on the hand's thread.
        std::function<Status(Hand& hand, const Range& range)> work;
    };
    Crew(Job job, int threads, Ledger& ledger, Sessions& sessions, Throttle& throttle);
    ~Crew();  // stops and joins
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    // Asks all hands to stop after what they are doing.
    void stop();
    bool is_running() const { return running_ > 0; }
    // Joins. The first failure; ok when the ledger is complete or stop() was called.
    Status finish();

  private:
    void run(int number);
    Status serve(int number, Hand& hand);
    void fail(Error error);

    Job job_;
    Ledger& ledger_;
    Sessions& sessions_;
    Throttle& throttle_;
    StopRequest stop_;
    std::atomic<int> running_{0};
    std::mutex mutex_;
    std::optional<Error> failure_;
    std::vector<std::thread> threads_;
};

}  // namespace shift::lhm
