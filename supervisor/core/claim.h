#pragma once

#include <string>

#include "supervisor/core/model.h"

namespace shift {

// What an HTTP exchange with the API came to. `status` 0 = no complete answer.
struct ApiAnswer {
    int status = 0;
    bool sent = false;  // false: surely never reached the API (could not connect)
    Json body;          // parsed when status is 200 or 404 and the body is JSON; null otherwise
    bool is_json = false;
    std::string error;  // why there is no usable body: for people

    bool good() const { return status == 200 && is_json; }
    // The API's own words for "there is none". Any other 404 (a page, a gateway's JSON) may come
    // from something in front of it and says nothing. Source: shift-api reference, sections 3, 4.
    bool no_such_migration() const;
    bool no_such_file() const;
    std::string brief() const;  // "200", "500 not JSON: <!DOCTYPE", "no answer: timeout"
};

// POST unstage.
enum class UnstageVerdict {
    kClaimed,  // the object of this migration came back: it is ours
    kTaken,    // {}: somebody else unstaged it first
    kLost,     // {} or refused, but an earlier try of ours may have done it: read and decide
    kUnknown,  // no usable answer: may or may not have happened
    kRefused,  // a definite no (404, 400 ...): nothing was done by this or an earlier try
};
UnstageVerdict judge_unstage(const ApiAnswer& answer, MigrationId id, bool earlier_unknown);

// A migration read back (GET migrations/ID) while our claim of it is uncertain.
enum class ClaimVerdict {
    kOurs,         // pinned to us and unstaged
    kTheirs,       // pinned to someone else
    kMovedOn,      // in no machine step any more
    kStillStaged,  // the unstage never happened: send it again
    kNobodys,      // unstaged and unpinned: when nothing changes for the grace, contest it
};
ClaimVerdict judge_claim(const Migration& shown, const std::string& run_host);

// A migration read back to confirm our pin.
enum class PinVerdict {
    kConfirmed,
    kNotYet,    // unpinned: write the pin again
    kTheirs,    // another host's name
    kRestaged,  // staged again or in another status: a newer claim will decide
};
PinVerdict judge_pin(const Migration& shown, const MigrationRecord& record,
                     const std::string& run_host);

// A migration read back before an attempt of it is started by a process that has not seen its pin
// for a while: it may have been taken over, or moved on, while this host was away.
enum class HoldVerdict {
    kOurs,
    kUnpinned,  // as claimed, but nobody's name on it: pin it again
    kStaged,    // moved on and staged: the poll claims the new step
    kTheirs,    // another host's name, or moved on without us
};
HoldVerdict judge_hold(const Migration& shown, const MigrationRecord& record,
                       const std::string& run_host);

// A migration read while an operator takes it over from the host named in record.seen.run_host
// ("" = it was nobody's).
enum class TakeoverVerdict {
    kPinIt,       // still as the operator saw it: write our pin
    kOurs,        // pinned to us and unstaged: go on with its step
    kOursStaged,  // pinned to us and staged: the poll claims it
    kNotOurs,     // somebody else's by now, or no machine step any more
};
TakeoverVerdict judge_takeover(const Migration& shown, const MigrationRecord& record,
                               const std::string& run_host);

// The payload the claimed step works on. `answer` is what unstage returned: it decides status and
// step. When it is not the listed row plus our unstage, table, mode, action and runtype are derived
// again from its raw statement; host and port stay those of the listing (the answer has none). The
// table is the statement's in either case, where it can be read.
Migration payload_of_claim(const Migration& listed, const Migration& answer);

// A stop file or drain forbids claims; the rest is about slots.
struct SlotView {
    int copies = 0;  // copies running or starting
    int copies_max = 0;
    int copies_on_host = 0;  // on the migration's database host
    int copies_on_host_max = 0;
    int short_steps = 0;
    int short_steps_max = 0;
};
// Cleaned up after a cancel: the API leaves it in that status.
bool is_cancelled_by_us(const MigrationRecord& record);
// Not in our hands, and not at its end as far as we have seen: it is read now and then, because a
// claim of it may have been lost.
bool may_move_again(const MigrationRecord& record);
// The step may build on what another host did: the API's copy of the state file is wanted.
bool needs_state_file(const MigrationRecord& record);
// "" when it may start now, else what it waits for.
std::string waits_for_slot(const SlotView& slots, bool copy, Step step);

}  // namespace shift
