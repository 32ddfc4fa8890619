#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/state_file.h"
#include "worker/lhm/ledger.h"
#include "worker/lhm/plan.h"
#include "worker/lhm/triggers.h"
#include "worker/mysql/inspect.h"

namespace shift::lhm {

// How far a migration has come. Each stage's work is done when the next one is named.
enum class Stage {
    kCreate,  // control table and shadow are being made; nothing is worth keeping
    kCopy,
    kIndexes,  // those that were left for after the copy
    kVerify,
    kReady,   // verified (or verification is off): may be swapped
    kSwap,    // the RENAME was announced
    kWindow,  // swapped; the archive is kept in step until the window ends
    kDone,
};
const char* stage_name(Stage stage);  // "create" "copy" "verify" "copied" "rename" ...
std::optional<Stage> parse_stage(const std::string& name);

// table_life() of both tables; "" = not known.
struct Lives {
    std::string original;
    std::string shadow;
    bool are_known() const { return !original.empty() && !shadow.empty(); }
};

// Everything that going on needs, and nothing that only this host knows. What it says is compared
// with the server before it is believed.
struct Checkpoint {
    std::string database;
    std::string table;
    std::string copy_id;
    Stage stage = Stage::kCreate;
    std::string change_sha1;  // of the statements
    ServerIdentity server;
    std::string original_sha1;  // of both definitions
    std::string shadow_sha1;
    Lives lives;  // before the first range was compared (copied, while none is compared)
    std::vector<TriggerFact> triggers;
    std::string key_signature;    // SHA-1 of CopyKey::signature()
    std::optional<KeyValue> end;  // the last key that is to be copied
    LedgerState ledger;           // of the stage
    std::string archive;          // the original's name after the swap
    std::string instant;          // Plan::instant: the swap is an ALTER, nothing was copied
    std::int64_t rows = 0;        // copied, of all runs
    std::int64_t chunks = 0;
    std::int64_t runs = 0;
    std::int64_t elapsed_s = 0;
    std::int64_t rows_estimate = 0;
    std::string window_ends;  // ISO time
    std::string verified;     // for people
};

// Into and out of the state file that travels. Reading checks shapes: a state file may come from
// elsewhere, and only plain key values get into statements (is_key_value() is the caller's part).
StateFile to_state_file(const Checkpoint& checkpoint);
Result<Checkpoint> checkpoint_of(const StateFile& file);

std::string change_sha1(const std::vector<ChangeStatement>& statements, const Names& names);

}  // namespace shift::lhm
