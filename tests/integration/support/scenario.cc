#include "tests/integration/support/scenario.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <exception>
#include <iostream>
#include <stdexcept>

#include "tests/integration/support/programs.h"

namespace shift::testing {

namespace {

MariadbServer& choose_server(const ScenarioOptions& options, std::unique_ptr<MariadbServer>& own) {
    if (options.own_server) {
        own = std::make_unique<MariadbServer>(options.server);
        return *own;
    }
    shared_server().reset();
    return shared_server();
}

// The same for the engine lhm.
std::map<std::string, std::string> lhm_small_steps(const TempDir& dir,
                                                   const ScenarioOptions& options) {
    return {{"lhm_stride", std::to_string(options.chunk_rows)},
            {"lhm_delay", std::to_string(options.chunk_pause_s)},
            {"lhm_defer_indexes", "yes"},
            {"lhm_instant", "no"},
            {"lhm_throttle_file", dir / "gate"},
            {"lhm_throttle_interval", "0.05"}};
}

const char* runtype_word(int runtype) {
    return runtype == 2 ? "short" : runtype == 4 ? "nocheckalter" : "long";
}

}  // namespace

Scenario::Scenario(const ScenarioOptions& options)
    : server_(&choose_server(options, own_server_)), db_(server_->connect()) {
    db_.execute("CREATE DATABASE app");
    db_.execute("CREATE DATABASE pending_drops");
    api_ = std::make_unique<FakeApi>();
    if (options.real_api) {
        shift_api_ = std::make_unique<ShiftApi>(dir_ / "api", *server_);
        shift_api_->start();
        api_->forward_to(shift_api_->port());
    }
    std::map<std::string, std::string> settings = options.settings;
    if (options.chunk_rows > 0) {
        settings["pt_osc_path"] =
            options.flavour == OscFlavour::kSquare
                ? small_step_square_pt_osc(dir_.path(), options.chunk_rows)
                : small_step_pt_osc(dir_.path(), options.chunk_rows, options.chunk_pause_s);
        if (options.flavour == OscFlavour::kBasic) {
            forget_plugins(dir_.path());
        }
        for (const auto& [key, value] : lhm_small_steps(dir_, options)) {
            settings.emplace(key, value);
        }
    }
    supervisor_ = std::make_unique<SupervisorProcess>(dir_.path(), api_->url(), settings);
    if (options.start) {
        supervisor_->start();
    }
}

Scenario::~Scenario() {
    if (::testing::Test::HasFailure() || std::uncaught_exceptions() > 0) {
        dir_.keep();
        std::cerr << report();
    }
    supervisor_.reset();
}

std::string Scenario::report() {
    std::string text = "=== folder " + dir_.path() + "\n--- API calls\n";
    const std::vector<ApiCall> calls = api_->calls();
    const auto begin = calls.empty() ? std::chrono::steady_clock::time_point{} : calls[0].at;
    std::vector<std::string> lines;
    for (const ApiCall& call : calls) {
        if (call.endpoint == "staged") {
            continue;
        }
        const auto ms = std::chrono::duration_cast<milliseconds>(call.at - begin).count();
        lines.push_back("+" + std::to_string(ms) + " ms " + call.method + " " + call.endpoint +
                        " " + std::to_string(call.migration) + " -> " +
                        std::to_string(call.status) + " " + call.body.substr(0, 200) + "\n");
    }
    const std::size_t first = lines.size() > 150 ? lines.size() - 150 : 0;
    for (std::size_t i = first; i < lines.size(); ++i) {
        text += lines[i];
    }
    for (const auto& [id, change] : changes_) {
        try {
            text += "--- migration " + std::to_string(id) + ": " + to_line(columns(id)) + "\n";
        } catch (const std::exception& error) {
            text += std::string("--- ") + error.what() + "\n";
        }
    }
    text += "--- status " + to_line(supervisor_->status()) + "\n";
    text += supervisor_->logs();
    if (shift_api_) {
        text += "--- shift-api\n" + tail_file(shift_api_->log_file(), 40);
    }
    return text;
}

MigrationId Scenario::submit(const Change& change) {
    MigrationId id = 0;
    if (shift_api_) {
        Json extra = change.custom_options;
        extra["final_insert"] = change.final_insert;
        extra["meta_request_id"] = 1;  // lifts the rule that small tables can only run short
        id = shift_api_->create(change.database, change.ddl, extra);
    } else {
        ApiModel::Spec spec;
        spec.database = change.database;
        spec.table = change.table;
        spec.ddl_statement = change.ddl;
        spec.final_insert = change.final_insert;
        spec.mode = change.mode;
        spec.action = change.action;
        spec.runtype = change.runtype;
        spec.port = server_->port();
        if (!change.custom_options.empty()) {
            spec.custom_options = to_line(change.custom_options);
        }
        id = model().create(spec);
    }
    changes_[id] = change;
    return id;
}

Json Scenario::columns(MigrationId id) {
    return shift_api_ ? shift_api_->get(id) : model().get(id);
}

int Scenario::status(MigrationId id) {
    return static_cast<int>(int_or(columns(id), "status", -1));
}

std::string Scenario::text(MigrationId id, const char* column) {
    return string_or(columns(id), column, "");
}

void Scenario::approve(MigrationId id) {
    const int runtype = changes_.at(id).runtype;
    if (shift_api_) {
        shift_api_->act("approve", id,
                        Json{{"runtype", runtype_word(runtype)}, {"approver", "boss"}});
    } else {
        model().approve(id, runtype);
    }
}

void Scenario::start_run(MigrationId id) {
    if (shift_api_) {
        shift_api_->act("start", id);
    } else {
        model().start(id);
    }
}

void Scenario::rename(MigrationId id) {
    if (shift_api_) {
        shift_api_->act("rename", id);
    } else {
        model().rename(id);
    }
}

void Scenario::pause(MigrationId id) {
    if (shift_api_) {
        shift_api_->act("pause", id);
    } else {
        model().pause(id);
    }
}

void Scenario::resume(MigrationId id) {
    if (shift_api_) {
        shift_api_->act("resume", id);
    } else {
        model().resume(id);
    }
}

void Scenario::cancel(MigrationId id) {
    if (shift_api_) {
        shift_api_->act("cancel_cli", id);
    } else {
        model().cancel(id);
    }
}

std::string Scenario::file(MigrationId id, int file_type) {
    return shift_api_ ? shift_api_->file(id, file_type) : model().file(id, file_type);
}

void Scenario::await(const std::string& what, const std::function<bool()>& done,
                     milliseconds deadline) {
    const auto look = [&] {
        watch_();
        return done();
    };
    if (!poll_until(look, deadline)) {
        throw std::runtime_error("not in time: " + what);
    }
}

void Scenario::await_status(MigrationId id, int wanted, milliseconds deadline) {
    int seen = -1;
    const bool over = poll_until(
        [&] {
            watch_();
            seen = status(id);
            const bool final = seen == 8 || seen == 10 || seen == 13;
            return seen == wanted || (final && seen != wanted);
        },
        deadline);
    if (!over || seen != wanted) {
        throw std::runtime_error("migration " + std::to_string(id) + " is in status " +
                                 std::to_string(seen) + " (" + api_status_name(seen) +
                                 "), not in " + std::to_string(wanted) +
                                 "; error_message: " + text(id, "error_message"));
    }
}

void Scenario::await_idle(milliseconds deadline) {
    await(
        "no migration is open, no worker runs and nothing is owed",
        [this] {
            return supervisor_->journal_rows("SELECT 1 FROM v_status UNION SELECT 1 FROM v_owed")
                       .empty() &&
                   supervisor_->workers().empty();
        },
        deadline);
}

std::string Scenario::shadow_table(MigrationId id, const std::string& database) {
    const std::string prefix = "_" + std::to_string(id) + "_";
    for (const std::string& name : db_.tables(database)) {
        if (name.rfind(prefix, 0) == 0 || name.rfind("lhmn_", 0) == 0) {
            return name;
        }
    }
    return "";
}

void Scenario::await_copying(MigrationId id, const std::string& database) {
    await("the copy of migration " + std::to_string(id) + " has begun", [&] {
        const std::string shadow = shadow_table(id, database);
        try {
            return !shadow.empty() &&
                   db_.integer("SELECT EXISTS (SELECT 1 FROM " + quote_name(database) + "." +
                               quote_name(shadow) + ")") == 1;
        } catch (const SqlError&) {
            return false;  // dropped meanwhile: the dry run's
        }
    });
}

void Scenario::bring_to_prepared(MigrationId id) {
    await_status(id, 1);
}

void Scenario::bring_to_running(MigrationId id) {
    bring_to_prepared(id);
    approve(id);
    start_run(id);
}

void Scenario::bring_to_copied(MigrationId id) {
    bring_to_running(id);
    await_status(id, 4);
}

void Scenario::bring_to_completed(MigrationId id) {
    bring_to_copied(id);
    rename(id);
    await_status(id, 8);
}

std::string Scenario::leftovers(const std::string& database,
                                const std::vector<std::string>& tables) {
    std::string text;
    for (const std::string& name : db_.triggers(database)) {
        text += " trigger " + name;
    }
    for (const std::string& name : db_.tables(database)) {
        if (std::find(tables.begin(), tables.end(), name) == tables.end()) {
            text += " table " + name;
        }
    }
    for (const std::string& name : tables) {
        if (!db_.table_exists(database, name)) {
            text += " (missing: " + name + ")";
        }
    }
    return text;
}

}  // namespace shift::testing
