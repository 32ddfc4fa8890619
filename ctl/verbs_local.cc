#include <CLI/CLI.hpp>

#include "ctl/commands_config.h"
#include "ctl/verb_parts.h"
#include "ctl/verbs.h"

namespace shift::ctl {

void LocalVerbs::add_to(CLI::App& app, Run& run) {
    auto* log = app.add_subcommand("log", "what the tool said, from this host or the API");
    add_id(log, log_.id);
    log->add_flag("-f,--follow", log_.follow, "go on until Ctrl-C");
    log->add_option("--since", log_.since, "only from then on: 10m, 2h, '2026-11-23 18:10'")
        ->type_name("TIME");
    log->callback([this, &run] { run = [this](const Session& s) { return run_log(s, log_); }; });

    app.add_subcommand("workers", "workers on this host, also without a daemon")->callback([&run] {
        run = run_workers;
    });

    auto* stop =
        app.add_subcommand("stop-workers", "stop workers, keeping state, also without a daemon");
    stop->add_option("ID", stop_workers_.ids, "numbers of migrations")
        ->type_name("")
        ->check(at_least_one<MigrationId>());
    stop->add_flag("--all", stop_workers_.all, "every worker of this host");
    stop->add_option("--timeout", stop_workers_.timeout_s, "wait at most this long (default: 60)")
        ->type_name("SECONDS")
        ->check(CLI::NonNegativeNumber);
    stop->callback([this, &run] {
        if (stop_workers_.all != stop_workers_.ids.empty()) {
            throw CLI::ValidationError("stop-workers: name migrations, or --all");
        }
        run = [this](const Session& s) { return run_stop_workers(s, stop_workers_); };
    });

    app.add_subcommand("check-config", "read the configuration and say what is wrong")
        ->callback([&run] { run = run_check_config; });

    auto* doctor =
        app.add_subcommand("doctor", "what works: this host, the API, every known database server");
    doctor->add_option("--server", doctor_.servers, "also look at this one; may be repeated")
        ->type_name("HOST:PORT[/DATABASE,...]");
    doctor->add_flag("--no-servers", doctor_.no_servers, "leave the database servers out");
    doctor->callback(
        [this, &run] { run = [this](const Session& s) { return run_doctor(s, doctor_); }; });
}

}  // namespace shift::ctl
