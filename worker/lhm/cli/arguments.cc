#include "worker/lhm/cli/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <map>

#include "common/exit_code.h"
#include "common/file.h"
#include "common/text.h"

namespace shift::lhm {
namespace {

constexpr std::size_t kPlanBytesMax = std::size_t{1} * 1024 * 1024;
constexpr const char* kConnection = "Connection";
constexpr const char* kChanges = "Changes (each may be given several times, and are done in order)";

struct ChangeOption {
    const char* name;
    ChangeStep::Verb verb;
    const char* argument;
    const char* help;
};
constexpr ChangeOption kChangeOptions[] = {
    {"alter", ChangeStep::Verb::kAlter, "SPEC", "what follows ALTER TABLE t"},
    {"add-column", ChangeStep::Verb::kAddColumn, "'NAME DEFINITION'", "a new column"},
    {"change-column", ChangeStep::Verb::kChangeColumn, "'NAME DEFINITION'",
     "another definition; also 'NAME DROP DEFAULT'"},
    {"rename-column", ChangeStep::Verb::kRenameColumn, "OLD:NEW", "another name, same data"},
    {"remove-column", ChangeStep::Verb::kRemoveColumn, "NAME", "drop a column"},
    {"add-index", ChangeStep::Verb::kAddIndex, "[NAME=]COLUMNS", "as a,b(10)"},
    {"add-unique-index", ChangeStep::Verb::kAddUniqueIndex, "[NAME=]COLUMNS", "as a,b(10)"},
    {"remove-index", ChangeStep::Verb::kRemoveIndex, "[NAME=]COLUMNS",
     "by its columns, or NAME= by its name"},
    {"ddl", ChangeStep::Verb::kDdl, "STATEMENT", "any ALTER TABLE %s .., CREATE INDEX x ON %s .."},
};

// What CLI11 fills in; turned into Arguments when the line was read.
struct Raw {
    Arguments arguments;
    std::string table;
    std::string plan_file;
    std::string until;
    std::string progress = "auto";
    bool no_switch = false;
    bool dry_run = false;
    std::map<std::string, std::vector<std::string>> values;  // by option name
};

void add_connection(CLI::App& app, Raw& raw) {
    MysqlTarget& target = raw.arguments.target;
    app.add_option("--defaults-file", target.defaults_file,
                   "option file with a [client] group (default: those of the mysql client)")
        ->type_name("FILE")
        ->group(kConnection);
    app.add_option("--host", target.host, "server")->type_name("HOST")->group(kConnection);
    app.add_option("--port", target.port, "its port")
        ->type_name("N")
        ->check(CLI::Range(0, 65535))
        ->group(kConnection);
    app.add_option("--socket", target.socket, "unix socket instead")
        ->type_name("FILE")
        ->group(kConnection);
    app.add_option("--user", target.user, "user")->type_name("NAME")->group(kConnection);
    app.add_flag("--ask-password", raw.arguments.asks_password,
                 "ask for the password (else the option file or MYSQL_PWD)")
        ->group(kConnection);
}

void add_output(CLI::App& app, Raw& raw) {
    app.add_flag("--json", raw.arguments.json, "one JSON object per line on stdout")
        ->group("Output");
    app.add_option("--progress", raw.progress, "bar, percent, dots, none (bar on a terminal)")
        ->type_name("HOW")
        ->check(CLI::IsMember({"auto", "bar", "percent", "dots", "none"}))
        ->group("Output");
}

void add_state(CLI::App& app, Raw& raw) {
    app.add_option("--state-file", raw.arguments.state_file,
                   "where the state is kept (default: ~/.local/state/shift-lhm)")
        ->type_name("FILE")
        ->group("Output");
}

void add_settings(CLI::App& app, Raw& raw) {
    for (const Setting& setting : settings()) {
        const std::string name = std::string("--") + setting.name;
        std::vector<std::string>& into = raw.values[setting.name];
        if (*setting.argument == '\0') {
            app.add_flag_callback(
                   name, [&into] { into.emplace_back(""); }, setting.help)
                ->group(setting.group);
        } else {
            app.add_option(name, into, setting.help)
                ->type_name(setting.argument)
                ->expected(1)
                ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
                ->group(setting.group);
        }
    }
}

void add_changes(CLI::App& app, Raw& raw) {
    for (const ChangeOption& change : kChangeOptions) {
        app.add_option(std::string("--") + change.name, raw.values[change.name], change.help)
            ->type_name(change.argument)
            ->expected(1)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
            ->group(kChanges);
    }
    app.add_option("--plan", raw.plan_file, "a plan file (YAML) with table, changes and options")
        ->type_name("FILE")
        ->group(kChanges);
}

CLI::App& add_verb(CLI::App& app, Raw& raw, Verb verb, const char* name, const char* help,
                   bool needs_table) {
    CLI::App* sub = app.add_subcommand(name, help);
    sub->callback([&raw, verb] { raw.arguments.verb = verb; });
    auto* table = sub->add_option("table", raw.table, "DATABASE.TABLE")->type_name("");
    if (needs_table) {
        table->required();
    }
    add_connection(*sub, raw);
    add_output(*sub, raw);
    return *sub;
}

void add_verbs(CLI::App& app, Raw& raw) {
    CLI::App& change =
        add_verb(app, raw, Verb::kChangeTable, "change-table",
                 "change a table; without --execute only the plan is made and printed", false);
    add_changes(change, raw);
    change.add_flag("--execute", raw.arguments.execute, "really do it")->group("What is done");
    change.add_flag("--dry-run", raw.dry_run, "make and print the plan (the default)")
        ->group("What is done");
    change
        .add_flag("--no-switch", raw.no_switch,
                  "stop before the swap; shadow table and triggers stay in step for `switch`")
        ->group("What is done");
    add_state(change, raw);
    add_settings(change, raw);
    CLI::App& resume = add_verb(app, raw, Verb::kResume, "resume",
                                "go on with a migration that was stopped or died", true);
    add_state(resume, raw);
    add_settings(resume, raw);
    CLI::App& swap = add_verb(app, raw, Verb::kSwitch, "switch",
                              "swap a migration that was made with --no-switch", true);
    add_state(swap, raw);
    add_settings(swap, raw);
    CLI::App& revert = add_verb(app, raw, Verb::kRevert, "revert",
                                "take a swap back in its rollback window", true);
    add_state(revert, raw);
    add_settings(revert, raw);
    CLI::App& status = add_verb(app, raw, Verb::kStatus, "status",
                                "what is known of a migration, or of all", false);
    add_state(status, raw);
    CLI::App& cleanup =
        add_verb(app, raw, Verb::kCleanup, "cleanup",
                 "list what migrations left on the server; with --run remove it", false);
    cleanup.add_flag("--run", raw.arguments.run, "remove it");
    cleanup.add_option("--until", raw.until, "only archives made at or before this UTC time")
        ->type_name("TIME");
}

// The changes in the order in which they stand on the line, whatever their options are.
Result<std::vector<ChangeStep>> steps_of(const CLI::App& app) {
    std::map<const CLI::Option*, std::size_t> taken;
    std::vector<ChangeStep> steps;
    for (const CLI::Option* option : app.parse_order()) {
        for (const ChangeOption& change : kChangeOptions) {
            if (option->get_single_name() != change.name) {
                continue;
            }
            ASSIGN_OR_RETURN(ChangeStep step,
                             parse_step(change.verb, option->results().at(taken[option]++)));
            steps.push_back(std::move(step));
        }
    }
    return steps;
}

Status take_settings(const Raw& raw, PlanFile& plan) {
    for (const Setting& setting : settings()) {
        const auto it = raw.values.find(setting.name);
        if (it == raw.values.end() || it->second.empty()) {
            continue;
        }
        std::string value;
        for (const std::string& one : it->second) {
            value += (value.empty() ? "" : ",") + one;
        }
        Options scratch;
        RETURN_IF_ERROR(apply_setting(setting.name, value, scratch));
        plan.settings[setting.name] = value;
    }
    return Ok{};
}

Result<WallTime> parse_until(const std::string& text) {
    std::string iso = text;
    std::replace(iso.begin(), iso.end(), ' ', 'T');
    const std::string full = "0000-00-00T00:00:00.000Z";
    if (!iso.empty() && iso.back() == 'Z') {
        iso.pop_back();
    }
    if (iso.size() < full.size()) {
        iso += full.substr(iso.size());
    }
    const WallTime at = parse_iso_time(iso);
    if (at == WallTime{}) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("--until '{}': write a UTC time as 2026-10-02 14:00:00", text)};
    }
    return at;
}

