#include "ctl/commands_workers.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "common/file.h"
#include "ctl/attempts.h"
#include "ctl/render/text.h"
#include "ctl/render/workers.h"

namespace shift::ctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLook{200};
// How long a request over the socket may take effect before SIGTERM says it again. A worker stops
// pt-osc within ten seconds.
constexpr std::chrono::seconds kTermAfter{20};

int fail_attempts(const Error& error) {
    const bool denied = error.native == EACCES;
    return Session::fail(denied ? kExitPermission : kExitFailed, "workers: " + error.message,
                         denied ? "run it as root or as the user of the daemon" : "");
}

Json to_json(const OpenAttempt& attempt) {
    const char* life = attempt.life == AttemptLife::kAlive          ? "running"
                       : attempt.life == AttemptLife::kOrphanEngine ? "engine only"
                                                                    : "ended";
    const auto pid = [](const ProcessIdentity& process) {
        return process.pid > 0 ? Json(process.pid) : Json();
    };
    return {{"attempt", attempt.number},
            {"migration", attempt.job.migration},
            {"step", step_name(attempt.job.step)},
            {"engine", attempt.job.engine},
            {"host", attempt.job.host},
            {"port", attempt.job.port},
            {"database", attempt.job.database},
            {"table", attempt.job.table},
            {"life", life},
            {"phase", attempt.phase},
            {"worker_pid", pid(attempt.worker)},
            {"engine_pid", pid(attempt.engine)},
            {"outcome", attempt.outcome.empty() ? Json() : Json(attempt.outcome)},
            {"message", attempt.message},
            {"folder", attempt.files.dir}};
}

// What the worker itself says of its progress; null when it does not answer.
Json progress_of(const OpenAttempt& attempt) {
    if (attempt.life != AttemptLife::kAlive) {
        return {};
    }
    const auto answer = ask_worker(attempt, {{"command", "status"}});
    return answer.ok() && answer->contains("data") ? (*answer)["data"] : Json();
}

bool daemon_runs(const Config& config) {
    const auto locked = is_locked(config.state_dir + "/supervisor.lock");
    return locked.ok() && *locked;
}

bool is_wanted(const OpenAttempt& attempt, const StopWorkersOptions& options) {
    return options.all || std::find(options.ids.begin(), options.ids.end(),
                                    attempt.job.migration) != options.ids.end();
}

// One attempt on its way to its end.
struct Stopping {
    OpenAttempt attempt;
    bool term_sent = false;
    bool told = false;
};

std::string name_of(const OpenAttempt& attempt) {
    return fmt::format("migration {} (attempt {}, {})", attempt.job.migration, attempt.number,
                       step_name(attempt.job.step));
}

void terminate(const Session& session, Stopping& stopping) {
    stopping.term_sent = true;
    const OpenAttempt& attempt = stopping.attempt;
    // An engine without its worker stops and keeps its state on TERM, too.
    const ProcessIdentity& process =
        attempt.life == AttemptLife::kOrphanEngine ? attempt.engine : attempt.worker;
    if (process.pid > 0 && signal_process(process, SIGTERM) && !session.options().json) {
        session.print(fmt::format("{}: TERM sent to pid {}\n", name_of(attempt), process.pid));
    }
}

void ask(const Session& session, Stopping& stopping) {
    const auto answer = ask_worker(stopping.attempt, {{"command", "stop"}, {"reason", "drain"}});
    if (!answer.ok() || !bool_or(*answer, "ok", false)) {
        terminate(session, stopping);
    } else if (!session.options().json) {
        session.print(name_of(stopping.attempt) + ": asked to stop with its state kept\n");
    }
}

void tell_end(const Session& session, Stopping& stopping) {
    stopping.told = true;
    if (session.options().json) {
        return;
    }
    const OpenAttempt& attempt = stopping.attempt;
    const std::string outcome =
        attempt.outcome.empty() ? "died without an outcome" : attempt.outcome;
    session.print(fmt::format("{}: {}{}\n", name_of(attempt), one_line(outcome),
                              attempt.message.empty() ? "" : ": " + one_line(attempt.message)));
    if (const std::string left = left_on_server(attempt); !left.empty()) {
        session.print("  it goes on from what it leaves: " + one_line(left) + "\n");
    }
}

