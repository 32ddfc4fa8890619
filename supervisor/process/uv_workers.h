#pragma once

#include <uv.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "common/config.h"
#include "common/event_log.h"
#include "common/log.h"
#include "supervisor/loop/uv_background.h"
#include "supervisor/process/workers.h"

namespace shift {

// The real ones: uv_spawn, flock, files under STATE_DIR/attempts and LOG_DIR.
class UvWorkers final : public Workers {
  public:
    UvWorkers(uv_loop_t& loop, const Config& config, std::string worker_path, const Logger& log);
    // Closes the process handles of living children: they go on without us (see docs/design.md).
    ~UvWorkers() override;
    UvWorkers(const UvWorkers&) = delete;
    UvWorkers& operator=(const UvWorkers&) = delete;

    Result<ProcessIdentity> spawn(const Job& job, const std::string& api_state_file) override;
    Life look(const AttemptRecord& attempt) override;
    std::vector<Json> new_events(const AttemptRecord& attempt) override;
    std::string death_of(const AttemptRecord& attempt) const override;
    void ask_to_stop(const AttemptRecord& attempt, const std::string& reason) override;
    void signal(const ProcessIdentity& process, int signo) override;
    void close(const AttemptRecord& attempt) override;
    std::int64_t highest_attempt() override;
    std::uint64_t log_size(MigrationId id) override;
    std::string state_file(MigrationId id) override;
    std::string log_path(MigrationId id) const override;
    std::string state_path(MigrationId id) const override;
    Result<std::string> contents_of(const OwedCall& call) override;
    bool stop_file_exists() override;
    std::uint64_t resident_bytes(const ProcessIdentity& process) const override;
    void discard_old_attempts(WallTime before) override;
    void find_old_files(WallTime before,
                        std::function<void(const std::vector<MigrationId>&)> found) override;
    void discard_files(MigrationId id) override;

    void reconfigure(const Config& config) { config_ = config; }

  private:
    struct StopRequest;
    // A file that only grows: the same stamp, nothing new in it.
    struct Stamp {
        std::uint64_t inode = 0;
        std::uint64_t bytes = 0;
        std::int64_t changed_ns = 0;
        bool operator==(const Stamp&) const = default;
    };
    // An attempt is looked at ten times a second, and mostly nothing has happened.
    struct Followed {
        EventReader reader;
        std::optional<Stamp> read_to_end;  // its events then
        std::uint64_t alive_until_ms = 0;  // by the loop's clock: not looked at again before
        std::uint64_t said_ms = 0;         // its newest event was read then
        std::uint64_t quiet_until_ms = 0;  // its events are not looked at before
    };

    static std::optional<Stamp> stamp_of(const std::string& path);
    Followed& follow(const AttemptRecord& attempt);
    AttemptFiles files_of(std::int64_t attempt) const;
    Status prepare_directory(const AttemptFiles& files, Job job, const std::string& api_state);
    Result<pid_t> start(const AttemptFiles& files, int lock_fd);

    uv_loop_t& loop_;
    Config config_;
    std::string worker_path_;
    const Logger& log_;
    std::map<std::int64_t, Followed> followed_;
    std::set<uv_process_t*> children_;
    std::map<std::int64_t, std::string> deaths_;  // by pid, until their attempts are closed
    std::set<StopRequest*> stop_requests_;
    UvBackground background_;
};

}  // namespace shift
