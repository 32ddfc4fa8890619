// The checkers checked: each bug that is planted in the product (planted_bug() in the sources) must
// be seen by the invariant that is there for it.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/integration/support/route.h"

namespace shift::testing {
namespace {

struct Plant {
    const char* name;  // or several, with commas
    const char* route;
    std::vector<std::string> points;
    const char* seen_as;  // the invariant that must be violated; others may be too
    std::function<void(Scenario&)> before = {};
    std::vector<std::string> users_tables = {};
};

std::ostream& operator<<(std::ostream& out, const Plant& plant) {
    return out << plant.name;
}

std::vector<Plant> plants() {
    return {
        {"run-twice", "LongAlter", {}, "workers"},
        {"two-engines", "LongAlter", {}, "workers"},
        {"skip-transition", "ShortAlter", {}, "api"},
        {"no-guard",
         "ShortAlter",
         {},
         "api",
         [](Scenario& s) {
             s.api().inject({.endpoint = "next_step", .wrong = Wrong::kResetAfter});
             s.api().inject({.endpoint = "complete", .wrong = Wrong::kResetAfter});
         }},
        {"forget-trigger", "Cancel", {}, "leftover"},
        {"boundary-ahead", "PauseAndResume", {}, "content"},
        {"blind-resend", "ShortAlter", {"sql-done/ALTER TABLE 1"}, "index"},
        {"final-insert-twice", "ShortAlter", {}, "insert"},
        {"xa-left", "ShortAlter", {}, "xa"},
        {"two-outcomes", "ShortAlter", {}, "outcome"},
        {"lose-end", "ShortAlter", {}, "journal"},
        // Nothing waits for a worker that has said its outcome, and it stays.
        {"linger,end-early", "ShortAlter", {}, "process"},
        {"linger,end-early,keep-lock", "ShortAlter", {}, "lock"},
        {"foreign-shadow", "LongAlter", {}, "users", {}, {"_1_t_new"}},
    };
}

class Planted : public ::testing::TestWithParam<Plant> {};

TEST_P(Planted, IsSeen) {
    const Plant& plant = GetParam();
    const RouteEnd end = drive(route_of(plant.route),
                               {.points = plant.points,
                                .plant = plant.name,
                                .users_tables = plant.users_tables,
                                .before = plant.before,
                                // Of what is there for good nobody thinks that it may go.
                                .patience = seconds{2}},
                               1);
    const std::string wanted = std::string(plant.seen_as) + ":";
    EXPECT_TRUE(std::any_of(end.violations.begin(), end.violations.end(),
                            [&](const std::string& text) { return text.rfind(wanted, 0) == 0; }))
        << "violations: " << ::testing::PrintToString(end.violations);
}
INSTANTIATE_TEST_SUITE_P(Bugs, Planted, ::testing::ValuesIn(plants()), [](const auto& one) {
    std::string name = one.param.name;
    std::replace_if(
        name.begin(), name.end(), [](char c) { return c == '-' || c == ','; }, '_');
    return name;
});

}  // namespace
}  // namespace shift::testing
