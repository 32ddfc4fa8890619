#include "ctl/commands_api.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "ctl/render/api.h"

namespace shift::ctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPrepareLook{1000};

int print_answer(const Session& session, const ApiAnswer& answer) {
    if (session.options().json) {
        session.print_json(
            Json{{"migration", answer.migration}, {"available_actions", answer.actions}});
    } else {
        session.print(render_api_result(answer.migration, answer.actions));
    }
    return kExitOk;
}

// Explains a refusal as well as what is known allows.
int fail_action(const ApiClient& api, const std::string& what, MigrationId id, const Error& error) {
    if (error.code == Errc::kConflict) {
        return Session::fail_api(what, error, fmt::format("look with show {}, then try again", id));
    }
    if (error.code != Errc::kInvalidArgument) {
        return Session::fail_api(what, error);
    }
    if (error.message.find("maximum # of migrations") != std::string::npos) {
        return Session::fail_api(
            what, error, fmt::format("enqueue {} starts it as soon as the cluster is free", id));
    }
    const auto current = api.show(id);
    if (error.message.find("Invalid action") == std::string::npos || !current.ok()) {
        return Session::fail_api(what, error);
    }
    const int status = static_cast<int>(int_or(current->migration, "status", -1));
    const std::string next = next_commands(id, current->actions);
    return Session::fail_api(
        what,
        Error{Errc::kInvalidArgument,
              fmt::format("not possible while the migration is \"{}\"", api_status_name(status))},
        next.empty() ? "nothing can be done with it in this state" : "possible now: " + next);
}

std::vector<std::string> runtypes_offered(const std::vector<std::string>& actions) {
    constexpr std::string_view kPrefix = "approve_";
    std::vector<std::string> offered;
    for (const std::string& action : actions) {
        if (action.starts_with(kPrefix)) {
            offered.push_back(action.substr(kPrefix.size()));
        }
    }
    return offered;
}

Json fields_of(const SubmitOptions& options) {
    Json fields{{"cluster_name", options.cluster},
                {"database", options.database},
                {"ddl_statement", options.ddl},
                {"requestor", options.requestor.empty() ? user_name() : options.requestor},
                {"pr_url", options.pr_url},
                {"final_insert", options.final_insert},
                {"config_path", options.config_path},
                {"recursion_method", options.recursion_method}};
    if (options.max_threads_running) {
        fields["max_threads_running"] = *options.max_threads_running;
    }
    if (options.max_replication_lag) {
        fields["max_replication_lag"] = *options.max_replication_lag;
    }
    if (!options.engine.empty()) {
        fields["engine"] = options.engine;
    }
    if (options.allow_loss) {
        fields["allow_loss"] = true;
    }
    return fields;
}

int wait_until_prepared(const Session& session, const ApiClient& api, MigrationId id,
                        const SubmitOptions& options) {
    const InterruptGuard guard;
    const auto start = steady_clock::now();
    const std::string what = fmt::format("submit: migration {}", id);
    for (;;) {
        const auto answer = api.show(id);
        // The migration exists; an API that is away for a moment does not change that.
        if (!answer.ok() && answer.error().code != Errc::kUnavailable) {
            return Session::fail_api(what, answer.error());
        }
        if (answer.ok()) {
            const auto status = int_or(answer->migration, "status", -1);
            if (status == static_cast<int>(ApiStatus::kFailed)) {
                print_answer(session, *answer);
                return Session::fail(
                    kExitFailed, fmt::format("{} failed: {}", what,
                                             string_or(answer->migration, "error_message", "?")));
            }
            if (status != static_cast<int>(ApiStatus::kPreparing)) {
                return print_answer(session, *answer);
            }
        }
        const auto limit =
            milliseconds(static_cast<std::int64_t>(options.timeout_s.value_or(0) * 1000));
        if (options.timeout_s && steady_clock::now() - start >= limit) {
            return Session::fail(kExitTryAgain, what + " is not prepared yet",
                                 fmt::format("look with show {}; is a runner at work?", id));
        }
        if (!guard.wait(kPrepareLook)) {
            return Session::fail(kExitTryAgain, what + " is submitted; waiting was interrupted",
                                 fmt::format("look with show {}", id));
        }
    }
}

}  // namespace

