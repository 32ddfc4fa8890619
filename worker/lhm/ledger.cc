#include "worker/lhm/ledger.h"

#include "common/check.h"

// Happy path: claim measures the next range behind the frontier, the worker finishes it, and what
// is done from the beginning on is folded into low_. Trouble: a worker gives its range back (what
// it advanced over stays done) and the next claim takes it before anything new.

namespace shift::lhm {
namespace {

// Ranges done out of order that are kept at most; beyond, claims wait for the slow one, so that the
// state stays small.
constexpr std::size_t kEntriesMax = 256;

}  // namespace

Ledger::Ledger(std::optional<KeyValue> end, const LedgerState& state)
    : end_(std::move(end)),
      low_(state.low),
      frontier_(state.frontier),
      given_out_(state.is_given_out) {
    const auto add = [this](std::optional<KeyValue> after, std::optional<KeyValue> up_to,
                            Mark mark) {
        Entry entry{Range{next_, std::move(after), std::move(up_to), 0}, mark};
        entries_.emplace(next_++, std::move(entry));
    };
    if (state.is_complete) {
        given_out_ = true;
        return;
    }
    std::optional<KeyValue> at = state.low;
    for (const Range& done : state.done) {
        if (done.after != at) {
            add(at, done.after, Mark::kOpen);
        }
        add(done.after, done.up_to, Mark::kDone);
        at = done.up_to;
    }
    const bool tail_done = !state.done.empty() && state.done.back().up_to == end_;
    if (given_out_ && !tail_done) {
        add(at, end_, Mark::kOpen);
    } else if (!given_out_ && frontier_ && at != frontier_) {
        add(at, frontier_, Mark::kOpen);
    }
    fold();
}

std::optional<Range> Ledger::claim_open() {
    const std::lock_guard lock(mutex_);
    for (auto& [number, entry] : entries_) {
        if (entry.mark == Mark::kOpen) {
            entry.mark = Mark::kClaimed;
            return entry.range;
        }
    }
    return std::nullopt;
}

Result<std::optional<Range>> Ledger::claim(std::int64_t rows, const FindEnd& find_end) {
    const std::lock_guard claiming(claiming_);
    if (auto open = claim_open()) {
        return open;
    }
    std::optional<KeyValue> after;
    {
        const std::lock_guard lock(mutex_);
        if (given_out_ || entries_.size() >= kEntriesMax) {
            return std::optional<Range>();
        }
        after = frontier_;
    }
    ASSIGN_OR_RETURN(auto found, find_end(after, end_));
    const std::lock_guard lock(mutex_);
    const bool is_last = !found.has_value() || found == end_;
    Range range{next_, after, is_last ? end_ : std::move(found), is_last ? 0 : rows};
    given_out_ = is_last;
    frontier_ = range.up_to;
    entries_.emplace(next_++, Entry{range, Mark::kClaimed});
    return std::optional(range);
}

void Ledger::advance(const Range& range, const KeyValue& done_up_to) {
    const std::lock_guard lock(mutex_);
    const auto it = entries_.find(range.number);
    CHECK(it != entries_.end(), "advance() of a range that was not claimed");
    // The done part becomes an entry of its own only at the front; elsewhere it is done again after
    // a restart, at most once.
    it->second.range.after = done_up_to;
    it->second.range.rows = 0;
    if (it == entries_.begin()) {
        low_ = done_up_to;
    }
}

void Ledger::finish(const Range& range) {
    {
        const std::lock_guard lock(mutex_);
        const auto it = entries_.find(range.number);
        CHECK(it != entries_.end(), "finish() of a range that was not claimed");
        it->second.mark = Mark::kDone;
        fold();
    }
    changed_.notify_all();
}

void Ledger::give_back(const Range& range) {
    {
        const std::lock_guard lock(mutex_);
        const auto it = entries_.find(range.number);
        CHECK(it != entries_.end(), "give_back() of a range that was not claimed");
        it->second.mark = Mark::kOpen;
    }
    changed_.notify_all();
}

void Ledger::wait(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, time);
}

void Ledger::fold() {
    while (!entries_.empty() && entries_.begin()->second.mark == Mark::kDone) {
        low_ = entries_.begin()->second.range.up_to;
        entries_.erase(entries_.begin());
    }
}

bool Ledger::is_complete_locked() const {
    return given_out_ && entries_.empty();
}

bool Ledger::is_complete() const {
    const std::lock_guard lock(mutex_);
    return is_complete_locked();
}

LedgerState Ledger::state() const {
    const std::lock_guard lock(mutex_);
    LedgerState state;
    state.low = low_;
    state.frontier = frontier_;
    state.is_given_out = given_out_;
    state.is_complete = is_complete_locked();
    for (const auto& [number, entry] : entries_) {
        if (entry.mark == Mark::kDone) {
            state.done.push_back(entry.range);
        }
    }
    return state;
}

}  // namespace shift::lhm
