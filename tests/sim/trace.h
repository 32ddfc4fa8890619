#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tests/sim/events.h"

namespace shift::sim {

// What happened, as a number that two equal runs share, and as lines for people who ask for them.
class Trace {
  public:
    using Sink = std::function<void(const std::string& line)>;

    Trace(const Events& events, Sink sink) : events_(events), sink_(std::move(sink)) {}

    bool wanted() const { return static_cast<bool>(sink_); }
    void note(std::string_view who, std::string_view what, std::int64_t number = 0,
              std::string_view detail = {});
    // Only for people: not part of the hash.
    void remark(std::string_view who, std::string_view text);
    std::uint64_t hash() const { return hash_; }

  private:
    void mix(std::string_view text);
    void mix(std::uint64_t number);

    const Events& events_;
    Sink sink_;
    std::uint64_t hash_ = 0xcbf29ce484222325U;
};

}  // namespace shift::sim
