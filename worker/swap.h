#pragma once

#include <optional>
#include <string>

#include "worker/context.h"
#include "worker/verdict.h"

namespace shift {

// What the server says about the swap of this migration.
struct SwapState {
    bool happened = false;
    std::string shadow;  // exists when not happened; "" = there is none
    std::string old;     // the original's name after the swap; "" = unknown or gone already
};
// By looking: nothing was copied and the table itself was altered = done; the shadow exists = not
// yet; it does not, and a swap was announced or our triggers sit on another table than the
// migration's = done.
Result<SwapState> look_at_swap(Context& context);

// Swaps the tables in one statement under 1 s lock waits. nullopt: it has happened.
Result<std::optional<Verdict>> swap_tables(Context& context, const std::string& shadow);

// Moves `old`, a table that was set aside in its own database, on into the trash (its intent
// first), or drops it when trash is off. It stays where the trash is that database, or is missing.
Status discard_old(Context& context, const std::string& old);

// Everything after the swap, in order, each part skipped when it is done already: our triggers
// (they moved with the old table), old table to trash or dropped, statistics, final insert.
Result<Verdict> finish_after_swap(Context& context, const SwapState& swap);

}  // namespace shift
