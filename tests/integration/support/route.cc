#include "tests/integration/support/route.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/integration/support/programs.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

constexpr milliseconds kLookAgain{50};
// Traffic enough to be in the way of each step, without growing the table faster than a slow
// machine copies it.
constexpr milliseconds kWritersRest{10};

Change long_alter() {
    return {.ddl = "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 7",
            .final_insert = "INSERT INTO versions (v) VALUES (1)"};
}

Change lhm_alter() {
    Change change = long_alter();
    change.ddl += ", ADD INDEX by_amount (amount)";
    change.custom_options = {{"engine", "lhm"}};
    return change;
}

// One run of a route.
class Drive {
  public:
    Drive(const Route& route, const Deaths& deaths, std::uint64_t seed)
        : route_(route),
          deaths_(deaths),
          s_(options(deaths)),
          writers_(s_.server(), "app", "t", 1, seed),
          invariants_(s_) {
        writers_.set_rest(kWritersRest);
        if (deaths.own_server) {
            writers_.tolerate_lost_connections();
        }
        std::filesystem::create_directory(crash_dir());
        arm_next();
        s_.supervisor().set_environment("SHIFT_CRASH_DIR", crash_dir());
        s_.supervisor().set_environment("SHIFT_PLANT", deaths.plant);
        Writers::make_table(s_.db(), "app", "t", route.rows);
        s_.db().execute("CREATE TABLE app.versions (v INT)");
        Invariants::make_bystanders(s_.db());
        for (const std::string& name : deaths.users_tables) {
            s_.db().execute("CREATE TABLE app." + quote_name(name) + " (id INT PRIMARY KEY)");
        }
    }

    RouteEnd run() {
        if (deaths_.before) {
            deaths_.before(s_);
        }
        if (has_middle()) {
            spit(s_.dir() / "gate", "");
        }
        if (!route_.drops_table) {
            writers_.start();
        }
        id_ = s_.submit(route_.change);
        s_.supervisor().start(false);
        const bool over = poll_until(
            [this] {
                step();
                std::this_thread::sleep_for(kLookAgain);
                return !invariants_.seen().empty() || is_over();
            },
            deaths_.deadline);
        writers_.stop();
        RouteEnd end;
        end.violations = invariants_.seen();
        if (!over) {
            end.violations.push_back("stuck: status " + std::to_string(s_.status(id_)) + " " +
                                     s_.text(id_, "error_message") + "; " +
                                     to_line(s_.supervisor().status()));
        } else if (end.violations.empty()) {
            std::vector<std::string> kept = deaths_.users_tables;
            kept.push_back("versions");
            if (!route_.drops_table) {
                kept.push_back("t");
            }
            end.violations = invariants_.violations({.id = id_,
                                                     .changed = !is_cancelled(),
                                                     .kept = kept,
                                                     .with_content = !route_.drops_table});
        }
        for (const std::string& error : writers_.errors()) {
            end.violations.push_back("content: the application saw " + error);
        }
        end.hits = hits();
        end.struck = struck_;
        end.restarts = restarts_;
        return end;
    }

  private:
    static ScenarioOptions options(const Deaths& deaths) {
        ScenarioOptions options;
        options.start = false;
        options.chunk_rows = 20;
        options.settings = deaths.settings;
        options.own_server = deaths.own_server;
        options.server.durable = deaths.own_server;
        return options;
    }
    std::string crash_dir() { return s_.dir() / "crash"; }
    bool has_middle() const { return route_.middle != Route::Middle::kNothing; }
    bool is_cancelled() const { return route_.middle == Route::Middle::kCancel; }

    void arm_next() {
        if (struck_ < deaths_.points.size()) {
            spit(crash_dir() + "/next", deaths_.points[struck_]);
            std::filesystem::rename(crash_dir() + "/next", crash_dir() + "/armed");
            is_armed_ = true;
        }
    }

    // One look at everything: who died is started again, and people do their next part.
    void step() {
        invariants_.look();
        if (is_armed_ && ::access((crash_dir() + "/armed").c_str(), F_OK) != 0) {
            is_armed_ = false;
            ++struck_;
            arm_next();
        }
        if (!s_.supervisor().running()) {
            ++restarts_;
            s_.supervisor().start(false);
        }
        const int status = s_.status(id_);
        if (deaths_.meddle) {
            deaths_.meddle(s_, id_, status);
        }
        if (status == 1) {
            s_.approve(id_);
        } else if (status == 2) {
            s_.start_run(id_);
        } else if (status == 3 && has_middle() && !middle_done_) {
            middle();
        } else if (status == 4) {
            s_.rename(id_);
        } else if (status == 12 || status == 13) {
            open_gate();
            s_.resume(id_);
        }
    }

