#include "ctl/verbs.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "common/engines.h"
#include "ctl/verb_parts.h"

namespace shift::ctl {

void ApiVerbs::add_submit(CLI::App& app, Run& run) {
    SubmitOptions& options = submit_;
    options.pr_url = "cli";
    auto* submit = app.add_subcommand("submit", "hand in a new migration");
    submit->add_option("--cluster", options.cluster, "cluster name")->required()->type_name("C");
    submit->add_option("--database", options.database, "database")->required()->type_name("D");
    submit->add_option("--ddl", options.ddl, "ALTER, CREATE or DROP statement")
        ->required()
        ->type_name("STATEMENT");
    submit->add_option("--requestor", options.requestor, "who asks (default: $USER)")
        ->type_name("NAME");
    submit->add_option("--pr-url", options.pr_url, "where it was discussed (default: cli)")
        ->type_name("URL");
    submit->add_option("--final-insert", options.final_insert, "INSERT to run afterwards")
        ->type_name("STATEMENT");
    submit->add_option("--max-threads-running", max_threads_running_, "copy only below")
        ->type_name("N")
        ->check(at_least_one<int>());
    submit->add_option("--max-replication-lag", max_replication_lag_, "in seconds")
        ->type_name("N")
        ->check(at_least_one<int>());
    submit->add_option("--config-path", options.config_path, "pt-osc option file on the runner")
        ->type_name("PATH");
    submit->add_option("--recursion-method", options.recursion_method, "how pt-osc finds replicas")
        ->type_name("METHOD");
    submit
        ->add_option("--engine", options.engine,
                     fmt::format("{}", fmt::join(engine_names(), " or ")))
        ->type_name("ENGINE")
        ->check([](const std::string& name) {
            const Status known = check_engine(name);
            return known.ok() ? std::string() : known.error().message;
        });
    submit->add_flag("--allow-loss", options.allow_loss,
                     "engine lhm: values may be rounded and cut");
    submit->add_flag("--wait", options.wait, "until it is prepared");
    submit->add_option("--timeout", submit_timeout_s_, "wait at most this long")
        ->type_name("SECONDS")
        ->check(CLI::NonNegativeNumber);
    submit->callback([this, &run, submit] {
        if (submit->count("--max-threads-running") > 0) {
            submit_.max_threads_running = max_threads_running_;
        }
        if (submit->count("--max-replication-lag") > 0) {
            submit_.max_replication_lag = max_replication_lag_;
        }
        if (submit->count("--timeout") > 0) {
            submit_.timeout_s = submit_timeout_s_;
        }
        run = [this](const Session& session) { return run_submit(session, submit_); };
    });
}

void ApiVerbs::add_action(CLI::App& app, Run& run, const std::string& verb,
                          const std::string& description, bool with_auto_run) {
    auto* action = app.add_subcommand(verb, description);
    add_id(action, action_.id);
    if (with_auto_run) {
        action->add_flag("--auto-run", action_.auto_run, "rename by itself when the copy is done");
    }
    action->callback([this, &run, verb] {
        run = [this, verb](const Session& session) { return run_action(session, verb, action_); };
    });
}

void ApiVerbs::add_to(CLI::App& app, Run& run) {
    add_submit(app, run);
    auto* show = app.add_subcommand("show", "a migration as the API knows it");
    add_id(show, id_);
    show->callback([this, &run] { run = [this](const Session& s) { return run_show(s, id_); }; });
    auto* approve = app.add_subcommand("approve", "approve a prepared migration");
    add_id(approve, approve_.id);
    approve->add_option("--runtype", approve_.runtype, "long, short or nocheckalter")
        ->type_name("TYPE")
        ->check(CLI::IsMember({"long", "short", "nocheckalter"}));
    approve->add_option("--approver", approve_.approver, "who approves (default: $USER)")
        ->type_name("NAME");
    approve->callback(
        [this, &run] { run = [this](const Session& s) { return run_approve(s, approve_); }; });
    add_action(app, run, "unapprove", "take an approval back");
    add_action(app, run, "start", "start an approved migration", true);
    add_action(app, run, "enqueue", "start it when its cluster is free");
    add_action(app, run, "dequeue", "take it out of the queue");
    add_action(app, run, "rename", "swap the tables of a finished copy");
    add_action(app, run, "pause", "stop a copy, keeping its state");
    add_action(app, run, "resume", "go on with a paused or failed copy", true);
    add_action(app, run, "cancel", "stop a migration and clean up behind it");
    auto* remove = app.add_subcommand("delete", "delete a migration that was never started");
    add_id(remove, id_);
    remove->callback(
        [this, &run] { run = [this](const Session& s) { return run_delete(s, id_); }; });
}

}  // namespace shift::ctl
