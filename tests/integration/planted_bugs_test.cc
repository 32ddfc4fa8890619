// The checkers checked: each bug that is planted in the product (planted_bug() in the sources) must
// be seen by the invariant that is there for it.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/integration/support/route.h"

namespace shift::testing {
namespace {

struct Plant {
    const char* name;
    const char* route;
    std::vector<std::string> points;
    std::vector<std::string> seen_as;  // one of these
    std::function<void(Scenario&)> before = {};
    std::vector<std::string> users_tables = {};
};

std::ostream& operator<<(std::ostream& out, const Plant& plant) {
    return out << plant.name;
}

std::vector<Plant> plants() {
    return {
        {"run-twice", "LongAlter", {}, {"workers"}},
        {"skip-transition", "ShortAlter", {}, {"stuck", "api"}},
        {"no-guard",
         "ShortAlter",
         {},
         {"api"},
         [](Scenario& s) {
             s.api().inject({.endpoint = "next_step", .wrong = Wrong::kResetAfter});
             s.api().inject({.endpoint = "complete", .wrong = Wrong::kResetAfter});
         }},
        {"forget-trigger", "Cancel", {}, {"leftover", "stuck"}},
        {"boundary-ahead", "PauseAndResume", {}, {"content"}},
        {"blind-resend", "ShortAlter", {"sql-done/ALTER TABLE 1"}, {"index"}},
        {"final-insert-twice", "ShortAlter", {}, {"insert"}},
        {"xa-left", "ShortAlter", {}, {"xa"}},
        {"two-outcomes", "ShortAlter", {}, {"outcome"}},
        {"linger", "ShortAlter", {}, {"stuck", "process", "lock"}},
        {"foreign-shadow", "LongAlter", {}, {"users"}, {}, {"_1_t_new"}},
    };
}

class Planted : public ::testing::TestWithParam<Plant> {};

TEST_P(Planted, IsSeen) {
    const Plant& plant = GetParam();
    for (const Route& route : routes()) {
        if (std::string(route.name) != plant.route) {
            continue;
        }
        // One that is seen as no end at all would take the whole of the usual deadline.
        const bool has_no_end = std::find(plant.seen_as.begin(), plant.seen_as.end(), "stuck") !=
                                plant.seen_as.end();
        const RouteEnd end = drive(route,
                                   {.points = plant.points,
                                    .plant = plant.name,
                                    .users_tables = plant.users_tables,
                                    .before = plant.before,
                                    .deadline = seconds{has_no_end ? 15 : 90}},
                                   1);
        bool seen = false;
        for (const std::string& violation : end.violations) {
            for (const std::string& name : plant.seen_as) {
                seen |= violation.rfind(name + ":", 0) == 0;
            }
        }
        EXPECT_TRUE(seen) << "violations: " << ::testing::PrintToString(end.violations);
    }
}
INSTANTIATE_TEST_SUITE_P(Bugs, Planted, ::testing::ValuesIn(plants()), [](const auto& one) {
    std::string name = one.param.name;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

}  // namespace
}  // namespace shift::testing
