#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/control_protocol.h"
#include "supervisor/answers.h"
#include "supervisor/attempts.h"
#include "supervisor/claimer.h"
#include "supervisor/courier.h"
#include "supervisor/registry.h"
#include "supervisor/retention.h"
#include "supervisor/watched_upstream.h"

namespace shift {

// The supervisor without its outside: claims, runs and tells, driven by tick(). Knows no libuv, no
// curl, no SQLite, only the interfaces; so it also runs on fakes and a clock of a test's own.
//
// Level-triggered: every tick looks at the state of every migration and starts what is missing.
// Start-up is therefore not special: load the journal, then tick.
class Supervisor {
  public:
    using OpenJournal = std::function<Result<std::unique_ptr<Journal>>()>;

    // `seed`: of everything random in it; no two hosts may share one.
    Supervisor(const Clock& clock, Config config, const Logger& log, Upstream& upstream,
               Workers& workers, OpenJournal open_journal, std::uint64_t seed = system_seed());
    static std::uint64_t system_seed();

    // Opens and folds the journal. Errors: as Journal's open; the daemon cannot start.
    Status recover();
    // To be called every kTickMs from the loop. Never blocks on a peer.
    void tick();
    static constexpr std::uint64_t kTickMs = 100;

    // The journal has failed for so long that a restart is the better try (exit 74).
    bool wants_exit() const;

    // Control commands; the answer is the `data` of the control protocol. Whether the caller may is
    // the socket's business.
    Result<Json> command(const std::string& name, const Json& args,
                         const ControlCaller& caller = {});
    // One line: how it is and what it does.
    std::string summary() const { return answers_.summary(); }
    // The text of a Prometheus scrape.
    std::string metrics() const { return answers_.metrics(); }
    // Takes over what can change while running (SIGHUP). Returns the keys that cannot.
    std::vector<std::string> reconfigure(const Config& fresh);

    const Config& config() const { return config_; }
    // All it knows, to be looked at.
    const Registry& registry() const { return registry_; }

  private:
    Millis since_last_tick() const;
    void notice_standstill();
    void update_drain();
    DrainState drain_state() const;
    Result<Json> set_drain(bool active, const Json& args, const Json& by);
    Result<Json> retry(MigrationId id, const Json& by);
    Result<Json> decide_final_insert(MigrationId id, const Json& args, const Json& by);
    void advance_all();
    void go_on(Entry& entry);
    void retry_journal();
    void forget_finished();
    Result<Json> take_over(const Json& args);

    const Clock& clock_;
    Config config_;
    const Logger& log_;
    Workers& workers_;
    OpenJournal open_journal_;
    Registry registry_;
    WatchedUpstream upstream_;
    Claimer claimer_;
    Courier courier_;
    Attempts attempts_;
    Retention retention_;
    Answers answers_;

    SteadyTime last_tick_{};
    WallTime last_tick_wall_{};
    bool stop_file_ = false;
    SteadyTime stop_file_due_{};
    SteadyTime journal_retry_due_{};
    SteadyTime first_journal_failure_{};
};

}  // namespace shift
