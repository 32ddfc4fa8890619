#include "ctl/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "common/text.h"
#include "ctl/session.h"
#include "ctl/verbs.h"

namespace shift::ctl {
namespace {

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
    GlobalOptions global;
    Run run;
    DaemonVerbs daemon;
    ApiVerbs api;
    LocalVerbs local;
    CLI::App app("Looks after a shift-supervisord and the migrations of its API.",
                 "shift-supervisorctl");
    app.fallthrough();
    add_global_options(app, global);
    daemon.add_to(app, run);
    api.add_to(app, run);
    local.add_to(app, run);
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
    if (!run) {
        return usage("a verb is missing");
    }
    if (const std::string wrong = daemon.finish(app); !wrong.empty()) {
        return usage(wrong);
    }
    Session session(global);
    return run(session);
}

}  // namespace shift::ctl
