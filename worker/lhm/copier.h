#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "worker/lhm/chunk_size.h"
#include "worker/lhm/crew.h"
#include "worker/lhm/ledger.h"
#include "worker/lhm/listener.h"
#include "worker/lhm/loss.h"
#include "worker/lhm/options.h"
#include "worker/lhm/plan.h"

namespace shift::lhm {

// Finds the end of a range on the hand's session, trying again as copying does.
Result<std::optional<KeyValue>> find_range_end(Hand& hand, const Plan& plan,
                                               const RetryOptions& retry, Listener& listener,
                                               const std::optional<KeyValue>& after,
                                               const std::optional<KeyValue>& up_to,
                                               std::int64_t rows);

// Copies ranges, chunk by chunk, each in a transaction of its own:
//   lock the original's rows (shared) and count them; INSERT .. SELECT; COMMIT.
// Neither waits for a lock while it holds others: an application would wait behind it. Locks in the
// way are met with a smaller chunk and a pause, down to a row or two that are waited for. A row
// that the new table refuses, or whose values it would change, ends the copy and is named. Used by
// all hands of a crew.
class Copier {
  public:
    Copier(const Plan& plan, const Options& options, ChunkSize& size, CrewTally& tally,
           Listener& listener);

    // Errors: kInvalidArgument - a row cannot be copied, or warnings are not allowed;
    // as errc_of_mysql() when all tries are used up.
    Status copy(Hand& hand, const Range& range);

  private:
    // Locks in the way are met with half the rows, again and again; each success doubles them.
    struct LockTrouble {
        int halvings = 0;
        int in_a_row = 0;
        void failed() {
            constexpr int kHalvingsMax = 20;
            halvings += halvings < kHalvingsMax ? 1 : 0;
            ++in_a_row;
        }
        void succeeded() {
            halvings -= halvings > 0 ? 1 : 0;
            in_a_row = 0;
        }
        std::int64_t rows(std::int64_t wanted) const {
            const std::int64_t left = wanted >> halvings;
            return left > 0 ? left : 1;
        }
    };
    struct Chunk {
        std::int64_t rows = 0;  // of the original in the range
        std::int64_t inserted = 0;
        std::chrono::nanoseconds time{0};  // its rows were locked
    };
    std::int64_t rows_wanted() const;
    Status set_patience(Hand& hand, bool waits);
    Result<Chunk> copy_chunk(Hand& hand, const Range& range, bool waits);
    void put_fence(Hand& hand, const Range& range);
    using Turn = std::unique_lock<std::mutex>;
    void take(Turn& turn);  // where the plan asks for it; waits
    Result<Chunk> insert_chunk(Connection& connection, const Range& range, bool waits, Turn& turn);
    Status check_warnings(Connection& connection, unsigned count, const Range& range);
    Status check_missing(Connection& connection, const Range& range);
    Status check_losses(Connection& connection, const Range& range);
    Status after_failure(Hand& hand, const Error& error, class Tries& tries, LockTrouble& locks);
    // `error` with the first row of the range that the new table refuses.
    Error with_row(Connection& connection, const Range& range, Error error);
    void tell_holders(Hand& hand);

    const Plan& plan_;
    const Options& options_;
    ChunkSize& size_;
    CrewTally& tally_;
    Listener& listener_;
    std::vector<ValueLoss> losses_;
    std::atomic<int> contended_chunks_{0};  // so many are fenced from now on
    std::mutex turn_;                       // held while rows are inserted
    std::mutex mutex_;
    std::map<std::string, std::int64_t> warned_;  // how often
};

}  // namespace shift::lhm
