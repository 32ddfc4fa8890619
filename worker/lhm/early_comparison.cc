#include "worker/lhm/early_comparison.h"

#include <algorithm>

#include "common/test_points.h"
#include "worker/lhm/phase.h"
#include "worker/lhm/statements.h"
#include "worker/mysql/errors.h"

namespace shift::lhm {
namespace {

constexpr std::chrono::milliseconds kTarget{50};
constexpr std::int64_t kRowsAtFirst = 100;
// Well below the second that the ALTER waits and after which it is lost. A range that the server
// ended is tried a few times: what it had to read is in the buffer pool by then.
constexpr const char* kBoundOnMariaDb = "SET SESSION max_statement_time=0.5";
constexpr const char* kBoundOnMySql = "SET SESSION max_execution_time=500";
constexpr int kTries = 3;
constexpr std::chrono::seconds kTryPause{1};

ChunkSize::Options short_chunks(const Options& options, const Plan& plan) {
    ChunkSize::Options size = chunk_options(options, plan, Stage::kVerify);
    if (size.target.count() > 0) {  // else a fixed number of rows
        size.target = std::min(size.target, kTarget);
        size.rows = std::min(size.rows, std::max(size.rows_min, kRowsAtFirst));
    }
    return size;
}

}  // namespace

bool EarlyComparison::is_wanted(const Plan& plan, const Options& options,
                                const Checkpoint& checkpoint) {
    return options.verify && options.verify_early && plan.verify_threads > 1 &&
           checkpoint.stage == Stage::kIndexes && checkpoint.end;
}

EarlyComparison::EarlyComparison(const Plan& plan, const Options& options, const LedgerState& from,
                                 const KeyValue& end, Sessions& sessions, Listener& listener,
                                 const Clock& clock)
    : plan_(plan),
      hands_(std::max(1, plan.verify_threads - 1)),
      size_(short_chunks(options, plan)),
      ledger_(end, from),
      verifier_(plan, options, size_, tally_, listener) {
    throttle_.emplace(options.throttle, sessions, listener, clock);
    pace_.emplace(options.pace, plan, hands_, size_, sessions, listener,
                  options.throttle.interval / 2);
    crew_.emplace(job(), hands_, ledger_, sessions, *throttle_);
}

Crew::Job EarlyComparison::job() {
    Crew::Job job;
    job.role = "compare";
    job.begin_session = plan_.flavour.is_mariadb ? kBoundOnMariaDb : kBoundOnMySql;
    job.rows = [this] { return size_.rows(); };
    job.may_work = [this](int number) { return pace_->may_work(number); };
    job.find_end = [this](Hand& hand, const auto& after, const auto& up_to, std::int64_t rows) {
        return find_end(hand, after, up_to, rows);
    };
    job.work = [this](Hand& hand, const Range& range) { return compare(hand, range); };
    return job;
}

Result<std::optional<KeyValue>> EarlyComparison::find_end(Hand& hand,
                                                          const std::optional<KeyValue>& after,
                                                          const std::optional<KeyValue>& up_to,
                                                          std::int64_t rows) {
    ASSIGN_OR_RETURN(Connection * session, hand.session());
    ASSIGN_OR_RETURN(const auto found,
                     session->query(find_end_statement(plan_, after, up_to, rows)));
    return found.empty() ? std::optional<KeyValue>() : std::optional(key_of(found[0]));
}

Status EarlyComparison::compare(Hand& hand, const Range& range) {
    for (int tries = 1;; ++tries) {
        ASSIGN_OR_RETURN(Connection * session, hand.session());
        const Result<bool> equal = verifier_.is_equal(*session, range);
        if (equal.ok() && *equal) {
            crash_point("lhm-verified");
            hand.ledger.finish(range);
            hand.throttle.rest(hand.stop);
            return Ok{};
        }
        if (equal.ok()) {
            return Error{Errc::kConflict, "the range differs"};
        }
        if (!is_interrupted(equal.error()) || tries >= kTries || hand.stop.reason()) {
            return equal.error();
        }
        hand.stop.wait_for(kTryPause);
    }
}

void EarlyComparison::look_after() {
    if (crew_ && !crew_->is_running()) {
        stop();
    }
}

void EarlyComparison::stop() {
    if (!crew_) {
        return;
    }
    crew_->stop();
    (void)crew_->finish().ok();
    crew_.reset();
    pace_.reset();
    throttle_.reset();
}

// The verification has another end: rows that came behind the last one since are its to compare.
LedgerState EarlyComparison::state() const {
    LedgerState state = ledger_.state();
    state.is_given_out = false;
    state.is_complete = false;
    return state;
}

}  // namespace shift::lhm
