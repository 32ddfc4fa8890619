#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "worker/lhm/names.h"
#include "worker/mysql/connection.h"
#include "worker/mysql/inspect.h"

// What of a migration is on a server, and the proof that it is this engine's: the control table's
// comment and the triggers' bodies carry the same mark. A name alone proves nothing.

namespace shift::lhm {

struct Leftovers {
    std::string copy_id;  // of the control table's mark; "" = there is none
    std::string owner;    // likewise
    bool shadow = false;
    bool control = false;
    bool placeholder = false;
    std::vector<Trigger> triggers;     // ours by mark, on whatever table
    std::vector<std::string> foreign;  // tables and triggers that only have our names
    bool any() const {
        return shadow || control || placeholder || !triggers.empty() || !foreign.empty();
    }
    bool any_ours() const { return control || !triggers.empty(); }
};
Result<Leftovers> find_leftovers(Connection& connection, const std::string& database,
                                 const std::string& table);

// The comment of a control table: one statement makes the table and says what it is of. Names of
// other things may be cut; this one is whole.
std::string control_mark(const std::string& copy_id, const std::string& owner,
                         const std::string& table);
struct ControlMark {
    std::string copy_id;
    std::string owner;
    std::string table;
};
std::optional<ControlMark> parse_control_mark(std::string_view comment);

// "0123456789abcdef" of "... shift-lhm 0123456789abcdef ..."; nullopt when there is no mark. Pure.
std::optional<std::string> copy_id_in(std::string_view text);

}  // namespace shift::lhm
