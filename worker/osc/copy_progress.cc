#include "worker/osc/copy_progress.h"

#include <algorithm>
#include <cmath>

namespace shift {
namespace {

constexpr double kInterval = 6.0;  // seconds; pt-osc reports every 5
constexpr double kAlmostDone = 99.0;

double seconds_between(SteadyTime begin, SteadyTime end) {
    return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

void CopyProgress::add(const OscLine& line, SteadyTime now) {
    if (line.kind == OscLineKind::kApproxRows) {
        begin_ = now;
        if (line.number > 0) {
            rows_total_ = line.number;
        }
    } else if (line.kind == OscLineKind::kThrottled || line.kind == OscLineKind::kPaused) {
        throttle_ = line.text;
        percent_ = at(now).percent;  // it stands still from here
        percent_per_s_ = 0;
        last_line_ = now;
    } else if (line.kind == OscLineKind::kProgress) {
        throttle_.clear();
        percent_ = std::max<double>(line.percent, percent_);
        const double elapsed = seconds_between(begin_, now);
        percent_per_s_ = elapsed > 0 ? percent_ / elapsed : 0;
        last_line_ = now;
    }
}

Progress CopyProgress::at(SteadyTime now) const {
    Progress progress;
    progress.phase = "copy";
    progress.rows_total = rows_total_;
    progress.throttle = throttle_;
    progress.percent = percent_;
    if (percent_per_s_ > 0) {
        const double ahead = std::min(seconds_between(last_line_, now), kInterval);
        progress.percent =
            std::max(percent_, std::min(percent_ + ahead * percent_per_s_, kAlmostDone));
    }
    if (finished_) {
        progress.percent = 100;
        progress.eta_s = 0;
    }
    progress.rows =
        static_cast<std::int64_t>(static_cast<double>(rows_total_) * progress.percent / 100);
    const double elapsed = seconds_between(begin_, now);
    if (elapsed > 0) {
        progress.rows_per_s = static_cast<double>(progress.rows) / elapsed;
    }
    if (!finished_ && percent_per_s_ > 0) {
        progress.eta_s =
            static_cast<std::int64_t>(std::ceil((100 - progress.percent) / percent_per_s_));
    }
    return progress;
}

}  // namespace shift
