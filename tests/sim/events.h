#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "tests/sim/random.h"

namespace shift::sim {

// What is going to happen, in order of its time; what was planned first comes first among equals.
class Events {
  public:
    using Action = std::function<void()>;

    // Since the beginning of the simulated world.
    Millis now() const { return now_; }
    void after(Millis delay, Action action) {
        queue_.push({now_ + delay, ++planned_, std::move(action)});
    }
    // Moves the time to the next event and lets it happen. False when there is none.
    bool step() {
        if (queue_.empty()) {
            return false;
        }
        // The queue gives no way to move out of its top; nothing but the action is changed.
        Action action = std::move(top().action);
        now_ = queue_.top().at;
        queue_.pop();
        action();
        return true;
    }

  private:
    struct Event {
        Millis at;
        std::uint64_t order;
        mutable Action action;
        bool operator<(const Event& other) const {  // the top is the greatest
            return at != other.at ? at > other.at : order > other.order;
        }
    };
    const Event& top() const { return queue_.top(); }

    Millis now_{0};
    std::uint64_t planned_ = 0;
    std::priority_queue<Event> queue_;
};

}  // namespace shift::sim
