#include "ctl/commands_daemon.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "ctl/ask.h"
#include "ctl/render/status.h"
#include "ctl/render/text.h"

namespace shift::ctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kDrainLook{1000};
constexpr int kComplaintRows = 4;  // two sentences on a narrow terminal

milliseconds to_millis(double seconds) {
    return milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

// The daemon may be newer than we are: nothing about the shape of its answer is taken for granted.
Json drain_of(const Json& status) {
    return status.is_object() ? status.value("drain", Json::object()) : Json::object();
}

const Json* find_migration(const Json& status, MigrationId id) {
    const auto list = status.find("migrations");
    if (list == status.end() || !list->is_array()) {
        return nullptr;
    }
    for (const Json& migration : *list) {
        if (get_int(migration, "id") == id) {
            return &migration;
        }
    }
    return nullptr;
}

// Prints one look; the exit code it stands for.
int print_status(const Session& session, const StatusOptions& options, const Json& status) {
    View view = session.view();
    view.all = options.all;
    if (!options.id) {
        if (session.options().json) {
            session.print_json(status);
        } else {
            session.print(render_status(status, view));
        }
        return kExitOk;
    }
    const Json* migration = find_migration(status, *options.id);
    if (migration == nullptr) {
        return Session::fail(kExitFailed,
                             fmt::format("status {}: this host has no such migration", *options.id),
                             fmt::format("shift-supervisorctl show {} asks the API", *options.id));
    }
    if (session.options().json) {
        // Beside it what holds every migration of the host.
        Json one = {{"migration", *migration}, {"drain", drain_of(status)}};
        for (const char* key : {"state", "journal_of"}) {
            if (status.contains(key)) {
                one[key] = status[key];
            }
        }
        session.print_json(std::move(one));
    } else {
        session.print(render_drain(status, view) + render_migration(*migration, view));
    }
    return kExitOk;
}

// The journal's status in the place of a daemon that answered with `error`.
FromJournal status_after(const Error& error) {
    return [hangs = error.code == Errc::kDeadline](const JournalReader& reader) -> Result<Json> {
        ASSIGN_OR_RETURN(Json status, reader.status());
        if (hangs) {
            status["state"] = "not answering";  // its process is there
        }
        return status;
    };
}

// Home, then every line cleared to its end, then the rest of the screen: no flicker.
std::string redraw(const std::string& text) {
    std::string out = "\x1b[H";
    for (const char c : text) {
        if (c == '\n') {
            out += "\x1b[K";
        }
        out += c;
    }
    return out + "\x1b[J";
}

int watch(Session& session, const std::string& socket, const StatusOptions& options) {
    const InterruptGuard guard;
    const bool full_screen = session.terminal().is_tty && !session.options().json;
    for (bool first = true;; first = false) {
        const auto asked = Session::ask(socket, "status", Json::object(), Session::kLookTimeout);
        if (guard.interrupted()) {
            return kExitOk;
        }
        // A daemon that restarts comes back; its workers go on meanwhile.
        const auto status =
            asked.ok() ? Result<Json>(*asked)
                       : read_quietly(session, socket, asked.error(), status_after(asked.error()));
        if (!status.ok() && first) {
            return Session::fail_daemon(socket, asked.error());
        }
        session.look_at_terminal();  // somebody may have resized it
        if (full_screen && first) {
            session.print("\x1b[2J");
        }
        if (status.ok() && (options.id || session.options().json || !full_screen)) {
            if (full_screen) {
                session.print("\x1b[H\x1b[J");
            } else if (!first && !session.options().json) {
                session.print("\n");
            }
            print_status(session, options, *status);
        } else if (status.ok()) {
            View view = session.view();
            view.all = options.all;
            // A line less than there is, the cursor rests below the last one; and room to complain.
            const int spare = asked.ok() ? 1 : 1 + kComplaintRows;
            const int rows = std::max(0, session.terminal().height - spare);
            session.print(redraw(fit_height(render_status(*status, view), rows)));
        }
        if (!asked.ok()) {
            Session::fail_daemon(socket, asked.error());
        }
        if (!guard.wait(to_millis(*options.watch_s))) {
            return kExitOk;
        }
    }
}

int print_drained(const Session& session, const Json& status) {
    if (session.options().json) {
        session.print_json(status);
    } else {
        session.print("drained: nothing is owed; the daemon may be stopped\n");
    }
    return kExitOk;
}

int wait_until_drained(const Session& session, const std::string& socket,
                       const DrainOptions& options) {
    const InterruptGuard guard;
    const auto start = steady_clock::now();
    std::string said;
    for (;;) {
        const auto status = Session::ask(socket, "status");
        if (!status.ok()) {
            return Session::fail_daemon(socket, status.error());
        }
        const Json drain = drain_of(*status);
        if (!bool_or(drain, "active", false)) {
            return Session::fail(kExitFailed, "drain: somebody ended it with undrain");
        }
        if (int_or(drain, "owed", 0) == 0) {
            return print_drained(session, *status);
        }
        if (const std::string now = render_owed(*status); now != said) {
            said = now;
            if (!session.options().json) {
                session.print(now + '\n');
            }
        }
        const bool late =
            options.timeout_s && steady_clock::now() - start >= to_millis(*options.timeout_s);
        if (late) {
            return Session::fail(kExitTryAgain, "drain: " + said + " after the timeout",
                                 "the drain goes on; wait with drain --wait, end it with undrain");
        }
        if (!guard.wait(kDrainLook)) {
            return Session::fail(kExitTryAgain, "drain: interrupted, " + said,
                                 "the drain goes on; end it with undrain");
        }
    }
}

}  // namespace

