#include "worker/osc/osc_command.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"

namespace shift {
namespace {

constexpr const char* kExplainFormat = "explain_format";
constexpr const char* kTraditionalExplain = "explain_format=TRADITIONAL";

// The tool's DSN parser splits at commas that no backslash precedes and knows no other escape.
std::string dsn_value(std::string_view value) {
    std::string text;
    for (const char c : value) {
        if (c == ',') {
            text.push_back('\\');
        }
        text.push_back(c);
    }
    return text;
}

bool is_regular_file(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

void append_common(std::vector<std::string>& argv, const OscPlan& plan) {
    const auto add = [&argv](std::initializer_list<std::string> words) {
        argv.insert(argv.end(), words);
    };
    add({"--alter", plan.alter});
    add({"--new-table-name", plan.shadow});
    add({"--no-version-check"});
    // With a pause file the worker watches the replicas itself (replica_lag.h): what the tool does
    // differs from version to version and fails on MySQL 8.4 and on MariaDB.
    const bool is_ours = plan.tool.has_pause_file || plan.options.recursion_method.empty();
    add({"--recursion-method", is_ours ? "none" : plan.options.recursion_method});
    if (plan.no_check_alter) {
        add({"--no-check-alter"});
    }
    if (plan.adds_unique_key) {
        add({"--no-check-unique-key-change"});
    }
}

// --config must be the first word; an empty file also discards the distribution's own.
std::string config_of(const OscPlan& plan) {
    return plan.options.config_path.empty() ? "/dev/null" : plan.options.config_path;
}

// The command line's set-vars replaces that of an operator's file.
void append_set_vars(std::vector<std::string>& argv, const OscPlan& plan) {
    std::string vars;
    if (plan.options.config_path.empty()) {
        // 1 s: a CREATE TRIGGER that waits longer queues every statement of the application behind
        // it.
        vars = "wait_timeout=600,lock_wait_timeout=1";
    } else if (!plan.needs_traditional_explain ||
               plan.config_set_vars.find(kExplainFormat) != std::string::npos) {
        return;
    } else {
        vars = plan.config_set_vars;
    }
    if (plan.needs_traditional_explain) {
        vars += (vars.empty() ? "" : ",") + std::string(kTraditionalExplain);
    }
    argv.insert(argv.end(), {"--set-vars", vars});
}

}  // namespace

std::string set_vars_of_config(std::string_view text) {
    std::string found;
    for (const std::string& raw : split(text, '\n')) {
        std::string line = raw;
        for (const char* mark : {" #", "\t#"}) {
            line = line.substr(0, line.find(mark));
        }
        line = trim(line);
        if (line == "--") {
            break;
        }
        const std::size_t equals = line.find('=');
        if (equals != std::string::npos && trim(line.substr(0, equals)) == "set-vars") {
            found = trim(line.substr(equals + 1));
        }
    }
    return found;
}

std::string osc_dsn(const OscPlan& plan) {
    // DBD::mysql takes "localhost" as the socket file and ignores the port.
    const std::string host = plan.host == "localhost" ? "127.0.0.1" : plan.host;
    return fmt::format("h={},P={},D={},t={},A=utf8mb4,F={}", dsn_value(host), plan.port,
                       dsn_value(plan.database), dsn_value(plan.table),
                       dsn_value(plan.defaults_file));
}

std::vector<std::string> osc_dry_run_argv(const OscPlan& plan) {
    // With the operator's file, so that the tool's own word on it comes before the run.
    std::vector<std::string> argv = {plan.tool.path, "--config", config_of(plan), "--dry-run"};
    append_common(argv, plan);
    append_set_vars(argv, plan);
    argv.push_back(osc_dsn(plan));
    return argv;
}

std::vector<std::string> osc_copy_argv(const OscPlan& plan) {
    std::vector<std::string> argv = {plan.tool.path, "--config", config_of(plan), "--execute"};
    append_common(argv, plan);
    argv.insert(argv.end(), {"--no-swap-tables", "--no-drop-new-table", "--no-drop-triggers",
                             "--progress", "time,5", "--pid", plan.pid_file});
    if (plan.tool.has_pause_file) {
        argv.insert(argv.end(), {"--pause-file", plan.pause_file});
    }
    if (plan.flavour == OscFlavour::kStock) {
        argv.insert(argv.end(), {"--plugin", plan.plugin_file});
    } else if (plan.flavour == OscFlavour::kSquare) {
        argv.insert(argv.end(), {"--exit-at", "copy", "--save-state", plan.square_save_file});
        if (!plan.square_load_file.empty()) {
            argv.insert(argv.end(), {"--load-state", plan.square_load_file});
        }
    }
    append_set_vars(argv, plan);
    if (plan.options.config_path.empty()) {
        // What a config file of the operator replaces, as in the original.
        argv.insert(argv.end(),
                    {"--max-load", "Threads_running=125", "--critical-load",
                     fmt::format("Threads_running={}", plan.options.max_threads_running), "--tries",
                     "create_triggers:200:1,copy_rows:10000:1", "--max-lag",
                     fmt::format("{}", plan.options.max_replication_lag)});
    }
    argv.push_back(osc_dsn(plan));
    return argv;
}

std::vector<std::string> osc_environment(const std::string& home, const std::string& path) {
    return {"PATH=" + path, "HOME=" + home, "TMPDIR=" + home, "LANG=C.UTF-8", "TZ=UTC"};
}

std::vector<std::string> plugin_environment(const OscPlan& plan) {
    if (plan.flavour != OscFlavour::kStock) {
        return {};
    }
    std::vector<std::string> words = {"SHIFT_OSC_STATE=" + plan.state_file,
                                      "SHIFT_OSC_COPY_ID=" + plan.copy_id, "SHIFT_OSC_POLL_S=2"};
    if (!plan.resume_file.empty()) {
        words.push_back("SHIFT_OSC_RESUME=" + plan.resume_file);
    }
    return words;
}

Result<std::string> find_program(const std::string& program, std::string_view path) {
    if (program.empty()) {
        return Error{Errc::kNotFound, "no pt-online-schema-change is configured"};
    }
    if (program.find('/') != std::string::npos) {
        if (!is_regular_file(program)) {
            return Error{Errc::kNotFound, program + ": no such file"};
        }
        if (::access(program.c_str(), X_OK) != 0) {
            return Error{Errc::kInvalidArgument, program + ": not executable"};
        }
        return program;
    }
    for (const std::string& folder : split(path, ':')) {
        const std::string candidate = folder + "/" + program;
        if (!folder.empty() && is_regular_file(candidate) &&
            ::access(candidate.c_str(), X_OK) == 0) {
            return candidate;
        }
    }
    return Error{Errc::kNotFound, program + ": not found in PATH"};
}

}  // namespace shift
