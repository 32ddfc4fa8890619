#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/state_file.h"

namespace shift {

// What our plugin (shift_ptosc_plugin.pl) writes after every chunk of a copy and reads to go on
// with it. Pure.
struct OscCopyState {
    struct Trigger {
        std::string name;
        std::string created;    // UNIX time as the server gives it, with its fraction
        std::string body_sha1;  // of ACTION_STATEMENT
        friend bool operator==(const Trigger&, const Trigger&) = default;
    };
    std::string copy_id;
    std::string step;  // start new_table create triggers copy copied
    std::string shadow;
    std::int64_t rows = 0;    // inserted by the tool, of all runs
    std::int64_t chunks = 0;  // of all runs
    std::int64_t runs = 0;
    std::int64_t elapsed_s = 0;
    std::int64_t estimate = 0;         // rows, the tool's; 0 = none
    std::int64_t pid = 0;              // of the tool that wrote it
    std::string orig_ddl;              // SHA-1, as StateFile::orig_ddl_hash
    std::string new_ddl;               // the same of the new table
    std::vector<Trigger> triggers;     // sorted by name
    std::string key;                   // index and columns the boundary counts in, encoded
    std::vector<std::string> row_enc;  // as StateFile::row_enc

    // Table and triggers are made, so that a copy may go on from here.
    bool is_resumable() const {
        return !copy_id.empty() && (step == "triggers" || step == "copy" || step == "copied");
    }
};

// Errors: kInvalidArgument - not a whole state ("end" is missing), or a field of a wrong shape.
Result<OscCopyState> parse_copy_state(std::string_view text);
std::string format_copy_state(const OscCopyState& state);

// Into and out of the state file that travels. Reading checks shapes: whoever can write the API's
// copy must not get anything into the plugin's input but boundary values.
void put_copy_state(StateFile& file, const OscCopyState& state);
Result<OscCopyState> copy_state_of(const StateFile& file);

// For people: the value an encoded one stands for ("NULL" for n).
std::string decode_boundary_value(std::string_view encoded);

}  // namespace shift
