#include "tests/integration/support/route.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/integration/support/programs.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

constexpr milliseconds kLookAgain{50};
constexpr seconds kIdleForGood{3};
// Traffic enough to be in the way of each step, without growing the table faster than a slow
// machine copies it.
constexpr milliseconds kWritersRest{10};

// A worker that dies again and again must not use up the tries of its step.
constexpr const char* kManyTries = "50";

// One run of a route.
class Drive {
  public:
    Drive(const Route& route, const Deaths& deaths, std::uint64_t seed)
        : route_(route),
          deaths_(deaths),
          s_(options(route, deaths)),
          writers_(s_.server(), "app", "t", 1, seed),
          invariants_(s_) {
        writers_.set_rest(kWritersRest);
        invariants_.set_patience(deaths.patience);
        if (deaths.own_server) {
            writers_.tolerate_lost_connections();
        }
        crash_.arm(deaths_.points);
        s_.supervisor().set_environment("SHIFT_CRASH_DIR", crash_.path());
        s_.supervisor().set_environment("SHIFT_PLANT", deaths.plant);
        Writers::make_table(s_.db(), "app", "t", route.rows);
        s_.db().execute(route.insert_fails ? "CREATE TABLE app.versions (v INT PRIMARY KEY)"
                                           : "CREATE TABLE app.versions (v INT)");
        Invariants::make_bystanders(s_.db());
        for (const std::string& name : deaths.users_tables) {
            s_.db().execute("CREATE TABLE app." + quote_name(name) + " (id INT PRIMARY KEY)");
        }
    }

