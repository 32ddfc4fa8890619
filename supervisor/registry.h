#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "supervisor/core/claim.h"
#include "supervisor/core/model.h"
#include "supervisor/journal/journal.h"
#include "supervisor/metrics/metrics.h"

namespace shift {

enum class StopRung { kAsk, kTerm, kKill };

// What is over stays in `status` for so long.
inline constexpr std::chrono::hours kFinishedShown{1};

// A turn of the loop that comes so late means that this host stood still (a suspended machine,
// SIGSTOP): what the API said before is worth nothing, somebody may have taken over.
inline constexpr Millis kStoodStill{3'000};
// Short enough that a host which is merely slow still gets to start something: what is started
// takes the table's lock first.
inline constexpr Millis kStoodStillLong{60'000};

// One migration in memory: its journal rows plus what need not survive a crash.
struct Entry {
    MigrationRecord record;
    std::optional<AttemptRecord> attempt;  // open attempt, maybe of an older claim
    std::deque<OwedCall> calls;            // pending, in order of creation

    // Claiming.
    bool claim_call_in_flight = false;
    bool unstage_unknown = false;          // an earlier unstage of this claim may have happened
    bool held_before = false;              // this claim was made over an older one of ours
    std::optional<SteadyTime> claimed_at;  // nullopt: before this process started
    SteadyTime claim_due{};
    int claim_tries = 0;
    SteadyTime untouched_since{};  // seen unstaged, not ours and unchanged since
    std::int64_t untouched_version = 0;
    SteadyTime won_since{};  // contested: our pin was seen first
    SteadyTime recheck_due{};
    bool may_start = false;    // an answer just said that it is still ours
    bool pin_written = false;  // of a takeover: the next read tells who won

    // Running.
    SteadyTime wait_until{};
    // The API's copy of the state file, "" = it has none; nullopt = not asked for.
    std::optional<std::string> api_state_file;
    Progress progress;                       // newest; the attempt's row follows every few seconds
    std::optional<std::int64_t> first_rows;  // what the attempt's first report said
    SteadyTime progress_journal_due{};
    std::string stop_reason;  // "" = not asked to stop
    SteadyTime stop_since{};
    StopRung stop_rung = StopRung::kAsk;
    SteadyTime ask_due{};
    std::optional<Millis> retry_after;  // what the worker's outcome asked for
    int waits = 0;                      // attempts in a row that did not count as tries
    std::optional<Why> worker_waits;    // what the living worker says it waits for
    Json last_evidence;                 // what the last outcome rests on; null = nothing
    std::string last_error;             // trouble_of() the last attempt that was not just stopped
    SteadyTime throttled_at{};          // progress said so then; epoch = not throttled
    SteadyTime orphan_since{};
    bool disowned = false;  // taken over elsewhere: stop, tell nothing

    // Telling.
    bool report_in_flight = false;
    bool hand_on_in_flight = false;
    SteadyTime pin_seen{};  // last time an answer showed run_host ours
    SteadyTime hand_on_since{};
    SteadyTime report_held_until{};  // the API was out: next try of the first report
    SteadyTime progress_due{};
    SteadyTime log_due{};
    SteadyTime state_due{};
    int percent_told = -1;
    std::map<std::int64_t, SteadyTime> call_due;  // by call id; missing = at once
    SteadyTime forget_due{};                      // closed: remembered until then

    bool changed = false;  // record to be written
    bool attempt_changed = false;

    // Claimed with an answer that was lost, and not ours by what was last read.
    bool is_seen_not_ours() const {
        return record.state == ClaimState::kUncertain && untouched_since != SteadyTime{};
    }
    // The table is changed: no newer claim makes that untrue, and `complete` is all there is to
    // tell.
    bool completes_anyway() const {
        return record.no_return &&
               std::any_of(calls.begin(), calls.end(), [](const OwedCall& call) {
                   return call.kind == CallKind::kComplete && call.state == CallState::kPending;
               });
    }
};

// All entries, and the one place that writes the journal. Changes of a loop turn gather and are
// committed together; effects registered with then() run only after the commit succeeded: intent
// before acting, fact after.
class Registry {
  public:
    // `seed`: of everything random (poll times, claim ids); must differ between hosts.
    Registry(const Clock& clock, const Config& config, const Logger& log, std::uint64_t seed)
        : clock_(clock), config_(config), log_(log), generator_(seed) {}

    // Replaces everything by what the journal holds. Callbacks made before this are void.
    Status load(std::unique_ptr<Journal> journal);

    std::map<MigrationId, std::unique_ptr<Entry>>& entries() { return entries_; }
    const std::map<MigrationId, std::unique_ptr<Entry>>& entries() const { return entries_; }
    Entry* find(MigrationId id);
    // The entry of `id`, from memory, else the journal, else new.
    Entry& obtain(MigrationId id);

    void set_state(Entry& entry, ClaimState state, const std::string& reason = {},
                   std::optional<WhyCode> why = std::nullopt);
    void set_reason(Entry& entry, const std::string& reason,
                    std::optional<WhyCode> why = std::nullopt);
    void touch(Entry& entry) { entry.changed = true; }
    void touch_attempt(Entry& entry) { entry.attempt_changed = true; }
    void add_call(Entry& entry, OwedCall call);
    void save_call(OwedCall& call);  // also drops it from entry.calls at the next commit when ended
    void add_event(const Entry* entry, const std::string& source, const std::string& kind,
                   const Json& detail, std::optional<WallTime> at = std::nullopt);
    void put_setting(const std::string& key, const std::string& value);
    std::string setting(const std::string& key) const;
    Json history(MigrationId id);
    // Reads for people: as Journal's.
    Result<MigrationRecord> find_record(MigrationId id) const;
    Result<Json> events(MigrationId id, std::int64_t after, int limit);
    Result<Json> list(const HistoryFilter& filter);
    // Retention: as Journal's; errors are the journal's failure and end in nothing to do.
    std::vector<MigrationId> expired(const Expiry& expiry, int limit);
    bool forget(MigrationId id, int rows_max);
    bool prune(const Expiry& expiry, int rows_max);
    std::int64_t next_attempt_id() { return ++last_attempt_; }
    // Attempt numbers up to `id` are taken, whatever the journal says.
    void skip_attempt_ids(std::int64_t id) { last_attempt_ = std::max(last_attempt_, id); }

    void then(std::function<void()> effect) { effects_.push_back(std::move(effect)); }
    // Writes, commits, runs effects; again while effects make changes.
    void commit();

    // A callback for an API call about `id`: finds the entry again, hands it the answer, commits,
    // and tells whoever asked with on_moved() when that brought the entry into another state. Does
    // nothing when the entry or this life of the journal is gone, or the journal has failed: what
    // is in memory then may not be on disk, and nothing may follow from it.
    std::function<void(ApiAnswer)> on_answer(MigrationId id,
                                             std::function<void(Entry&, const ApiAnswer&)> fn);
    void on_moved(std::function<void(Entry&)> moved) { moved_ = std::move(moved); }

    // The journal's sticky failure; "" while it works.
    const std::string& failure() const { return failure_; }
    SteadyTime failed_since() const { return failed_since_; }

    const Clock& clock() const { return clock_; }
    const Config& config() const { return config_; }
    const Logger& log() const { return log_; }
    Metrics& metrics() { return metrics_; }
    const Metrics& metrics() const { return metrics_; }
    // Uniform in [0, 1).
    double random() { return std::uniform_real_distribution<double>(0.0, 1.0)(generator_); }
    // A random part of `whole`, so that many do not come at once.
    Millis share_of(Millis whole) {
        return Millis(static_cast<std::int64_t>(static_cast<double>(whole.count()) * random()));
    }
    std::string random_hex();

  private:
    void check(Status status);
    void write_changes();

    const Clock& clock_;
    const Config& config_;
    const Logger& log_;
    std::unique_ptr<Journal> journal_;
    std::map<MigrationId, std::unique_ptr<Entry>> entries_;
    std::map<std::string, std::string> settings_;
    std::vector<std::function<void()>> effects_;
    std::function<void(Entry&)> moved_ = [](Entry&) {};
    std::int64_t last_attempt_ = 0;
    std::uint64_t generation_ = 0;
    Metrics metrics_;
    std::string failure_;
    SteadyTime failed_since_{};
    std::mt19937_64 generator_;
};

}  // namespace shift
