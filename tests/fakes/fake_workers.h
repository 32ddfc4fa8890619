#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "supervisor/process/workers.h"

namespace shift {

// Workers that do what a test tells them. They live on when the supervisor object is replaced, as
// real ones do.
class FakeWorkers final : public Workers {
  public:
    struct Worker {
        Job job;
        std::string api_state;  // the API's copy of the state file
        std::vector<Json> events;
        Life life = Life::kAlive;
        std::vector<std::string> stops;
        bool closed = false;
    };
    std::map<std::int64_t, Worker> all;  // by attempt
    std::map<MigrationId, std::string> logs;
    bool refuse_spawn = false;
    bool stop_file = false;

    // The newest worker of a migration.
    Worker* of(MigrationId id) {
        Worker* found = nullptr;
        for (auto& [attempt, worker] : all) {
            found = worker.job.migration == id ? &worker : found;
        }
        return found;
    }
    std::size_t living(MigrationId id) const {
        std::size_t n = 0;
        for (const auto& [attempt, worker] : all) {
            n += worker.job.migration == id && worker.life != Life::kDead ? 1 : 0;
        }
        return n;
    }
    static void say(Worker& worker, const char* kind, Json fields = Json::object()) {
        fields["seq"] = worker.events.size() + 1;
        fields["at"] = "2026-01-01T00:00:00.000Z";
        fields["event"] = kind;
        worker.events.push_back(std::move(fields));
    }
    static void end(Worker& worker, const char* outcome, const std::string& message = {}) {
        say(worker, event::kOutcome, {{"outcome", outcome}, {"message", message}});
        worker.life = Life::kDead;
    }

    Result<ProcessIdentity> spawn(const Job& job, const std::string& api_state) override {
        if (refuse_spawn) {
            return Error{Errc::kUnavailable, "spawn: no processes left"};
        }
        all[job.attempt].job = job;
        all[job.attempt].api_state = api_state;
        return ProcessIdentity{1000 + static_cast<pid_t>(job.attempt), 1, "boot"};
    }
    Life look(const AttemptRecord& attempt) override {
        const auto it = all.find(attempt.id);
        return it == all.end() ? Life::kDead : it->second.life;
    }
    std::vector<Json> new_events(const AttemptRecord& attempt) override {
        std::vector<Json> fresh;
        const auto it = all.find(attempt.id);
        if (it == all.end()) {
            return fresh;
        }
        for (const Json& event : it->second.events) {
            if (event["seq"].get<std::int64_t>() > attempt.last_seq) {
                fresh.push_back(event);
            }
        }
        return fresh;
    }
    void ask_to_stop(const AttemptRecord& attempt, const std::string& reason) override {
        all[attempt.id].stops.push_back(reason);
    }
    void signal(const ProcessIdentity&, int signo) override { signals.push_back(signo); }
    void close(const AttemptRecord& attempt) override { all[attempt.id].closed = true; }
    std::uint64_t log_size(MigrationId id) override { return logs[id].size(); }
    std::string state_file(MigrationId id) override { return states[id]; }
    std::string log_path(MigrationId) const override { return "log"; }
    std::string state_path(MigrationId) const override { return "state"; }
    Result<std::string> contents_of(const OwedCall& call) override {
        if (call.kind == CallKind::kWriteState) {
            return states[call.migration];
        }
        const auto from = static_cast<std::size_t>(int_or(call.body, "from", 0));
        const auto to = static_cast<std::size_t>(int_or(call.body, "to", 0));
        return logs[call.migration].substr(from, to - from);
    }
    bool stop_file_exists() override { return stop_file; }
    std::uint64_t resident_bytes(const ProcessIdentity&) const override { return 4096; }
    void discard_old_attempts(WallTime before) override { attempts_discarded_before = before; }
    void find_old_files(WallTime,
                        std::function<void(const std::vector<MigrationId>&)> found) override {
        found(old_files);
    }
    void discard_files(MigrationId id) override { files_discarded.push_back(id); }

    WallTime attempts_discarded_before{};
    std::vector<MigrationId> old_files;
    std::vector<MigrationId> files_discarded;

    std::vector<int> signals;
    std::map<MigrationId, std::string> states;
};

}  // namespace shift
