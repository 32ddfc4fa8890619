#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "tests/integration/support/crash_dir.h"
#include "tests/integration/support/invariants.h"
#include "tests/integration/support/scenario.h"

namespace shift::testing {

// A migration's way from being filed to its end, driven by what the API shows: whatever dies on the
// way is started again, as systemd and people would.
struct Route {
    enum class Middle {
        kNothing,
        kPause,
        kCancel,
        kDrain,
        kEngineAlone,              // its worker dies while it cannot even die of that
        kCancelStatement,          // cancelled while the direct statement runs
        kCancelOrphanedStatement,  // the same, and the statement's worker has just died
        kEngineFails               // until the tries are used up and the API shows an error
    };
    const char* name = "";
    Change change;
    int rows = 0;
    std::string adds_column = {};      // to be there if and only if it was not cancelled
    Middle middle = Middle::kNothing;  // what happens in the middle of the copy
    bool drops_table = false;
    std::string makes_table = {};
    bool insert_fails = false;  // the final insert does, after prepare has tried it: ends failed
    std::map<std::string, std::string> settings = {};  // of the supervisor, added
    // Which tool copies: the installed one, the stand-in for Square's patched one, or the installed
    // one without plugins, as older ones are.
    OscFlavour flavour = OscFlavour::kStock;
};
// With the stock tool and direct statements, cheap ones first.
std::vector<Route> routes();
// One of them. Throws.
Route route_of(const std::string& name);
// Adds the column `slow` to table t by a direct statement that takes the server about
// `repeats` * 30 ns for every row.
std::string slow_alter(int repeats);
// Copies with the other flavours of the tool.
std::vector<Route> flavour_routes();
inline void PrintTo(const Route& route, std::ostream* out) {
    *out << route.name;
}

// What dies, and what is broken on purpose.
struct Deaths {
    bool own_server = false;  // a durable mariadbd of its own, which may be killed
    std::map<std::string, std::string> settings = {};  // of the supervisor, added
    // Called again and again while the migration goes its way; `status` is the API's.
    std::function<void(Scenario&, MigrationId, int status)> meddle = {};

    // Crash points ("NAME COUNT" or "NAME COUNT @STATUS", common/test_points.h), each armed when
    // the one before has struck. The status is the API's, a person's move counting as soon as it is
    // about to be made.
    std::vector<std::string> points = {};
    std::string plant = {};                      // SHIFT_PLANT
    std::vector<std::string> users_tables = {};  // made before, to be there at the end
    std::function<void(Scenario&)> before = {};  // before the migration is filed
    milliseconds deadline = seconds{90};         // stretched
    milliseconds patience = seconds{10};         // Invariants::set_patience()
};

// A crash point that was passed.
struct PointHit {
    std::string name;
    std::string status;  // of the API then
    auto operator<=>(const PointHit&) const = default;
};

struct RouteEnd {
    std::vector<std::string> violations;  // of Invariants; "stuck: ..." when it came to no end
    std::vector<std::string> hits;        // crash points passed, each once, in order
    std::map<PointHit, int> times;        // how often each was passed in each status
    std::size_t struck = 0;               // how many of Deaths::points
    int restarts = 0;                     // of the supervisor
};
RouteEnd drive(const Route& route, const Deaths& deaths, std::uint64_t seed);

}  // namespace shift::testing
