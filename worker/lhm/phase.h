#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "common/result.h"
#include "worker/lhm/engine.h"
#include "worker/lhm/verifier.h"

namespace shift::lhm {

// How large a stage's chunks are to begin with, and at most.
ChunkSize::Options chunk_options(const Options& options, const Plan& plan, Stage stage);

// One walk of a crew over the table (copy or verify), watched: the lock's session is kept alive,
// triggers and definitions are looked at, conflicts are settled, progress is told, the checkpoint
// saved every few seconds.
class Phase {
  public:
    Phase(Engine& engine, Stage stage);

    // nullopt: the whole ledger is done.
    Result<std::optional<Ending>> run();

  private:
    using Time = std::chrono::steady_clock::time_point;

    Result<std::optional<Ending>> run_crew(Throttle& throttle, class Copier& copier,
                                           Verifier& verifier);
    Result<std::optional<Ending>> watch(Crew& crew, Throttle& throttle);
    Result<std::optional<Ending>> look(const Throttle& throttle);
    Result<std::optional<Ending>> look_at_conflicts(Connection& look);
    Result<std::optional<Ending>> look_at_account();
    Status recover_lock();
    void report(const Throttle& throttle, bool final);
    Status keep_checkpoint();
    Result<std::optional<Ending>> ending_of(Error error);

    Engine& engine_;
    const Stage stage_;
    ChunkSize size_;
    CrewTally tally_;
    Ledger ledger_;
    std::int64_t rows_before_;
    std::int64_t chunks_before_;
    std::int64_t elapsed_before_;
    Time begun_;
    Time looked_{};
    Time reported_{};
    Time saved_{};
    Time probed_{};
    int outages_ = 0;
    std::optional<Time> conflict_since_;
};

}  // namespace shift::lhm
