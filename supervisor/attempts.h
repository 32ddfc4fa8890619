#pragma once

#include <string>

#include "supervisor/claimer.h"
#include "supervisor/core/conclusion.h"
#include "supervisor/courier.h"
#include "supervisor/process/workers.h"
#include "supervisor/registry.h"

namespace shift {

// From "it is ours" to "its step is over": starts workers, follows their events, stops them, and
// draws the conclusion when an attempt is dead (docs/design.md, "What follows an attempt").
class Attempts {
  public:
    Attempts(Registry& registry, Workers& workers, Claimer& claimer, Courier& courier)
        : registry_(registry), workers_(workers), claimer_(claimer), courier_(courier) {}

    struct Drain {
        bool active = false;  // no claims, copies stop
        bool keep = false;    // stopped copies stay pinned here
    };
    void set_drain(const Drain& drain) { drain_ = drain; }

    // Called every tick for every entry.
    void advance(Entry& entry);
    // A person's word on a final insert whose result is not known; `by` tells who.
    // REQUIRES: state kDeciding.
    void decide_final_insert(Entry& entry, bool done, const Json& by);

  private:
    void wait(Entry& entry);
    void start(Entry& entry);
    void spawn(Entry& entry);
    Result<Job> job_of(const Entry& entry);
    void follow(Entry& entry);
    void on_event(Entry& entry, const Json& event);
    void on_progress(Entry& entry, const Json& event);
    void on_waiting(Entry& entry, const Json& event);
    void count_progress(Entry& entry, const Progress& before);
    void stop_if_wanted(Entry& entry);
    void climb_stop_ladder(Entry& entry);
    void end_orphan_engine(Entry& entry);
    void finish(Entry& entry);
    void apply(Entry& entry, const Conclusion& conclusion);
    void refuse_step(Entry& entry, const std::string& why);
    bool held_by_drain(const Entry& entry) const;
    bool lacks_state_file(const Entry& entry);

    Registry& registry_;
    Workers& workers_;
    Claimer& claimer_;
    Courier& courier_;
    Drain drain_;
};

}  // namespace shift
