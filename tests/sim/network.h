#pragma once

#include <memory>

#include "supervisor/upstream/upstream.h"
#include "tests/sim/world.h"

namespace shift::sim {

// One supervisor's way to the API: calls are delayed, lost on either way, done twice where HTTP
// allows it (GET and PUT, by a proxy that tries again while the caller waits), and answered by
// whatever stands in between. Calls pass each other on the way. A stalled API does what it has
// received later, in order, also when the caller has long given up.
class Network final : public Upstream {
  public:
    Network(World& world, Host& host) : world_(world), host_(host) {}

    void call(ApiRequest request, Done done) override;
    // What the API itself does and answers, without anything in between.
    ApiAnswer serve(const ApiRequest& request);
    // The process that waits for answers is another one now.
    void new_life() { ++life_; }

  private:
    struct Fate;
    struct Exchange;

    Fate draw_fate(const ApiRequest& request) const;
    Fate fate_in_outage() const;
    ApiAnswer odd_answer(bool refusals) const;
    void deliver(const std::shared_ptr<Exchange>& exchange);
    void answer(const std::shared_ptr<Exchange>& exchange, Millis delay, ApiAnswer answer);

    World& world_;
    Host& host_;
    std::uint64_t life_ = 0;
};

}  // namespace shift::sim
