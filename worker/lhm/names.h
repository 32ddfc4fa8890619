#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"

// What the engine calls the things it puts on a server: the names of Large Hadron Migrator, so that
// people who know it recognise them. Pure.

namespace shift::lhm {

// Names fit 64 bytes (the servers allow 64 characters, but a file name of non-ASCII ones grows
// fivefold). One that would not is cut and ends in "_" and 8 hex digits of the table's name's
// SHA-1, so that two long names never share a name here.
struct Names {
    std::string shadow;       // lhmn_<t>
    std::string control;      // lhmc_<t>: the mark that shadow and triggers are ours; conflicts
    std::string placeholder;  // lhmp_<t>: stands in for a table during a swap with a way back
    std::string on_delete;    // lhmt_del_<t>
    std::string on_update;    // lhmt_upd_<t>
    std::string on_insert;    // lhmt_ins_<t>
    // After a swap with a way back: on the new table, they keep the archive in step.
    std::string back_on_delete;  // lhmr_del_<t>
    std::string back_on_update;  // lhmr_upd_<t>
    std::string back_on_insert;  // lhmr_ins_<t>

    std::vector<std::string> triggers() const { return {on_delete, on_update, on_insert}; }
    std::vector<std::string> back_triggers() const {
        return {back_on_delete, back_on_update, back_on_insert};
    }
};
Names names_for(std::string_view table);

// lhma_2026_10_02_14_03_59_123_<t>: the original table after the swap. Times are UTC.
std::string archive_name(std::string_view table, WallTime at);
// The same ending in "_failed": a shadow that was set aside instead of dropped.
std::string failed_name(std::string_view table, WallTime at);
// When an archive (or failed shadow) was made, told by its name; nullopt when it is no such name.
std::optional<WallTime> archive_time(std::string_view name);

// index_<t>_on_a_and_b, as LHM names an index that was given no name.
std::string default_index_name(std::string_view table, const std::vector<std::string>& columns);

}  // namespace shift::lhm
