#include "worker/osc/osc_run.h"

#include <fmt/format.h>
#include <signal.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "common/ddl.h"
#include "common/file.h"
#include "worker/alter_words.h"
#include "worker/names.h"

namespace shift {
namespace {

constexpr std::chrono::milliseconds kPoll{100};
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

Result<std::unique_ptr<OscProcess>> start_osc(Context& context,
                                              const std::vector<std::string>& argv,
                                              const UniqueFd& engine_lock) {
    OscSpawn spawn;
    spawn.argv = argv;
    spawn.environment = osc_environment(context.files.dir, search_path());
    spawn.stdout_path = context.files.dir + "/ptosc.out";
    spawn.stderr_path = context.files.dir + "/ptosc.err";
    spawn.engine_lock_fd = engine_lock.get();
    ASSIGN_OR_RETURN(auto process, OscProcess::start(spawn));
    Json fields = to_json(process->identity());
    fields["flavour"] = "stock";
    context.reporter.event(event::kEngine, std::move(fields));
    return process;
}

}  // namespace

Result<OscRun> run_osc(Context& context, const std::vector<std::string>& argv,
                       const OscHooks& hooks) {
    ASSIGN_OR_RETURN(const UniqueFd engine_lock, lock_file(context.files.engine_lock()));
    ASSIGN_OR_RETURN(const auto process, start_osc(context, argv, engine_lock));
    OscRun run;
    const auto take = [&](std::string_view stream, std::string_view line) {
        context.reporter.log_line(stream, line);
        const OscLine parsed = parse_osc_line(line);
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
        std::this_thread::sleep_for(kPoll);
    }
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
    plan.binary = std::move(binary).value();
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
    return plan;
}

Result<std::string> osc_version(Context& context, const std::string& binary) {
    ASSIGN_OR_RETURN(const UniqueFd lock, lock_file(context.files.engine_lock()));
    OscSpawn spawn;
    spawn.argv = {binary, "--config", "/dev/null", "--version"};
    spawn.environment = osc_environment(context.files.dir, search_path());
    spawn.stdout_path = context.files.dir + "/version.out";
    spawn.stderr_path = context.files.dir + "/version.err";
    spawn.engine_lock_fd = lock.get();
    ASSIGN_OR_RETURN(const auto process, OscProcess::start(spawn));
    std::string version;
    const auto take = [&version](std::string_view, std::string_view line) {
        constexpr std::string_view kHead = "pt-online-schema-change ";
        if (line.starts_with(kHead)) {
            version = line.substr(kHead.size());
        }
    };
    const SteadyTime deadline = context.clock.now() + std::chrono::seconds(10);
    while (!process->poll_exit()) {
        if (context.clock.now() > deadline) {
            process->signal(SIGKILL);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    process->read_output(take, true);
    return version;
}

bool version_is_below(const std::string& version, int major, int minor, int patch) {
    std::array<int, 3> seen{};
    if (std::sscanf(version.c_str(), "%d.%d.%d", &seen[0], &seen[1], &seen[2]) != 3) {
        return true;  // unknown counts as old
    }
    return seen < std::array<int, 3>{major, minor, patch};
}

}  // namespace shift
