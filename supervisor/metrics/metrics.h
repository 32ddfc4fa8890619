#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace shift {

// How often something took how long. Buckets as Prometheus wants them: each counts what took at
// most its bound; the last has none.
class Histogram {
  public:
    // Units: seconds. From a call on the same host to one that runs into rest_timeout.
    static constexpr std::array<double, 11> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                       0.1,   0.25,   1,     5,    30};

    void observe(std::chrono::nanoseconds took) {
        const double seconds = std::chrono::duration<double>(took).count();
        for (std::size_t i = 0; i < kBounds.size(); ++i) {
            buckets_[i] += seconds <= kBounds[i] ? 1 : 0;
        }
        ++count_;
        sum_ += seconds;
    }
    const std::array<std::uint64_t, kBounds.size()>& buckets() const { return buckets_; }
    std::uint64_t count() const { return count_; }
    double sum() const { return sum_; }

  private:
    std::array<std::uint64_t, kBounds.size()> buckets_{};
    std::uint64_t count_ = 0;
    double sum_ = 0;
};

// What the daemon counts from its start on; what it can be asked for at any time (migrations by
// state, the outbox) is not here but in supervisor/measures.h.
struct Metrics {
    std::map<std::pair<std::string, std::string>, std::uint64_t> attempts;  // (step, outcome)
    double rows_copied = 0;
    std::map<std::string, double> throttle_seconds;  // by reason
    std::map<std::string, std::uint64_t> api_calls;  // ok refused unreachable
    Histogram api_seconds;                           // every call, answered or not
    Histogram commit_seconds;                        // of the journal
    std::uint64_t control_requests = 0;
};

}  // namespace shift
