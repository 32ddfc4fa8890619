#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "worker/context.h"
#include "worker/lock_wait.h"
#include "worker/osc/copy_progress.h"
#include "worker/osc/copy_state.h"
#include "worker/osc/osc_command.h"

namespace shift {

// Watches one run of a copying tool: progress every second (more rarely after two minutes), the
// state file every two, the database lock's session always. Main thread only; `plan` must outlive
// it.
class CopyWatch {
  public:
    // `state` is what the state file says at the start.
    CopyWatch(Context& context, const OscPlan& plan, StateFile state, std::int64_t rows_estimate);

    void on_line(const OscLine& line);
    // Several times a second. Errors: the database lock was lost.
    Status on_tick();
    // What earlier runs did, before this one says anything.
    void begin_at(const OscCopyState& state);
    // After the tool's end: its last word.
    void settle();
    // The worker holds the copy back; "" = no longer.
    void hold(const std::string& why) { progress_.hold(why); }
    void finish();
    void save();
    StateFile& state() { return state_; }
    // What the plugin of process `pid` said last; nullopt when it said nothing.
    std::optional<OscCopyState> said_by(pid_t pid) const;

  private:
    void record_facts();
    void look_at_square(SteadyTime now);
    void look_at_tool_state(SteadyTime now);
    void report(SteadyTime now);
    void look_for_locks(SteadyTime now);

    Context& context_;
    const OscPlan& plan_;
    StateFile state_;
    std::string square_step_;
    std::int64_t square_saves_ = 0;
    std::int64_t rows_estimate_;
    CopyProgress progress_;
    SteadyTime begun_;
    SteadyTime last_progress_{};
    SteadyTime last_state_{};
    std::optional<LockWait> lock_wait_;  // while the triggers are not there yet
    bool is_copying_ = false;
    bool is_dirty_ = true;
};

}  // namespace shift
