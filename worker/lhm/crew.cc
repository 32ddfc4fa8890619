#include "worker/lhm/crew.h"

#include <fmt/format.h>
#include <mysql.h>

namespace shift::lhm {
namespace {

constexpr std::chrono::milliseconds kNothingToClaim{50};
constexpr std::chrono::milliseconds kNotNow{100};

}  // namespace

Result<Connection*> Hand::session() {
    if (!connection || connection->lost()) {
        connection.reset();
        RETURN_IF_ERROR(use(sessions.open(role, read_timeout)));
    }
    return &*connection;
}

Status Hand::reconnect(const Error& lost) {
    connection.reset();
    // Another hand may have found the outage that this session fell to, and told of it.
    if (sessions.outages() != outages && session().ok()) {
        return Ok{};
    }
    return use(sessions.reopen(role, read_timeout, lost));
}

Status Hand::use(Result<Connection> opened) {
    ASSIGN_OR_RETURN(connection, std::move(opened));
    row_lock_wait_s = -1;
    outages = sessions.outages();
    if (begin_session.empty()) {
        return Ok{};
    }
    Status begun = connection->execute(begin_session);
    if (!begun.ok()) {
        connection.reset();
    }
    return begun;
}

Crew::Crew(Job job, int threads, Ledger& ledger, Sessions& sessions, Throttle& throttle)
    : job_(std::move(job)), ledger_(ledger), sessions_(sessions), throttle_(throttle) {
    running_ = threads;
    for (int number = 1; number <= threads; ++number) {
        threads_.emplace_back([this, number] {
            run(number);
            mysql_thread_end();
        });
    }
}

Crew::~Crew() {
    stop();
    for (std::thread& thread : threads_) {
        if (thread.joinable()) {
            thread.join();
        }
    }
}

void Crew::stop() {
    stop_.request(StopReason::kPause);
}

Status Crew::finish() {
    for (std::thread& thread : threads_) {
        if (thread.joinable()) {
            thread.join();
        }
    }
    const std::lock_guard lock(mutex_);
    return failure_ ? Status(*failure_) : Status(Ok{});
}

void Crew::fail(Error error) {
    {
        const std::lock_guard lock(mutex_);
        if (!failure_) {
            failure_ = std::move(error);
        }
    }
    stop();
}

void Crew::run(int number) {
    Hand hand{sessions_,
              throttle_,
              stop_,
              ledger_,
              fmt::format("{} {}", job_.role, number),
              job_.read_timeout,
              job_.begin_session};
    if (Status served = serve(number, hand); !served.ok()) {
        fail(std::move(served).error());
    }
    --running_;
}

Status Crew::serve(int number, Hand& hand) {
    while (!stop_.reason() && !ledger_.is_complete()) {
        if (!job_.may_work(number)) {
            stop_.wait_for(kNotNow);
            continue;
        }
        throttle_.wait(stop_);
        if (stop_.reason()) {
            break;
        }
        const std::int64_t rows = job_.rows();
        auto range = ledger_.claim(rows, [&](const auto& after, const auto& up_to) {
            return job_.find_end(hand, after, up_to, rows);
        });
        if (range.ok() && !*range) {
            ledger_.wait(kNothingToClaim);
            continue;
        }
        Status worked = range.ok() ? job_.work(hand, **range) : Status(range.error());
        if (worked.ok()) {
            continue;
        }
        if (range.ok()) {
            ledger_.give_back(**range);
        }
        // What fails because it was told to stop is no failure.
        return stop_.reason() ? Status(Ok{}) : worked;
    }
    return Ok{};
}

}  // namespace shift::lhm
