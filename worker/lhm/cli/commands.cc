#include "worker/lhm/cli/commands.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/ddl.h"
#include "common/exit_code.h"
#include "common/text.h"
#include "worker/lhm/cleanup.h"
#include "worker/lhm/cli/console.h"
#include "worker/lhm/cli/state_store.h"
#include "worker/lhm/engine.h"
#include "worker/lhm/leftovers.h"
#include "worker/lhm/retry.h"
#include "worker/mysql/errors.h"
#include "worker/mysql/lock.h"

namespace shift::lhm {
namespace {

constexpr std::chrono::hours kDdlTimeout{24};

int complain(const Error& error) {
    fmt::print(stderr, "shift-lhm: {}\n", error.message);
    if (is_connection_trouble(error)) {
        return kExitUnavailable;
    }
    return is_transient(error) ? kExitTryAgain : kExitFailed;
}

// One connected command and what all of them need.
class Session {
  public:
    Session(const Arguments& arguments, std::string program, StopRequest& stop)
        : arguments_(arguments),
          program_(std::move(program)),
          stop_(stop),
          database_(arguments.target, kDdlTimeout, [](const Database::Connected&) {}),
          console_(arguments.json, arguments.progress,
                   [this](const Checkpoint& checkpoint) { return keep(checkpoint); }) {}

    int change_table();
    int resume();
    int swap();
    int revert();
    int status();
    int cleanup();

  private:
    Status connect();
    Result<Checkpoint> load();
    Result<Options> options() const;
    Engine::World world() { return {database_, console_, stop_, clock_}; }
    Status keep(const Checkpoint& checkpoint);
    int finish_copy(Engine& engine, Result<Ending> ended);
    int finish_swap(Engine& engine, Result<Ending> ended);
    int tell(const Result<Ending>& ended);
    std::string command(const std::string& verb) const;
    Result<Json> describe_state(const StateFile& file, std::string& text);
    void list(const std::vector<Remains>& all);

