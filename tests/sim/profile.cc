#include "tests/sim/profile.h"

namespace shift::sim {
namespace {

// Mostly 0, else something between `low` and `high` in thousandths.
double rate(Random& random, double enabled, std::int64_t low, std::int64_t high) {
    return random.chance(enabled) ? static_cast<double>(random.between(low, high)) / 1000.0 : 0;
}

Millis every(Random& random, double enabled, std::int64_t low_s, std::int64_t high_s) {
    return random.chance(enabled) ? random.millis(low_s * 1000, high_s * 1000) : Millis(0);
}

}  // namespace

Profile Profile::draw(Random& random) {
    Profile p;
    p.refused = rate(random, 0.3, 2, 60);
    p.lost_before = rate(random, 0.4, 2, 80);
    p.lost_after = rate(random, 0.5, 2, 120);
    p.error_before = rate(random, 0.4, 2, 80);
    p.error_after = rate(random, 0.4, 2, 80);
    p.not_found = rate(random, 0.2, 1, 20);
    p.twice = rate(random, 0.3, 5, 100);
    p.delay_max = random.chance(0.3) ? random.millis(400, 6'000) : random.millis(5, 400);
    p.daemon_death = every(random, 0.7, 5, 120);
    p.reboot = every(random, 0.25, 60, 400);
    p.worker_death = every(random, 0.5, 10, 120);
    p.engine_death = every(random, 0.3, 10, 120);
    p.journal_failure = every(random, 0.3, 20, 200);
    p.clock_jump = every(random, 0.3, 20, 200);
    p.api_outage = every(random, 0.3, 60, 300);
    p.api_stall = every(random, 0.25, 30, 200);
    p.database_outage = every(random, 0.25, 60, 300);
    p.drain = every(random, 0.3, 40, 200);
    p.cut_off = every(random, 0.2, 30, 200);
    p.spawn_fails = rate(random, 0.2, 10, 200);
    p.step_fails = rate(random, 0.3, 5, 60);
    p.step_retries = rate(random, 0.4, 10, 250);
    p.deaf = rate(random, 0.3, 20, 300);
    p.stubborn = rate(random, 0.4, 50, 500);
    p.copy_errors = rate(random, 0.3, 20, 200);
    p.people = random.millis(1'000, 15'000);
    p.cancel = rate(random, 0.5, 10, 200);
    p.pause = rate(random, 0.5, 10, 250);
    p.remove = rate(random, 0.2, 5, 50);
    p.retry = rate(random, 0.3, 10, 100);
    p.takeover = rate(random, 0.5, 50, 500);
    p.rails = random.chance(0.35);
    if (random.chance(0.1)) {  // a network in which hardly anything is certain
        p.lost_after = rate(random, 1, 150, 950);
        p.delay_max = random.millis(1'000, 6'000);
        p.people = random.millis(1'000, 5'000);
    }
    return p;
}

Profile Profile::calmed() const {
    Profile p;
    p.rails = rails;
    p.delay_max = Millis(100);
    p.people = Millis(3'000);
    return p;
}

Config draw_config(Random& random) {
    Config config;
    config.rest_api = "http://api/api/v1/";
    config.log_dir = "/log/";
    config.state_dir = "/state";
    const auto poll = random.between(1, 12);
    config.poll_interval_min = Millis(poll * 1000);
    config.poll_interval_max = Millis(poll * 2000);
    config.rest_timeout = random.millis(2'000, 30'000);
    config.claim_grace = random.millis(10'000, 60'000);
    config.recheck_interval = random.millis(10'000, 180'000);
    config.report_flush_timeout = random.millis(2'000, 30'000);
    config.log_sync_interval = random.millis(500, 10'000);
    config.state_sync_interval = random.millis(500, 10'000);
    config.retry_backoff_min = random.millis(500, 2'000);
    config.retry_backoff_max = random.millis(5'000, 120'000);
    config.max_workers = static_cast<int>(random.between(1, 4));
    config.max_running_per_host = static_cast<int>(random.between(1, 3));
    config.max_short_steps = static_cast<int>(random.between(1, 8));
    config.attempts_max = static_cast<int>(random.between(2, 6));
    config.stop_file_path = "/stop";
    return config;
}

}  // namespace shift::sim