ProgressStyle style_of(const std::string& name) {
    return name == "bar"       ? ProgressStyle::kBar
           : name == "percent" ? ProgressStyle::kPercent
           : name == "dots"    ? ProgressStyle::kDots
           : name == "none"    ? ProgressStyle::kNone
                               : ProgressStyle::kAuto;
}

Status take_table(Raw& raw) {
    Arguments& arguments = raw.arguments;
    if (raw.table.empty()) {
        return Ok{};
    }
    auto name = parse_qualified_table(raw.table);
    if (name.ok()) {
        arguments.table = *name;
        arguments.database = name->database;
        return Ok{};
    }
    if (arguments.verb == Verb::kCleanup && raw.table.find('.') == std::string::npos) {
        arguments.database = raw.table;  // everything of one database
        return Ok{};
    }
    return std::move(name).error();
}

Status take_plan(const CLI::App& sub, Raw& raw) {
    Arguments& arguments = raw.arguments;
    if (!raw.plan_file.empty()) {
        ASSIGN_OR_RETURN(const std::string text, read_file(raw.plan_file, kPlanBytesMax));
        auto plan = parse_plan_file(text);
        if (!plan.ok()) {
            return std::move(plan).error().within(raw.plan_file);
        }
        arguments.plan = *std::move(plan);
    }
    ASSIGN_OR_RETURN(auto steps, steps_of(sub));
    for (ChangeStep& step : steps) {
        arguments.plan.change.steps.push_back(std::move(step));
    }
    if (!arguments.table.table.empty()) {
        arguments.plan.change.database = arguments.table.database;
        arguments.plan.change.table = arguments.table.table;
    }
    arguments.table = {arguments.plan.change.database, arguments.plan.change.table};
    arguments.plan.no_switch = arguments.plan.no_switch || raw.no_switch;
    if (arguments.table.table.empty()) {
        return Error{Errc::kInvalidArgument, "which table? Write DATABASE.TABLE"};
    }
    if (arguments.plan.change.steps.empty()) {
        return Error{Errc::kInvalidArgument,
                     "what shall be changed? Write --alter '...', --add-column '...' or such"};
    }
    if (arguments.execute && raw.dry_run) {
        return Error{Errc::kInvalidArgument, "--execute and --dry-run exclude each other"};
    }
    return Ok{};
}

