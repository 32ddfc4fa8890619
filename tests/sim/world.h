#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/fakes/api_model.h"
#include "tests/sim/checks.h"
#include "tests/sim/counts.h"
#include "tests/sim/database.h"
#include "tests/sim/events.h"
#include "tests/sim/profile.h"
#include "tests/sim/random.h"
#include "tests/sim/trace.h"

namespace shift::sim {

class Host;

// What all parts of the simulated world share.
class World {
  public:
    World(std::uint64_t seed, Trace::Sink sink)
        : random(seed), trace(events, std::move(sink)), database(events), checks(*this) {}

    Events events;
    Random random;
    Trace trace;
    Profile profile;
    testing::ApiModel api;
    Database database;
    Checks checks;
    Counts counts;
    std::vector<std::unique_ptr<Host>> hosts;

    // The API or what is before it: while down, every call ends in this way.
    enum class Outage { kNone, kRefused, kTimeout, kBadGateway, kServerError, kNotFound };
    Outage outage = Outage::kNone;
    Millis api_stalled_until{0};

    pid_t next_pid() { return ++last_pid_; }
    std::int64_t next_connection() { return ++last_connection_; }

  private:
    pid_t last_pid_ = 1000;
    std::int64_t last_connection_ = 0;
};

}  // namespace shift::sim