// Until all have ended; the number of those that have not.
std::size_t wait_for_ends(const Session& session, std::vector<Stopping>& all, double timeout_s) {
    const InterruptGuard guard;
    const auto begin = steady_clock::now();
    const auto limit = milliseconds(static_cast<std::int64_t>(timeout_s * 1000));
    for (;;) {
        std::size_t left = 0;
        for (Stopping& stopping : all) {
            if (stopping.told) {
                continue;
            }
            refresh(stopping.attempt);
            const bool late = steady_clock::now() - begin >= kTermAfter;
            if (stopping.attempt.life == AttemptLife::kDead) {
                tell_end(session, stopping);
                continue;
            }
            ++left;
            const bool orphan = stopping.attempt.life == AttemptLife::kOrphanEngine;
            if (!stopping.term_sent && (late || orphan)) {
                terminate(session, stopping);
            }
        }
        if (left == 0 || steady_clock::now() - begin >= limit || !guard.wait(kLook)) {
            return left;
        }
    }
}

int finish_stop(const Session& session, const std::vector<Stopping>& all, std::size_t left) {
    if (session.options().json) {
        Json list = Json::array();
        for (const Stopping& stopping : all) {
            Json item = to_json(stopping.attempt);
            const std::string left_over = stopping.told ? left_on_server(stopping.attempt) : "";
            item["left_on_server"] = left_over.empty() ? Json() : Json(left_over);
            list.push_back(std::move(item));
        }
        session.print_json(Json{{"workers", list}, {"left", left}});
    }
    if (left == 0) {
        return kExitOk;
    }
    for (const Stopping& stopping : all) {
        if (!stopping.told) {
            Session::fail(kExitTryAgain, name_of(stopping.attempt) + " has not ended yet");
        }
    }
    return Session::fail(kExitTryAgain, fmt::format("{} still running", left),
                         "a worker that waits for a direct statement ends with it; see with "
                         "workers, or wait longer with --timeout");
}

}  // namespace

int run_workers(const Session& session) {
    const auto config = session.config();
    if (!config.ok()) {
        return session.fail_config(config.error());
    }
    const auto attempts = open_attempts(*config, true);
    if (!attempts.ok()) {
        return fail_attempts(attempts.error());
    }
    Json list = Json::array();
    for (const OpenAttempt& attempt : *attempts) {
        Json item = to_json(attempt);
        item["progress"] = progress_of(attempt);
        list.push_back(std::move(item));
    }
    const Json answer = {{"workers", std::move(list)}, {"daemon", daemon_runs(*config)}};
    if (session.options().json) {
        session.print_json(answer);
    } else {
        session.print(render_workers(answer, session.view()));
    }
    return kExitOk;
}

int run_stop_workers(const Session& session, const StopWorkersOptions& options) {
    const auto config = session.config();
    if (!config.ok()) {
        return session.fail_config(config.error());
    }
    auto attempts = open_attempts(*config, false);
    if (!attempts.ok()) {
        return fail_attempts(attempts.error());
    }
    std::vector<Stopping> all;
    for (OpenAttempt& attempt : *attempts) {
        if (is_wanted(attempt, options)) {
            all.push_back({.attempt = std::move(attempt)});
        }
    }
    for (const MigrationId id : options.ids) {
        const bool found = std::any_of(all.begin(), all.end(), [id](const Stopping& stopping) {
            return stopping.attempt.job.migration == id;
        });
        if (!found) {
            return Session::fail(
                kExitFailed, fmt::format("stop-workers: no worker of migration {} runs here", id),
                "workers lists those that do");
        }
    }
    if (daemon_runs(*config)) {
        std::fprintf(stderr,
                     "shift-supervisorctl: a daemon runs and starts copies again; drain keeps them "
                     "stopped\n");
    }
    if (all.empty() && !session.options().json) {
        session.print("no worker runs here\n");
    }
    std::for_each(all.begin(), all.end(), [&](Stopping& stopping) { ask(session, stopping); });
    return finish_stop(session, all, wait_for_ends(session, all, options.timeout_s));
}

}  // namespace shift::ctl