    bool is_copying() {
        const std::string shadow = s_.shadow_table(id_);
        try {
            return !shadow.empty() && s_.db().integer("SELECT EXISTS (SELECT 1 FROM app." +
                                                      quote_name(shadow) + ")") == 1;
        } catch (const SqlError&) {
            return false;  // dropped meanwhile
        }
    }

    void middle() {
        if (!is_copying()) {
            return;
        }
        switch (route_.middle) {
            case Route::Middle::kNothing:
                return;
            case Route::Middle::kPause:
                s_.pause(id_);
                break;
            case Route::Middle::kCancel:
                s_.cancel(id_);
                break;
            case Route::Middle::kDrain:
                if (!drained_) {
                    drained_ = s_.supervisor().control("drain", Json::object()).ok();
                    return;
                }
                if (!s_.model().staged(id_)) {
                    return;
                }
                open_gate();
                if (!s_.supervisor().control("undrain", Json::object()).ok()) {
                    return;  // just dead
                }
                break;
            case Route::Middle::kEngineAlone:
                if (!leave_engine_alone()) {
                    return;
                }
                open_gate();
                break;
        }
        middle_done_ = true;
    }

    // The worker is killed while its engine cannot even die of it.
    bool leave_engine_alone() {
        const Json shown = s_.supervisor().migration(id_);
        const auto worker = static_cast<pid_t>(int_or(shown, "worker_pid", 0));
        const auto engine = static_cast<pid_t>(int_or(shown, "engine_pid", 0));
        if (worker == 0 || engine == 0 || ::kill(engine, SIGSTOP) != 0) {
            return false;
        }
        return ::kill(worker, SIGKILL) == 0;
    }

    void open_gate() { (void)::unlink((s_.dir() / "gate").c_str()); }

    bool is_over() {
        const int status = s_.status(id_);
        const bool there = is_cancelled() ? status == 9 && !s_.model().staged(id_) : status == 8;
        if (!(there || status == 10) || !s_.text(id_, "run_host").empty() ||
            !s_.supervisor().running()) {
            return false;
        }
        try {
            return s_.supervisor()
                       .journal_rows("SELECT 1 FROM v_status UNION SELECT 1 FROM v_owed")
                       .empty() &&
                   s_.supervisor().workers().empty();
        } catch (const std::runtime_error&) {
            return false;  // the journal is being opened
        }
    }

    std::vector<std::string> hits() {
        std::vector<std::string> found;
        std::set<std::string> seen;
        std::istringstream lines(slurp(crash_dir() + "/hits"));
        for (std::string line; std::getline(lines, line);) {
            const std::string name = line.substr(line.find(' ') + 1);
            if (seen.insert(name).second) {
                found.push_back(name);
            }
        }
        return found;
    }

    const Route& route_;
    const Deaths& deaths_;
    Scenario s_;
    Writers writers_;
    Invariants invariants_;
    MigrationId id_ = 0;
    bool is_armed_ = false;
    bool middle_done_ = false;
    bool drained_ = false;
    std::size_t struck_ = 0;
    int restarts_ = 0;
};

}  // namespace

std::vector<Route> routes() {
    return {
        {.name = "ShortDrop",
         .change = {.ddl = "DROP TABLE t",
                    .action = 1,
                    .runtype = 2,
                    .final_insert = "INSERT INTO versions (v) VALUES (1)"},
         .rows = 20,
         .drops_table = true},
        {.name = "ShortAlter",
         .change = {.ddl = "ALTER TABLE t ADD INDEX (amount)",
                    .runtype = 2,
                    .final_insert = "INSERT INTO versions (v) VALUES (1)"},
         .rows = 60},
        {.name = "LongAlter", .change = long_alter(), .rows = 60},
        {.name = "Cancel", .change = long_alter(), .rows = 60, .middle = Route::Middle::kCancel},
        {.name = "PauseAndResume",
         .change = long_alter(),
         .rows = 60,
         .middle = Route::Middle::kPause},
        {.name = "Drain", .change = long_alter(), .rows = 60, .middle = Route::Middle::kDrain},
        {.name = "LhmAlter", .change = lhm_alter(), .rows = 60},
        {.name = "LhmCancel", .change = lhm_alter(), .rows = 60, .middle = Route::Middle::kCancel},
        {.name = "LhmPauseAndResume",
         .change = lhm_alter(),
         .rows = 60,
         .middle = Route::Middle::kPause},
        {.name = "EngineAlone",
         .change = long_alter(),
         .rows = 60,
         .middle = Route::Middle::kEngineAlone},
    };
}

RouteEnd drive(const Route& route, const Deaths& deaths, std::uint64_t seed) {
    return Drive(route, deaths, seed).run();
}

}  // namespace shift::testing
