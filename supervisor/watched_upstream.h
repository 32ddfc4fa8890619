#pragma once

#include <string>

#include "common/clock.h"
#include "common/json.h"
#include "supervisor/metrics/metrics.h"
#include "supervisor/upstream/upstream.h"

namespace shift {

// Passes calls through and remembers whether the API answers, and how fast.
class WatchedUpstream final : public Upstream {
  public:
    WatchedUpstream(Upstream& inner, const Clock& clock, Metrics& metrics)
        : inner_(inner), clock_(clock), metrics_(metrics) {}

    void call(ApiRequest request, Done done) override;

    // The last call was answered by the API itself.
    bool is_reachable() const { return last_ok_ >= last_failure_ && last_ok_ != WallTime{}; }
    bool was_asked() const { return last_ok_ != WallTime{} || last_failure_ != WallTime{}; }
    const std::string& last_error() const { return last_error_; }
    WallTime last_ok() const { return last_ok_; }
    // {"reachable","last_ok","last_error","last_error_at"}
    Json status() const;

  private:
    Upstream& inner_;
    const Clock& clock_;
    Metrics& metrics_;
    WallTime last_ok_{};
    WallTime last_failure_{};
    std::string last_error_;
};

}  // namespace shift