int run_submit(const Session& session, const SubmitOptions& options) {
    const auto api = session.api();
    if (!api.ok()) {
        return session.fail_config(api.error());
    }
    const auto answer = api->create(fields_of(options));
    if (!answer.ok()) {
        return Session::fail_api("submit", answer.error());
    }
    const MigrationId id = int_or(answer->migration, "id", 0);
    if (options.wait) {
        if (!session.options().json) {
            session.print(fmt::format("migration {}: submitted\n", id));
        }
        return wait_until_prepared(session, *api, id, options);
    }
    print_answer(session, *answer);
    if (!session.options().json) {
        session.print(
            fmt::format("a runner prepares it now; then approve {} (see show {})\n", id, id));
    }
    return kExitOk;
}

int run_approve(const Session& session, const ApproveOptions& options) {
    const auto api = session.api();
    if (!api.ok()) {
        return session.fail_config(api.error());
    }
    const std::string what = fmt::format("approve {}", options.id);
    std::string runtype = options.runtype;
    if (runtype.empty()) {
        const auto current = api->show(options.id);
        if (!current.ok()) {
            return Session::fail_api(what, current.error());
        }
        const auto offered = runtypes_offered(current->actions);
        if (offered.empty()) {
            return fail_action(*api, what, options.id,
                               Error{Errc::kInvalidArgument, "Invalid action."});
        }
        if (offered.size() > 1) {
            return Session::fail(kExitFailed, what + ": there is a choice of runtypes",
                                 fmt::format("give --runtype {}", fmt::join(offered, " or ")));
        }
        runtype = offered.front();
    }
    const std::string approver = options.approver.empty() ? user_name() : options.approver;
    const auto answer =
        api->act("approve", options.id, Json{{"runtype", runtype}, {"approver", approver}});
    if (!answer.ok()) {
        return fail_action(*api, what, options.id, answer.error());
    }
    return print_answer(session, *answer);
}

int run_action(const Session& session, const std::string& verb, const ActionOptions& options) {
    const auto api = session.api();
    if (!api.ok()) {
        return session.fail_config(api.error());
    }
    Json fields = Json::object();
    if (options.auto_run) {
        fields["auto_run"] = true;
    }
    const bool unlocked = verb == "pause" || verb == "cancel";
    const auto answer = unlocked
                            ? api->act_unlocked(verb == "cancel" ? "cancel_cli" : verb, options.id)
                            : api->act(verb, options.id, fields);
    if (!answer.ok()) {
        return fail_action(*api, fmt::format("{} {}", verb, options.id), options.id,
                           answer.error());
    }
    return print_answer(session, *answer);
}

int run_delete(const Session& session, MigrationId id) {
    const auto api = session.api();
    if (!api.ok()) {
        return session.fail_config(api.error());
    }
    if (const Status status = api->remove(id); !status.ok()) {
        return fail_action(*api, fmt::format("delete {}", id), id, status.error());
    }
    if (session.options().json) {
        session.print_json(Json{{"deleted", id}});
    } else {
        session.print(fmt::format("migration {}: deleted\n", id));
    }
    return kExitOk;
}

int run_show(const Session& session, MigrationId id) {
    const auto api = session.api();
    if (!api.ok()) {
        return session.fail_config(api.error());
    }
    const auto answer = api->show(id);
    if (!answer.ok()) {
        return Session::fail_api(fmt::format("show {}", id), answer.error());
    }
    if (session.options().json) {
        return print_answer(session, *answer);
    }
    session.print(render_api_migration(answer->migration, answer->actions, session.view()));
    return kExitOk;
}

}  // namespace shift::ctl
