// shift-sim: runs of the simulated world, each told by its seed.

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "common/exit_code.h"
#include "common/test_points.h"
#include "tests/sim/simulation.h"

namespace shift::sim {
namespace {

struct Arguments {
    Options run;
    std::uint64_t seeds = 1;
    std::vector<std::string> plants;
    bool trace = false;
    bool keep_going = false;
};

std::string replay_command(const Options& options) {
    std::string command =
        fmt::format("shift-sim --seed {} --steps {}", options.seed, options.steps);
    if (options.supervisors > 0) {
        command += fmt::format(" --supervisors {}", options.supervisors);
    }
    return command + " --trace";
}

// A CHECK of the product aborts: say which seed it was.
std::string current_command;
void on_abort(int) {
    const std::string text = "aborted; replay: " + current_command + "\n";
    (void)!::write(STDERR_FILENO, text.data(), text.size());
}

int run_all(const Arguments& arguments) {
    ::signal(SIGABRT, &on_abort);
    for (const std::string& plant : arguments.plants) {
        plant_bug(plant, true);
    }
    const auto begin = std::chrono::steady_clock::now();
    Counts counts;
    std::uint64_t bad = 0;
    std::uint64_t hash = 0;
    std::uint64_t done = 0;
    for (; done < arguments.seeds; ++done) {
        Options options = arguments.run;
        options.seed += done;
        current_command = replay_command(options);
        if (arguments.trace) {
            options.trace = [](const std::string& line) { fmt::print("{}\n", line); };
        }
        const Report report = run(options);
        counts.add(report.counts);
        hash = hash * 31 + report.hash;
        if (!report.violations.empty()) {
            ++bad;
            for (const std::string& violation : report.violations) {
                fmt::print("seed {}: {}\n", options.seed, violation);
            }
            fmt::print("replay: {}\n", current_command);
            if (!arguments.keep_going) {
                ++done;
                break;
            }
        }
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    fmt::print(
        "{} seeds, {} bad, {:.1f} s, {:.1f} seeds/s, trace {:016x}\n"
        "{} supervisor deaths, {} power failures, {} worker deaths, {} journal failures\n"
        "{} API calls ({} disturbed), {} attempts, {} transitions, {} migrations, {:.1f} days\n",
        done, bad, seconds, static_cast<double>(done) / seconds, hash, counts.daemon_deaths,
        counts.reboots, counts.worker_deaths, counts.journal_failures, counts.calls,
        counts.calls_disturbed, counts.attempts, counts.transitions, counts.migrations,
        std::chrono::duration<double>(counts.simulated).count() / 86'400);
    return bad == 0 ? kExitOk : kExitFailed;
}

int run_main(int argc, char** argv) {
    CLI::App app(
        "Runs the supervisor's own objects in a simulated world where much goes wrong, "
        "and checks that nothing is lost or done twice.",
        "shift-sim");
    Arguments arguments;
    app.add_option("--seed", arguments.run.seed, "the first run's seed")->capture_default_str();
    app.add_option("--seeds", arguments.seeds, "how many runs, with rising seeds")
        ->capture_default_str();
    app.add_option("--steps", arguments.run.steps, "events before the trouble ends")
        ->capture_default_str();
    app.add_option("--supervisors", arguments.run.supervisors, "0 = drawn from the seed, 1 to 3")
        ->capture_default_str();
    app.add_option("--plant", arguments.plants, "switch a guard of the product off (test builds)");
    app.add_flag("--trace", arguments.trace, "print everything that happens");
    app.add_flag("--keep-going", arguments.keep_going, "do not stop at the first bad seed");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kExitOk : kExitUsage;
    }
    return run_all(arguments);
}

}  // namespace
}  // namespace shift::sim

int main(int argc, char** argv) {
    return shift::sim::run_main(argc, argv);
}