Status finish(const CLI::App& app, Raw& raw) {
    const CLI::App* sub = app.get_subcommands().front();
    RETURN_IF_ERROR(take_table(raw));
    if (raw.arguments.verb == Verb::kChangeTable) {
        RETURN_IF_ERROR(take_plan(*sub, raw));
    }
    RETURN_IF_ERROR(take_settings(raw, raw.arguments.plan));
    if (!raw.until.empty()) {
        ASSIGN_OR_RETURN(raw.arguments.until, parse_until(raw.until));
    }
    raw.arguments.progress = style_of(raw.progress);
    MysqlTarget& target = raw.arguments.target;
    if (target.defaults_file.empty()) {
        target.usual_files = true;
    }
    if (const char* password = std::getenv("MYSQL_PWD"); password != nullptr) {
        target.password = password;
    }
    target.tag = "/*maintenance:lhm*/";
    return Ok{};
}

// What of the command line is no verb or option of it, with what may have been meant; "" = nothing.
std::string unexpected(const CLI::App& app) {
    const std::vector<std::string> extras = app.remaining(true);
    const auto verbs = app.get_subcommands();
    if (extras.empty()) {
        return verbs.empty() ? "a verb is missing" : "";
    }
    const std::string word = extras.front().substr(0, extras.front().find('='));
    std::vector<std::string> known;
    if (verbs.empty()) {
        for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
            known.push_back(verb->get_name());
        }
    } else {
        for (const CLI::Option* option : verbs.front()->get_options()) {
            known.push_back(option->get_name());
        }
    }
    const char* what =
        !word.starts_with('-') && verbs.empty() ? "unknown verb" : "unexpected argument";
    const std::string near = nearest_word(word, known);
    return fmt::format("{} '{}'{}", what, word,
                       near.empty() ? "" : fmt::format(", did you mean {}?", near));
}

int usage(const CLI::App& app, const std::string& text) {
    const auto verbs = app.get_subcommands();
    fmt::print(stderr, "shift-lhm: {}\n  next: shift-lhm {}--help\n", text,
               verbs.empty() ? "" : verbs.front()->get_name() + " ");
    return kExitUsage;
}

}  // namespace

std::optional<Arguments> parse_arguments(int argc, char** argv, int& exit_code) {
    CLI::App app(
        "Changes a MySQL or MariaDB table online: a shadow table, triggers, a copy in small "
        "chunks, a comparison, an atomic swap.",
        "shift-lhm");
    app.set_version_flag("--version", "shift-lhm " SHIFT_VERSION);
    app.require_subcommand(0, 1);
    app.allow_extras();  // told by us, with a suggestion
    app.footer("shift-lhm VERB --help tells the options of a verb; shift-lhm(1) has an example.");
    Raw raw;
    raw.arguments.target.port = 0;
    add_verbs(app, raw);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {  // CLI11 also ends --help and --version this way
        if (error.get_exit_code() == 0) {
            exit_code = app.exit(error);
            return std::nullopt;
        }
        exit_code = usage(app, error.what());
        return std::nullopt;
    }
    if (const std::string wrong = unexpected(app); !wrong.empty()) {
        exit_code = usage(app, wrong);
        return std::nullopt;
    }
    if (Status good = finish(app, raw); !good.ok()) {
        fmt::print(stderr, "shift-lhm: {}\n", good.error().message);
        exit_code = kExitUsage;
        return std::nullopt;
    }
    return std::move(raw.arguments);
}

}  // namespace shift::lhm
