// Every boundary between an intent, its effect and its fact is a crash point
// (common/test_points.h). Here each is died at (SIGKILL), in the supervisor or in the worker,
// everything is started again, and the invariants must hold at the end. SHIFT_FULL=1: every point
// of every route and flavour, in each step that passes it, at its first to fifth passing there, and
// triples of deaths. SHIFT_POINT="NAME COUNT @STATUS" (or without status; or several, with " then "
// between them) dies there only.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>

#include "tests/integration/support/route.h"
#include "tests/integration/support/temp_dir.h"

namespace shift::testing {
namespace {

using ::testing::IsEmpty;

// What a pattern's first group (and second, if it has one, after a space) finds in the sources of
// these folders; files whose path has `not_in` are left out.
std::set<std::string> in_sources(const std::vector<std::string>& folders,
                                 const std::string& pattern, const std::string& not_in = "//") {
    std::set<std::string> found;
    const std::regex wanted(pattern);
    for (const std::string& folder : folders) {
        for (const auto& file : std::filesystem::recursive_directory_iterator(
                 std::string(SHIFT_SOURCE_ROOT) + "/" + folder)) {
            const std::string path = file.path();
            if (file.path().extension() != ".cc" || path.find(not_in) != std::string::npos) {
                continue;
            }
            const std::string text = slurp(path);
            for (std::sregex_iterator it(text.begin(), text.end(), wanted), end; it != end; ++it) {
                found.insert(it->size() > 2 ? (*it)[1].str() + " " + (*it)[2].str()
                                            : (*it)[1].str());
            }
        }
    }
    return found;
}

// All points by their full names, as far as the sources tell their details: the calls that move a
// migration, what workers write down durably, the statements that change something.
std::set<std::string> points_in_sources() {
    std::set<std::string> names;
    const std::set<std::string> bases =
        in_sources({"common", "supervisor", "worker"}, R"re(crash_point\("([^"]+)")re");
    std::map<std::string, std::set<std::string>> details;
    const std::set<std::string> calls = in_sources(
        {"supervisor/core"}, R"re(\{CallKind::k\w+, "(next_step|complete|fail|error|offer|)re"
                             R"re(unpin_run_host)"\})re");
    details["api-call"] = details["api-answer"] = calls;
    std::set<std::string> events = {"outcome", "connected"};
    for (const char* kind : {"intent", "fact", "no_return"}) {
        for (const std::string& what : in_sources(
                 {"worker"}, "reporter\\.(?:" + std::string(kind) + ")\\(\\s*\"([a-z_]+)\"")) {
            events.insert(std::string(kind) + ":" + what);
        }
    }
    details["event"] = details["event-written"] = events;
    // doctor's statements are no migration's.
    details["sql"] = details["sql-done"] = in_sources(
        {"worker"},
        R"re("(ALTER|CREATE|DROP|RENAME|XA|INSERT|KILL) )re"
        R"re((TABLE|TRIGGER|INTO|START|END|PREPARE|COMMIT|ROLLBACK|QUERY|CONNECTION)\b(?! `))re",
        "/doctor/");
    for (const std::string& base : bases) {
        if (details[base].empty()) {
            names.insert(base);
        }
        for (const std::string& detail : details[base]) {
            names.insert(base + "/" + detail);
        }
    }
    return names;
}

// A run in which nothing dies, and what it passes. Run once a program and route.
const RouteEnd& run_of(const Route& route) {
    static std::map<std::string, RouteEnd> known;
    const auto found = known.find(route.name);
    if (found != known.end()) {
        return found->second;
    }
    const RouteEnd end = drive(route, {}, 1);
    EXPECT_THAT(end.violations, IsEmpty()) << route.name << " without any death";
    return known[route.name] = end;
}

const std::vector<std::string>& points_of(const Route& route) {
    return run_of(route).hits;
}

// Each point is died at on one route in CI: the first (cheapest) that passes it.
std::vector<std::string> points_for(const Route& route) {
    std::set<std::string> earlier;
    for (const Route& other : routes()) {
        if (std::string(other.name) == route.name) {
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

constexpr std::string_view kThen = " then ";

// How many of the points were struck.
std::size_t die_at(const Route& route, const std::vector<std::string>& points, std::uint64_t seed,
                   bool must_strike) {
    std::string text;
    for (const std::string& point : points) {
        text.append(text.empty() ? "" : kThen).append(point);
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
    return end.struck;
}

// SHIFT_POINT: one point, or several with " then " between them, as a failure prints them.
std::vector<std::string> asked_points() {
    const char* only = std::getenv("SHIFT_POINT");
    std::vector<std::string> points;
    std::string text = only == nullptr ? "" : only;
    while (!text.empty()) {
        const std::size_t end = text.find(kThen);
        points.push_back(text.substr(0, end));
        text = end == std::string::npos ? "" : text.substr(end + kThen.size());
    }
    return points;
}

// SHIFT_SHARD=I/N, I from 0: this program's part of the full matrix. Most of a run are waits, so
// several programs may share a route.
bool is_in_shard(std::size_t number) {
    const char* shard = std::getenv("SHIFT_SHARD");
    std::size_t mine = 0;
    std::size_t all = 1;
    char slash = 0;
    if (shard != nullptr &&
        (!(std::istringstream(shard) >> mine >> slash >> all) || slash != '/' || mine >= all)) {
        throw std::runtime_error("SHIFT_SHARD is not I/N: " + std::string(shard));
    }
    return number % all == mine;
}

// By name: what an undisturbed run passes is not the same in each program.
bool is_in_shard(const std::string& point) {
    return is_in_shard(std::hash<std::string>{}(point));
}

// Each point once, some in one run: a run takes seconds and most of them are waits. In the order
// in which an undisturbed run passes them, far from each other. What is not reached any more after
// an earlier death has a run of its own.
void die_at_each(const Route& route, const std::vector<std::string>& points, std::uint64_t seed) {
    constexpr std::size_t kDeathsOfRun = 3;
    const std::size_t runs = (points.size() + kDeathsOfRun - 1) / kDeathsOfRun;
    for (std::size_t run = 0; run < runs && !::testing::Test::HasFailure(); ++run) {
        std::vector<std::string> chain;
        for (std::size_t at = run; at < points.size(); at += runs) {
            chain.push_back(points[at] + " 1");
        }
        for (std::size_t at = die_at(route, chain, seed, false); at < chain.size(); ++at) {
            die_at(route, {chain[at]}, seed, true);
        }
    }
}

// Files of a finished migration are put aside before they are removed: the daemon dies around that.
std::set<std::string> put_files_aside_dying_at(const std::string& point) {
    ScenarioOptions options;
    options.start = false;
    Scenario s(options);
    CrashDir crash(s.dir() / "crash");
    s.supervisor().set_environment("SHIFT_CRASH_DIR", crash.path());
    s.supervisor().start();
    s.db().execute("CREATE TABLE app.t (id INT PRIMARY KEY)");
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN x INT", .runtype = 2});
    s.bring_to_running(id);
    s.await_status(id, 8);
    s.await_idle();
    s.supervisor().terminate();
    const std::string folder = s.supervisor().files_dir(id);
    const timespec old[2] = {{1'500'000'000, 0}, {1'500'000'000, 0}};
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
        EXPECT_EQ(::utimensat(AT_FDCWD, file.path().c_str(), old, 0), 0);
    }
    EXPECT_EQ(::utimensat(AT_FDCWD, folder.c_str(), old, 0), 0);
    crash.arm({point + " 1"});
    s.supervisor().start(false);
    EXPECT_TRUE(poll_until([&] { return !s.supervisor().running(); })) << point;
    s.supervisor().start();
    s.await("no files are left",
            [&] { return std::filesystem::is_empty(s.supervisor().log_dir()); });
    std::set<std::string> hit;
    std::istringstream lines(crash.hits());
    for (std::string line; std::getline(lines, line);) {
        hit.insert(line.substr(line.find(' ', line.find(' ') + 1) + 1));
    }
    return hit;
}

TEST(CrashPoints, AllThatAreInTheSourcesAreHit) {
    std::set<std::string> hit;
    for (const char* point : {"put-aside", "was-put-aside"}) {
        hit.merge(put_files_aside_dying_at(point));
    }
    for (const Route& route : routes()) {
        for (const std::string& point : points_of(route)) {
            hit.insert(point);
        }
    }
    // On a busy host the statement of a dead worker may be over before the next attempt looks.
    constexpr int kTries = 5;
    for (int i = 0; i < kTries && !hit.contains("sql-done/KILL CONNECTION"); ++i) {
        const RouteEnd again = drive(route_of("CancelOrphanedStatement"), {}, 1);
        EXPECT_THAT(again.violations, IsEmpty());
        hit.insert(again.hits.begin(), again.hits.end());
    }
    const std::set<std::string> expected = points_in_sources();
    for (const std::string& point : expected) {
        const bool has_details = std::any_of(hit.begin(), hit.end(), [&](const std::string& name) {
            return name.rfind(point + "/", 0) == 0;
        });
        EXPECT_TRUE(hit.contains(point) || has_details) << point << " is passed by no route";
    }
    // The patterns still find what they are for.
    for (const char* point :
         {"api-call/fail", "event/intent:swap", "sql/XA ROLLBACK", "schema-commit",
          "event-written/outcome", "sql/KILL QUERY", "sql/KILL CONNECTION"}) {
        EXPECT_TRUE(expected.contains(point)) << point;
    }
}

// What a worker passes once: in CI died at in every step, several in one run. The first process to
// pass such a point is the prepare step's, so the others need the status.
std::vector<std::vector<std::string>> chains_of(const std::string& route) {
    if (route == "LongAlter") {
        return {{"worker-start 1 @3", "event/outcome 1 @3", "event-written/outcome 1 @3",
                 "worker-start 1 @5", "event/outcome 1 @5", "event-written/outcome 1 @5"},
                {"engine-spawn 1 @3", "engine-spawned 1 @3", "worker-end 1 @3", "worker-end 1 @5"}};
    }
    if (route == "ShortAlter") {
        return {{"worker-start 1 @3", "event/outcome 1 @3", "worker-end 1 @3"}};
    }
    // One statement and two tables to remove; what is found afterwards is the definition alone.
    if (route == "LhmInstant") {
        return {{"lhm-swap 1 @5", "lhm-swapped 1 @5", "lhm-remove 1 @5", "lhm-removed 1 @5"},
                {"lhm-clean-up 1 @5"},
                {"lhm-cleaned-up 1 @5"}};
    }
    // The copy's worker ends in the step that stops it, and then that step has one of its own.
    if (route == "Cancel" || route == "PauseAndResume") {
        const std::string at = route == "Cancel" ? " 1 @9" : " 1 @11";
        return {{"worker-end" + at, "worker-start" + at, "event/outcome" + at,
                 "event-written/outcome" + at},
                {"event-written/outcome" + at, "worker-end" + at}};
    }
    return {};
}

// Somebody cancels a migration at `moment`, a line of the crash folder's `hits`, and its worker
// dies at `point`, when its statement has happened: it is completed, its final insert included.
void cancel_when_it_has_happened(const Route& route, const std::string& moment,
                                 const std::string& point) {
    SCOPED_TRACE("cancelled at " + moment + ", died at " + point);
    bool is_cancelled = false;
    const auto meddle = [&](Scenario& s, MigrationId id, int status) {
        if (!is_cancelled && status == 3 &&
            slurp(s.dir() / "crash/hits").find(" 3 " + moment + "\n") != std::string::npos) {
            s.cancel(id);
            is_cancelled = true;
        }
    };
    const RouteEnd end = drive(route, {.meddle = meddle, .points = {point + " 1"}}, 1);
    EXPECT_THAT(end.violations, IsEmpty());
    EXPECT_EQ(end.struck, 1U);
    // One that has said its end may be completed before anybody can cancel it.
    if (point.find("outcome") == std::string::npos && point != "worker-end") {
        EXPECT_TRUE(is_cancelled);
    }
}

TEST(CrashPoints, WhatIsCancelledAfterItsStatementHappenedIsCompleted) {
    std::vector<std::string> points = {"sql-done/ALTER TABLE", "sql-done/XA PREPARE"};
    if (full_run()) {
        points.insert(points.end(), {"event/fact:ddl", "event-written/no_return:ddl",
                                     "event-written/intent:final_insert", "sql-done/XA COMMIT",
                                     "event/fact:final_insert", "event-written/fact:final_insert"});
    }
    for (const std::string& point : points) {
        cancel_when_it_has_happened(route_of("ShortAlter"), point, point);
    }
}

// The word comes while the statement runs, and the worker dies where the statement has happened,
// if it was not ended before: either is told as it is.
TEST(CrashPoints, WhatIsCancelledWhileItsStatementHappensIsToldAsItIs) {
    Route route = route_of("CancelStatement");
    route.rows = 20;
    for (int round = 0; round < sized(1, 30); ++round) {
        const int repeats = 1 + 130 * round * round;  // work a row, so that either comes first
        route.change.ddl = slow_alter(repeats);
        SCOPED_TRACE(route.change.ddl);
        const RouteEnd end = drive(route, {.points = {"sql-done/ALTER TABLE 1"}}, 1);
        EXPECT_THAT(end.violations, IsEmpty());
        std::cout << repeats << ": " << (end.struck > 0 ? "happened" : "was ended") << std::endl;
    }
}

// What the supervisor sends now and then (files, progress) may have no time to come before a copy
// is stopped.
void die_at_surely(const Route& route, const std::string& point, std::uint64_t seed) {
    constexpr int kTries = 5;
    for (int i = 1; i <= kTries && die_at(route, {point}, seed, i == kTries) == 0; ++i) {
    }
}

class CrashPointsOf : public ::testing::TestWithParam<Route> {};

// Every point in every step of a route that passes it.
void die_everywhere(const Route& route, std::uint64_t seed) {
    constexpr int kPassings = 5;
    for (const auto& [hit, times] : run_of(route).times) {
        for (int count = 1; count <= std::min(times, kPassings); ++count) {
            // Which step a call of the supervisor falls in, and how many, depends on how fast
            // things go.
            const std::string point = hit.name + " " + std::to_string(count) + " @" + hit.status;
            if (is_in_shard(point)) {
                die_at(route, {point}, seed, false);
            }
        }
    }
}

void die_at_any_three(const Route& route, std::uint64_t seed, int runs) {
    std::mt19937_64 random(seed);
    const auto& all = points_of(route);
    const auto any = [&] {
        return all[std::uniform_int_distribution<std::size_t>(0, all.size() - 1)(random)] + " 1";
    };
    for (int i = 0; i < runs; ++i) {
        const std::vector<std::string> three = {any(), any(), any()};
        if (is_in_shard(static_cast<std::size_t>(i))) {
            die_at(route, three, seed, false);
        }
    }
}

TEST_P(CrashPointsOf, EndWell) {
    const Route& route = GetParam();
    const std::uint64_t seed = base_seed();
    if (const auto asked = asked_points(); !asked.empty()) {
        die_at(route, asked, seed, true);
        return;
    }
    if (full_run()) {
        for (const std::string& point : points_of(route)) {
            if (is_in_shard(point)) {
                die_at_surely(route, point + " 1", seed);
            }
        }
    } else {
        die_at_each(route, points_for(route), seed);
    }
    for (const std::vector<std::string>& chain : chains_of(route.name)) {
        die_at(route, chain, seed, true);
    }
    if (full_run()) {
        die_everywhere(route, seed);
    }
    die_at_any_three(route, seed, sized(1, 50));
}
INSTANTIATE_TEST_SUITE_P(Routes, CrashPointsOf, ::testing::ValuesIn(routes()),
                         [](const auto& one) { return std::string(one.param.name); });

// The other flavours of the tool. In CI one run each.
class CrashPointsOfFlavour : public ::testing::TestWithParam<Route> {};

TEST_P(CrashPointsOfFlavour, EndWell) {
    const Route& route = GetParam();
    const std::uint64_t seed = base_seed();
    if (const auto asked = asked_points(); !asked.empty()) {
        die_at(route, asked, seed, true);
    } else if (full_run()) {
        die_everywhere(route, seed);
        die_at_any_three(route, seed, 50);
    } else {
        die_at(route, {"engine-spawned 1 @3", "worker-end 1 @11", "worker-start 1 @3"}, seed, true);
    }
}
std::vector<Route> flavours() {
    std::vector<Route> all = flavour_routes();
    if (!full_run()) {
        std::erase_if(all,
                      [](const Route& route) { return route.middle != Route::Middle::kPause; });
    }
    return all;
}
INSTANTIATE_TEST_SUITE_P(Flavours, CrashPointsOfFlavour, ::testing::ValuesIn(flavours()),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace shift::testing
