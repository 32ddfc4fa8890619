#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "supervisor/supervisor.h"
#include "tests/fakes/memory_journal.h"
#include "tests/sim/worker.h"
#include "tests/sim/world.h"

namespace shift::sim {

class Network;
class Processes;

// Time of one host: the monotonic clock begins with the host's boot, the wall clock may jump.
class HostClock final : public Clock {
  public:
    explicit HostClock(const Events& events) : events_(events) {}
    SteadyTime now() const override { return SteadyTime(events_.now() - boot_ + Millis(3'000)); }
    WallTime wall() const override {
        return WallTime(std::chrono::hours(24 * 365 * 50) + events_.now() + offset_);
    }
    void boot() { boot_ = events_.now(); }
    void jump(Millis by) { offset_ += by; }
    void set_right() { offset_ = Millis(0); }

  private:
    const Events& events_;
    Millis boot_{0};
    Millis offset_{0};
};

// A host: its disk, its processes, and the supervisor on it, which may die in the middle of a turn
// and is started again from the journal.
class Host {
  public:
    Host(World& world, std::string name, Config config);
    ~Host();
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    const std::string& name() const { return name_; }
    const Config& config() const { return config_; }
    const MemoryDisk& disk() const { return disk_; }
    const HostClock& clock() const { return clock_; }
    // The supervisor, once it has recovered; else null.
    Supervisor* daemon() { return ready_ ? daemon_.get() : nullptr; }

    void start_daemon();
    // kill -9 now; systemd starts it again after `downtime`.
    void kill_daemon(Millis downtime);
    // It will die at the `effects`-th thing it does to the outside from now on, before or after.
    void die_at_effect(int effects) { effects_left_ = effects; }
    void lose_power(Millis downtime);
    void jump_clock(Millis by);
    void fail_journal(bool kept, Millis disk_full_for);
    void command(const std::string& name, const Json& args);
    void set_cut_off(bool cut_off) { cut_off_ = cut_off; }
    bool cut_off() const { return cut_off_; }
    bool powered() const { return powered_; }
    void set_stop_file(bool exists) { stop_file_ = exists; }
    bool stop_file() const { return stop_file_; }
    // Faults end: what is down is started, the stop file goes.
    void heal();

    // The daemon is about to do something outside, or has just done it: it may die here.
    void effect();
    // Runs something inside the daemon, which may die of it.
    void turn(const std::function<void()>& inside);

    // Its processes and files.
    struct Files {
        std::string log;
        std::string state;
    };
    Files& files(MigrationId id) { return files_[id]; }
    const std::map<MigrationId, Files>& all_files() const { return files_; }
    std::map<std::int64_t, std::unique_ptr<Worker>>& attempts() { return attempts_; }
    const std::map<std::int64_t, std::unique_ptr<Worker>>& attempts() const { return attempts_; }
    const Worker* living(MigrationId id) const;
    std::string boot_id() const;

  private:
    struct Death {};  // thrown through the daemon: nothing it meant to do next happens
    void end_life();
    void tick(std::uint64_t life);
    void plan_tick(std::uint64_t life);
    Result<std::unique_ptr<Journal>> open_journal();
    MemoryJournalFaults::Commit before_commit(const JournalBatch& batch);

    World& world_;
    std::string name_;
    Config config_;
    HostClock clock_;
    Logger log_;
    MemoryDisk disk_;
    MemoryJournalFaults journal_faults_;
    MemoryJournalFaults::Commit next_commit_ = MemoryJournalFaults::Commit::kGood;
    Millis disk_full_for_{0};
    std::unique_ptr<Network> network_;
    std::unique_ptr<Processes> processes_;
    std::unique_ptr<Supervisor> daemon_;
    std::uint64_t life_ = 0;  // of the daemon; what belongs to an older one is void
    bool ready_ = false;
    bool powered_ = true;
    bool in_turn_ = false;
    bool busy_ = false;
    Millis idle_pause_{100};
    int effects_left_ = 0;
    int boots_ = 1;
    bool stop_file_ = false;
    bool cut_off_ = false;
    std::map<MigrationId, Files> files_;
    std::map<std::int64_t, std::unique_ptr<Worker>> attempts_;
};

}  // namespace shift::sim
