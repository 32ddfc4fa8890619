// How long `shift-supervisorctl status` takes, and the daemon's answer in it, while the API never
// answers and the database server is stopped in the middle of a copy. Prints; judges nothing.

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <vector>

#include "tests/integration/support/ctl.h"
#include "tests/integration/support/scenario.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

constexpr int kRounds = 300;

// Prints how long `ask` takes.
void sample(const char* what, const std::function<void()>& ask) {
    std::vector<double> millis;
    for (int i = 0; i < kRounds; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        ask();
        const auto end = std::chrono::steady_clock::now();
        millis.push_back(std::chrono::duration<double, std::milli>(end - begin).count());
    }
    std::sort(millis.begin(), millis.end());
    fmt::print("{:<52} min {:7.2f} ms  median {:7.2f} ms  p99 {:7.2f} ms  max {:7.2f} ms\n", what,
               millis.front(), millis[millis.size() / 2], millis[millis.size() * 99 / 100],
               millis.back());
}

void sample_both(Scenario& scenario, const std::string& circumstances) {
    sample(("daemon's answer, " + circumstances).c_str(),
           [&] { CHECK(!scenario.supervisor().status().is_null(), "the daemon did not answer"); });
    sample(("shift-supervisorctl status, " + circumstances).c_str(),
           [&] { CHECK(ctl(scenario, {"status"}).status.code == 0, "no status"); });
}

void run() {
    Scenario scenario({.own_server = true, .chunk_rows = 10, .chunk_pause_s = 0.2});
    Writers::make_table(scenario.db(), "app", "t", 2'000);
    const MigrationId id = scenario.submit({.ddl = "ALTER TABLE t ADD COLUMN c INT"});
    scenario.bring_to_running(id);
    scenario.await_copying(id);
    sample_both(scenario, "all well");
    scenario.api().inject({.wrong = Wrong::kHang, .times = -1});
    ::kill(scenario.server().pid(), SIGSTOP);
    sample_both(scenario, "API and database hung");
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