namespace {

int print_why_after(const Session& session, const std::string& did, const Json& why) {
    if (session.options().json) {
        session.print_json(why.is_object() ? why : Json::object());
    } else {
        session.print(fmt::format("{}; now: {}{}\n", did, text_of(why, "code"),
                                  text_of(why, "text").empty() ? "" : ", " + text_of(why, "text")));
    }
    return kExitOk;
}

}  // namespace

int run_status(Session& session, const StatusOptions& options) {
    const auto socket = session.socket_path();
    if (!socket.ok()) {
        return session.fail_config(socket.error());
    }
    if (options.watch_s) {
        return watch(session, *socket, options);
    }
    const auto status = Session::ask(*socket, "status", Json::object(), Session::kLookTimeout);
    if (status.ok()) {
        return print_status(session, options, *status);
    }
    const Answer answer =
        read_instead(session, *socket, status.error(), status_after(status.error()));
    if (answer.data) {
        print_status(session, options, *answer.data);
    }
    return answer.code;
}

int run_drain(const Session& session, const DrainOptions& options) {
    const auto socket = session.socket_path();
    if (!socket.ok()) {
        return session.fail_config(socket.error());
    }
    const auto answer = Session::ask(*socket, "drain", Json{{"keep", options.keep}});
    if (!answer.ok()) {
        return Session::fail_daemon(*socket, answer.error());
    }
    if (options.wait) {
        return wait_until_drained(session, *socket, options);
    }
    if (session.options().json) {
        session.print_json(answer->is_object() ? *answer : Json::object());
    } else {
        session.print(fmt::format("draining: no new work is taken, {}\n", render_owed(*answer)));
        session.print("next: wait with drain --wait, end it with undrain\n");
    }
    return kExitOk;
}

int run_undrain(const Session& session) {
    const auto socket = session.socket_path();
    if (!socket.ok()) {
        return session.fail_config(socket.error());
    }
    const auto answer = Session::ask(*socket, "undrain");
    if (!answer.ok()) {
        return Session::fail_daemon(*socket, answer.error());
    }
    const Json drain = drain_of(*answer);
    if (session.options().json) {
        session.print_json(answer->is_object() ? *answer : Json::object());
    } else if (bool_or(drain, "active", false)) {
        session.print("the stop file still holds the daemon; remove it to take work again\n");
    } else {
        session.print("the daemon takes work again\n");
    }
    return kExitOk;
}

int run_retry(const Session& session, MigrationId id) {
    const auto socket = session.socket_path();
    if (!socket.ok()) {
        return session.fail_config(socket.error());
    }
    const auto answer = Session::ask(*socket, "retry", Json{{"id", id}});
    if (!answer.ok()) {
        return Session::fail_daemon(*socket, answer.error());
    }
    return print_why_after(session, fmt::format("migration {}: tried again at once", id), *answer);
}

int run_final_insert_decision(const Session& session, const FinalInsertOptions& options) {
    const auto socket = session.socket_path();
    if (!socket.ok()) {
        return session.fail_config(socket.error());
    }
    if (options.done == options.run_again) {
        return Session::fail(
            kExitUsage, "final-insert: say --done or --run-again",
            fmt::format("why {} names the statement; look into its table first", options.id));
    }
    const char* decision = options.done ? "done" : "run-again";
    const auto answer =
        Session::ask(*socket, "final-insert", Json{{"id", options.id}, {"decision", decision}});
    if (!answer.ok()) {
        return Session::fail_daemon(*socket, answer.error());
    }
    return print_why_after(session,
                           fmt::format("migration {}: its final insert {}", options.id,
                                       options.done ? "counts as done" : "is run again"),
                           *answer);
}

int run_version(const Session& session) {
    const auto socket = session.socket_path();
    const auto daemon =
        socket.ok() ? Session::ask(*socket, "version") : Result<Json>(Error(socket.error()));
    if (session.options().json) {
        session.print_json(
            Json{{"version", SHIFT_VERSION}, {"daemon", daemon.ok() ? *daemon : Json()}});
        return kExitOk;
    }
    session.print("shift-supervisorctl " SHIFT_VERSION "\n");
    session.print(daemon.ok()
                      ? fmt::format("shift-supervisord {} (pid {})\n",
                                    one_line(string_or(*daemon, "version", "?")),
                                    int_or(*daemon, "pid", 0))
                      : fmt::format("no daemon answers: {}\n", one_line(daemon.error().message)));
    return kExitOk;
}

}  // namespace shift::ctl
