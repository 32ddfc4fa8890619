#include "worker/worker.h"

#include <fmt/format.h>
#include <unistd.h>

#include "common/ddl.h"
#include "common/exit_code.h"
#include "common/file.h"
#include "common/process_identity.h"
#include "common/test_points.h"
#include "worker/commands.h"
#include "worker/lhm_job/migration.h"
#include "worker/mysql/errors.h"
#include "worker/state.h"
#include "worker/steps/steps.h"

namespace shift {
namespace {

constexpr std::size_t kJobBytesMax = std::size_t{64} * 1024 * 1024;  // history may be long

Result<Verdict> run_step(Context& context) {
    switch (context.job.step) {
        case Step::kPrepare:
            return run_prepare(context);
        case Step::kRun:
            return is_direct(context.job) ? run_direct(context) : run_copy(context);
        case Step::kRename:
            return run_rename(context);
        case Step::kPause:
            return run_pause(context);
        case Step::kCancel:
            return run_cancel(context);
    }
    return Error{Errc::kInternal, "unknown step"};
}

std::string trouble_reason(const Error& error) {
    if (error.code == Errc::kConflict) {
        return "table_busy";
    }
    if (is_lock_wait(error)) {
        return "lock_wait";
    }
    if (is_lost_connection(error)) {
        return "lost_connection";
    }
    if (is_access_denied(error)) {
        return "access_denied";
    }
    return is_transient(error) ? "database_unavailable" : "error";
}

Verdict run_job(const Job& job, const AttemptFiles& files, Reporter& reporter, StopRequest& stop,
                const Clock& clock) {
    (void)make_directories(job.files_dir, 0750).ok();
    const MysqlTarget target{job.host, job.port, job.mysql_defaults_file};
    Database database(target, job.ddl_timeout, [&reporter](const Database::Connected& session) {
        reporter.event(event::kConnected, {{"thread_id", session.thread_id},
                                           {"server_uuid", session.server.id},
                                           {"server_version", session.server.version},
                                           {"server_started", session.server.started_s},
                                           {"user", session.user},
                                           {"role", session.role}});
    });
    auto state = load_state(job, files, reporter);
    std::string table = table_of_job(job, state);
    Context context{job,
                    files,
                    clock,
                    reporter,
                    stop,
                    database,
                    fold_history(job.history),
                    std::move(state),
                    std::move(table),
                    job.engine};
    context.engine = engine_of_copy(context);
    if (context.engine != job.engine && job.engine != "direct") {
        reporter.remark(fmt::format("the copy was begun with the engine {} and is finished with it",
                                    context.engine));
    }
    Result<Verdict> verdict = run_step(context);
    return verdict.ok() ? std::move(verdict).value() : verdict_of_error(verdict.error(), job);
}

}  // namespace

Verdict verdict_of_error(const Error& error, const Job& job) {
    const std::string reason = trouble_reason(error);
    const bool never_fails =
        job.step == Step::kRename || job.step == Step::kPause || job.step == Step::kCancel;
    if (is_transient(error) || never_fails) {
        return retry(reason, error.message);
    }
    if (job.step == Step::kRun && !is_direct(job)) {
        return Verdict{Outcome::kError, reason, error.message, 0};
    }
    return failed(reason, error.message);
}

std::string table_of_job(const Job& job, const std::optional<StateFile>& state) {
    if (!job.ddl_statement.empty()) {
        if (const auto parsed = parse_ddl(job.ddl_statement); parsed.ok()) {
            return parsed->name.name;
        }
        if (const auto alter = alter_specification(job.ddl_statement); alter.ok()) {
            return alter->name.name;
        }
    }
    if (job.table.starts_with(job.database + ".")) {
        return job.table.substr(job.database.size() + 1);
    }
    if (!job.table.empty()) {
        return job.table;
    }
    return state && state->db == job.database ? state->orig_tbl : "";
}

int run_attempt(const std::string& dir) {
    const Logger logger;
    const SystemClock clock;
    const AttemptFiles files(dir);
    crash_point("worker-start");
    if (path_exists(files.closed())) {
        logger.info("closed", {{"text", "this attempt is over"}});
        return kExitOk;
    }
    const Result<std::string> text = read_file(files.job(), kJobBytesMax);
    if (!text.ok()) {
        logger.error("no_job", {{"text", text.error().message}});
        return kExitInternal;
    }
    auto writer = EventWriter::open(files.events(), files.reserve());
    if (!writer.ok()) {
        logger.error("no_events", {{"text", writer.error().message}});
        return kExitJournal;
    }
    const Result<Job> job = parse_job(*text);
    Reporter reporter(std::move(writer).value(),
                      job.ok() ? job->files_dir + "/ptosc-output.log" : "/dev/null", clock, logger);
    Json started = to_json(identify_self());
    started["version"] = SHIFT_VERSION;
    reporter.event(event::kStarted, std::move(started));
    if (!job.ok()) {
        reporter.outcome(retry("bad_job", job.error().message));
        return kExitOk;
    }
    StopRequest stop;
    const auto commands = CommandServer::start(*job, stop, reporter, logger);
    if (!commands.ok()) {
        reporter.note(LogLevel::kWarn, "no commands: " + commands.error().message);
    }
    const Verdict verdict = run_job(*job, files, reporter, stop, clock);
    reporter.outcome(verdict);
    if (planted_bug("two-outcomes")) {
        reporter.outcome(verdict);
    }
    if (planted_bug("linger") && verdict.outcome == Outcome::kCompleted) {
        ::pause();
    }
    crash_point("worker-end");
    return kExitOk;
}

}  // namespace shift
