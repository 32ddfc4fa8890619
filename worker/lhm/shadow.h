#pragma once

#include <functional>
#include <string>

#include "common/result.h"
#include "common/stop_request.h"
#include "worker/lhm/listener.h"
#include "worker/lhm/plan.h"
#include "worker/mysql/database.h"

// The tables that the engine makes and takes away. All on the session that holds the database lock;
// every name is announced before it exists.

namespace shift::lhm {

struct Workshop {
    Database& database;
    Listener& listener;
    StopRequest& stop;
};

// Runs one statement under 1 s lock waits again and again for up to a minute, or until an urgent
// stop. Tells once who holds `table`. Errors: the last lock wait; whatever else the statement
// gives, at once.
Status execute_patiently(Workshop& workshop, const std::string& sql, const std::string& database,
                         const std::string& table);

// A statement of people's on the session that holds the lock: it means what it would mean when they
// typed it themselves. `words`: the server's, when it fails.
Status run_as_people(Connection& locked, const std::string& sql, std::string& words);

// Tells (and gives back in words) who holds the lock that a statement of ours on `table` has just
// not got.
std::string tell_who_holds(Workshop& workshop, const Error& error, const std::string& database,
                           const std::string& table);

// The control table with the mark of plan.copy_id, then the empty shadow with the new shape.
// Refused: a statement of the change does not work (the server's words).
Result<std::optional<Refusal>> make_shadow(Workshop& workshop, Plan& plan, const Options& options);

// Triggers first (one without its shadow would note a conflict per write), then shadow, placeholder
// and control table. What is not there is no error.
Status remove_triggers(Workshop& workshop, const std::string& database,
                       const std::vector<std::string>& names);
Status remove_table(Workshop& workshop, const std::string& database, const std::string& table);
Status remove_all(Workshop& workshop, const std::string& database, const std::string& table);

// The three triggers, in their order. Errors: lock waits when the table is never free.
Status make_triggers(Workshop& workshop, const TriggerSpec& spec);

// Raises the shadow's AUTO_INCREMENT to the original's.
Status carry_counter(Workshop& workshop, const Plan& plan);

}  // namespace shift::lhm
