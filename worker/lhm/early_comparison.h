#pragma once

#include <cstdint>
#include <optional>

#include "common/clock.h"
#include "worker/lhm/checkpoint.h"
#include "worker/lhm/chunk_size.h"
#include "worker/lhm/crew.h"
#include "worker/lhm/ledger.h"
#include "worker/lhm/listener.h"
#include "worker/lhm/options.h"
#include "worker/lhm/pace.h"
#include "worker/lhm/plan.h"
#include "worker/lhm/sessions.h"
#include "worker/lhm/throttle.h"
#include "worker/lhm/verifier.h"

namespace shift::lhm {

// Compares ranges while the indexes are built, which takes the server one thread: what is compared
// by then, the verification need not. It has all of its connections but one. An ALTER that wants
// the shadow for itself waits for a comparison, and writes of the application wait behind the
// ALTER, so each is short, and the server ends one that is not.
class EarlyComparison {
  public:
    static bool is_wanted(const Plan& plan, const Options& options, const Checkpoint& checkpoint);

    // `from`: of a verification that has not begun; `end`: the last key that was copied.
    EarlyComparison(const Plan& plan, const Options& options, const LedgerState& from,
                    const KeyValue& end, Sessions& sessions, Listener& listener,
                    const Clock& clock);

    // Gives back what it holds of the server when it is through.
    void look_after();
    // Ends after the ranges in hand. A range that differs ends it as well, and so does trouble: the
    // verification will meet it, put it right and tell. May be called again.
    void stop();
    // Where the verification goes on; after stop().
    LedgerState state() const;
    VerifyResult result() const { return verifier_.result(); }

  private:
    Crew::Job job();
    Result<std::optional<KeyValue>> find_end(Hand& hand, const std::optional<KeyValue>& after,
                                             const std::optional<KeyValue>& up_to,
                                             std::int64_t rows);
    Status compare(Hand& hand, const Range& range);

    const Plan& plan_;
    const int hands_;
    ChunkSize size_;
    CrewTally tally_;
    Ledger ledger_;
    Verifier verifier_;
    // These have sessions; until stop().
    std::optional<Throttle> throttle_;
    std::optional<Pace> pace_;
    std::optional<Crew> crew_;  // last: it uses everything above
};

}  // namespace shift::lhm
