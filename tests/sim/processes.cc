#include "tests/sim/processes.h"

#include <fmt/format.h>

#include "tests/sim/host.h"

namespace shift::sim {

Result<ProcessIdentity> Processes::spawn(const Job& job, const std::string& api_state_file) {
    host_.effect();
    if (world_.random.chance(world_.profile.spawn_fails)) {
        world_.trace.note(host_.name(), "spawn fails", job.attempt);
        return Error{Errc::kUnavailable, "spawn: resource temporarily unavailable"};
    }
    world_.checks.on_spawn(host_, job);
    ++world_.counts.attempts;
    world_.trace.note(host_.name(), "spawn", job.attempt, step_name(job.step));
    auto& worker = host_.attempts()[job.attempt];
    worker = std::make_unique<Worker>(world_, host_, job, api_state_file);
    worker->start();
    const ProcessIdentity identity = worker->identity();
    host_.effect();
    return identity;
}

Workers::Life Processes::look(const AttemptRecord& attempt) {
    const auto found = host_.attempts().find(attempt.id);
    return found == host_.attempts().end() ? Life::kDead : found->second->life();
}

std::vector<Json> Processes::new_events(const AttemptRecord& attempt) {
    const auto found = host_.attempts().find(attempt.id);
    if (found == host_.attempts().end()) {
        return {};
    }
    // The seq of a line is its number. A power failure may have taken lines already read.
    const std::vector<Json>& lines = found->second->events();
    const auto read = std::min(attempt.last_seq, static_cast<std::int64_t>(lines.size()));
    return {lines.begin() + read, lines.end()};
}

void Processes::ask_to_stop(const AttemptRecord& attempt, const std::string& reason) {
    host_.effect();
    world_.checks.on_stop(host_, attempt.id, "stop_asked");
    world_.trace.note(host_.name(), "asks to stop", attempt.id, reason);
    if (const auto found = host_.attempts().find(attempt.id); found != host_.attempts().end()) {
        found->second->ask_to_stop(reason);
    }
    host_.effect();
}

void Processes::signal(const ProcessIdentity& process, int signo) {
    if (process.pid == 0) {
        return;
    }
    host_.effect();
    for (const auto& [id, worker] : host_.attempts()) {
        if (worker->identity() == process || worker->engine_identity() == process) {
            const bool is_engine = worker->engine_identity() == process;
            world_.checks.on_stop(host_, id, is_engine ? "orphan_engine" : "stop_asked");
            world_.trace.note(host_.name(), is_engine ? "signals engine" : "signals worker", id,
                              std::to_string(signo));
            worker->signal(process, signo);
            break;
        }
    }
    host_.effect();
}

void Processes::close(const AttemptRecord& attempt) {
    host_.effect();
    world_.checks.on_close(host_, attempt.id);
    if (const auto found = host_.attempts().find(attempt.id); found != host_.attempts().end()) {
        found->second->close();
    }
    host_.effect();
}

std::uint64_t Processes::log_size(MigrationId id) {
    return host_.files(id).log.size();
}

std::string Processes::state_file(MigrationId id) {
    return host_.files(id).state;
}

std::string Processes::log_path(MigrationId id) const {
    return fmt::format("/log/id-{}/ptosc-output.log", id);
}

std::string Processes::state_path(MigrationId id) const {
    return fmt::format("/log/id-{}/statefile.txt", id);
}

Result<std::string> Processes::contents_of(const OwedCall& call) {
    const Host::Files& files = host_.files(call.migration);
    if (call.kind == CallKind::kWriteState) {
        return files.state;
    }
    const auto from = static_cast<std::size_t>(int_or(call.body, "from", 0));
    const auto to = static_cast<std::size_t>(int_or(call.body, "to", 0));
    return from < files.log.size() ? files.log.substr(from, to - from) : std::string();
}

bool Processes::stop_file_exists() {
    return !host_.config().stop_file_path.empty() && host_.stop_file();
}

}  // namespace shift::sim
