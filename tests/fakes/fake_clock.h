#pragma once

#include "common/clock.h"

namespace shift {

// Time that moves only when a test says so.
class FakeClock final : public Clock {
  public:
    SteadyTime now() const override { return steady_; }
    WallTime wall() const override { return wall_; }
    void advance(std::chrono::milliseconds by) {
        steady_ += by;
        wall_ += by;
    }

  private:
    SteadyTime steady_{std::chrono::hours(1)};
    WallTime wall_{std::chrono::hours(24 * 365 * 50)};
};

}  // namespace shift
