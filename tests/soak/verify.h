#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/support/scenario.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {

// What is asked for, and what must be true of it when it was done.
enum class Kind { kAddColumn, kAddIndex, kDropIndex, kRenameColumn, kCreate, kDrop, kView };

// A table with its traffic and the migration it is in. Tables that are made and dropped, and views,
// have no traffic: they are named after the lane and the migration's number.
struct Lane {
    std::string table;
    std::unique_ptr<Writers> writers;
    MigrationId id = 0;  // 0 = none
    Kind kind = Kind::kAddColumn;
    bool final_insert = false;
    std::string name;  // of the column, index, table or view
    std::string old_name;
    std::vector<std::string> columns;  // added by completed migrations
    std::vector<std::string> indexes;
    std::vector<std::string> tables;  // and views
    std::vector<std::string> never;   // columns of cancelled ones
    int serial = 0;
};

// What came of the soak, by the final statuses that the API showed.
struct Ends {
    std::vector<std::string> views;
    std::vector<std::int64_t> inserted;  // by final inserts
};

// Everything is over: tables, columns, indexes, final inserts, locks, processes, journal and API
// against what must have come of it. What is wrong, or nothing.
std::vector<std::string> differences(Scenario& s, const std::vector<Lane>& lanes, const Ends& ends);

}  // namespace shift::testing
