// Find what the host is named by -> show it -> look at each table's lock -> ask -> end old sessions
// -> hand to the daemon -> wait until it says that it is ours. The API of the Rails app has no list
// of a host's migrations: there the newest ones are read one by one.

#include "ctl/commands_takeover.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <optional>

#include "common/ddl.h"
#include "common/host_port.h"
#include "common/worker_program.h"
#include "ctl/render/text.h"

namespace shift::ctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kTakenLook{300};
constexpr std::chrono::seconds kTakenDeadline{60};
// Above the highest number known here so many in a row must be unknown to the API.
constexpr int kUnknownInARow = 20;

struct Candidate {
    Json raw;
    Migration migration;
    std::string table;  // without database; "" = the statement cannot be read
};

// A copy is gone on with or known by its tables. Of a statement only its own host's journal and
// event log know, and some can be run twice (ADD INDEX without a name).
bool is_unproven_statement(const Migration& migration) {
    const auto step = step_of_status(migration.status);
    return step && is_direct(migration, *step) && !migration.staged;
}

bool asks(const Session& session, const std::string& question) {
    session.print(question + " [y/N] ");
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
}

class Takeover {
  public:
    Takeover(const Session& session, const TakeoverOptions& options, Config config, ApiClient api,
             std::string socket, std::string worker)
        : session_(session),
          options_(options),
          config_(std::move(config)),
          api_(std::move(api)),
          socket_(std::move(socket)),
          worker_(std::move(worker)) {}

    int run();

  private:
    Status find();
    Status read_status();
    Status scan();
    bool consider(Json raw);
    void locate(Candidate& candidate);
    void show() const;
    bool make_sure_nobody_works(const Candidate& candidate);
    Result<Json> look(const Candidate& candidate, std::uint64_t kill) const;
    bool end_session(const Candidate& candidate, std::uint64_t thread, const std::string& who);
    bool take(const Candidate& candidate);
    bool leave(const Candidate& candidate, const std::string& why);
    void say(const std::string& text) const {
        if (!session_.options().json) {
            session_.print(text + "\n");
        }
    }

    const Session& session_;
    const TakeoverOptions& options_;
    Config config_;
    ApiClient api_;
    std::string socket_;
    std::string worker_;
    std::optional<HostPort> server_;  // --server
    std::vector<Candidate> candidates_;
    MigrationId highest_known_ = 0;
    std::map<std::string, HostPort> servers_;  // of clusters seen here
    Json taken_ = Json::array();
    Json left_ = Json::array();
};

// What the daemon knows: the highest number, and which server a cluster is.
Status Takeover::read_status() {
    ASSIGN_OR_RETURN(const Json status, Session::ask(socket_, "status"));
    for (const Json& one : status.value("migrations", Json::array())) {
        highest_known_ = std::max(highest_known_, int_or(one, "id", 0));
        const std::string host = string_or(one, "host", "");
        const auto port = static_cast<int>(int_or(one, "port", 0));
        if (!host.empty() && port > 0) {
            servers_[string_or(one, "cluster", "")] = {host, port};
        }
    }
    for (const Json& one : status.value("skipped", Json::array())) {
        highest_known_ = std::max(
            highest_known_,
            static_cast<MigrationId>(std::strtoll(string_or(one, "id", "0").c_str(), nullptr, 10)));
    }
    return Ok{};
}

// Keeps it when a machine has to do the next step and the pin is that host's (or, for one that was
// named, nobody's).
bool Takeover::consider(Json raw) {
    auto migration = parse_migration(raw);
    if (!migration.ok()) {
        return false;
    }
    const bool named = !options_.ids.empty();
    const bool theirs = migration->run_host == options_.host ||
                        (named && migration->run_host.empty() && !migration->staged);
    if (!theirs || !step_of_status(migration->status)) {
        return false;
    }
    Candidate candidate{std::move(raw), *std::move(migration), ""};
    locate(candidate);
    candidates_.push_back(std::move(candidate));
    return true;
}

void Takeover::locate(Candidate& candidate) {
    Migration& migration = candidate.migration;
    if (const auto parsed = parse_ddl(migration.ddl_statement); parsed.ok()) {
        candidate.table = parsed->name.name;
    }
    if (const auto known = servers_.find(migration.cluster_name);
        migration.host.empty() && known != servers_.end()) {
        migration.host = known->second.host;
        migration.port = known->second.port;
    }
    if (server_) {
        migration.host = server_->host;
        migration.port = server_->port;
    }
    candidate.raw["host"] = migration.host;
    candidate.raw["port"] = migration.port;
    // What the daemon does by itself; here it is for looking at the table.
    apply_overrides(config_, migration);
}

