#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "common/result.h"
#include "worker/lhm/copy_key.h"

namespace shift::lhm {

// Rows whose key is behind `after` and not behind `up_to`; an end that is missing is open.
struct Range {
    std::int64_t number = 0;  // as given out
    std::optional<KeyValue> after;
    std::optional<KeyValue> up_to;
    // How many rows it was measured to hold when it was given out; 0 = not known.
    std::int64_t rows = 0;
};

// What of a ledger is kept: everything up to `low` is done, and so are the ranges of `done` behind
// it. Between and behind them, up to `frontier`, are ranges that were given out and not finished.
struct LedgerState {
    std::optional<KeyValue> low;  // nullopt: nothing is done from the beginning on
    std::vector<Range> done;      // in order
    std::optional<KeyValue> frontier;
    bool is_given_out = false;  // nothing is behind the frontier
    bool is_complete = false;
};

// Who copies (or compares) which rows: N workers claim ranges from one ledger, in any order and at
// any speed; each row is in exactly one range. Thread-safe.
class Ledger {
  public:
    // Walks everything up to `end` (nullopt: to the last row there is).
    explicit Ledger(std::optional<KeyValue> end) : end_(std::move(end)) {}
    // Goes on where `state` was taken.
    Ledger(std::optional<KeyValue> end, const LedgerState& state);

    // The key of the row that is `rows` rows behind `after` (at most `up_to`); nullopt: there are
    // fewer. Called by the claiming worker, one worker at a time.
    using FindEnd = std::function<Result<std::optional<KeyValue>>(
        const std::optional<KeyValue>& after, const std::optional<KeyValue>& up_to)>;
    // The next range of about `rows` rows. nullopt: nothing to claim now; when is_complete() is not
    // true either, another worker may still give something back.
    Result<std::optional<Range>> claim(std::int64_t rows, const FindEnd& find_end);
    // A part of a claimed range is done: it begins behind `done_up_to` now.
    void advance(const Range& range, const KeyValue& done_up_to);
    void finish(const Range& range);
    void give_back(const Range& range);
    // Waits until something may be claimed or all is done, at most `time`.
    void wait(std::chrono::milliseconds time);

    bool is_complete() const;
    LedgerState state() const;

  private:
    enum class Mark { kOpen, kClaimed, kDone };
    struct Entry {
        Range range;
        Mark mark = Mark::kOpen;
    };

    std::optional<Range> claim_open();
    bool is_complete_locked() const;
    void fold();

    std::optional<KeyValue> end_;
    std::mutex claiming_;  // one boundary look-up at a time; held before mutex_

    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::map<std::int64_t, Entry> entries_;  // given out and not folded into low_
    std::optional<KeyValue> low_;
    std::optional<KeyValue> frontier_;
    bool given_out_ = false;
    std::int64_t next_ = 0;
};

}  // namespace shift::lhm
