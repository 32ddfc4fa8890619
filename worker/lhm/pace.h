#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/result.h"
#include "worker/lhm/chunk_size.h"
#include "worker/lhm/host_budget.h"
#include "worker/lhm/listener.h"
#include "worker/lhm/options.h"
#include "worker/lhm/plan.h"
#include "worker/lhm/sessions.h"

namespace shift::lhm {

// How hard a crew may work, decided from what small writes take. Pure.
class PaceRule {
  public:
    using Micros = std::chrono::microseconds;

    // `limit`: what a write may take; nullopt: several times what it took before the work began.
    PaceRule(int hands_max, std::optional<Micros> limit);

    // A write before the work began.
    void probed_idle(Micros time);
    // A write while the work goes on. True: hands() or share() is another now.
    bool probed(Micros time);

    int hands_max() const { return hands_max_; }
    int hands() const { return hands_; }         // of the crew's connections, 1 at least
    double share() const { return share_; }      // of what a chunk may take otherwise
    Micros typical() const { return typical_; }  // of the last few writes
    Micros limit() const;
    bool is_held_back() const { return hands_ < hands_max_ || share_ < 1; }

  private:
    bool slow_down();
    bool speed_up();

    const int hands_max_;
    const std::optional<Micros> fixed_limit_;
    std::vector<Micros> idle_;
    std::vector<Micros> recent_;
    Micros typical_{0};
    int hands_;
    double share_ = 1;
    int calm_ = 0;
};

// Measures what the application feels: a row of our control table is written twice a second, and
// what that write takes (binary log, group commit and disk are shared) is what a small transaction
// of the application takes. Beyond the limit half of the connections rest, then chunks become
// shorter; when it is calm again, all comes back step by step. A write that fails at once says
// nothing. And of the connections only those work that the server's budget allows (HostBudget).
class Pace {
  public:
    // One write and one look every `interval`. Blocks for those before the work (some milliseconds
    // each).
    Pace(const PaceOptions& options, const Plan& plan, int hands_max, ChunkSize& size,
         Sessions& sessions, Listener& listener, std::chrono::milliseconds interval);
    ~Pace();
    Pace(const Pace&) = delete;
    Pace& operator=(const Pace&) = delete;

    // May the crew's connection of this number (from 1) take a range now? Any thread.
    bool may_work(int number) const;

  private:
    void run();
    void look_at_budget();
    std::optional<PaceRule::Micros> probe();
    Result<PaceRule::Micros> write_row();
    Result<Connection*> session();
    int hands() const;
    void tell();

    const PaceOptions& options_;
    const Plan& plan_;
    ChunkSize& size_;
    Sessions& sessions_;
    Listener& listener_;
    const std::chrono::milliseconds interval_;
    std::optional<Connection> session_;  // the thread's, after the constructor
    std::string row_id_;                 // ours in the control table, as session_ found it
    HostBudget budget_;
    std::chrono::steady_clock::time_point told_{};

    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    PaceRule rule_;
    bool is_stopping_ = false;

    std::thread thread_;  // last: it uses everything above
};

}  // namespace shift::lhm
