// Many migrations of all kinds on tables with traffic, while everything is killed every few
// seconds; then everything is left alone, must come to its end, and is compared with what was
// written. Run by tests/soak.sh.

#include <fmt/format.h>
#include <signal.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>

#include "tests/integration/support/invariants.h"
#include "tests/integration/support/scenario.h"
#include "tests/integration/support/writers.h"
#include "tests/soak/verify.h"

namespace shift::testing {
namespace {

using Clock = std::chrono::steady_clock;

// Traffic that a machine with little to spare can copy beside.
constexpr milliseconds kWritersRest{10};

struct Options {
    double minutes = 5;
    std::uint64_t seed = 0;
    int tables = 6;
    int big_tables = 2;
    int big_rows = 40'000;
    double kill_every_s = 3;
    bool with_server = true;
};

class Soak {
  public:
    explicit Soak(const Options& options)
        : options_(options), random_(options.seed), s_(scenario_options()) {
        s_.db().execute("CREATE TABLE app.versions (id BIGINT NOT NULL)");
        for (int i = 0; i < options.tables; ++i) {
            Lane lane;
            lane.table = fmt::format("t{}", i);
            Writers::make_table(s_.db(), "app", lane.table,
                                i < options.big_tables ? options.big_rows : 300);
            lane.writers = std::make_unique<Writers>(s_.server(), "app", lane.table, 1,
                                                     options.seed + static_cast<std::uint64_t>(i));
            lane.writers->tolerate_lost_connections();
            lane.writers->set_rest(kWritersRest);
            lane.writers->start();
            lanes_.push_back(std::move(lane));
        }
        s_.supervisor().start();
    }

    int run() {
        const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                            std::chrono::duration<double>(options_.minutes * 60));
        auto next_kill = Clock::now();
        auto next_word = Clock::now();
        while (Clock::now() < end) {
            people(true);
            look_for_two_workers();
            if (Clock::now() >= next_kill) {
                kill_something();
                next_kill =
                    Clock::now() +
                    milliseconds(static_cast<int>(uniform(0.2, 2 * options_.kill_every_s) * 1000));
            }
            if (Clock::now() >= next_word) {
                say();
                next_word = Clock::now() + seconds(30);
            }
            std::this_thread::sleep_for(milliseconds(50));
        }
        std::cout << "no more kills; every migration must come to its end" << std::endl;
        const bool rest = poll_until(
            [this] {
                start_what_is_dead();
                people(false);
                look_for_two_workers();
                std::this_thread::sleep_for(milliseconds(100));
                return std::all_of(lanes_.begin(), lanes_.end(),
                                   [](const Lane& lane) { return lane.id == 0; });
            },
            std::chrono::minutes(10));
        for (Lane& lane : lanes_) {
            if (!rest && lane.id != 0) {
                wrong(fmt::format("migration {} of {} is stuck in status {}; refused: {}", lane.id,
                                  lane.table, s_.status(lane.id), refused_));
            }
            lane.writers->stop();
        }
        if (rest) {
            s_.await_idle(std::chrono::minutes(2));
            add_wrong(differences(s_, lanes_, ends_));
        }
        say();
        if (counts_["completed"] == 0) {
            wrong("nothing was completed");
        }
        for (const std::string& text : wrong_) {
            std::cout << "WRONG: " << text << "\n";
        }
        if (!wrong_.empty()) {
            std::cout << s_.report();
        }
        std::cout << (wrong_.empty() ? "soak: OK" : "soak: FAILED") << std::endl;
        return wrong_.empty() ? 0 : 1;
    }

  private:
    static ScenarioOptions scenario_options() {
        ScenarioOptions options;
        options.real_api = true;
        options.own_server = true;
        options.server.durable = true;
        options.start = false;
        options.chunk_rows = 200;
        options.chunk_pause_s = 0.02;
        options.settings["attempts_max"] = "1000";  // trouble is what this is about
        options.settings["max_running_per_host"] = "3";
        return options;
    }

    double uniform(double from, double to) {
        return std::uniform_real_distribution<double>(from, to)(random_);
    }
    bool chance(double probability) { return uniform(0, 1) < probability; }
    void wrong(std::string text) {
        if (std::find(wrong_.begin(), wrong_.end(), text) == wrong_.end()) {
            std::cout << "WRONG: " << text << std::endl;
            wrong_.push_back(std::move(text));
        }
    }

    void add_wrong(const std::vector<std::string>& texts) {
        for (const std::string& text : texts) {
            wrong(text);
        }
    }

    void look_for_two_workers() {
        invariants_.look();
        add_wrong(invariants_.seen());
    }

    void say() const {
        std::string text;
        for (const auto& [what, count] : counts_) {
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
        }
        std::int64_t written = 0;
        for (const Lane& lane : lanes_) {
            written += lane.writers->committed();
        }
        std::cout << fmt::format("{}, {} transactions of the application", text, written)
                  << std::endl;
    }

