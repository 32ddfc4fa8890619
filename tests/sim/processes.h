#pragma once

#include "supervisor/process/workers.h"
#include "tests/sim/world.h"

namespace shift::sim {

// The workers of one host as its supervisor sees them: what UvWorkers does, without libuv.
class Processes final : public Workers {
  public:
    Processes(World& world, Host& host) : world_(world), host_(host) {}

    Result<ProcessIdentity> spawn(const Job& job, const std::string& api_state_file) override;
    Life look(const AttemptRecord& attempt) override;
    std::vector<Json> new_events(const AttemptRecord& attempt) override;
    void ask_to_stop(const AttemptRecord& attempt, const std::string& reason) override;
    void signal(const ProcessIdentity& process, int signo) override;
    void close(const AttemptRecord& attempt) override;
    std::uint64_t log_size(MigrationId id) override;
    std::string state_file(MigrationId id) override;
    std::string log_path(MigrationId id) const override;
    std::string state_path(MigrationId id) const override;
    Result<std::string> contents_of(const OwedCall& call) override;
    bool stop_file_exists() override;
    // No disk fills up here.
    std::uint64_t resident_bytes(const ProcessIdentity&) const override { return 0; }
    void discard_old_attempts(WallTime) override {}
    void find_old_files(WallTime,
                        std::function<void(const std::vector<MigrationId>&)> found) override {
        found({});
    }
    void discard_files(MigrationId) override {}

  private:
    World& world_;
    Host& host_;
};

}  // namespace shift::sim
