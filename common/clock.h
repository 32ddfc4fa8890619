#pragma once

#include <chrono>
#include <ctime>
#include <string>

namespace shift {

using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

// Time as a parameter: deadlines use now() (monotonic), people and records use wall().
class Clock {
  public:
    virtual ~Clock() = default;
    virtual SteadyTime now() const = 0;
    virtual WallTime wall() const = 0;
};

class SystemClock final : public Clock {
  public:
    SteadyTime now() const override { return std::chrono::steady_clock::now(); }
    WallTime wall() const override { return std::chrono::system_clock::now(); }
};

// The nearest between the years 1823 and 2116: what peers and people write need not lie in the
// range of WallTime's nanoseconds, and a difference of two times has to as well.
WallTime wall_time(std::time_t seconds);

// "2026-11-23T18:10:52.123Z": UTC, always milliseconds; sorts as text.
std::string iso_time(WallTime time);
// The inverse of iso_time(), by way of wall_time(); the epoch when `text` is not such a time.
WallTime parse_iso_time(const std::string& text);
// "2026-11-23 18:10:52" in local time, as the log lines of the original carry it.
std::string local_time(WallTime time);
// "20261123181052123": the prefix of trash table names (YYYYMMDDhhmmssmmm, local time).
std::string trash_timestamp(WallTime time);

}  // namespace shift
