// Seeds of the simulation, as many as a minute takes, and its checkers checked: each bug that is
// planted in the supervisor (planted_bug() in the sources) must be seen for the fitting reason.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "common/test_points.h"
#include "tests/sim/simulation.h"

namespace shift::sim {
namespace {

constexpr int kSeeds = 2'000;
constexpr int kSeedsFull = 50'000;
constexpr std::uint64_t kSeedsPlanted = 1'000;

std::uint64_t first_seed() {
    const char* given = std::getenv("SHIFT_SEED");
    return given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
}

std::string all_of(const Options& options, const Report& report) {
    std::string text =
        fmt::format("replay: build/tests/sim/shift-sim --seed {} --steps {} --trace\n",
                    options.seed, options.steps);
    for (const std::string& violation : report.violations) {
        text += violation + "\n";
    }
    return text;
}

TEST(Simulation, TheSameSeedIsTheSameRun) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const Report first = run({.seed = seed});
        const Report again = run({.seed = seed});
        EXPECT_EQ(first.hash, again.hash) << "seed " << seed;
        EXPECT_NE(first.hash, run({.seed = seed + 1}).hash);
    }
}

TEST(Simulation, WatchingARunDoesNotChangeIt) {
    std::size_t lines = 0;
    const Report watched = run({.seed = 7, .trace = [&](const std::string&) { ++lines; }});
    EXPECT_GT(lines, 100U);
    EXPECT_EQ(watched.hash, run({.seed = 7}).hash);
}

TEST(Simulation, NothingIsLostOrDoneTwice) {
    const int seeds = std::getenv("SHIFT_FULL") == nullptr ? kSeeds : kSeedsFull;
    Counts counts;
    for (int i = 0; i < seeds; ++i) {
        const Options options{.seed = first_seed() + static_cast<std::uint64_t>(i)};
        const Report report = run(options);
        ASSERT_TRUE(report.violations.empty()) << all_of(options, report);
        counts.add(report.counts);
    }
    // A simulation in which nothing happens would be green, too.
    EXPECT_GT(counts.daemon_deaths, seeds);
    EXPECT_GT(counts.calls_disturbed, seeds);
    EXPECT_GT(counts.transitions, seeds);
    EXPECT_GT(counts.worker_deaths, seeds / 10);
    EXPECT_GT(counts.reboots, seeds / 10);
    EXPECT_GT(counts.journal_failures, seeds / 10);
}

struct Plant {
    const char* name;
    std::vector<std::string> seen_as;  // one of these
};

std::ostream& operator<<(std::ostream& out, const Plant& plant) {
    return out << plant.name;
}

class Planted : public ::testing::TestWithParam<Plant> {
  protected:
    void SetUp() override { plant_bug(GetParam().name, true); }
    void TearDown() override { plant_bug(GetParam().name, false); }
};

TEST_P(Planted, IsSeen) {
    std::vector<std::string> others;
    for (std::uint64_t seed = 1; seed <= kSeedsPlanted; ++seed) {
        for (const std::string& violation : run({.seed = seed}).violations) {
            for (const std::string& name : GetParam().seen_as) {
                if (violation.rfind(name + ":", 0) == 0) {
                    fmt::print("seed {}: {}\n", seed, violation);
                    return;
                }
            }
            others.push_back(fmt::format("seed {}: {}", seed, violation));
        }
    }
    ADD_FAILURE() << "not seen; other violations: " << ::testing::PrintToString(others);
}
INSTANTIATE_TEST_SUITE_P(
    Bugs, Planted,
    ::testing::Values(Plant{"forget-attempt", {"workers"}},
                      Plant{"ignore-engine", {"outcome", "early"}},
                      Plant{"effects-first", {"intent"}}, Plant{"ignore-failure", {"intent"}},
                      Plant{"no-guard", {"api"}}, Plant{"skip-transition", {"stuck"}},
                      Plant{"unknown-is-taken", {"stuck"}}, Plant{"ignore-pin", {"pinned"}},
                      Plant{"end-early", {"early"}}, Plant{"lose-outcome", {"outcome"}},
                      Plant{"old-step-wins", {"wins"}}, Plant{"lose-history", {"table"}},
                      Plant{"no-state-file", {"state"}}, Plant{"unsaved-state", {"journal"}},
                      Plant{"lose-log", {"log"}}),
    [](const auto& one) {
        std::string name = one.param.name;
        std::replace(name.begin(), name.end(), '-', '_');
        return name;
    });

}  // namespace
}  // namespace shift::sim
