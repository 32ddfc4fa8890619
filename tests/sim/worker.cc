// The processes themselves: being born, asked, signalled, killed. What they do is in
// worker_steps.cc.

#include "tests/sim/worker.h"

#include <fmt/format.h>
#include <signal.h>

#include "tests/sim/host.h"

namespace shift::sim {
namespace {

// The server notices the end of a killed client's connection; that of a vanished host only when
// wait_timeout is over.
constexpr Millis kKillNoticedAfter{300};
constexpr Millis kVanishedNoticedAfter{120'000};
constexpr double kDeathAtPoint = 0.01;  // per boundary, in runs where workers die at all

}  // namespace

Worker::Worker(World& world, Host& host, Job job, std::string api_state)
    : world_(world),
      host_(host),
      job_(std::move(job)),
      identity_{world.next_pid(), 1, host.boot_id()},
      connection_(world.next_connection()) {
    load_state(api_state);
    fold_history();
    deaf_ = world.random.chance(world.profile.deaf);
    world.database.of(job_.migration).table = job_.table;
}

void Worker::start() {
    alive_ = std::make_shared<const bool>(true);
    script_ = live();
    script_.start();
}

Workers::Life Worker::life() const {
    return is_alive()          ? Workers::Life::kAlive
           : engine_is_alive() ? Workers::Life::kOrphanEngine
                               : Workers::Life::kDead;
}

std::optional<Outcome> Worker::said() const {
    if (events_.empty() || string_or(events_.back(), "event", "") != event::kOutcome) {
        return std::nullopt;
    }
    return parse_outcome(string_or(events_.back(), "outcome", ""));
}

void Worker::say(const char* kind, Json fields) {
    fields["seq"] = events_.size() + 1;
    fields["at"] = iso_time(host_.clock().wall());
    fields["event"] = kind;
    events_.push_back(std::move(fields));
    if (is_durable_event(kind) || std::string_view(kind) == event::kOutcome) {
        fsynced_ = events_.size();
        world_.trace.note(
            host_.name(), kind, job_.attempt,
            string_or(events_.back(), "what", string_or(events_.back(), "outcome", "")));
    }
}

void Worker::log_line(const std::string& text) {
    host_.files(job_.migration).log +=
        fmt::format("{}.{}.{} {}\n", host_.name(), job_.attempt, ++log_lines_, text);
}

Sleep Worker::sleep(Millis time) {
    return {world_.events, time, alive_};
}

Sleep Worker::engine_sleep(Millis time) {
    return {world_.events, time, engine_.alive};
}

Sleep Worker::point() {
    if (world_.profile.worker_death > Millis(0) && world_.random.chance(kDeathAtPoint)) {
        world_.events.after(Millis(0), [this, alive = std::weak_ptr<const bool>(alive_)] {
            if (!alive.expired()) {
                die();
            }
        });
    }
    return sleep(world_.random.millis(1, 120));
}

void Worker::ask_to_stop(const std::string& reason) {
    if (!is_alive() || events_.empty()) {
        return;  // no socket yet: asked again
    }
    if (!deaf_) {
        stop_ = reason;
    }
}

void Worker::signal(const ProcessIdentity& process, int signo) {
    if (process == identity_ && is_alive()) {
        if (signo == SIGKILL) {
            die();
        } else if (!deaf_) {
            stop_ = "shutdown";
        }
    } else if (process == engine_.identity && engine_is_alive()) {
        if (signo == SIGKILL) {
            engine_dies();
        } else {
            engine_.terminated = !engine_.stubborn;
        }
    }
}

// The process is gone and its connections with it.
void Worker::leave(bool may_be_noticed_late) {
    alive_.reset();
    const Millis most = may_be_noticed_late ? kVanishedNoticedAfter : kKillNoticedAfter;
    world_.database.hang_up(connection_, world_.random.millis(0, most.count()));
}

void Worker::die() {
    if (!is_alive()) {
        return;
    }
    ++world_.counts.worker_deaths;
    world_.trace.note(host_.name(), "worker dies", job_.attempt);
    leave(false);
    script_ = {};
    engine_.terminated = engine_.terminated || !engine_.stubborn;  // its parent-death signal
}

void Worker::engine_dies() {
    if (engine_is_alive()) {
        world_.trace.note(host_.name(), "engine dies", job_.attempt);
        engine_.alive.reset();
        engine_.script = {};
    }
}

void Worker::power_off() {
    engine_dies();
    if (is_alive()) {
        leave(true);
        script_ = {};
    }
    const auto lines = static_cast<std::int64_t>(events_.size() - fsynced_);
    const auto kept = fsynced_ + static_cast<std::size_t>(world_.random.between(0, lines));
    events_.resize(kept);
}

}  // namespace shift::sim
