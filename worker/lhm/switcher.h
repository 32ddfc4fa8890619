#pragma once

#include <optional>
#include <string>

#include "common/clock.h"
#include "common/result.h"
#include "worker/lhm/checkpoint.h"
#include "worker/lhm/engine.h"
#include "worker/lhm/options.h"
#include "worker/lhm/plan.h"
#include "worker/lhm/sessions.h"
#include "worker/lhm/shadow.h"

namespace shift::lhm {

// Puts the shadow in the original's place, in one RENAME under 1 s lock waits: a try that does not
// get its lock stalls the application for a second and changes nothing.
//
// Where the new table may refuse a row that the old one takes (a new unique key, a shorter column),
// with a way back, or when asked for, both tables are held by LOCK TABLES on a second session while
// conflicts and triggers are looked at for the last time; the RENAME waits for that session and
// goes before every write that queued meanwhile. RENAME under LOCK TABLES itself is error 1192 on
// MariaDB. Source: tried on MariaDB 10.11: a waiting exclusive metadata lock is granted before
// shared ones.
//
// Where nothing was copied (Checkpoint::instant) the statement is the ALTER of the table itself, in
// the same way.
class Switcher {
  public:
    Switcher(Workshop& workshop, Sessions& sessions, const Plan& plan, const Options& options,
             const Checkpoint& checkpoint, const Clock& clock)
        : workshop_(workshop),
          sessions_(sessions),
          plan_(plan),
          options_(options),
          checkpoint_(checkpoint),
          clock_(clock) {}

    // The statement that swaps: the original becomes `archive`.
    std::string rename_statement(const std::string& archive) const;
    // nullopt: it has happened. Errors: kUnavailable with 1205 when the lock was never free.
    Result<std::optional<Ending>> swap(const std::string& archive);
    // By looking: the archive is there, and the shadow is gone (with a way back: its triggers are
    // on the table).
    Result<bool> has_happened(const std::string& archive);

    // Both tables are held by LOCK TABLES for the last look: a write may be refused by the new one
    // until then, or people want it so.
    static bool holds_tables(const Plan& plan, const Options& options);

  private:
    Result<std::optional<Ending>> last_look(Connection& connection);
    Result<std::optional<Ending>> try_once(const std::string& archive, bool& happened);
    Result<std::optional<Ending>> try_locked(const std::string& archive, bool& happened);
    Status rename(const std::string& archive, bool& happened);
    void kill_holders();
    Result<std::optional<Ending>> try_until_deadline(const std::string& archive, bool& has_waited);

    Workshop& workshop_;
    Sessions& sessions_;
    const Plan& plan_;
    const Options& options_;
    const Checkpoint& checkpoint_;
    const Clock& clock_;
};

}  // namespace shift::lhm
