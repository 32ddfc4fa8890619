#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

namespace shift {

// Why the worker was asked to stop. Kinds differ in what may still be finished: a direct DDL or a
// swap is finished for everything but kCancel and kShutdown.
enum class StopReason { kPause, kDrain, kCancel, kShutdown };

inline const char* stop_reason_name(StopReason reason) {
    switch (reason) {
        case StopReason::kPause:
            return "pause";
        case StopReason::kDrain:
            return "drain";
        case StopReason::kCancel:
            return "cancel";
        case StopReason::kShutdown:
            return "shutdown";
    }
    return "?";
}

inline std::optional<StopReason> parse_stop_reason(const std::string& name) {
    for (const StopReason reason :
         {StopReason::kPause, StopReason::kDrain, StopReason::kCancel, StopReason::kShutdown}) {
        if (name == stop_reason_name(reason)) {
            return reason;
        }
    }
    return std::nullopt;
}

// Set by the command thread, read and waited for by the step. A later cancel overrides an earlier
// reason; nothing overrides a cancel.
class StopRequest {
  public:
    void request(StopReason reason) {
        {
            const std::lock_guard lock(mutex_);
            if (reason_ != StopReason::kCancel) {
                reason_ = reason;
            }
        }
        changed_.notify_all();
    }
    std::optional<StopReason> reason() const {
        const std::lock_guard lock(mutex_);
        return reason_;
    }
    // Cancel or shutdown: stop even what would finish by itself.
    bool is_urgent() const {
        const std::lock_guard lock(mutex_);
        return is_urgent_reason();
    }
    // Sleeps for `time`, or shorter when a stop is requested meanwhile (or was before).
    void wait_for(std::chrono::milliseconds time) {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, time, [this] { return reason_.has_value(); });
    }
    // The same for what is finished even after a pause: only an urgent stop shortens it.
    void rest_for(std::chrono::milliseconds time) {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, time, [this] { return is_urgent_reason(); });
    }

  private:
    bool is_urgent_reason() const {
        return reason_ == StopReason::kCancel || reason_ == StopReason::kShutdown;
    }

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<StopReason> reason_;
};

}  // namespace shift