// The newest migrations one by one, from above the highest number known here.
Status Takeover::scan() {
    MigrationId top = std::max<MigrationId>(highest_known_, 1);
    for (MigrationId id = top + 1; id - top <= kUnknownInARow; ++id) {
        const auto answer = api_.show(id);
        if (answer.ok()) {
            top = id;
        } else if (answer.error().code != Errc::kNotFound) {
            return answer.error();
        }
    }
    for (MigrationId id = top; id > 0 && id > top - options_.scan; --id) {
        const auto answer = api_.show(id);
        if (answer.ok()) {
            consider(answer->migration);
        } else if (answer.error().code != Errc::kNotFound) {
            return answer.error();
        }
    }
    say(fmt::format("(looked at migrations {} to {})",
                    std::max<MigrationId>(1, top - options_.scan), top));
    return Ok{};
}

Status Takeover::find() {
    RETURN_IF_ERROR(read_status());
    for (const MigrationId id : options_.ids) {
        ASSIGN_OR_RETURN(const ApiAnswer answer, api_.show(id));
        if (!consider(answer.migration)) {
            return Error{
                Errc::kInvalidArgument,
                fmt::format(
                    "migration {} is not to be taken over: status \"{}\", pinned to "
                    "'{}'",
                    id, api_status_name(static_cast<int>(int_or(answer.migration, "status", -1))),
                    string_or(answer.migration, "run_host", ""))};
        }
    }
    if (!options_.ids.empty()) {
        return Ok{};
    }
    ASSIGN_OR_RETURN(const auto listed, api_.of_run_host(options_.host));
    if (!listed) {
        return scan();
    }
    for (const Json& raw : *listed) {
        consider(raw);
    }
    return Ok{};
}

void Takeover::show() const {
    say(fmt::format("{} is named by {} migration{}:", one_line(options_.host), candidates_.size(),
                    candidates_.size() == 1 ? "" : "s"));
    for (const Candidate& candidate : candidates_) {
        const Migration& migration = candidate.migration;
        say(fmt::format("  {:>6}  {}  {}.{}  {} {}{}", migration.id,
                        migration.host.empty()
                            ? one_line(migration.cluster_name)
                            : fmt::format("{}:{}", one_line(migration.host), migration.port),
                        one_line(migration.database), one_line(candidate.table), migration.status,
                        api_status_name(migration.status), migration.staged ? ", staged" : ""));
        if (is_unproven_statement(migration)) {
            say(
                fmt::format("          {} may have run its statement and not said so; here it is "
                            "run: look at the table first",
                            one_line(options_.host)));
        }
    }
}

bool Takeover::leave(const Candidate& candidate, const std::string& why) {
    left_.push_back({{"id", candidate.migration.id}, {"why", why}});
    say(fmt::format("migration {}: left alone: {}", candidate.migration.id, one_line(why)));
    return false;
}

Result<Json> Takeover::look(const Candidate& candidate, std::uint64_t kill) const {
    const Migration& migration = candidate.migration;
    return who_holds_with(worker_, session_.config_path(),
                          fmt::format("{}:{}", migration.host, migration.port), migration.database,
                          candidate.table, kill);
}

bool Takeover::end_session(const Candidate& candidate, std::uint64_t thread,
                           const std::string& who) {
    say(fmt::format("migration {}: {}.{} on {}:{} is worked on by {}", candidate.migration.id,
                    one_line(candidate.migration.database), one_line(candidate.table),
                    one_line(candidate.migration.host), candidate.migration.port, one_line(who)));
    const bool may_ask = ::isatty(STDIN_FILENO) != 0 && !session_.options().json;
    if (!options_.kill &&
        !(may_ask && asks(session_, fmt::format("  that may be a living worker of {}. End its "
                                                "session?",
                                                one_line(options_.host))))) {
        return leave(candidate,
                     fmt::format("{} works on its table; --kill ends that session", who));
    }
    const auto after = look(candidate, thread);
    if (!after.ok()) {
        return leave(candidate, after.error().message);
    }
    say(fmt::format("  session {} was ended", thread));
    return true;
}

