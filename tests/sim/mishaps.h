#pragma once

#include "tests/sim/world.h"

namespace shift::sim {

// Everything that goes wrong by itself, at the intervals of the profile.
class Mishaps {
  public:
    explicit Mishaps(World& world) : world_(world) {}

    void begin();
    // No more; what was under way ends (outages are over, hosts are the caller's business).
    void end();

  private:
    using Mishap = void (Mishaps::*)();

    void plan(Millis interval, Mishap mishap);
    Host& some_host();
    void daemon_death();
    void reboot();
    void worker_death();
    void engine_death();
    void journal_failure();
    void clock_jump();
    void api_outage();
    void api_stall();
    void database_outage();
    void drain();
    void cut_off();

    World& world_;
    bool over_ = false;
};

}  // namespace shift::sim
