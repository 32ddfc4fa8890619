#pragma once

#include <functional>
#include <memory>
#include <string>

#include "supervisor/attempts.h"
#include "supervisor/claimer.h"
#include "supervisor/courier.h"
#include "supervisor/registry.h"

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

    // Control commands; the answer is the `data` of the control protocol.
    Result<Json> command(const std::string& name, const Json& args);
    // Takes over what can change while running (SIGHUP). Returns the keys that cannot.
    std::vector<std::string> reconfigure(const Config& fresh);

    const Config& config() const { return config_; }
    // All it knows, to be looked at.
    const Registry& registry() const { return registry_; }

  private:
    // Passes calls through and remembers whether the API answers.
    class WatchedUpstream final : public Upstream {
      public:
        WatchedUpstream(Upstream& inner, const Clock& clock) : inner_(inner), clock_(clock) {}
        void call(ApiRequest request, Done done) override;
        Json status() const;

      private:
        Upstream& inner_;
        const Clock& clock_;
        WallTime last_ok_{};
        WallTime last_failure_{};
        std::string last_error_;
    };

    void notice_standstill();
    void update_drain();
    void set_drain(bool active, bool keep);
    void advance_all();
    void retry_journal();
    void forget_finished();
    Result<Json> take_over(const Json& args);
    Json status() const;
    Json status_of(const Entry& entry) const;
    std::int64_t owed_before_drained() const;

    const Clock& clock_;
    Config config_;
    const Logger& log_;
    WatchedUpstream upstream_;
    Workers& workers_;
    OpenJournal open_journal_;
    Registry registry_;
    Claimer claimer_;
    Courier courier_;
    Attempts attempts_;

    WallTime started_{};
    SteadyTime last_tick_{};
    WallTime last_tick_wall_{};
    bool stop_file_ = false;
    SteadyTime stop_file_due_{};
    SteadyTime journal_retry_due_{};
    SteadyTime first_journal_failure_{};
};

}  // namespace shift
