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
    std::string step;          // original: create triggers copy rename; ours adds new_table copied
    std::vector<std::string> row;  // next lower boundary, as text
    std::string mig_tbl;       // shadow table
    std::string old_tbl;       // name the original table gets in the swap, "" = not decided
    std::int64_t tbl_progress = 0;  // rows copied
    std::string orig_tbl;
    std::string db;

    std::string engine;
    std::int64_t migration = 0;
    std::int64_t claim = 0;
    std::string saved_at;  // ISO time
    std::vector<std::string> triggers;
    std::string orig_ddl_hash;  // fingerprint of SHOW CREATE TABLE without AUTO_INCREMENT
    std::string new_ddl_hash;
    std::string alter_hash;
    std::string server;  // server identity
};

std::string format_state_file(const StateFile& state);
// Errors: kInvalidArgument - not YAML, not a mapping, lacks db/orig_tbl/step, a field of a wrong
// shape, or larger than 4 MiB.
Result<StateFile> parse_state_file(std::string_view text);

}  // namespace shift
