#pragma once

#include "common/config.h"
#include "tests/sim/random.h"

namespace shift::sim {

// What goes wrong in one run and how often. Drawn from the seed, so that runs differ in kind: some
// lose many answers, some only crash, some are nearly calm.
struct Profile {
    // A call to the API: probabilities.
    double refused = 0;       // no connection: surely not sent
    double lost_before = 0;   // never arrives
    double lost_after = 0;    // done, the answer is lost
    double error_before = 0;  // 500, 502 ..., HTML, garbage, empty; nothing done
    double error_after = 0;   // the same, but done
    double not_found = 0;     // 404 by a proxy that has no API behind it
    double twice = 0;         // a GET or PUT is delivered twice
    Millis delay_max{400};    // one way

    // Time between mishaps of a host or of the world; 0 = never.
    Millis daemon_death{0};
    Millis reboot{0};
    Millis worker_death{0};
    Millis engine_death{0};
    Millis journal_failure{0};
    Millis clock_jump{0};
    Millis api_outage{0};
    Millis api_stall{0};
    Millis database_outage{0};
    Millis drain{0};
    Millis cut_off{0};  // one host from the API

    // Workers: probabilities per attempt.
    double spawn_fails = 0;
    double step_fails = 0;    // `failed`: the migration will never work
    double step_retries = 0;  // transient trouble
    double deaf = 0;          // does not do what it is asked
    double stubborn = 0;      // an engine that ignores TERM
    double copy_errors = 0;

    Millis people{5'000};  // between two acts of people
    double cancel = 0;     // of these acts
    double pause = 0;
    double remove = 0;
    double retry = 0;     // `retry` of what waits
    double takeover = 0;  // of a host without power, by another one

    bool rails = false;  // an API that knows neither claim_id nor pinning at unstage

    static Profile draw(Random& random);
    // Nothing goes wrong any more; people only move things on.
    Profile calmed() const;
};

// Configuration of one supervisor, within what a user may set.
Config draw_config(Random& random);

}  // namespace shift::sim
