#include "worker/osc/copy_progress.h"

#include <algorithm>
#include <cmath>

namespace shift {
namespace {

constexpr double kInterval = 6.0;  // seconds; pt-osc reports every 5
constexpr double kAlmostDone = 99.0;
constexpr double kRateWindow = 60.0;  // seconds over which the rate of rows is taken

// Why the tool sleeps, as a word. Source: its messages, osc_output.h.
const char* throttle_code_of(const OscLine& line) {
    if (line.kind == OscLineKind::kPaused) {
        return "paused";
    }
    return line.text.starts_with("Replica") ? "replica-lag" : "load";
}

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
        throttle_code_ = throttle_code_of(line);
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

void CopyProgress::add(const OscCopyState& state, SteadyTime now) {
    if (state.estimate > 0) {
        rows_total_ = state.estimate;
    }
    if (state.chunks != chunks_) {
        chunks_ = state.chunks;
        throttle_.clear();  // a chunk got through
    }
    samples_.push_back({now, state.rows});
    while (samples_.size() > 2 && seconds_between(samples_.front().at, now) > kRateWindow) {
        samples_.pop_front();
    }
}

Progress CopyProgress::from_rows(SteadyTime now) const {
    Progress progress;
    progress.rows = samples_.back().rows;
    progress.rows_total = std::max(rows_total_, progress.rows);
    if (progress.rows_total > 0) {
        progress.percent = std::min(kAlmostDone, 100.0 * static_cast<double>(progress.rows) /
                                                     static_cast<double>(progress.rows_total));
    }
    const double window = seconds_between(samples_.front().at, now);
    if (window > 0) {
        progress.rows_per_s = static_cast<double>(progress.rows - samples_.front().rows) / window;
    }
    if (progress.rows_per_s > 0) {
        progress.eta_s = static_cast<std::int64_t>(std::ceil(
            static_cast<double>(progress.rows_total - progress.rows) / progress.rows_per_s));
    }
    return progress;
}

Progress CopyProgress::from_percent(SteadyTime now) const {
    Progress progress;
    progress.rows_total = rows_total_;
    progress.percent = percent_;
    if (percent_per_s_ > 0) {
        const double ahead = std::min(seconds_between(last_line_, now), kInterval);
        progress.percent =
            std::max(percent_, std::min(percent_ + ahead * percent_per_s_, kAlmostDone));
        progress.eta_s =
            static_cast<std::int64_t>(std::ceil((100 - progress.percent) / percent_per_s_));
    }
    if (finished_) {
        progress.percent = 100;
    }
    progress.rows =
        static_cast<std::int64_t>(static_cast<double>(rows_total_) * progress.percent / 100);
    const double elapsed = seconds_between(begin_, now);
    if (elapsed > 0) {
        progress.rows_per_s = static_cast<double>(progress.rows) / elapsed;
    }
    return progress;
}

Progress CopyProgress::at(SteadyTime now) const {
    Progress progress = samples_.empty() ? from_percent(now) : from_rows(now);
    progress.phase = "copy";
    progress.throttle = held_.empty() ? throttle_ : held_;
    // The worker itself holds a copy for its replicas alone.
    progress.throttle_code = held_.empty() ? throttle_code_ : "replica-lag";
    if (finished_) {
        progress.percent = 100;
        progress.eta_s = 0;
        progress.throttle.clear();
    }
    return progress;
}

}  // namespace shift
