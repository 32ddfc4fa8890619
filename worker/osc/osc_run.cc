#include "worker/osc/osc_run.h"

#include <fmt/format.h>
#include <signal.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "common/ddl.h"
#include "common/file.h"
#include "common/text.h"
#include "worker/mysql/alter_words.h"
#include "worker/names.h"
#include "worker/state.h"

namespace shift {
namespace {

constexpr std::chrono::milliseconds kToolPoll{100};
constexpr std::chrono::seconds kStopGrace{10};
constexpr std::chrono::seconds kShutdownGrace{5};  // the whole worker has 10 s then
constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string search_path() {
    const char* path = std::getenv("PATH");
    return path == nullptr || *path == '\0' ? kDefaultPath : path;
}

// Sends TERM once, KILL when the grace is over.
class StopLadder {
  public:
    void climb(OscProcess& process, SteadyTime now, std::chrono::seconds grace) {
        if (!is_begun_) {
            is_begun_ = true;
            begun_ = now;
            process.signal(SIGTERM);
        } else if (now - begun_ >= grace) {
            process.signal(SIGKILL);
        }
    }
    bool is_begun() const { return is_begun_; }

  private:
    bool is_begun_ = false;
    SteadyTime begun_{};
};

Result<std::unique_ptr<OscProcess>> start_osc(Context& context, const OscPlan& plan,
                                              std::vector<std::string> argv,
                                              const UniqueFd& engine_lock) {
    OscSpawn spawn;
    spawn.argv = std::move(argv);
    spawn.environment = osc_environment(context.files.dir, search_path());
    for (std::string& word : plugin_environment(plan)) {
        spawn.environment.push_back(std::move(word));
    }
    spawn.stdout_path = context.files.dir + "/ptosc.out";
    spawn.stderr_path = context.files.dir + "/ptosc.err";
    spawn.engine_lock_fd = engine_lock.get();
    ASSIGN_OR_RETURN(auto process, OscProcess::start(spawn));
    Json fields = to_json(process->identity());
    fields["flavour"] = flavour_name(plan.flavour);
    fields["version"] = plan.tool.version;
    context.reporter.event(event::kEngine, std::move(fields));
    return process;
}

Result<OscRun> run_osc(Context& context, const OscPlan& plan, std::vector<std::string> argv,
                       const OscHooks& hooks) {
    ASSIGN_OR_RETURN(const UniqueFd engine_lock, lock_file(context.files.engine_lock()));
    ASSIGN_OR_RETURN(const auto process, start_osc(context, plan, std::move(argv), engine_lock));
    OscRun run;
    run.pid = process->identity().pid;
    bool is_paused = false;
    const auto take = [&](std::string_view stream, std::string_view line) {
        const OscLine parsed = parse_osc_line(line);
        // The tool repeats it every 2 s, for as long as a replica is behind: days, maybe.
        const bool is_repeated = is_paused && parsed.kind == OscLineKind::kPaused;
        is_paused = parsed.kind == OscLineKind::kPaused;
        if (!is_repeated) {
            context.reporter.log_line(stream, line);
        }
        run.summary.add(parsed, line);
        hooks.on_line(parsed);
    };
    const SteadyTime begin = context.clock.now();
    StopLadder ladder;
    for (;;) {
        const auto exit = process->poll_exit();
        process->read_output(take, exit.has_value());
        if (exit) {
            run.exit = *exit;
            return run;
        }
        const SteadyTime now = context.clock.now();
        if (!ladder.is_begun()) {
            if (hooks.wants_stop()) {
                run.stopped = true;
            } else if (hooks.deadline.count() > 0 && now - begin > hooks.deadline) {
                run.out_of_time = true;
            } else if (Status status = hooks.on_tick(); !status.ok()) {
                run.trouble = std::move(status).error();
            }
        }
        if (run.stopped || run.out_of_time || run.trouble) {
            const bool is_shutdown = context.stop.reason() == StopReason::kShutdown;
            ladder.climb(*process, now, is_shutdown ? kShutdownGrace : kStopGrace);
        }
        std::this_thread::sleep_for(kToolPoll);
    }
}

// Asked anew only when the file changed. Under engine.lock, so that a tool that hangs is found.
Result<OscTool> look_at_tool(Context& context, const std::string& binary) {
    ASSIGN_OR_RETURN(const UniqueFd lock, lock_file(context.files.engine_lock()));
    return detect_osc_tool(binary, context.files.dir, context.job.cache_dir, lock.get());
}

// The worker runs a copy of its own, so that an upgrade of the package cannot change what a run
// reads midway.
Status put_plugin(Context& context, OscPlan& plan) {
    ASSIGN_OR_RETURN(const std::string installed, find_plugin());
    constexpr std::size_t kPluginBytesMax = std::size_t{1024} * 1024;
    ASSIGN_OR_RETURN(const std::string text, read_file(installed, kPluginBytesMax));
    plan.plugin_file = context.files.dir + "/" + kPluginName;
    return write_file_atomic(plan.plugin_file, text, 0600);
}

// Of all the files that `paths` names, as the tool takes them; each must be there and readable.
Result<std::string> config_set_vars(const std::string& paths) {
    constexpr std::size_t kConfigBytesMax = std::size_t{1024} * 1024;
    std::string found;
    for (const std::string& path : split(paths, ',')) {
        if (!path.starts_with('/')) {
            return Error{Errc::kInvalidArgument,
                         fmt::format("custom option config_path: '{}' is not an absolute path",
                                     utf8_prefix(path, 200))};
        }
        std::error_code ignored;
        if (std::filesystem::is_fifo(path, ignored)) {  // opening it might never return
            return Error{Errc::kInvalidArgument,
                         fmt::format("custom option config_path: {} is a pipe, not a file", path)};
        }
        auto text = read_file(path, kConfigBytesMax);
        if (!text.ok()) {
            return Error{Errc::kInvalidArgument,
                         fmt::format("custom option config_path: {}: put the option file on the "
                                     "host of the runner, readable for the worker",
                                     text.error().message)};
        }
        if (std::string said = set_vars_of_config(*text); !said.empty()) {
            found = std::move(said);
        }
    }
    return found;
}

}  // namespace

Result<OscRun> run_dry_run(Context& context, const OscPlan& plan, const OscHooks& hooks) {
    OscPlan plain = plan;
    plain.flavour = OscFlavour::kBasic;  // nothing to save
    return run_osc(context, plain, osc_dry_run_argv(plan), hooks);
}

Result<OscRun> run_copy_tool(Context& context, const OscPlan& plan, const OscHooks& hooks) {
    return run_osc(context, plan, osc_copy_argv(plan), hooks);
}

Result<std::string> find_plugin() {
    std::error_code error;
    const std::string self = std::filesystem::read_symlink("/proc/self/exe", error).string();
    const std::string beside = self.substr(0, self.rfind('/') + 1) + kPluginName;
    const std::string installed = fmt::format("{}/{}", SHIFT_SHARE_DIR, kPluginName);
    for (const std::string& path : {beside, installed}) {
        if (path_exists(path)) {
            return path;
        }
    }
    return Error{Errc::kNotFound,
                 fmt::format("{} is neither beside {} nor in {}: reinstall shift-supervisor",
                             kPluginName, self, SHIFT_SHARE_DIR)};
}

Result<OscPlan> make_osc_plan(Context& context) {
    const Job& job = context.job;
    OscPlan plan;
    ASSIGN_OR_RETURN(const AlterSpecification alter, alter_specification(job.ddl_statement));
    if (alter.ignore) {
        return Error{Errc::kInvalidArgument,
                     "ALTER IGNORE TABLE loses duplicate rows silently and cannot be run by "
                     "pt-online-schema-change: leave IGNORE out"};
    }
    auto binary = find_program(job.pt_osc_path, search_path());
    if (!binary.ok()) {
        return std::move(binary).error().within("pt_osc_path");
    }
    ASSIGN_OR_RETURN(plan.tool, look_at_tool(context, *binary));
    plan.flavour = plan.tool.flavour(job.pt_osc_flavour);
    if (plan.flavour == OscFlavour::kUnusable) {
        return Error{
            Errc::kInvalidArgument,
            fmt::format("{} cannot be used (pt_osc_flavour {}): {}", *binary, job.pt_osc_flavour,
                        plan.tool.trouble.empty() ? "it has no --save-state" : plan.tool.trouble)};
    }
    if (plan.flavour == OscFlavour::kStock) {
        RETURN_IF_ERROR(put_plugin(context, plan));
    }
    plan.state_file = copy_state_path(job);
    plan.host = job.host;
    plan.port = job.port;
    plan.defaults_file = job.pt_osc_defaults_file;
    plan.database = job.database;
    plan.table = context.table;
    plan.shadow = shadow_name(job.migration, context.table);
    plan.alter = alter.specification;
    plan.pid_file = context.files.dir + "/ptosc.pid";
    plan.pause_file = context.files.dir + "/pause";
    plan.options = job.options;
    plan.no_check_alter = job.runtype == Runtype::kNoCheckAlter;
    plan.adds_unique_key = adds_unique_key(alter.specification);
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto format, look->query("SHOW VARIABLES LIKE 'explain_format'"));
    plan.needs_traditional_explain = !format.empty();
    if (!plan.options.config_path.empty()) {
        ASSIGN_OR_RETURN(plan.config_set_vars, config_set_vars(plan.options.config_path));
    }
    return plan;
}

bool version_is_below(const std::string& version, int major, int minor, int patch) {
    std::array<int, 3> seen{};
    if (std::sscanf(version.c_str(), "%d.%d.%d", &seen[0], &seen[1], &seen[2]) != 3) {
        return true;  // unknown counts as old
    }
    return seen < std::array<int, 3>{major, minor, patch};
}

}  // namespace shift