// The database lock of the table is free, and no engine runs a statement on it.
bool Takeover::make_sure_nobody_works(const Candidate& candidate) {
    if (candidate.migration.host.empty() || candidate.migration.port == 0) {
        return leave(candidate, fmt::format("which server cluster {} is, is not known here: give "
                                            "--server HOST:PORT",
                                            candidate.migration.cluster_name));
    }
    if (candidate.table.empty()) {
        return leave(candidate, "its statement cannot be read, so its table cannot be looked at");
    }
    constexpr int kSessionsMax = 10;
    for (int i = 0; i < kSessionsMax; ++i) {
        const auto seen = look(candidate, 0);
        if (!seen.ok()) {
            return leave(candidate,
                         "whether its table is free cannot be seen: " + seen.error().message);
        }
        const auto client = [](const Json& one) { return string_or(one, "client", "?"); };
        if (bool_or(*seen, "held", false)) {
            const auto thread = static_cast<std::uint64_t>(int_or(*seen, "thread", 0));
            if (!end_session(
                    candidate, thread,
                    fmt::format("thread {} of {}@{} ({} for {} s)", thread,
                                string_or(*seen, "user", "?"), client(*seen),
                                string_or(*seen, "command", "?"), int_or(*seen, "time_s", 0)))) {
                return false;
            }
            continue;
        }
        const Json copying = seen->value("copying", Json::array());
        if (copying.empty()) {
            return true;
        }
        const auto thread = static_cast<std::uint64_t>(int_or(copying[0], "thread", 0));
        if (!end_session(candidate, thread,
                         fmt::format("thread {} from {} (a copy's statement, for {} s)", thread,
                                     client(copying[0]), int_or(copying[0], "time_s", 0)))) {
            return false;
        }
    }
    return leave(candidate, "sessions on its table come back again and again");
}

bool Takeover::take(const Candidate& candidate) {
    const MigrationId id = candidate.migration.id;
    const auto given = Session::ask(socket_, "takeover", {{"migration", candidate.raw}});
    if (!given.ok()) {
        return leave(candidate, given.error().message);
    }
    const InterruptGuard guard;
    const auto begin = steady_clock::now();
    std::string state = "taking over";
    std::string reason;
    while (state == "taking over" && steady_clock::now() - begin < kTakenDeadline &&
           guard.wait(kTakenLook)) {
        const auto status = Session::ask(socket_, "status");
        if (!status.ok()) {
            continue;
        }
        for (const Json& one : status->value("migrations", Json::array())) {
            if (int_or(one, "id", 0) == id) {
                state = string_or(one, "state", "");
                reason = string_or(one, "reason", "");
            }
        }
    }
    const bool staged = reason.find("taken over") != std::string::npos;
    if (state == "let go" && !staged) {
        return leave(candidate, reason);
    }
    taken_.push_back(id);
    say(fmt::format("migration {}: ours now ({})", id,
                    state == "taking over" ? "the daemon goes on with it" : state));
    return true;
}

int Takeover::run() {
    if (!options_.server.empty()) {
        auto server = parse_host_port(options_.server);
        if (!server.ok()) {
            return Session::fail(kExitUsage, "takeover: --server: " + server.error().message);
        }
        server_ = *std::move(server);
    }
    if (Status status = find(); !status.ok()) {
        if (status.error().code == Errc::kInvalidArgument) {
            return Session::fail(kExitFailed, "takeover: " + status.error().message);
        }
        return Session::fail_api("takeover", status.error());
    }
    if (candidates_.empty()) {
        return Session::fail(
            kExitFailed,
            fmt::format("takeover: no migration with a step for a machine is pinned to '{}'",
                        options_.host),
            "the name is the run_host of that host as status or show prints it");
    }
    show();
    if (!options_.yes) {
        if (::isatty(STDIN_FILENO) == 0 || session_.options().json) {
            return Session::fail(kExitUsage, "takeover: nobody here to say yes",
                                 "see that the host will not come back, then give --yes");
        }
        if (!asks(session_,
                  fmt::format("Is {} gone for good? Take them over?", one_line(options_.host)))) {
            return Session::fail(kExitTryAgain, "takeover: nothing was changed");
        }
    }
    bool all = true;
    for (const Candidate& candidate : candidates_) {
        all = make_sure_nobody_works(candidate) && take(candidate) && all;
    }
    if (session_.options().json) {
        session_.print_json(Json{{"taken", taken_}, {"left", left_}});
    }
    return all ? kExitOk : kExitTryAgain;
}

}  // namespace

int run_takeover(const Session& session, const TakeoverOptions& options) {
    auto config = session.config();
    if (!config.ok()) {
        return session.fail_config(config.error());
    }
    auto api = session.api();
    if (!api.ok()) {
        return session.fail_config(api.error());
    }
    auto socket = session.socket_path();
    if (!socket.ok()) {
        return session.fail_config(socket.error());
    }
    auto worker = find_worker(*config);
    if (!worker.ok()) {
        return session.fail_config(worker.error());
    }
    if (const auto alive = Session::ask(*socket, "version"); !alive.ok()) {
        return Session::fail_daemon(*socket, alive.error());
    }
    return Takeover(session, options, *std::move(config), *std::move(api), *std::move(socket),
                    *std::move(worker))
        .run();
}

}  // namespace shift::ctl
