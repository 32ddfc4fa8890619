#include "ctl/commands_inquire.h"

#include <fmt/format.h>

#include "common/why.h"
#include "ctl/ask.h"
#include "ctl/render/history.h"
#include "ctl/since.h"

namespace shift::ctl {
namespace {

constexpr int kEventsPage = 1000;

// What the API says of a migration that waits for somebody else than this daemon.
Why why_of_api(const ApiAnswer& shown, const std::string& run_host) {
    const Json& m = shown.migration;
    const int status = static_cast<int>(int_or(m, "status", -1));
    const std::string pin = string_or(m, "run_host", "");
    Why why;
    why.text = api_status_name(status);
    why.evidence = {{"status", status}};
    switch (next_move(status)) {
        case NextMove::kNobody:
            why.code = WhyCode::kFinished;
            break;
        case NextMove::kPeople:
            why.code = WhyCode::kWaitingForPeople;
            break;
        case NextMove::kRunner:
            why.code = WhyCode::kWaitingForRunner;
            break;
    }
    // A cancelled one is finished for people, and still a runner's to clean up while it is staged.
    const bool staged = step_of_status(status) && bool_or(m, "staged", false);
    if (staged) {
        why.code = WhyCode::kWaitingForRunner;
        why.text += ", staged";
    }
    if (why.code == WhyCode::kWaitingForRunner && !pin.empty() && pin != run_host) {
        why.code = WhyCode::kPinnedElsewhere;
        why.text += ", pinned to " + pin;
        why.evidence["run_host"] = pin;
    }
    if (const std::string error = string_or(m, "error_message", ""); !error.empty()) {
        why.text += ": " + error;
        why.evidence["error_message"] = error;
    }
    if (!shown.actions.empty()) {
        why.evidence["possible"] = shown.actions;
    }
    return why;
}

// Codes of migrations this host is done with: the API knows better what has become of them.
bool api_knows_better(const Json& why) {
    const auto code = parse_why_code(string_or(why, "code", ""));
    return code == WhyCode::kWaitingForPeople || code == WhyCode::kWaitingForRunner ||
           code == WhyCode::kNotOurs || code == WhyCode::kFinished;
}

void print_why(const Session& session, const Json& why) {
    if (session.options().json) {
        session.print_json(why);
    } else {
        session.print(render_why(why, session.view()));
    }
}

}  // namespace

int run_history(const Session& session, const HistoryOptions& options) {
    const auto socket = session.socket_path();
    if (!socket.ok()) {
        return session.fail_config(socket.error());
    }
    WallTime since{};
    if (!options.since.empty()) {
        const auto parsed = parse_since(options.since, session.view().now);
        if (!parsed.ok()) {
            return Session::fail(kExitUsage, "history: --since: " + parsed.error().message);
        }
        since = *parsed;
    }
    const Json args = {{"since", since == WallTime{} ? "" : iso_time(since)},
                       {"table", options.table},
                       {"limit", options.limit}};
    const auto answer =
        ask_or_read(session, *socket, "history", args, [&](const JournalReader& reader) {
            return reader.history(since, options.table, options.limit);
        });
    if (!answer.data) {
        return answer.code;
    }
    if (session.options().json) {
        session.print_json(*answer.data);
    } else {
        session.print(render_history(*answer.data, session.view()));
    }
    return answer.code;
}

int run_events(const Session& session, MigrationId id) {
    const auto socket = session.socket_path();
    if (!socket.ok()) {
        return session.fail_config(socket.error());
    }
    Json all = Json::array();
    std::int64_t after = 0;
    for (;;) {
        const Answer answer = ask_or_read(
            session, *socket, "events", {{"id", id}, {"after", after}, {"limit", kEventsPage}},
            [&](const JournalReader& reader) { return reader.events(id, after, kEventsPage); });
        if (!answer.data) {
            return answer.code;
        }
        const Json events = answer.data->value("events", Json::array());
        if (session.options().json) {
            all.insert(all.end(), events.begin(), events.end());
        } else {
            session.print(render_events(events, session.view()));
        }
        const bool more = bool_or(*answer.data, "more", false) && !events.empty();
        if (!more && session.options().json) {
            session.print_json(Json{{"events", all}});
        }
        if (!more && events.empty() && after == 0 && answer.code == kExitOk) {
            return Session::fail(kExitFailed,
                                 fmt::format("events {}: the journal has nothing of it", id),
                                 fmt::format("shift-supervisorctl show {} asks the API", id));
        }
        if (!more) {
            return answer.code;
        }
        after = int_or(events.back(), "id", 0);
    }
}

int run_why(const Session& session, MigrationId id) {
    const auto socket = session.socket_path();
    if (!socket.ok()) {
        return session.fail_config(socket.error());
    }
    auto asked = Session::ask(*socket, "why", {{"id", id}}, Session::kLookTimeout);
    Answer known;
    if (asked.ok()) {
        known.data = *std::move(asked);
    } else if (asked.error().code != Errc::kInvalidArgument) {
        known = read_instead(session, *socket, asked.error(),
                             [id](const JournalReader& reader) { return reader.why(id); });
        const bool is_silent = known.code == kExitUnavailable || known.code == kExitTryAgain;
        if (!known.data && !is_silent) {
            return known.code;
        }
    }  // else a daemon that does not know this migration
    const bool is_known = known.data && known.data->is_object();
    const auto print_known = [&] {
        print_why(session, *known.data);
        return known.code;
    };
    if (is_known && !api_knows_better(*known.data)) {
        return print_known();
    }
    const auto api = session.api();
    const auto shown = api.ok() ? api->show(id) : Result<ApiAnswer>(Error(api.error()));
    if (shown.ok()) {
        const auto config = session.config();
        const Why why = why_of_api(*shown, config.ok() ? config->run_host : "");
        print_why(session, to_json(why, id));
        return known.code;
    }
    if (is_known) {
        return print_known();
    }
    const int failed = Session::fail_api(
        fmt::format("why {}: the daemon has no such migration; the API", id), shown.error());
    return known.code == kExitOk ? failed : known.code;
}

}  // namespace shift::ctl
