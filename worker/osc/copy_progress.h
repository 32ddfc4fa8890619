#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "common/clock.h"
#include "worker/osc/copy_state.h"
#include "worker/osc/osc_output.h"
#include "worker/reporter.h"

namespace shift {

// How far a copy is, counted over all its runs. Pure.
//
// With our plugin the rows are exact; percent and ETA rest on an estimate of the table's rows, so
// they stand at 99 when more rows come than estimated, and never fall silent. Without it pt-osc's
// own whole percents every 5 s are carried forward at the rate seen so far.
class CopyProgress {
  public:
    CopyProgress(SteadyTime begin, std::int64_t rows_estimate)
        : begin_(begin), rows_total_(rows_estimate) {}

    void add(const OscLine& line, SteadyTime now);
    void add(const OscCopyState& state, SteadyTime now);
    // The worker itself holds the copy back; "" = no longer.
    void hold(const std::string& why) { held_ = why; }
    void finish() { finished_ = true; }
    Progress at(SteadyTime now) const;

  private:
    struct Sample {
        SteadyTime at;
        std::int64_t rows;
    };
    Progress from_rows(SteadyTime now) const;
    Progress from_percent(SteadyTime now) const;

    SteadyTime begin_;
    SteadyTime last_line_{};
    std::int64_t rows_total_ = 0;
    double percent_ = 0;
    double percent_per_s_ = 0;
    std::string throttle_;
    std::string throttle_code_;
    std::string held_;
    bool finished_ = false;
    std::deque<Sample> samples_;  // of the last minute; empty without the plugin
    std::int64_t chunks_ = -1;
};

}  // namespace shift
