#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/json.h"
#include "common/log.h"
#include "common/result.h"

namespace shift::lhm {

struct Checkpoint;

struct Progress {
    std::string phase;  // "copy" "indexes" "verify"
    double percent = 0;
    std::int64_t rows = 0;
    std::int64_t rows_total = 0;  // an estimate
    double rows_per_s = 0;
    std::optional<std::int64_t> eta_s;
    std::string throttle;       // why it waits; "" = it does not
    std::string throttle_code;  // replica-lag load paused
};

// What the engine tells whoever drives it (a worker, shift-lhm). Called from several threads.
class Listener {
  public:
    virtual ~Listener() = default;
    // Before an effect on the server that must be found again after a crash; durable when it
    // returns. An error means that the effect must not happen.
    virtual Status intent(const std::string& what, const Json& fields) = 0;
    virtual void fact(const std::string& what, const Json& fields) = 0;
    virtual void no_return(const std::string& what) = 0;
    virtual void phase(const std::string& name) = 0;
    virtual void remark(const std::string& text, LogLevel level) = 0;
    // A statement does not get its table's lock: who holds it, in words and for programs. And that
    // the wait is over.
    virtual void waits_for_lock(const std::string& text, const Json& evidence) = 0;
    virtual void goes_on() = 0;
    virtual void progress(const Progress& progress) = 0;
    // To be kept durably: where a resume begins.
    virtual Status save(const Checkpoint& checkpoint) = 0;
};

}  // namespace shift::lhm
