#pragma once

#include "worker/context.h"
#include "worker/lhm/listener.h"
#include "worker/progress_pace.h"

namespace shift {

// What the lhm engine tells, in the worker's words: events for the supervisor, lines of the log
// file, the state file. Thread-safe but for save() and intent(), which the step's thread calls.
class LhmListener final : public lhm::Listener {
  public:
    explicit LhmListener(Context& context) : context_(context), pace_(context.clock.now()) {}

    Status intent(const std::string& what, const Json& fields) override;
    void fact(const std::string& what, const Json& fields) override;
    void no_return(const std::string& what) override;
    void phase(const std::string& name) override;
    void remark(const std::string& text, LogLevel level) override;
    void waits_for_lock(const std::string& text, const Json& evidence) override;
    void goes_on() override;
    void progress(const lhm::Progress& progress) override;
    Status save(const lhm::Checkpoint& checkpoint) override;

  private:
    Context& context_;
    ProgressPace pace_;
};

}  // namespace shift
