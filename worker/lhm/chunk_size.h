#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

#include "common/result.h"

namespace shift::lhm {

// How many rows a chunk has, learnt from how chunks go. Thread-safe.
class ChunkSize {
  public:
    struct Options {
        std::int64_t rows = 1000;  // at the beginning, and always when `target` is 0
        std::int64_t rows_min = 1;
        std::int64_t rows_max = 50'000;
        std::chrono::milliseconds target{200};  // what a chunk shall take; 0 = do not adapt
        // How much a back-off takes off: 0.2 makes 100 rows 80.
        double backoff_factor = 0.2;
    };
    explicit ChunkSize(const Options& options)
        : options_(options), rows_(options.rows), rows_max_(options.rows_max) {}

    std::int64_t rows() const;
    // A chunk of `rows` rows took `time`: grows by half at most, shrinks as far as it must.
    void took(std::int64_t rows, std::chrono::nanoseconds time);
    // The server cannot take a chunk of that many rows (its binary log cache is full): fewer from
    // here on, for good. Errors: kInvalidArgument - it cannot be smaller.
    Status back_off();
    // Chunks shall take this share (0..1] of `target` until it is said anew: the application waits
    // too long. Nothing changes where chunks do not adapt.
    void set_share(double share);

  private:
    const Options options_;
    mutable std::mutex mutex_;
    std::int64_t rows_;
    std::int64_t rows_max_;
    double rows_per_s_ = 0;
    double share_ = 1;
};

}  // namespace shift::lhm