    RouteEnd run() {
        if (deaths_.before) {
            deaths_.before(s_);
        }
        if (has_middle() && !is_direct()) {
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
                return !invariants_.seen().empty() || !lost_.empty() || is_over();
            },
            deaths_.deadline);
        writers_.stop();
        RouteEnd end;
        end.violations = invariants_.seen();
        if (!lost_.empty()) {
            end.violations.push_back(lost_);
        } else if (!over) {
            end.violations.push_back("stuck: status " + std::to_string(s_.status(id_)) + " " +
                                     s_.text(id_, "error_message") + "; " +
                                     to_line(s_.supervisor().status()));
        } else if (end.violations.empty()) {
            std::vector<std::string> kept = deaths_.users_tables;
            kept.push_back("versions");
            if (!route_.drops_table) {
                kept.push_back("t");
            }
            if (!route_.makes_table.empty()) {
                kept.push_back(route_.makes_table);
            }
            end.violations = invariants_.violations({.id = id_,
                                                     .changed = s_.status(id_) != 9,
                                                     .kept = kept,
                                                     .with_content = !route_.drops_table});
            look_at_column(end);
        }
        for (const std::string& error : writers_.errors()) {
            end.violations.push_back("content: the application saw " + error);
        }
        read_hits(end);
        end.struck = deaths_.points.size() - crash_.left();
        end.restarts = restarts_;
        return end;
    }

  private:
    static ScenarioOptions options(const Route& route, const Deaths& deaths) {
        ScenarioOptions options;
        options.start = false;
        options.chunk_rows = 20;
        options.settings = deaths.settings;
        options.settings.insert(route.settings.begin(), route.settings.end());
        options.settings.insert({"attempts_max", kManyTries});
        options.flavour = route.flavour;
        options.own_server = deaths.own_server;
        options.server.durable = deaths.own_server;
        return options;
    }
    bool is_cancelled_on_the_way() const {
        return route_.middle == Route::Middle::kCancel ||
               route_.middle == Route::Middle::kCancelStatement ||
               route_.middle == Route::Middle::kCancelOrphanedStatement;
    }
    bool is_direct() const { return route_.change.runtype == 2; }
    bool has_middle() const { return route_.middle != Route::Middle::kNothing; }

    // The API shows `status`, or will as soon as a person's move is made. Said before the move, so
    // that no point of the step it leads to is passed under the old one.
    void arrive(int status) {
        if (status != status_) {
            status_ = status;
            spit(crash_.path() + "/status.new", std::to_string(status));
            std::filesystem::rename(crash_.path() + "/status.new", crash_.path() + "/status");
        }
    }

    // One look at everything: who died is started again, and people do their next part.
    void step() {
        invariants_.look();
        if (!s_.supervisor().running()) {
            ++restarts_;
            s_.supervisor().start(false);
        }
        const int status = s_.status(id_);
        arrive(status);
        look_for_lost_transition(status);
        if (deaths_.meddle) {
            deaths_.meddle(s_, id_, status);
        }
        if (status == 1) {
            s_.approve(id_);
        } else if (status == 2) {
            if (route_.insert_fails) {
                s_.db().execute("INSERT IGNORE INTO app.versions (v) VALUES (1)");
            }
            arrive(3);
            s_.start_run(id_);
        } else if (status == 3 && has_middle() && !middle_done_) {
            middle();
        } else if (status == 4) {
            arrive(5);
            s_.rename(id_);
        } else if (status == 12 || status == 13) {
            if (route_.middle == Route::Middle::kEngineFails) {
                middle_done_ = true;
                set_tries(kManyTries);
            }
            open_gate();
            arrive(3);
            s_.resume(id_);
        }
    }

    void look_at_column(RouteEnd& end) {
        if (route_.adds_column.empty()) {
            return;
        }
        const std::vector<std::string> columns = s_.db().columns("app", "t");
        const bool is_there =
            std::find(columns.begin(), columns.end(), route_.adds_column) != columns.end();
        if (is_there == (s_.status(id_) == 9)) {
            end.violations.push_back("content: column " + route_.adds_column +
                                     (is_there ? " of a cancelled migration is there"
                                               : " of a completed migration is missing"));
        }
    }

    // Nothing is open or owed here, and the API waits for us: it will do so for ever.
    void look_for_lost_transition(int status) {
        const bool is_ours = status == 0 || status == 3 || status == 5 || status == 11;
        if (!is_ours || s_.model().staged(id_) || !s_.text(id_, "run_host").empty() || !is_idle()) {
            idle_since_.reset();
            return;
        }
        const auto now = std::chrono::steady_clock::now();
        idle_since_ = idle_since_.value_or(now);
        if (now - *idle_since_ > kIdleForGood && s_.status(id_) == status) {
            lost_ = "api: a transition is lost: nothing is owed, and the API is in status " +
                    std::to_string(status);
        }
    }

    bool is_idle() {
        try {
            return s_.supervisor()
                .journal_rows("SELECT 1 FROM v_status UNION SELECT 1 FROM v_owed")
                .empty();
        } catch (const std::runtime_error&) {
            return false;  // the journal is being opened
        }
    }

    void set_tries(const char* tries) {
        s_.supervisor().terminate();
        s_.supervisor().set("attempts_max", tries);
        s_.supervisor().start(false);
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

    // The slow direct statement runs, or is over because something died behind it.
    bool is_statement_sent() {
        return s_.db().integer(
                   "SELECT EXISTS (SELECT 1 FROM information_schema.PROCESSLIST WHERE DB = 'app' "
                   "AND INFO LIKE 'ALTER TABLE%')") == 1 ||
               crash_.hits().find(" 3 sql-done/ALTER TABLE\n") != std::string::npos;
    }

    void middle() {
        if (is_direct() ? !is_statement_sent() : !is_copying()) {
            return;
        }
        switch (route_.middle) {
            case Route::Middle::kNothing:
                return;
            case Route::Middle::kPause:
                arrive(11);
                s_.pause(id_);
                break;
            case Route::Middle::kCancelOrphanedStatement:
                for (const pid_t pid : s_.supervisor().workers()) {
                    (void)::kill(pid, SIGKILL);
                }
                [[fallthrough]];
            case Route::Middle::kCancel:
            case Route::Middle::kCancelStatement:
                arrive(9);
                s_.cancel(id_);
                break;
            case Route::Middle::kEngineFails:
                fail_engine();
                return;  // until the API says that it is an error
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

    void fail_engine() {
        if (!tries_are_few_) {
            tries_are_few_ = true;
            set_tries("1");
            return;
        }
        const auto engine =
            static_cast<pid_t>(int_or(s_.supervisor().migration(id_), "engine_pid", 0));
        if (engine != 0) {
            (void)::kill(engine, SIGKILL);
        }
    }

    void open_gate() { (void)::unlink((s_.dir() / "gate").c_str()); }

    bool is_over() {
        const int status = s_.status(id_);
        const bool is_cancelled = status == 9 && !s_.model().staged(id_);
        bool there = status == 10 || status == (route_.insert_fails ? 10 : 8);
        if (is_cancelled_on_the_way()) {
            // What was cancelled when its statement had happened already is completed.
            there = is_cancelled || status == 10 || (is_direct() && middle_done_ && status == 8);
        }
        return there && s_.text(id_, "run_host").empty() && s_.supervisor().running() && is_idle();
    }

    void read_hits(RouteEnd& end) {
        std::set<std::string> seen;
        std::istringstream lines(crash_.hits());
        for (std::string line; std::getline(lines, line);) {
            const std::size_t first = line.find(' ');
            const std::size_t second = line.find(' ', first + 1);
            const std::string name = line.substr(second + 1);
            ++end.times[{name, line.substr(first + 1, second - first - 1)}];
            if (seen.insert(name).second) {
                end.hits.push_back(name);
            }
        }
    }

    const Route& route_;
    const Deaths& deaths_;
    Scenario s_;
    CrashDir crash_{s_.dir() / "crash"};
    Writers writers_;
    Invariants invariants_;
    MigrationId id_ = 0;
    int status_ = -1;
    bool middle_done_ = false;
    bool tries_are_few_ = false;
    bool drained_ = false;
    std::optional<std::chrono::steady_clock::time_point> idle_since_;
    std::string lost_;
    int restarts_ = 0;
};

}  // namespace

RouteEnd drive(const Route& route, const Deaths& deaths, std::uint64_t seed) {
    return Drive(route, deaths, seed).run();
}

}  // namespace shift::testing
