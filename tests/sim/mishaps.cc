#include "tests/sim/mishaps.h"

#include "tests/sim/host.h"

namespace shift::sim {

void Mishaps::begin() {
    const Profile& p = world_.profile;
    plan(p.daemon_death, &Mishaps::daemon_death);
    plan(p.reboot, &Mishaps::reboot);
    plan(p.worker_death, &Mishaps::worker_death);
    plan(p.engine_death, &Mishaps::engine_death);
    plan(p.journal_failure, &Mishaps::journal_failure);
    plan(p.clock_jump, &Mishaps::clock_jump);
    plan(p.api_outage, &Mishaps::api_outage);
    plan(p.api_stall, &Mishaps::api_stall);
    plan(p.database_outage, &Mishaps::database_outage);
    plan(p.drain, &Mishaps::drain);
    plan(p.cut_off, &Mishaps::cut_off);
}

void Mishaps::end() {
    over_ = true;
    world_.outage = World::Outage::kNone;
    world_.api_stalled_until = Millis(0);
    world_.database.come_up();
}

void Mishaps::plan(Millis interval, Mishap mishap) {
    if (interval == Millis(0)) {
        return;
    }
    world_.events.after(world_.random.millis(interval.count() / 2, interval.count() * 3 / 2),
                        [this, interval, mishap] {
                            if (!over_) {
                                (this->*mishap)();
                                plan(interval, mishap);
                            }
                        });
}

Host& Mishaps::some_host() {
    return *world_.hosts[static_cast<std::size_t>(
        world_.random.below(static_cast<std::int64_t>(world_.hosts.size())))];
}

void Mishaps::daemon_death() {
    Host& host = some_host();
    if (world_.random.chance(0.8)) {
        host.die_at_effect(static_cast<int>(world_.random.between(1, 30)));
    } else {
        host.kill_daemon(world_.random.millis(100, 60'000));
    }
}

void Mishaps::reboot() {
    some_host().lose_power(world_.random.millis(5'000, 120'000));
}

void Mishaps::worker_death() {
    for (const auto& [id, worker] : some_host().attempts()) {
        if (worker->is_alive() && world_.random.chance(0.5)) {
            worker->die();
        }
    }
}

void Mishaps::engine_death() {
    for (const auto& [id, worker] : some_host().attempts()) {
        if (worker->engine_is_alive()) {
            worker->engine_dies();
        }
    }
}

void Mishaps::journal_failure() {
    const bool kept = world_.random.chance(0.4);
    const bool long_one = world_.random.chance(0.1);
    some_host().fail_journal(kept, world_.random.millis(0, long_one ? 900'000 : 30'000));
}

void Mishaps::clock_jump() {
    const std::int64_t span = 3'600'000 * (world_.random.chance(0.3) ? std::int64_t{24} * 400 : 1);
    some_host().jump_clock(world_.random.millis(-span, span));
}

void Mishaps::api_outage() {
    using Outage = World::Outage;
    static const std::vector<Outage> kKinds = {Outage::kRefused, Outage::kTimeout,
                                               Outage::kBadGateway, Outage::kServerError,
                                               Outage::kNotFound};
    world_.outage = world_.random.pick(kKinds);
    const bool long_one = world_.random.chance(0.1);
    world_.trace.note("world", "API outage", static_cast<int>(world_.outage));
    world_.events.after(world_.random.millis(2'000, long_one ? 3'600'000 : 60'000),
                        [this] { world_.outage = World::Outage::kNone; });
}

void Mishaps::api_stall() {
    const Millis stall = world_.random.millis(500, 60'000);
    world_.trace.note("world", "API stalls", stall.count());
    world_.api_stalled_until = world_.events.now() + stall;
}

void Mishaps::database_outage() {
    world_.trace.note("world", "database down");
    world_.database.go_down();
    world_.events.after(world_.random.millis(500, 60'000), [this] { world_.database.come_up(); });
}

void Mishaps::cut_off() {
    Host& host = some_host();
    world_.trace.note(host.name(), "cut off");
    host.set_cut_off(true);
    world_.events.after(world_.random.millis(1'000, 90'000), [&host] { host.set_cut_off(false); });
}

void Mishaps::drain() {
    Host& host = some_host();
    Random& random = world_.random;
    if (random.chance(0.4)) {
        host.set_stop_file(true);
        world_.events.after(random.millis(2'000, 60'000), [&host] { host.set_stop_file(false); });
        return;
    }
    host.command("drain", {{"keep", random.chance(0.4)}});
    world_.events.after(random.millis(2'000, 60'000),
                        [&host] { host.command("undrain", Json::object()); });
}

}  // namespace shift::sim
