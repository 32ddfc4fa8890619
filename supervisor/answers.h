#pragma once

#include <string>

#include "supervisor/claimer.h"
#include "supervisor/core/why.h"
#include "supervisor/process/workers.h"
#include "supervisor/registry.h"
#include "supervisor/watched_upstream.h"

namespace shift {

// What holds the daemon from taking work.
struct DrainState {
    bool stop_file = false;
    bool command = false;
    bool keep = false;  // stopped copies stay pinned here
    bool active() const { return stop_file || command; }
};

// What the daemon tells people: read from its parts, changing nothing.
class Answers {
  public:
    Answers(Registry& registry, const Claimer& claimer, const Workers& workers,
            const WatchedUpstream& upstream, WallTime started)
        : registry_(registry),
          claimer_(claimer),
          workers_(workers),
          upstream_(upstream),
          started_(started) {}

    void set_drain(const DrainState& drain) { drain_ = drain; }

    // docs/status.schema.json
    Json status() const;
    // Its essence in one line, for `systemctl status`.
    std::string summary() const;
    // Calls, attempts and claims under way that a drain waits for.
    std::int64_t owed_before_drained() const;

    Why why_of(const Entry& entry) const;
    // One the API lists and this daemon left alone, one it has, or one only its journal knows.
    // Errors: kNotFound.
    Result<Why> why(MigrationId id) const;

    Result<Json> events(const Json& args);
    Result<Json> history(const Json& args);

    // The text of a Prometheus scrape.
    std::string metrics() const;

  private:
    Json status_of(const Entry& entry) const;

    Registry& registry_;
    const Claimer& claimer_;
    const Workers& workers_;
    const WatchedUpstream& upstream_;
    DrainState drain_;
    WallTime started_;
};

}  // namespace shift
