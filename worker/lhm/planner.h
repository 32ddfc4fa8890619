#pragma once

#include <optional>
#include <string>

#include "common/result.h"
#include "worker/lhm/change.h"
#include "worker/lhm/options.h"
#include "worker/lhm/plan.h"
#include "worker/lhm/sessions.h"
#include "worker/lhm/shadow.h"

namespace shift::lhm {

struct Planned {
    Plan plan;
    std::optional<Refusal> refused;
};

// Makes plans. What a change does to a table is learnt from the server: the statements run on the
// empty shadow, and the plan is read off it.
// REQUIRES: the database lock of the table.
class Planner {
  public:
    Planner(const Change& change, const Options& options, Workshop& workshop, Sessions& sessions)
        : change_(change), options_(options), workshop_(workshop), sessions_(sessions) {}

    // A new migration: checks, then control table and shadow, then the rest. When it is refused,
    // what was made is gone again; after an error it may be there, marked with `copy_id`.
    Result<Planned> make(const std::string& copy_id);
    // One whose shadow is there. Refused when it is not the one of this change.
    Result<Planned> recover(const std::string& copy_id);
    // One that was swapped: from the archive, under its own name, to the new table.
    Result<Planned> recover_swapped(const std::string& copy_id, const std::string& archive);
    // The way back of one that was swapped and whose archive is kept in step.
    Result<Planned> recover_way_back(const std::string& copy_id, const std::string& archive);

  private:
    Result<Planned> begin();
    Result<std::optional<Refusal>> check_names(Plan& plan);
    Result<std::optional<Refusal>> finish(Plan& plan);
    std::optional<Refusal> map_and_choose(Plan& plan);
    std::optional<Refusal> choose_key(Plan& plan);
    std::optional<Refusal> check_bounds(Plan& plan);
    Status choose_threads(Connection& look, Plan& plan);
    Result<std::optional<Refusal>> check_filter(const Plan& plan);

    const Change& change_;
    const Options& options_;
    Workshop& workshop_;
    Sessions& sessions_;
};

}  // namespace shift::lhm