    // What can be asked of this lane now.
    Kind choose(const Lane& lane) {
        const double kind = uniform(0, 1);
        if (kind < 0.12) {
            return Kind::kCreate;
        }
        if (kind < 0.22 && !lane.tables.empty()) {
            return Kind::kDrop;
        }
        if (kind < 0.3) {
            return Kind::kView;
        }
        if (kind < 0.4 && !lane.columns.empty()) {
            return Kind::kRenameColumn;
        }
        if (kind < 0.5 && !lane.indexes.empty()) {
            return Kind::kDropIndex;
        }
        return kind < 0.65 ? Kind::kAddIndex : Kind::kAddColumn;
    }

    void file(Lane& lane) {
        Change change;
        change.table = lane.table;
        const int serial = ++lane.serial;
        const std::string table = quote_name(lane.table);
        lane.kind = choose(lane);
        lane.final_insert = chance(0.5);
        switch (lane.kind) {
            case Kind::kAddColumn:
                lane.name = fmt::format("c{}", serial);
                change.ddl = fmt::format("ALTER TABLE {} ADD COLUMN {} INT NOT NULL DEFAULT {}",
                                         table, lane.name, serial);
                break;
            case Kind::kAddIndex:
                lane.name = fmt::format("i{}", serial);
                change.ddl =
                    fmt::format("ALTER TABLE {} ADD INDEX {} (amount, id)", table, lane.name);
                break;
            case Kind::kDropIndex:
                lane.name = lane.indexes.back();
                change.ddl = fmt::format("ALTER TABLE {} DROP INDEX {}", table, lane.name);
                break;
            case Kind::kRenameColumn:
                lane.old_name = lane.columns.back();
                lane.name = fmt::format("r{}", serial);
                change.ddl =
                    fmt::format("ALTER TABLE {} CHANGE COLUMN {} {} INT NOT NULL DEFAULT 1", table,
                                lane.old_name, lane.name);
                break;
            case Kind::kCreate:
                lane.name = fmt::format("{}_made_{}", lane.table, serial);
                change.ddl = fmt::format("CREATE TABLE {} (id INT PRIMARY KEY)", lane.name);
                break;
            case Kind::kDrop:
                lane.name = lane.tables.back();
                change.ddl = fmt::format("DROP TABLE {}", lane.name);
                break;
            case Kind::kView:
                lane.name = fmt::format("{}_view_{}", lane.table, serial);
                change.ddl =
                    fmt::format("CREATE VIEW {} AS SELECT id, name FROM {}", lane.name, table);
                break;
        }
        if (lane.final_insert) {
            // The id is not known before; table and number tell it as well.
            change.final_insert =
                fmt::format("INSERT INTO versions (id) VALUES ({})", number_of(lane, serial));
        }
        lane.id = s_.submit(change);
        ++counts_["filed"];
    }
    static std::int64_t number_of(const Lane& lane, int serial) {
        return std::stoll(lane.table.substr(1)) * 1'000'000 + serial;
    }

    // The people at the page: whatever the API allows next. `more`: new migrations, pauses and
    // cancels too.
    void people(bool more) {
        for (Lane& lane : lanes_) {
            try {
                if (lane.id == 0) {
                    if (more) {
                        file(lane);
                    }
                    continue;
                }
                look_after(lane, more);
            } catch (const std::exception& error) {
                ++counts_["calls of people refused or lost"];
                refused_ = error.what();
            }
        }
    }

    void look_after(Lane& lane, bool more) {
        const Json row = s_.columns(lane.id);
        const auto status = int_or(row, "status", -1);
        const bool staged = bool_or(row, "staged", false);
        switch (status) {
            case 1:
                approve(lane);
                break;
            case 2:
                s_.start_run(lane.id);
                break;
            case 3:
                if (more && chance(0.01)) {
                    s_.pause(lane.id);
                    ++counts_["paused"];
                } else if (more && chance(0.002)) {
                    cancel(lane);
                }
                break;
            case 4:
                if (more && chance(0.05)) {
                    cancel(lane);
                } else {
                    s_.rename(lane.id);
                }
                break;
            case 12:
            case 13:
                s_.resume(lane.id);
                break;
            case 8:
                over(lane, "completed");
                break;
            case 9:
                if (!staged && string_or(row, "run_host", "").empty()) {
                    over(lane, "cancelled");
                }
                break;
            case 10:
                wrong(fmt::format("migration {} failed: {}", lane.id,
                                  string_or(row, "error_message", "")));
                over(lane, "failed");
                break;
            default:
                break;
        }
    }

