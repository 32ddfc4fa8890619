#pragma once

#include <cstdint>
#include <string>

#include "common/clock.h"
#include "worker/osc/osc_output.h"
#include "worker/reporter.h"

namespace shift {

// How far a copy is. pt-osc tells whole percents every 5 s, so between its lines the share is
// carried forward at the rate seen so far, never by more than the interval would give. Pure.
class CopyProgress {
  public:
    CopyProgress(SteadyTime begin, std::int64_t rows_estimate)
        : begin_(begin), rows_total_(rows_estimate) {}

    void add(const OscLine& line, SteadyTime now);
    void finish() { finished_ = true; }
    Progress at(SteadyTime now) const;

  private:
    SteadyTime begin_;
    SteadyTime last_line_{};
    std::int64_t rows_total_ = 0;
    double percent_ = 0;
    double percent_per_s_ = 0;
    std::string throttle_;
    bool finished_ = false;
};

}  // namespace shift
