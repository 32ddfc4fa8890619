#include "tests/sim/simulation.h"

#include <fmt/format.h>

#include "tests/sim/host.h"
#include "tests/sim/mishaps.h"
#include "tests/sim/people.h"

namespace shift::sim {
namespace {

// Backed-off retries (retry_backoff_max), re-reads (recheck_interval) and waits for vanished
// connections follow each other a few times at most.
constexpr Millis kSettledWithin = std::chrono::minutes(60);
// After everything is done: answers on their way, workers about to exit.
constexpr Millis kQuiet{60'000};

// Everything that refers to the world goes before it.
class Simulation {
  public:
    explicit Simulation(const Options& options)
        : options_(options),
          world_(options.seed, options.trace),
          people_(world_),
          mishaps_(world_) {}

    Report run() {
        set_up();
        for (int step = 0; step < options_.steps && world_.checks.found().empty(); ++step) {
            world_.events.step();
        }
        if (world_.checks.found().empty()) {
            settle();
        }
        Report report;
        world_.counts.simulated = world_.events.now();
        report.violations = world_.checks.found();
        report.hash = world_.trace.hash();
        report.counts = world_.counts;
        world_.hosts.clear();
        return report;
    }

  private:
    void set_up() {
        Random& random = world_.random;
        world_.profile = Profile::draw(random);
        world_.api.pin_at_unstage(!world_.profile.rails);
        world_.api.on_change = [this](const testing::ApiModel::Change& change) {
            world_.checks.on_api_change(change);
        };
        const int supervisors = options_.supervisors > 0 ? options_.supervisors
                                                         : static_cast<int>(random.between(1, 3));
        for (int i = 1; i <= supervisors; ++i) {
            world_.hosts.push_back(
                std::make_unique<Host>(world_, fmt::format("host{}", i), draw_config(random)));
        }
        people_.begin();
        mishaps_.begin();
        for (const auto& host : world_.hosts) {
            world_.events.after(random.millis(0, 3'000), [&host] { host->start_daemon(); });
        }
    }

    void settle() {
        world_.trace.note("world", "settles");
        world_.profile = world_.profile.calmed();
        mishaps_.end();
        people_.settle();
        for (const auto& host : world_.hosts) {
            host->heal();
        }
        keep_undrained();
        const Millis deadline = world_.events.now() + kSettledWithin;
        Millis done_since{-1};
        while (world_.events.now() < deadline && world_.checks.found().empty()) {
            const bool done = people_.are_done() && world_.checks.all_is_done();
            if (!done) {
                done_since = Millis(-1);
            } else if (done_since < Millis(0)) {
                done_since = world_.events.now();
            } else if (world_.events.now() - done_since > kQuiet) {
                break;
            }
            world_.events.step();
        }
        if (world_.checks.found().empty()) {
            world_.checks.at_end();
        }
    }

    // A drain is refused while a journal cannot be written, and so is its end.
    void keep_undrained() {
        for (const auto& host : world_.hosts) {
            if (host->daemon() != nullptr && !host->daemon()->registry().setting("drain").empty()) {
                host->command("undrain", Json::object());
            }
        }
        world_.events.after(Millis(10'000), [this] { keep_undrained(); });
    }

    Options options_;
    World world_;
    People people_;
    Mishaps mishaps_;
};

}  // namespace

void Counts::add(const Counts& other) {
    daemon_deaths += other.daemon_deaths;
    reboots += other.reboots;
    worker_deaths += other.worker_deaths;
    calls += other.calls;
    calls_disturbed += other.calls_disturbed;
    attempts += other.attempts;
    transitions += other.transitions;
    migrations += other.migrations;
    journal_failures += other.journal_failures;
    simulated += other.simulated;
}

Report run(const Options& options) {
    return Simulation(options).run();
}

}  // namespace shift::sim