    // As what the API offers, which goes by the kind of statement; a rename of a column must not be
    // checked by the tool.
    void approve(Lane& lane) {
        for (const char* runtype : {"nocheckalter", "short", "long"}) {
            const bool is_offered =
                s_.shift_api().offers(lane.id, std::string("approve_") + runtype);
            const bool is_last = std::string(runtype) == "long";
            if (is_offered && (is_last || lane.kind != Kind::kDropIndex || chance(0.7))) {
                s_.shift_api().act("approve", lane.id,
                                   Json{{"runtype", runtype}, {"approver", "boss"}});
                return;
            }
        }
    }

    void cancel(Lane& lane) {
        s_.cancel(lane.id);
        ++counts_["cancels asked for"];
    }

    static void replace(std::vector<std::string>& names, const std::string& old_name,
                        const std::string& name) {
        std::erase(names, old_name);
        if (!name.empty()) {
            names.push_back(name);
        }
    }

    void over(Lane& lane, const char* how) {
        ++counts_[how];
        if (std::string(how) == "completed") {
            switch (lane.kind) {
                case Kind::kAddColumn:
                    lane.columns.push_back(lane.name);
                    break;
                case Kind::kRenameColumn:
                    replace(lane.columns, lane.old_name, lane.name);
                    break;
                case Kind::kAddIndex:
                    lane.indexes.push_back(lane.name);
                    break;
                case Kind::kDropIndex:
                    replace(lane.indexes, lane.name, "");
                    break;
                case Kind::kCreate:
                    lane.tables.push_back(lane.name);
                    break;
                case Kind::kDrop:
                    replace(lane.tables, lane.name, "");
                    break;
                case Kind::kView:
                    ends_.views.push_back(lane.name);
                    break;
            }
            if (lane.final_insert) {
                ends_.inserted.push_back(number_of(lane, lane.serial));
            }
        } else if (lane.kind == Kind::kAddColumn || lane.kind == Kind::kRenameColumn) {
            lane.never.push_back(lane.name);
        }
        lane.id = 0;
    }

    void kill_something() {
        const double what = uniform(0, 1);
        if (what < 0.3) {
            s_.supervisor().kill9();
            ++counts_["kills of the supervisor"];
            if (chance(0.5)) {
                std::this_thread::sleep_for(milliseconds(static_cast<int>(uniform(0, 1500))));
            }
            s_.supervisor().start(false);
        } else if (what < 0.8) {
            kill_a_worker();
        } else if (what < 0.9) {
            s_.shift_api().kill9();
            ++counts_["kills of the API"];
            std::this_thread::sleep_for(milliseconds(static_cast<int>(uniform(0, 1500))));
            s_.shift_api().start();
        } else if (options_.with_server && what < 0.94) {
            s_.server().kill9();
            ++counts_["kills of the database"];
            std::this_thread::sleep_for(milliseconds(static_cast<int>(uniform(0, 1500))));
            s_.server().start();
            s_.reconnect();
        } else {
            s_.supervisor().terminate();
            ++counts_["restarts of the supervisor"];
            s_.supervisor().start(false);
        }
        start_what_is_dead();
    }

    void kill_a_worker() {
        const std::vector<pid_t> all = s_.supervisor().workers();
        if (all.empty()) {
            return;
        }
        const auto at = static_cast<std::size_t>(uniform(0, static_cast<double>(all.size())));
        (void)::kill(all[std::min(at, all.size() - 1)], SIGKILL);
        ++counts_["kills of workers and engines"];
    }

    void start_what_is_dead() {
        if (!s_.supervisor().running()) {
            s_.supervisor().start(false);
        }
    }

    Options options_;
    std::mt19937_64 random_;
    Scenario s_;
    Invariants invariants_{s_};
    std::vector<Lane> lanes_;
    std::map<std::string, int> counts_;
    Ends ends_;
    std::vector<std::string> wrong_;
    std::string refused_;  // to people, last
};

}  // namespace
}  // namespace shift::testing

int main(int argc, char** argv) {
    CLI::App app("Kills everything every few seconds while migrations run; then compares.");
    shift::testing::Options options;
    options.seed = std::random_device{}();
    app.add_option("--minutes", options.minutes, "how long the killing goes on")
        ->capture_default_str();
    app.add_option("--seed", options.seed, "of kills and changes (timing is not replayed)");
    app.add_option("--tables", options.tables, "tables with traffic")->capture_default_str();
    app.add_option("--big-tables", options.big_tables, "how many of them are large")
        ->capture_default_str();
    app.add_option("--big-rows", options.big_rows, "rows of a large one")->capture_default_str();
    app.add_option("--kill-every", options.kill_every_s, "seconds between kills, on average")
        ->capture_default_str();
    app.add_flag("!--no-server-kills", options.with_server, "leave the database server alone");
    CLI11_PARSE(app, argc, argv);
    std::cout << "seed " << options.seed << std::endl;
    try {
        return shift::testing::Soak(options).run();
    } catch (const std::exception& error) {
        std::cout << "soak: FAILED: " << error.what() << std::endl;
        return 1;
    }
}
