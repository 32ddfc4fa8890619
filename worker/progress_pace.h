#pragma once

#include <chrono>

#include "common/clock.h"

namespace shift {

// How often a copy tells where it is: every second while people watch it begin; a copy of a week
// must not write a line for each.
class ProgressPace {
  public:
    explicit ProgressPace(SteadyTime begun) : begun_(begun) {}
    bool is_due(SteadyTime now) {
        const auto every = now - begun_ < kLater ? kEvery : kEveryLater;
        if (now - told_ < every) {
            return false;
        }
        told_ = now;
        return true;
    }

  private:
    static constexpr std::chrono::milliseconds kEvery{950};  // the caller looks once a second
    static constexpr std::chrono::seconds kEveryLater{5};
    static constexpr std::chrono::minutes kLater{2};
    SteadyTime begun_;
    SteadyTime told_{};
};

}  // namespace shift
