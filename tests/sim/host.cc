// A turn of the daemon: tick(), an answer or a command. Every effect it has outside (a commit, a
// call, a spawn, a signal) passes effect() before and after, where Death may be thrown; turn()
// catches it and the daemon is gone. Workers, files and the disk stay.

#include "tests/sim/host.h"

#include <fmt/format.h>

#include "tests/sim/network.h"
#include "tests/sim/processes.h"

namespace shift::sim {
namespace {

constexpr Millis kIdlePauseMax{2'000};
constexpr Millis kRestartAfter{100};  // RestartSec of the unit, and the start itself

}  // namespace

Host::Host(World& world, std::string name, Config config)
    : world_(world),
      name_(std::move(name)),
      config_(std::move(config)),
      clock_(world.events),
      log_(world.trace.wanted() ? LogLevel::kInfo : LogLevel::kError,
           [this](LogLevel, const std::string& line) { world_.trace.remark(name_, line); }),
      network_(std::make_unique<Network>(world, *this)),
      processes_(std::make_unique<Processes>(world, *this)) {
    config_.run_host = name_;
    journal_faults_.before_commit = [this](const JournalBatch& batch) {
        return before_commit(batch);
    };
    journal_faults_.after_commit = [this](const JournalBatch&) { effect(); };
}

Host::~Host() = default;

std::string Host::boot_id() const {
    return fmt::format("{}-{}", name_, boots_);
}

const Worker* Host::living(MigrationId id) const {
    for (const auto& [attempt, worker] : attempts_) {
        if (worker->job().migration == id && worker->life() != Workers::Life::kDead) {
            return worker.get();
        }
    }
    return nullptr;
}

void Host::effect() {
    busy_ = true;
    if (effects_left_ > 0 && --effects_left_ == 0) {
        throw Death{};
    }
}

MemoryJournalFaults::Commit Host::before_commit(const JournalBatch& batch) {
    effect();
    const auto fate = std::exchange(next_commit_, MemoryJournalFaults::Commit::kGood);
    if (fate != MemoryJournalFaults::Commit::kGood) {
        ++world_.counts.journal_failures;
        world_.trace.note(name_, "commit fails", static_cast<int>(fate));
        journal_faults_.disk_full = disk_full_for_ > Millis(0);
        world_.events.after(disk_full_for_, [this] { journal_faults_.disk_full = false; });
    }
    if (fate != MemoryJournalFaults::Commit::kLost) {
        world_.checks.before_commit(*this, batch);
    }
    return fate;
}

void Host::turn(const std::function<void()>& inside) {
    if (!daemon_) {
        return;
    }
    const bool outermost = !in_turn_;
    CHECK(outermost, "a turn inside a turn");
    in_turn_ = true;
    bool died = false;
    try {
        inside();
    } catch (const Death&) {
        died = true;
    }
    in_turn_ = false;
    if (died) {
        world_.trace.note(name_, "dies in a turn");
        kill_daemon(world_.random.millis(100, 10'000));
        return;
    }
    world_.checks.after_turn(*this);
    if (daemon_->wants_exit()) {
        world_.trace.note(name_, "exits: journal");
        kill_daemon(kRestartAfter);
    }
}

void Host::start_daemon() {
    if (daemon_ || !powered_) {
        return;
    }
    const std::uint64_t life = ++life_;
    network_->new_life();
    effects_left_ = std::max(effects_left_, 0);
    daemon_ = std::make_unique<Supervisor>(
        clock_, config_, log_, *network_, *processes_,
        [this] { return MemoryJournal::open(disk_, journal_faults_); }, world_.random.next());
    world_.trace.note(name_, "starts", static_cast<std::int64_t>(life));
    turn([&] { ready_ = daemon_->recover().ok(); });
    if (life != life_) {
        return;
    }
    if (!ready_) {  // exits with an error; systemd tries again
        kill_daemon(Millis(1'000));
        return;
    }
    idle_pause_ = Millis(100);
    plan_tick(life);
}

void Host::end_life() {
    daemon_.reset();
    ready_ = false;
    ++life_;
    effects_left_ = 0;
}

void Host::kill_daemon(Millis downtime) {
    CHECK(!in_turn_, "killed from inside; throw instead");
    if (!daemon_) {
        return;
    }
    ++world_.counts.daemon_deaths;
    end_life();
    world_.trace.note(name_, "daemon gone", downtime.count());
    world_.events.after(downtime, [this] { start_daemon(); });
}

void Host::lose_power(Millis downtime) {
    ++world_.counts.reboots;
    world_.trace.note(name_, "loses power", downtime.count());
    powered_ = false;
    end_life();
    for (const auto& [id, worker] : attempts_) {
        worker->power_off();
    }
    world_.events.after(downtime, [this] {
        powered_ = true;
        ++boots_;
        clock_.boot();
        start_daemon();
    });
}

void Host::jump_clock(Millis by) {
    world_.trace.note(name_, "clock jumps", by.count());
    clock_.jump(by);
}

void Host::fail_journal(bool kept, Millis disk_full_for) {
    next_commit_ = kept ? MemoryJournalFaults::Commit::kKept : MemoryJournalFaults::Commit::kLost;
    disk_full_for_ = disk_full_for;
}

void Host::command(const std::string& name, const Json& args) {
    if (!ready_) {
        return;
    }
    turn([&] { (void)daemon_->command(name, args).ok(); });
}

void Host::heal() {
    effects_left_ = 0;
    next_commit_ = MemoryJournalFaults::Commit::kGood;
    journal_faults_.disk_full = false;
    stop_file_ = false;
    cut_off_ = false;
    clock_.set_right();
    start_daemon();
}

void Host::plan_tick(std::uint64_t life) {
    // The loop turns every 100 ms; a busy host is late. With nothing to do the turns in between
    // would change nothing, so they are left out.
    Random& random = world_.random;
    if (busy_) {
        idle_pause_ = Millis(100);
    } else {
        idle_pause_ = std::min(idle_pause_ * 2, kIdlePauseMax);
    }
    busy_ = false;
    Millis pause = idle_pause_ + random.millis(0, 300);
    if (random.chance(0.01)) {
        pause += random.millis(0, 8'000);
    }
    world_.events.after(pause, [this, life] { tick(life); });
}

void Host::tick(std::uint64_t life) {
    if (life != life_) {
        return;
    }
    turn([this] { daemon_->tick(); });
    if (life == life_) {
        plan_tick(life);
    }
}

}  // namespace shift::sim
