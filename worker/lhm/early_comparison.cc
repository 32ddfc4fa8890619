#include "worker/lhm/early_comparison.h"

#include <algorithm>

#include "worker/lhm/copier.h"
#include "worker/lhm/phase.h"

namespace shift::lhm {
namespace {

constexpr std::chrono::milliseconds kTarget{50};
// Well below the second that the ALTER waits and after which it is lost. What the server ended is
// tried again.
constexpr const char* kBoundOnMariaDb = "SET SESSION max_statement_time=0.5";
constexpr const char* kBoundOnMySql = "SET SESSION max_execution_time=500";

ChunkSize::Options short_chunks(const Options& options, const Plan& plan) {
    ChunkSize::Options size = chunk_options(options, plan, Stage::kVerify);
    size.target = std::min(size.target, kTarget);  // 0 stays: a fixed number of rows
    return size;
}

}  // namespace

bool EarlyComparison::is_wanted(const Plan& plan, const Options& options) {
    return options.verify && options.verify_early && plan.verify_threads > 1;
}

EarlyComparison::EarlyComparison(const Plan& plan, const Options& options, const LedgerState& from,
                                 const KeyValue& end, Sessions& sessions, Listener& listener,
                                 const Clock& clock)
    : plan_(plan),
      options_(options),
      sessions_(sessions),
      listener_(listener),
      hands_(std::max(1, plan.verify_threads - 1)),
      size_(short_chunks(options, plan)),
      ledger_(end, from),
      throttle_(options.throttle, sessions, listener, clock),
      pace_(options.pace, plan, hands_, size_, sessions, listener, options.throttle.interval / 2),
      verifier_(plan, options, size_, tally_, listener),
      crew_(job(), hands_, ledger_, sessions, throttle_) {}

Crew::Job EarlyComparison::job() {
    Crew::Job job;
    job.role = "compare";
    job.begin_session = plan_.flavour.is_mariadb ? kBoundOnMariaDb : kBoundOnMySql;
    job.rows = [this] { return size_.rows(); };
    job.may_work = [this](int number) { return pace_.may_work(number); };
    job.find_end = [this](Hand& hand, const auto& after, const auto& up_to, std::int64_t rows) {
        return find_range_end(hand, plan_, options_.retry, listener_, after, up_to, rows);
    };
    job.work = [this](Hand& hand, const Range& range) { return verifier_.verify(hand, range); };
    return job;
}

void EarlyComparison::stop() {
    crew_.stop();
    (void)crew_.finish().ok();
}

// The verification has another end: rows that came behind the last one since are its to compare.
LedgerState EarlyComparison::state() const {
    LedgerState state = ledger_.state();
    state.is_given_out = false;
    state.is_complete = false;
    return state;
}

}  // namespace shift::lhm
