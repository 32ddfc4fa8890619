// How long `shift-supervisorctl status` waits for the daemon while the API never answers and the
// database server is stopped in the middle of a copy. Prints; judges nothing.

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <vector>

#include "tests/integration/support/scenario.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

constexpr int kRounds = 300;

std::vector<double> sample(const SupervisorProcess& supervisor) {
    std::vector<double> millis;
    for (int i = 0; i < kRounds; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        const Json status = supervisor.status();
        const auto end = std::chrono::steady_clock::now();
        CHECK(!status.is_null(), "the daemon did not answer");
        millis.push_back(std::chrono::duration<double, std::milli>(end - begin).count());
    }
    std::sort(millis.begin(), millis.end());
    return millis;
}

void print(const char* what, const std::vector<double>& sorted) {
    fmt::print("{:<42} min {:7.2f} ms  median {:7.2f} ms  p99 {:7.2f} ms  max {:7.2f} ms\n", what,
               sorted.front(), sorted[sorted.size() / 2], sorted[sorted.size() * 99 / 100],
               sorted.back());
}

void run() {
    Scenario scenario({.own_server = true, .chunk_rows = 10, .chunk_pause_s = 0.2});
    Writers::make_table(scenario.db(), "app", "t", 2'000);
    const MigrationId id = scenario.submit({.ddl = "ALTER TABLE t ADD COLUMN c INT"});
    scenario.bring_to_running(id);
    scenario.await_copying(id);
    print("all well, one copy running", sample(scenario.supervisor()));
    scenario.api().inject({.wrong = Wrong::kHang, .times = -1});
    ::kill(scenario.server().pid(), SIGSTOP);
    print("API hung, database server stopped", sample(scenario.supervisor()));
    ::kill(scenario.server().pid(), SIGCONT);
    scenario.api().clear_faults();
}

}  // namespace
}  // namespace shift::testing

int main() {
    try {
        shift::testing::run();
    } catch (const std::exception& error) {
        fmt::print(stderr, "status_latency: {}\n", error.what());
        return 1;
    }
    return 0;
}
