#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace shift {

// LOG_DIR/id-N/statefile.txt: what another host needs to rename, resume or cancel. YAML; the first
// seven names are the original's (a file the original wrote is accepted: its perl tags are plain
// YAML tags here and nothing in it is ever executed). No secrets and no paths.
struct StateFile {
    std::string step;  // original: create triggers copy rename; ours adds new_table copied
    std::vector<std::string> row;   // next lower boundary, as text
    std::string mig_tbl;            // shadow table
    std::string old_tbl;            // name the original table gets in the swap, "" = not decided
    std::int64_t tbl_progress = 0;  // rows copied
    std::string orig_tbl;
    std::string db;

    std::string engine;
    std::int64_t migration = 0;
    std::int64_t claim = 0;
    std::string saved_at;  // ISO time
    // "NAME", or "NAME CREATED SHA1": creation time (UNIX, as the server gives it) and the hash of
    // the body as they were right after the triggers were made.
    std::vector<std::string> triggers;
    std::string orig_ddl_hash;  // SHA-1 of SHOW CREATE TABLE without AUTO_INCREMENT
    std::string new_ddl_hash;
    std::string orig_life;  // table_life() of both tables; "" = not known
    std::string new_life;
    std::string alter_hash;
    std::string server;               // server identity
    std::int64_t server_started = 0;  // UNIX time, 0 = not known

    // What going on with the copy needs.
    std::string copy_id;               // one copy from its first row on; "" = cannot be resumed
    std::vector<std::string> row_enc;  // `row` exactly: n = NULL, else b or u (text) + hex bytes
    std::string row_key;               // index and columns that `row` counts in, encoded alike
    std::int64_t chunks = 0;           // of all runs of this copy
    std::int64_t runs = 0;
    std::int64_t elapsed_s = 0;  // seconds spent copying
    std::int64_t rows_estimate = 0;

    // Of the lhm engine: the last key to copy, the low-water mark, the frontier and the ledger's
    // state; then every range that is done behind the low-water mark.
    std::vector<std::string> ledger;
    std::vector<std::string> ranges;
    std::string verified;     // what the comparison of both tables said, for people
    std::string window_ends;  // ISO time until which a swap can be taken back; "" = it cannot
    std::string instant;      // the ALGORITHM when nothing is copied; "" = rows are
    std::string change;       // of shift-lhm: what it was told to do, as a plan file
};

// Of StateFile::copy_id: 16 hex digits, new each time.
std::string random_copy_id();

std::string format_state_file(const StateFile& state);
// Errors: kInvalidArgument - not YAML, not a mapping, lacks db/orig_tbl/step, a field of a wrong
// shape, or larger than 4 MiB.
Result<StateFile> parse_state_file(std::string_view text);

}  // namespace shift
