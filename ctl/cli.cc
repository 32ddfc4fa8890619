#include "ctl/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <functional>
#include <string>
#include <vector>

#include "common/text.h"
#include "ctl/commands_api.h"
#include "ctl/commands_daemon.h"
#include "ctl/commands_local.h"
#include "ctl/session.h"

namespace shift::ctl {
namespace {

constexpr double kWatchDefault_s = 1;

using Run = std::function<int(const Session&)>;

// Everything the command line can set; lives as long as the parser that points into it.
struct Arguments {
    GlobalOptions global;
    StatusOptions status;
    MigrationId status_id = 0;
    std::string watch;
    DrainOptions drain;
    double drain_timeout_s = 0;
    SubmitOptions submit;
    int max_threads_running = 0;
    int max_replication_lag = 0;
    double submit_timeout_s = 0;
    ApproveOptions approve;
    ActionOptions action;
    MigrationId id = 0;
    bool follow = false;
    Run run;  // what the chosen verb does
};

int usage(const std::string& message, const std::string& next = "shift-supervisorctl --help") {
    return Session::fail(kExitUsage, message, next);
}

void add_global_options(CLI::App& app, GlobalOptions& options) {
    app.add_option("--config", options.config_path, "configuration file (default: the daemon's)")
        ->type_name("FILE");
    app.add_option("--socket", options.socket, "control socket of the daemon")->type_name("PATH");
    app.add_option("--api", options.api, "address of the shift API")->type_name("URL");
    app.add_flag("--json", options.json, "print JSON");
    app.add_flag("--no-color", options.no_color, "print no colours");
    app.set_version_flag("--version", "shift-supervisorctl " SHIFT_VERSION);
}

// Names what it wants; CLI11's own check prints the range of a double.
template <typename T>
CLI::Validator at_least_one() {
    return CLI::Validator(
        [](std::string& text) {
            T number = 0;
            const char* end_of_text = text.data() + text.size();
            const auto [end, error] = std::from_chars(text.data(), end_of_text, number);
            const bool good = error == std::errc{} && end == end_of_text && number >= 1;
            return good ? std::string() : fmt::format("'{}' is not a number from 1 on", text);
        },
        "");
}

void add_id(CLI::App* verb, MigrationId& id) {
    verb->add_option("ID", id, "number of the migration")
        ->required()
        ->type_name("")
        ->check(at_least_one<MigrationId>());
}

void add_daemon_verbs(CLI::App& app, Arguments& arguments) {
    auto* status = app.add_subcommand("status", "what the daemon does, or one migration in detail");
    status->add_option("ID", arguments.status_id, "number of a migration")
        ->type_name("")
        ->check(at_least_one<MigrationId>());
    status
        ->add_option("--watch", arguments.watch,
                     "redraw every SECONDS (1) until Ctrl-C; write ID first")
        ->expected(0, 1)
        ->type_name("[SECONDS]");
    status->add_flag("--all", arguments.status.all, "also migrations this host is done with");
    status->callback([&arguments] {
        arguments.run = [&arguments](const Session& session) {
            return run_status(session, arguments.status);
        };
    });

    auto* drain = app.add_subcommand("drain", "take no new work and stop copies, keeping state");
    drain->add_flag("--wait", arguments.drain.wait, "until nothing is owed any more");
    drain->add_option("--timeout", arguments.drain_timeout_s, "wait at most this long")
        ->type_name("SECONDS")
        ->check(CLI::NonNegativeNumber);
    drain->add_flag("--keep", arguments.drain.keep,
                    "stopped copies stay on this host instead of being offered");
    drain->callback([&arguments, drain] {
        if (drain->count("--timeout") > 0) {
            arguments.drain.timeout_s = arguments.drain_timeout_s;
        }
        arguments.run = [&arguments](const Session& session) {
            return run_drain(session, arguments.drain);
        };
    });
    app.add_subcommand("undrain", "take work again")->callback([&arguments] {
        arguments.run = run_undrain;
    });
}

void add_submit(CLI::App& app, Arguments& arguments) {
    SubmitOptions& options = arguments.submit;
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
    submit->add_option("--max-threads-running", arguments.max_threads_running, "copy only below")
        ->type_name("N")
        ->check(at_least_one<int>());
    submit->add_option("--max-replication-lag", arguments.max_replication_lag, "in seconds")
        ->type_name("N")
        ->check(at_least_one<int>());
    submit->add_option("--config-path", options.config_path, "pt-osc option file on the runner")
        ->type_name("PATH");
    submit->add_option("--recursion-method", options.recursion_method, "how pt-osc finds replicas")
        ->type_name("METHOD");
    submit->add_option("--engine", options.engine, "pt-osc or lhm")->type_name("ENGINE");
    submit->add_flag("--wait", options.wait, "until it is prepared");
    submit->add_option("--timeout", arguments.submit_timeout_s, "wait at most this long")
        ->type_name("SECONDS")
        ->check(CLI::NonNegativeNumber);
    submit->callback([&arguments, submit] {
        if (submit->count("--max-threads-running") > 0) {
            arguments.submit.max_threads_running = arguments.max_threads_running;
        }
        if (submit->count("--max-replication-lag") > 0) {
            arguments.submit.max_replication_lag = arguments.max_replication_lag;
        }
        if (submit->count("--timeout") > 0) {
            arguments.submit.timeout_s = arguments.submit_timeout_s;
        }
        arguments.run = [&arguments](const Session& session) {
            return run_submit(session, arguments.submit);
        };
    });
}

void add_action(CLI::App& app, Arguments& arguments, const std::string& verb,
                const std::string& description, bool with_auto_run = false) {
    auto* action = app.add_subcommand(verb, description);
    add_id(action, arguments.action.id);
    if (with_auto_run) {
        action->add_flag("--auto-run", arguments.action.auto_run,
                         "rename by itself when the copy is done");
    }
    action->callback([&arguments, verb] {
        arguments.run = [&arguments, verb](const Session& session) {
            return run_action(session, verb, arguments.action);
        };
    });
}

void add_api_verbs(CLI::App& app, Arguments& arguments) {
    add_submit(app, arguments);
    auto* show = app.add_subcommand("show", "a migration as the API knows it");
    add_id(show, arguments.id);
    show->callback([&arguments] {
        arguments.run = [&arguments](const Session& s) { return run_show(s, arguments.id); };
    });
    auto* approve = app.add_subcommand("approve", "approve a prepared migration");
    add_id(approve, arguments.approve.id);
    approve->add_option("--runtype", arguments.approve.runtype, "long, short or nocheckalter")
        ->type_name("TYPE")
        ->check(CLI::IsMember({"long", "short", "nocheckalter"}));
    approve->add_option("--approver", arguments.approve.approver, "who approves (default: $USER)")
        ->type_name("NAME");
    approve->callback([&arguments] {
        arguments.run = [&arguments](const Session& s) {
            return run_approve(s, arguments.approve);
        };
    });
    add_action(app, arguments, "unapprove", "take an approval back");
    add_action(app, arguments, "start", "start an approved migration", true);
    add_action(app, arguments, "enqueue", "start it when its cluster is free");
    add_action(app, arguments, "dequeue", "take it out of the queue");
    add_action(app, arguments, "rename", "swap the tables of a finished copy");
    add_action(app, arguments, "pause", "stop a copy, keeping its state");
    add_action(app, arguments, "resume", "go on with a paused or failed copy", true);
    add_action(app, arguments, "cancel", "stop a migration and clean up behind it");
    auto* remove = app.add_subcommand("delete", "delete a migration that was never started");
    add_id(remove, arguments.id);
    remove->callback([&arguments] {
        arguments.run = [&arguments](const Session& s) { return run_delete(s, arguments.id); };
    });
}

void add_local_verbs(CLI::App& app, Arguments& arguments) {
    auto* log = app.add_subcommand("log", "what the tool said, from this host or the API");
    add_id(log, arguments.id);
    log->add_flag("-f,--follow", arguments.follow, "go on until Ctrl-C");
    log->callback([&arguments] {
        arguments.run = [&arguments](const Session& s) {
            return run_log(s, arguments.id, arguments.follow);
        };
    });
    app.add_subcommand("version", "versions of this tool and of the daemon")
        ->callback([&arguments] { arguments.run = run_version; });
    app.add_subcommand("check-config", "read the configuration and say what is wrong")
        ->callback([&arguments] { arguments.run = run_check_config; });
    app.add_subcommand("doctor", "what works here: configuration, worker, pt-osc, daemon")
        ->callback([&arguments] { arguments.run = run_doctor; });
}

// The words of `status` that CLI11 cannot express.
std::string finish_status(const CLI::App& status, Arguments& arguments) {
    if (status.count("ID") > 0) {
        arguments.status.id = arguments.status_id;
    }
    if (status.count("--watch") == 0) {
        return {};
    }
    if (arguments.watch.empty()) {
        arguments.status.watch_s = kWatchDefault_s;
        return {};
    }
    double seconds = 0;
    const char* end_of_text = arguments.watch.data() + arguments.watch.size();
    const auto [end, error] = std::from_chars(arguments.watch.data(), end_of_text, seconds);
    constexpr double kLeast_s = 0.1;  // faster only burns the daemon's time
    constexpr double kMost_s = 86'400;
    if (error != std::errc{} || end != end_of_text || !(seconds >= kLeast_s) || seconds > kMost_s) {
        return fmt::format("--watch: '{}' is not a number of seconds from {} on", arguments.watch,
                           kLeast_s);
    }
    arguments.status.watch_s = seconds;
    return {};
}

std::string unexpected(const CLI::App& app, const std::string& word) {
    if (!app.get_subcommands().empty() || word.starts_with('-')) {
        return fmt::format("unexpected argument '{}'", word);
    }
    std::vector<std::string> verbs;
    for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
        verbs.push_back(verb->get_name());
    }
    const std::string near = nearest_word(word, verbs);
    return near.empty() ? fmt::format("unknown verb '{}'", word)
                        : fmt::format("unknown verb '{}', did you mean {}?", word, near);
}

}  // namespace

int run_cli(int argc, const char* const* argv) {
    Arguments arguments;
    CLI::App app("Looks after a shift-supervisord and the migrations of its API.",
                 "shift-supervisorctl");
    app.fallthrough();
    add_global_options(app, arguments.global);
    add_daemon_verbs(app, arguments);
    add_api_verbs(app, arguments);
    add_local_verbs(app, arguments);
    app.allow_extras();  // Told by us, with a suggestion.
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {  // --help and --version come this way too.
        if (e.get_exit_code() == 0) {
            return app.exit(e);
        }
        return usage(e.what());
    }
    if (const auto extras = app.remaining(true); !extras.empty()) {
        return usage(unexpected(app, extras.front()));
    }
    if (!arguments.run) {
        return usage("a verb is missing");
    }
    if (const std::string wrong = finish_status(*app.get_subcommand("status"), arguments);
        !wrong.empty()) {
        return usage(wrong);
    }
    return arguments.run(Session(arguments.global));
}

}  // namespace shift::ctl