    const Arguments& arguments_;
    const std::string program_;
    StopRequest& stop_;
    const SystemClock clock_;
    Database database_;
    std::optional<StateStore> store_;
    PlanFile plan_;
    bool keeps_ = false;
    Console console_;
};

// "shift-lhm resume app.users --host db1": what a person types next.
std::string Session::command(const std::string& verb) const {
    const auto word = [](const std::string& text) {
        const bool plain = text.find_first_not_of(
                               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789_./-") == std::string::npos;
        std::string quoted = "'";
        for (const char c : text) {
            quoted += c == '\'' ? "'\\''" : std::string(1, c);
        }
        return plain && !text.empty() ? text : quoted + "'";
    };
    const auto name = [](const std::string& text) {
        const bool plain = text.find_first_of(".`") == std::string::npos;
        return plain ? text : quote_identifier(text);
    };
    const QualifiedTable& table = arguments_.table;
    std::string text = fmt::format("{} {} {}", word(program_), verb,
                                   word(name(table.database) + "." + name(table.table)));
    const MysqlTarget& target = arguments_.target;
    const auto add = [&](const char* option, const std::string& value) {
        if (!value.empty()) {
            text += fmt::format(" {} {}", option, word(value));
        }
    };
    add("--defaults-file", target.defaults_file);
    add("--host", target.host);
    add("--port", target.port == 0 ? "" : std::to_string(target.port));
    add("--socket", target.socket);
    add("--user", target.user);
    add("--state-file", arguments_.state_file);
    text += arguments_.asks_password ? " --ask-password" : "";
    return text;
}

Status Session::connect() {
    RETURN_IF_ERROR(database_.open());
    ASSIGN_OR_RETURN(
        store_, StateStore::open(arguments_.state_file, database_.server().id, arguments_.table));
    return Ok{};
}

Status Session::keep(const Checkpoint& checkpoint) {
    if (!keeps_) {
        return Ok{};
    }
    // One that is done leaves nothing to go on with.
    return checkpoint.stage == Stage::kDone ? store_->remove() : store_->save(checkpoint, plan_);
}

// What an earlier run kept, with today's settings on top.
Result<Checkpoint> Session::load() {
    RETURN_IF_ERROR(connect());
    ASSIGN_OR_RETURN(const auto file, store_->load());
    if (!file) {
        return Error{
            Errc::kNotFound,
            fmt::format("nothing is known of a migration of {}.{} on this server ({} does "
                        "not exist)",
                        arguments_.table.database, arguments_.table.table, store_->path())};
    }
    auto plan = parse_plan_file(file->change);
    if (!plan.ok()) {
        return std::move(plan).error().within(store_->path());
    }
    plan_ = *std::move(plan);
    for (const auto& [name, value] : arguments_.plan.settings) {
        plan_.settings[name] = value;
    }
    keeps_ = true;
    auto checkpoint = checkpoint_of(*file);
    return checkpoint.ok()
               ? std::move(checkpoint)
               : Result<Checkpoint>(std::move(checkpoint).error().within(store_->path()));
}

Result<Options> Session::options() const {
    Options options;
    RETURN_IF_ERROR(apply_settings(plan_.settings, options));
    return options;
}

// Prints how it ended when that is the end of the command; 0 when it may go on.
int Session::tell(const Result<Ending>& ended) {
    if (!ended.ok()) {
        const int code = complain(ended.error());
        console_.say("", "ended", {{"outcome", "error"}, {"message", ended.error().message}});
        if (keeps_ && store_->load().ok()) {
            fmt::print(stderr, "everything is kept; to go on: {}\n", command("resume"));
        }
        return code;
    }
    switch (ended->kind) {
        case Ending::Kind::kDone:
            return kExitOk;
        case Ending::Kind::kStopped:
            console_.say(fmt::format("{}\nto go on: {}\nto give it up: {} --run", ended->message,
                                     command("resume"), command("cleanup")),
                         "ended", {{"outcome", "stopped"}, {"resume", command("resume")}});
            return kExitTryAgain;
        case Ending::Kind::kRefused:
            fmt::print(stderr, "shift-lhm: refused ({}): {}\n", ended->reason, ended->message);
            console_.say(
                "", "ended",
                {{"outcome", "refused"}, {"reason", ended->reason}, {"message", ended->message}});
            return kExitFailed;
        case Ending::Kind::kBlocked:
            fmt::print(stderr,
                       "shift-lhm: blocked ({}): {}\neverything is kept; when it is put right: {}\n"
                       "to give it up: {} --run\n",
                       ended->reason, ended->message, command("resume"), command("cleanup"));
            break;
        case Ending::Kind::kStale:
            fmt::print(stderr, "shift-lhm: {}\nto remove what is left and start anew: {} --run\n",
                       ended->message, command("cleanup"));
            break;
    }
    console_.say("", "ended",
                 {{"outcome", "blocked"}, {"reason", ended->reason}, {"message", ended->message}});
    return kExitFailed;
}

int Session::finish_swap(Engine& engine, Result<Ending> ended) {
    if (const int code = tell(ended); code != kExitOk) {
        return code;
    }
    const Checkpoint& checkpoint = engine.checkpoint();
    std::string text =
        fmt::format("{}.{} is changed; {}", checkpoint.database, checkpoint.table,
                    checkpoint.archive.empty() ? "no row was copied and no old table is left"
                                               : "the old table is " + checkpoint.archive);
    if (checkpoint.stage == Stage::kWindow) {
        text += fmt::format("\nuntil {} it can be taken back: {}\nafter that: {} --run",
                            checkpoint.window_ends, command("revert"), command("cleanup"));
    }
    console_.say(text, "ended",
                 {{"outcome", "switched"},
                  {"archive", checkpoint.archive},
                  {"window_ends", checkpoint.window_ends}});
    return kExitOk;
}

int Session::finish_copy(Engine& engine, Result<Ending> ended) {
    if (const int code = tell(ended); code != kExitOk) {
        return code;
    }
    if (plan_.no_switch) {
        const std::string what =
            engine.checkpoint().instant.empty()
                ? fmt::format("the shadow table {} is kept in step", engine.plan().names.shadow)
                : "the table itself will be altered, no row is copied";
        console_.say(fmt::format("ready; {}\nto swap: {}", what, command("switch")), "ended",
                     {{"outcome", "ready"}, {"switch", command("switch")}});
        return kExitOk;
    }
    const Checkpoint ready = engine.checkpoint();
    return finish_swap(engine, engine.swap(ready));
}

int Session::change_table() {
    plan_ = arguments_.plan;
    const auto options_read = options();
    if (!options_read.ok()) {
        complain(options_read.error());
        return kExitUsage;
    }
    const Options& wanted = *options_read;
    if (Status connected = connect(); !connected.ok()) {
        return complain(connected.error());
    }
    Engine engine(world(), plan_.change, wanted);
    if (!arguments_.execute) {
        const auto ended = engine.dry_run();
        if (const int code = tell(ended); code != kExitOk) {
            return code;
        }
        console_.say(
            describe(engine.plan(), wanted) + "nothing was changed; with --execute it is done",
            "plan", to_json(engine.plan(), wanted));
        return kExitOk;
    }
    keeps_ = true;
    auto ended = engine.copy(std::nullopt);
    const bool begun = engine.checkpoint().stage != Stage::kCreate;
    if (!begun) {
        // Nothing was copied, so nothing of this run is worth a resume; an earlier one's state
        // stays.
        keeps_ = false;
        if (!engine.checkpoint().copy_id.empty()) {
            (void)store_->remove().ok();
        }
        (void)engine.remove_unbegun().ok();
    }
    return finish_copy(engine, std::move(ended));
}

int Session::resume() {
    const auto checkpoint = load();
    const auto wanted = checkpoint.ok() ? options() : Result<Options>(checkpoint.error());
    if (!wanted.ok()) {
        return complain(wanted.error());
    }
    Engine engine(world(), plan_.change, *wanted);
    if (checkpoint->stage == Stage::kWindow) {
        if (parse_iso_time(checkpoint->window_ends) > clock_.wall()) {
            console_.say(fmt::format("swapped already; until {} it can be taken back: {}",
                                     checkpoint->window_ends, command("revert")),
                         "ended", {{"outcome", "window"}});
            return kExitOk;
        }
        return tell(engine.end_window(*checkpoint));
    }
    if (checkpoint->stage == Stage::kSwap) {
        return finish_swap(engine, engine.swap(*checkpoint));
    }
    return finish_copy(engine, engine.copy(*checkpoint));
}

int Session::swap() {
    const auto checkpoint = load();
    const auto wanted = checkpoint.ok() ? options() : Result<Options>(checkpoint.error());
    if (!wanted.ok()) {
        return complain(wanted.error());
    }
    Engine engine(world(), plan_.change, *wanted);
    return finish_swap(engine, engine.swap(*checkpoint));
}

int Session::revert() {
    const auto checkpoint = load();
    const auto wanted = checkpoint.ok() ? options() : Result<Options>(checkpoint.error());
    if (!wanted.ok()) {
        return complain(wanted.error());
    }
    Engine engine(world(), plan_.change, *wanted);
    const auto ended = engine.revert(*checkpoint);
    if (const int code = tell(ended); code != kExitOk) {
        return code;
    }
    console_.say(fmt::format("{}.{} is as it was before the change, with all writes since",
                             checkpoint->database, checkpoint->table),
                 "ended", {{"outcome", "reverted"}});
    return kExitOk;
}

// One migration for people; also what the server says of it when there is a connection.
Result<Json> Session::describe_state(const StateFile& file, std::string& text) {
    ASSIGN_OR_RETURN(const Checkpoint checkpoint, checkpoint_of(file));
    ASSIGN_OR_RETURN(Connection * look, database_.look());
    const bool here = database_.server().id == checkpoint.server.id;
    Json json{{"database", checkpoint.database},
              {"table", checkpoint.table},
              {"stage", stage_name(checkpoint.stage)},
              {"rows", checkpoint.rows},
              {"rows_estimate", checkpoint.rows_estimate},
              {"chunks", checkpoint.chunks},
              {"runs", checkpoint.runs},
              {"saved_at", file.saved_at},
              {"server", checkpoint.server.id},
              {"verified", checkpoint.verified},
              {"archive", checkpoint.archive},
              {"window_ends", checkpoint.window_ends}};
    text += fmt::format("{}.{}: {}, {} of about {} rows, {} runs, saved {}\n", checkpoint.database,
                        checkpoint.table, stage_name(checkpoint.stage), checkpoint.rows,
                        checkpoint.rows_estimate, checkpoint.runs, file.saved_at);
    if (!checkpoint.verified.empty()) {
        text += fmt::format("  {}\n", checkpoint.verified);
    }
    if (!here) {
        text += fmt::format("  on another server ({})\n", checkpoint.server.id);
        return json;
    }
    ASSIGN_OR_RETURN(
        const auto holder,
        database_lock_holder(
            *look, database_lock_name(checkpoint.database, checkpoint.table, look->folds_case())));
    ASSIGN_OR_RETURN(const Leftovers left,
                     find_leftovers(*look, checkpoint.database, checkpoint.table));
    json["running"] = holder.has_value();
    json["triggers"] = left.triggers.size();
    json["shadow"] = left.shadow;
    text += holder ? fmt::format("  running: thread {} ({}@{})\n", holder->thread_id, holder->user,
                                 holder->host)
                   : std::string("  not running\n");
    text += fmt::format("  on the server: {} triggers, {}\n", left.triggers.size(),
                        left.shadow ? "the shadow table" : "no shadow table");
    return json;
}

int Session::status() {
    std::vector<StateFile> files;
    const bool one = !arguments_.table.table.empty() || !arguments_.state_file.empty();
    const Status connected = one ? connect() : database_.open();
    if (!connected.ok()) {
        return complain(connected.error());
    }
    if (one) {
        const auto file = store_->load();
        if (!file.ok()) {
            return complain(file.error());
        }
        if (!*file) {
            fmt::print(stderr,
                       "shift-lhm: nothing is known of a migration of {}.{} ({} does not "
                       "exist)\n",
                       arguments_.table.database, arguments_.table.table, store_->path());
            return kExitFailed;
        }
        files.push_back(**file);
    } else {
        for (auto& [path, file] : all_states()) {
            files.push_back(std::move(file));
        }
    }
    Json all = Json::array();
    std::string text;
    for (const StateFile& file : files) {
        const auto json = describe_state(file, text);
        if (!json.ok()) {
            return complain(json.error());
        }
        all.push_back(*json);
    }
    console_.say(text.empty() ? "no migrations are known here" : text, "status",
                 {{"migrations", std::move(all)}});
    return kExitOk;
}

void Session::list(const std::vector<Remains>& all) {
    std::vector<std::string> tables;
    std::vector<std::string> triggers;
    Json kept = Json::array();
    std::string stays;
    for (const Remains& one : all) {
        if (!one.is_removable()) {
            stays += fmt::format("stays: {}.{}: {}\n", one.database, one.table, one.why);
            kept.push_back(Json{{"database", one.database}, {"name", one.table}, {"why", one.why}});
            continue;
        }
        for (const std::string& name : one.tables) {
            tables.push_back(one.database + "." + name);
        }
        for (const std::string& name : one.triggers) {
            triggers.push_back(one.database + "." + name);
        }
    }
    std::string text;
    const char* verb = arguments_.run ? "Dropped" : "Would drop";
    if (!tables.empty()) {
        text += fmt::format("{} LHM backup tables: {}\n", verb, listed(tables, tables.size()));
    }
    if (!triggers.empty()) {
        text += fmt::format("{} LHM triggers: {}\n", verb, listed(triggers, triggers.size()));
    }
    if (tables.empty() && triggers.empty()) {
        text += "Everything is clean. Nothing to do.\n";
    } else if (!arguments_.run) {
        text += "Run with --run to drop them.\n";
    }
    console_.say(text + stays, "cleanup",
                 {{"run", arguments_.run},
                  {"tables", tables},
                  {"triggers", triggers},
                  {"kept", std::move(kept)}});
}

int Session::cleanup() {
    if (Status connected = connect(); !connected.ok()) {
        return complain(connected.error());
    }
    const CleanupScope scope{arguments_.database, arguments_.table.table, arguments_.until};
    const auto look = database_.look();
    const auto all = look.ok() ? find_remains(**look, scope, clock_.wall())
                               : Result<std::vector<Remains>>(look.error());
    if (!all.ok()) {
        return complain(all.error());
    }
    if (arguments_.run) {
        for (const Remains& one : *all) {
            if (!one.is_removable()) {
                continue;
            }
            // A lock of its own for each: the one before is let go with its session.
            Database database(arguments_.target, kDdlTimeout, [](const Database::Connected&) {});
            Workshop workshop{database, console_, stop_};
            Status removed = database.open();
            if (removed.ok()) {
                removed =
                    remove_remains(workshop, one, !arguments_.table.table.empty(), clock_.wall());
            }
            if (!removed.ok()) {
                return complain(removed.error().within(one.database + "." + one.table));
            }
            if (one.kind == Remains::Kind::kMigration) {
                const auto store =
                    StateStore::open("", database.server().id, {one.database, one.table});
                if (store.ok()) {
                    (void)store->remove().ok();
                }
                if (!arguments_.state_file.empty()) {
                    (void)store_->remove().ok();
                }
            }
        }
    }
    list(*all);
    return kExitOk;
}

}  // namespace

int run_command(const Arguments& arguments, const std::string& program, StopRequest& stop) {
    Session session(arguments, program, stop);
    switch (arguments.verb) {
        case Verb::kChangeTable:
            return session.change_table();
        case Verb::kResume:
            return session.resume();
        case Verb::kSwitch:
            return session.swap();
        case Verb::kRevert:
            return session.revert();
        case Verb::kStatus:
            return session.status();
        case Verb::kCleanup:
            return session.cleanup();
    }
    return kExitInternal;
}

}  // namespace shift::lhm
