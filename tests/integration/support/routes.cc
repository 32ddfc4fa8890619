#include <stdexcept>

#include "tests/integration/support/route.h"

namespace shift::testing {
namespace {

Change long_alter() {
    return {.ddl = "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 7",
            .final_insert = "INSERT INTO versions (v) VALUES (1)"};
}

Change lhm_alter() {
    Change change = long_alter();
    change.ddl += ", ADD INDEX by_amount (amount)";
    change.custom_options = {{"engine", "lhm"}};
    return change;
}

Change lhm_instant_alter() {
    Change change = long_alter();
    change.custom_options = {{"engine", "lhm"}};
    return change;
}

// Some seconds.
constexpr int kSlowRows = 150;
constexpr int kSlowRepeats = 1'000'000;
Change slow_change() {
    return {.ddl = slow_alter(kSlowRepeats),
            .runtype = 2,
            .final_insert = "INSERT INTO versions (v) VALUES (1)"};
}

}  // namespace

std::string slow_alter(int repeats) {
    return "ALTER TABLE t ADD COLUMN slow CHAR(128) AS (SHA2(REPEAT(name, " +
           std::to_string(repeats) + "), 512)) STORED";
}

std::vector<Route> routes() {
    const std::string insert = "INSERT INTO versions (v) VALUES (1)";
    return {
        {.name = "ShortDrop",
         .change = {.ddl = "DROP TABLE t", .action = 1, .runtype = 2, .final_insert = insert},
         .rows = 20,
         .drops_table = true},
        {.name = "NoTrash",
         .change = {.ddl = "DROP TABLE t", .action = 1, .runtype = 2, .final_insert = insert},
         .rows = 20,
         .drops_table = true,
         .settings = {{"enable_trash", "false"}}},
        {.name = "Create",
         .change = {.ddl = "CREATE TABLE made (id INT PRIMARY KEY)",
                    .table = "made",
                    .action = 0,
                    .runtype = 2,
                    .final_insert = insert},
         .rows = 20,
         .makes_table = "made"},
        {.name = "ShortAlter",
         .change = {.ddl = "ALTER TABLE t ADD INDEX (amount)",
                    .runtype = 2,
                    .final_insert = insert},
         .rows = 60},
        {.name = "FailedInsert",
         .change = {.ddl = "ALTER TABLE t ADD INDEX (amount)",
                    .runtype = 2,
                    .final_insert = insert},
         .rows = 60,
         .insert_fails = true},
        {.name = "LongAlter", .change = long_alter(), .rows = 60, .adds_column = "extra"},
        {.name = "Cancel",
         .change = long_alter(),
         .rows = 60,
         .adds_column = "extra",
         .middle = Route::Middle::kCancel},
        {.name = "PauseAndResume",
         .change = long_alter(),
         .rows = 60,
         .adds_column = "extra",
         .middle = Route::Middle::kPause},
        {.name = "Drain",
         .change = long_alter(),
         .rows = 60,
         .adds_column = "extra",
         .middle = Route::Middle::kDrain},
        {.name = "LhmAlter", .change = lhm_alter(), .rows = 60, .adds_column = "extra"},
        {.name = "LhmCancel",
         .change = lhm_alter(),
         .rows = 60,
         .adds_column = "extra",
         .middle = Route::Middle::kCancel},
        {.name = "LhmPauseAndResume",
         .change = lhm_alter(),
         .rows = 60,
         .adds_column = "extra",
         .middle = Route::Middle::kPause},
        {.name = "LhmInstant",
         .change = lhm_instant_alter(),
         .rows = 60,
         .adds_column = "extra",
         .settings = {{"lhm_instant", "auto"}}},
        {.name = "EngineAlone",
         .change = long_alter(),
         .rows = 60,
         .adds_column = "extra",
         .middle = Route::Middle::kEngineAlone},
        {.name = "CancelStatement",
         .change = slow_change(),
         .rows = kSlowRows,
         .adds_column = "slow",
         .middle = Route::Middle::kCancelStatement},
        {.name = "CancelOrphanedStatement",
         .change = slow_change(),
         .rows = kSlowRows,
         .adds_column = "slow",
         .middle = Route::Middle::kCancelOrphanedStatement},
        {.name = "Error",
         .change = long_alter(),
         .rows = 60,
         .adds_column = "extra",
         .middle = Route::Middle::kEngineFails},
    };
}

Route route_of(const std::string& name) {
    for (const Route& one : routes()) {
        if (name == one.name) {
            return one;
        }
    }
    throw std::runtime_error("no route " + name);
}

std::vector<Route> flavour_routes() {
    static const std::map<std::string, std::vector<const char*>> kNames = {
        {"LongAlter", {"SquareLongAlter", "BasicLongAlter"}},
        {"Cancel", {"SquareCancel", "BasicCancel"}},
        {"PauseAndResume", {"SquarePauseAndResume", "BasicPauseAndResume"}},
        {"EngineAlone", {"SquareEngineAlone", "BasicEngineAlone"}}};
    std::vector<Route> all;
    for (const Route& route : routes()) {
        const auto names = kNames.find(route.name);
        if (names == kNames.end()) {
            continue;
        }
        Route square = route;
        square.name = names->second[0];
        square.flavour = OscFlavour::kSquare;
        all.push_back(square);
        Route basic = route;
        basic.name = names->second[1];
        basic.flavour = OscFlavour::kBasic;
        all.push_back(basic);
    }
    return all;
}

}  // namespace shift::testing
