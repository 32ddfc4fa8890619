// Every boundary between an intent, its effect and its fact is a crash point
// (common/test_points.h). Here each is died at (SIGKILL), in the supervisor or in the worker,
// everything is started again, and the invariants must hold at the end. SHIFT_FULL=1: every point
// of every route, at its first to fifth passing, and pairs of deaths. SHIFT_POINT="NAME COUNT"
// dies at that point only.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <random>
#include <regex>
#include <set>

#include "tests/integration/support/route.h"
#include "tests/integration/support/temp_dir.h"

namespace shift::testing {
namespace {

using ::testing::IsEmpty;

std::string base_of(const std::string& full) {
    return full.substr(0, full.find('/'));
}

// The literals in the sources.
std::set<std::string> points_in_sources() {
    std::set<std::string> names;
    const std::regex call(R"(crash_point\("([^"]+)\")");
    for (const char* folder : {"common", "supervisor", "worker"}) {
        for (const auto& file : std::filesystem::recursive_directory_iterator(
                 std::string(SHIFT_SOURCE_ROOT) + "/" + folder)) {
            if (file.path().extension() != ".cc") {
                continue;
            }
            const std::string text = slurp(file.path());
            for (std::sregex_iterator it(text.begin(), text.end(), call), end; it != end; ++it) {
                names.insert((*it)[1]);
            }
        }
    }
    return names;
}

// The points that a route passes when nothing dies. Run once a program and route.
const std::vector<std::string>& points_of(const Route& route) {
    static std::map<std::string, std::vector<std::string>> known;
    const auto found = known.find(route.name);
    if (found != known.end()) {
        return found->second;
    }
    const RouteEnd end = drive(route, {}, 1);
    EXPECT_THAT(end.violations, IsEmpty()) << route.name << " without any death";
    return known[route.name] = end.hits;
}

// In CI each point is died at on one route: the first (cheapest) that passes it.
std::vector<std::string> points_for(const Route& route) {
    std::set<std::string> earlier;
    for (const Route& other : routes()) {
        if (std::string(other.name) == route.name || full_run()) {
            break;
        }
        earlier.insert(points_of(other).begin(), points_of(other).end());
    }
    std::vector<std::string> mine;
    for (const std::string& point : points_of(route)) {
        if (!earlier.contains(point)) {
            mine.push_back(point);
        }
    }
    return mine;
}

void die_at(const Route& route, const std::vector<std::string>& points, std::uint64_t seed,
            bool must_strike) {
    std::string text;
    for (const std::string& point : points) {
        text += (text.empty() ? "" : " then ") + point;
    }
    SCOPED_TRACE(std::string(route.name) + ": died at " + text +
                 ", SHIFT_SEED=" + std::to_string(seed));
    const RouteEnd end = drive(route, {.points = points}, seed);
    EXPECT_THAT(end.violations, IsEmpty());
    if (must_strike) {
        EXPECT_EQ(end.struck, points.size()) << "not all points were reached";
    }
    std::cout << route.name << ": " << text << (end.struck < points.size() ? " (not reached)" : "")
              << (end.violations.empty() ? "" : " FAILED") << std::endl;
}

TEST(CrashPoints, AllThatAreInTheSourcesAreHit) {
    std::set<std::string> hit;
    for (const Route& route : routes()) {
        for (const std::string& point : points_of(route)) {
            hit.insert(base_of(point));
        }
    }
    for (const std::string& point : points_in_sources()) {
        EXPECT_TRUE(hit.contains(point)) << point << " is passed by no route";
    }
    EXPECT_GT(hit.size(), 10U);
}

class CrashPointsOf : public ::testing::TestWithParam<Route> {};

TEST_P(CrashPointsOf, EndWell) {
    const Route& route = GetParam();
    const std::uint64_t seed = base_seed();
    if (const char* only = std::getenv("SHIFT_POINT"); only != nullptr) {
        die_at(route, {only}, seed, true);
        return;
    }
    const std::vector<std::string> points = points_for(route);
    for (const std::string& point : points) {
        for (int count = 1; count <= sized(1, 5); ++count) {
            // Later passings depend on how fast things go.
            die_at(route, {point + " " + std::to_string(count)}, seed, count == 1);
        }
        if (HasFailure() && !full_run()) {
            return;
        }
    }
    std::mt19937_64 random(seed);
    const auto& all = points_of(route);
    const auto any = [&] {
        return all[std::uniform_int_distribution<std::size_t>(0, all.size() - 1)(random)] + " 1";
    };
    for (int i = 0; i < sized(1, 50); ++i) {
        die_at(route, {any(), any(), any()}, seed, false);
    }
}
INSTANTIATE_TEST_SUITE_P(Routes, CrashPointsOf, ::testing::ValuesIn(routes()),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace shift::testing
