#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "common/check.h"

namespace shift::sim {

using Millis = std::chrono::milliseconds;

// The one source of chance: the same seed gives the same run on every machine and library.
// Source: splitmix64, Vigna, "Further scramblings of Marsaglia's xorshift generators".
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31U);
    }
    // 0 .. n-1.
    std::int64_t below(std::int64_t n) {
        CHECK(n > 0, "nothing to choose from");
        return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(n));
    }
    // Both ends included.
    std::int64_t between(std::int64_t low, std::int64_t high) {
        return low + below(high - low + 1);
    }
    Millis millis(std::int64_t low, std::int64_t high) { return Millis(between(low, high)); }
    bool chance(double probability) {
        return static_cast<double>(next() >> 11U) < probability * 9007199254740992.0;
    }
    template <typename T>
    const T& pick(const std::vector<T>& items) {
        return items[static_cast<std::size_t>(below(static_cast<std::int64_t>(items.size())))];
    }

  private:
    std::uint64_t state_;
};

}  // namespace shift::sim
