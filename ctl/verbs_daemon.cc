#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

#include "ctl/verb_parts.h"
#include "ctl/verbs.h"

namespace shift::ctl {
namespace {

constexpr double kWatchDefault_s = 1;

}  // namespace

void DaemonVerbs::add_status(CLI::App& app, Run& run) {
    auto* status = app.add_subcommand("status", "what the daemon does, or one migration in detail");
    status->add_option("ID", status_id_, "number of a migration")
        ->type_name("")
        ->check(at_least_one<MigrationId>());
    status->add_option("--watch", watch_, "redraw every SECONDS (1) until Ctrl-C; write ID first")
        ->expected(0, 1)
        ->type_name("[SECONDS]");
    status->add_flag("--all", status_.all, "also migrations this host is done with");
    status->callback(
        [this, &run] { run = [this](Session& session) { return run_status(session, status_); }; });
}

void DaemonVerbs::add_drain(CLI::App& app, Run& run) {
    auto* drain = app.add_subcommand("drain", "take no new work and stop copies, keeping state");
    drain->add_flag("--wait", drain_.wait, "until nothing is owed any more");
    drain->add_option("--timeout", drain_timeout_s_, "wait, but at most this long")
        ->type_name("SECONDS")
        ->check(CLI::NonNegativeNumber);
    drain->add_flag("--keep", drain_.keep,
                    "stopped copies stay on this host instead of being offered");
    drain->callback([this, &run, drain] {
        if (drain->count("--timeout") > 0) {
            drain_.timeout_s = drain_timeout_s_;
            drain_.wait = true;  // what else would end then
        }
        run = [this](const Session& session) { return run_drain(session, drain_); };
    });
    app.add_subcommand("undrain", "take work again")->callback([&run] { run = run_undrain; });
}

void DaemonVerbs::add_inquiries(CLI::App& app, Run& run) {
    auto* why = app.add_subcommand("why", "why a migration stands where it stands");
    add_id(why, id_);
    why->callback([this, &run] { run = [this](const Session& s) { return run_why(s, id_); }; });

    auto* events = app.add_subcommand("events", "everything that happened to a migration");
    events->add_option("ID", id_, "number of the migration; 0 = the daemon itself")
        ->required()
        ->type_name("")
        ->check(CLI::NonNegativeNumber);
    events->callback(
        [this, &run] { run = [this](const Session& s) { return run_events(s, id_); }; });

    auto* history = app.add_subcommand("history", "migrations of this host, newest change first");
    history->add_option("--since", history_.since, "2h, 3d, 2026-11-23, '2026-11-23 18:10'")
        ->type_name("TIME");
    history->add_option("--table", history_.table, "only of this TABLE or DATABASE.TABLE")
        ->type_name("TABLE");
    history->add_option("--limit", history_.limit, "at most so many, 500 at the most (default: 50)")
        ->type_name("N")
        ->check(at_least_one<int>());
    history->callback(
        [this, &run] { run = [this](const Session& s) { return run_history(s, history_); }; });

    auto* retry = app.add_subcommand("retry", "try at once what waits in a back-off");
    add_id(retry, id_);
    retry->callback([this, &run] { run = [this](const Session& s) { return run_retry(s, id_); }; });

    auto* decide =
        app.add_subcommand("final-insert", "say whether a final insert of unknown result happened");
    add_id(decide, final_insert_.id);
    decide->add_flag("--done", final_insert_.done, "it happened: complete the migration");
    decide->add_flag("--run-again", final_insert_.run_again, "it did not: send it once more");
    decide->callback([this, &run] {
        run = [this](const Session& s) { return run_final_insert_decision(s, final_insert_); };
    });
}

void DaemonVerbs::add_takeover(CLI::App& app, Run& run) {
    auto* takeover =
        app.add_subcommand("takeover", "serve the migrations of a host that will not come back");
    takeover->add_option("HOST", takeover_.host, "its run_host")->required()->type_name("");
    takeover->add_option("ID", takeover_.ids, "only these migrations")
        ->type_name("")
        ->check(at_least_one<MigrationId>());
    takeover->add_flag("--yes", takeover_.yes, "do not ask whether the host is gone");
    takeover->add_flag("--kill", takeover_.kill,
                       "end sessions that still work on the tables, without asking");
    takeover->add_option("--server", takeover_.server, "the database, where it is not known here")
        ->type_name("HOST:PORT");
    takeover->add_option("--scan", takeover_.scan, "look at the newest N migrations (default: 200)")
        ->type_name("N")
        ->check(at_least_one<int>());
    takeover->callback([this, &run] {
        run = [this](const Session& session) { return run_takeover(session, takeover_); };
    });
}

void DaemonVerbs::add_to(CLI::App& app, Run& run) {
    add_status(app, run);
    add_inquiries(app, run);
    add_drain(app, run);
    add_takeover(app, run);
    app.add_subcommand("version", "versions of this tool and of the daemon")->callback([&run] {
        run = run_version;
    });
}

std::string DaemonVerbs::finish(const CLI::App& app) {
    const CLI::App& status = *app.get_subcommand("status");
    if (status.count("ID") > 0) {
        status_.id = status_id_;
    }
    if (status.count("--watch") == 0) {
        return {};
    }
    if (watch_.empty()) {
        status_.watch_s = kWatchDefault_s;
        return {};
    }
    double seconds = 0;
    const char* end_of_text = watch_.data() + watch_.size();
    const auto [end, error] = std::from_chars(watch_.data(), end_of_text, seconds);
    constexpr double kLeast_s = 0.1;  // faster only burns the daemon's time
    constexpr double kMost_s = 86'400;
    if (error != std::errc{} || end != end_of_text || !(seconds >= kLeast_s) || seconds > kMost_s) {
        return fmt::format("--watch: '{}' is not a number of seconds from {} on", watch_, kLeast_s);
    }
    status_.watch_s = seconds;
    return {};
}

}  // namespace shift::ctl
