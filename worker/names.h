#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/migration.h"

// Names of what we put on a server. Pure.

namespace shift {

inline constexpr std::size_t kIdentifierBytesMax = 64;

// "_<id>_<table>_new", the table's part cut so that the whole fits: the migration's id makes it
// unique and, when it is found later, ours.
std::string shadow_name(MigrationId migration, std::string_view table);
// A name the original runner's pt-osc gave its new table: "_t_new" with one to ten underscores.
bool is_original_shadow_name(std::string_view name, std::string_view table);
// The names pt-osc 2.2 to 3.7 gives its triggers: _del _upd _ins after "pt_osc_<db>_<table>".
inline constexpr std::size_t kOscTriggerCount = 3;
std::vector<std::string> osc_trigger_names(std::string_view database, std::string_view table);
// "<timestamp>_<table>", cut to 64 bytes on a character boundary.
std::string trash_name(std::string_view timestamp, std::string_view table);
// "_shift_<id>_check": created and dropped again to try a CREATE.
std::string scratch_name(MigrationId migration);

// `db`.`name`
std::string qualified_name(std::string_view database, std::string_view name);
bool is_plain_ascii(std::string_view name);

}  // namespace shift
