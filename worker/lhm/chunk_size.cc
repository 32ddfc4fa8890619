#include "worker/lhm/chunk_size.h"

#include <fmt/format.h>

#include <algorithm>

namespace shift::lhm {
namespace {

// Of the newest chunk; the rest is what was known before.
constexpr double kWeight = 0.4;
constexpr double kGrowthMax = 1.5;

}  // namespace

std::int64_t ChunkSize::rows() const {
    const std::lock_guard lock(mutex_);
    return rows_;
}

void ChunkSize::took(std::int64_t rows, std::chrono::nanoseconds time) {
    const double seconds = std::chrono::duration<double>(time).count();
    const std::lock_guard lock(mutex_);
    if (options_.target.count() == 0 || rows <= 0 || seconds <= 0) {
        return;
    }
    const double speed = static_cast<double>(rows) / seconds;
    rows_per_s_ = rows_per_s_ <= 0 ? speed : rows_per_s_ * (1 - kWeight) + speed * kWeight;
    const double wanted =
        rows_per_s_ * std::chrono::duration<double>(options_.target).count() * share_;
    const double bounded = std::min(wanted, static_cast<double>(rows_) * kGrowthMax + 1);
    rows_ = std::clamp(static_cast<std::int64_t>(bounded), options_.rows_min, rows_max_);
}

Status ChunkSize::back_off() {
    const std::lock_guard lock(mutex_);
    const auto fewer = static_cast<std::int64_t>(
        static_cast<double>(rows_) * (1 - options_.backoff_factor) + 1e-9);
    if (fewer == rows_ || fewer < std::max<std::int64_t>(options_.rows_min, 1)) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("cannot reduce the chunk below {} rows", options_.rows_min)};
    }
    rows_ = rows_max_ = fewer;
    return Ok{};
}

void ChunkSize::set_share(double share) {
    const std::lock_guard lock(mutex_);
    share_ = share;
}

}  // namespace shift::lhm
