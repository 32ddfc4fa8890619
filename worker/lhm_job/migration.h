#pragma once

#include <memory>
#include <optional>
#include <string>

#include "worker/context.h"
#include "worker/lhm/engine.h"
#include "worker/lhm_job/listener.h"
#include "worker/swap.h"

// A migration of the supervisor on the lhm engine: the job as the engine wants it, and what of the
// engine's is this migration's.

namespace shift {

inline constexpr const char* kLhmEngine = "lhm";

// The engine that the copy of this migration was begun with, while there is one; else the job's.
// Configuration and custom_options may change while a copy is paused: it goes on as it is.
std::string engine_of_copy(const Context& context);

class LhmMigration {
  public:
    // Errors: kInvalidArgument - the statement or a setting cannot be used, said for people.
    static Result<std::unique_ptr<LhmMigration>> make(Context& context);
    lhm::Engine& engine() { return engine_; }
    const lhm::Options& options() const { return options_; }

  private:
    LhmMigration(Context& context, lhm::Change change, lhm::Options options);

    LhmListener listener_;
    lhm::Options options_;
    lhm::Engine engine_;
};

// Where an earlier attempt was; nullopt: nothing that the engine could go on with.
std::optional<lhm::Checkpoint> lhm_checkpoint(const Context& context);

// Takes away what this migration's marks prove to be its own: triggers, shadow (to trash with
// `trash`), control table. Nothing to do is no error.
// REQUIRES: the database lock.
Status remove_lhm(Context& context, bool trash);

// The shadow that is this migration's; "" when there is none.
Result<std::string> find_lhm_shadow(Context& context);
// Where this migration's triggers sit, when that is not the migration's table: they moved with it
// in a swap. "" when they did not.
Result<std::string> table_lhm_triggers_moved_with(Context& context);
// The state file tells of a change without a copy, and the table has it.
Result<bool> has_lhm_altered_instantly(Context& context);
// What the engine itself does after a swap (late conflicts, triggers, control table), when an
// earlier attempt died on the way.
Status finish_lhm_swap(Context& context, const std::string& old);

}  // namespace shift
