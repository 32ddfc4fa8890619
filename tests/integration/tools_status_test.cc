// status with as many migrations as a host may have: fast, whole, and right on every terminal; and
// who may see it.

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "common/attempt_folder.h"
#include "common/file.h"
#include "common/text.h"
#include "tests/integration/support/ctl.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/tmux.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr int kMany = 200;

// A daemon that has adopted kMany running copies: rows of its journal, and attempt folders whose
// locks this process holds, as their workers would.
class ManyMigrations {
  public:
    ManyMigrations() : s_(options()) {
        s_.supervisor().start();
        s_.supervisor().terminate();
        sqlite3* db = nullptr;
        if (sqlite3_open(s_.supervisor().journal().c_str(), &db) != SQLITE_OK) {
            throw std::runtime_error("journal");
        }
        std::string sql = "BEGIN;";
        for (int i = 1; i <= kMany; ++i) {
            sql += rows_of(i);
            make_attempt(i);
            s_.model().create_as(i, {.database = "shop",
                                     .table = table_of(i),
                                     .ddl_statement = "ALTER TABLE x ADD COLUMN c INT",
                                     .status = 3});
            s_.model().set(i, {{"staged", false}, {"run_host", "host-a"}, {"lock_version", 3}});
        }
        char* why = nullptr;
        const int rc = sqlite3_exec(db, (sql + "COMMIT;").c_str(), nullptr, nullptr, &why);
        sqlite3_close(db);
        if (rc != SQLITE_OK) {
            throw std::runtime_error(why);
        }
        s_.supervisor().start();
        s_.await("all are adopted and have told how far they are", [this] {
            const Json status = s_.supervisor().status();
            const Json list = status.value("migrations", Json::array());
            return list.size() == kMany && std::all_of(list.begin(), list.end(), [](const Json& m) {
                       return m["state"] == "running" && m["percent"].is_number();
                   });
        });
    }
    Scenario& scenario() { return s_; }

  private:
    static ScenarioOptions options() {
        ScenarioOptions options;
        options.start = false;
        // 200 reports at once: a call that is late becomes a line of the table.
        options.settings["rest_timeout"] = std::to_string(stretched(seconds{15}) / seconds{1});
        return options;
    }
    static std::string table_of(int i) {
        return i % 10 == 0 ? "a_table_with_the_longest_name_that_there_can_be_in_mysql_and_id" +
                                 std::to_string(i % 10)
                           : "orders_" + std::to_string(i);
    }
    static std::string rows_of(int i) {
        const Json payload = {{"id", i},
                              {"status", 3},
                              {"lock_version", 3},
                              {"staged", false},
                              {"cluster_name", "main"},
                              {"database", "shop"},
                              {"ddl_statement", "ALTER TABLE x ADD COLUMN c INT"},
                              {"final_insert", ""},
                              {"table", table_of(i)},
                              {"mode", 0},
                              {"action", 2},
                              {"runtype", 1},
                              {"run_host", "host-a"},
                              {"host", "db" + std::to_string(i) + ".example.com"},
                              {"port", 3306},
                              {"custom_options", ""}};
        const std::string n = std::to_string(i);
        return "INSERT INTO migration VALUES(" + n +
               ",'main','shop','t','db',3306,'x',3,'running',3,'running',"
               "'2026-11-23T18:10:00.000Z','','run',1,'c',2,0,''," +
               n + ",0,0,0,'','" + to_line(payload) +
               "','2026-11-23T18:00:00.000Z','');"
               "INSERT INTO attempt(id,migration_id,claim,step,engine,tries,ended,pid,start_ticks,"
               "boot_id,engine_pid,engine_start_ticks,last_seq,phase,throttle,started_at,ended_at,"
               "outcome,reason,message) VALUES(" +
               n + "," + n + ",1,'run','pt-osc',1,0," + std::to_string(100'000 + i) + ",1,'boot'," +
               std::to_string(200'000 + i) +
               ",1,0,'copy','','2026-11-23T18:10:00.000Z','','','','');";
    }
    void make_attempt(int i) {
        const AttemptFiles files(attempt_folder(s_.supervisor().state_dir(), i));
        std::filesystem::create_directories(files.dir);
        locks_.push_back(*lock_file(files.worker_lock()));
        const Json progress = {{"seq", 1},
                               {"at", "2026-11-23T18:10:01.000Z"},
                               {"event", "progress"},
                               {"percent", i % 100 + 0.5},
                               {"rows", 1000 * i},
                               {"rows_total", 200'000},
                               {"rows_per_s", 12.5 * i},
                               {"eta_s", 60 * i},
                               {"phase", "copy"}};
        spit(files.events(), to_line(progress) + "\n");
    }

    std::vector<UniqueFd> locks_;
    Scenario s_;
};

// One for all tests that only look.
ManyMigrations& many() {
    static ManyMigrations migrations;
    return migrations;
}

std::string status_command(Scenario& s, const std::string& more) {
    return program("shift-supervisorctl") + " --config " + s.supervisor().config_file() +
           " status " + more;
}

// Processor time of a process and of the children that have ended. Units: milliseconds.
double processor_ms_of(pid_t pid) {
    const std::string stat = slurp("/proc/" + std::to_string(pid) + "/stat");
    const std::vector<std::string> fields = split(stat.substr(stat.rfind(')') + 2), ' ');
    // Source: proc(5): utime and stime are fields 14 and 15; field 3 is the first after the name.
    const double ticks =
        std::strtod(fields.at(11).c_str(), nullptr) + std::strtod(fields.at(12).c_str(), nullptr);
    return ticks * 1000 / static_cast<double>(::sysconf(_SC_CLK_TCK));
}
double processor_ms_of_children() {
    rusage usage{};
    ::getrusage(RUSAGE_CHILDREN, &usage);
    const auto ms = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) * 1000 + static_cast<double>(time.tv_usec) / 1000;
    };
    return ms(usage.ru_utime) + ms(usage.ru_stime);
}

struct StatusCost {
    double processor_ms;  // of both programs, each status
    double best_wall_ms;
    double median_wall_ms;
};
StatusCost cost_of_status(Scenario& s) {
    constexpr int kRounds = 40;
    const pid_t daemon = s.supervisor().pid();
    std::vector<double> wall;
    const double before = processor_ms_of(daemon) + processor_ms_of_children();
    for (int i = 0; i < kRounds; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        const ToolResult result = ctl(s, {"status"});
        wall.push_back(
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
                .count());
        EXPECT_EQ(result.status.code, 0) << result.err;
        EXPECT_THAT(result.out, HasSubstr("200 migrations: 200 running"));
    }
    std::sort(wall.begin(), wall.end());
    return {(processor_ms_of(daemon) + processor_ms_of_children() - before) / kRounds, wall.front(),
            wall[wall.size() / 2]};
}

// Judged is the processor time: what a person waits for on a machine that does nothing else.
// Whatever else runs here makes even that longer (shared caches), so the best of some series
// counts. The clock on the wall belongs to all that runs; an answer that waits for something shows
// on it nevertheless.
TEST(StatusOfMany, TakesLessThan50Milliseconds) {
    const auto limit_ms = static_cast<double>(stretched(milliseconds(50)).count());
    double processor_ms = 10 * limit_ms;
    double wall_ms = 100 * limit_ms;
    for (int series = 0; series < 5 && (processor_ms > limit_ms || wall_ms > 10 * limit_ms);
         ++series) {
        const StatusCost cost = cost_of_status(many().scenario());
        processor_ms = std::min(processor_ms, cost.processor_ms);
        wall_ms = std::min(wall_ms, cost.best_wall_ms);
        std::cout << "status of 200 migrations: processor " << cost.processor_ms
                  << " ms, wall clock best " << cost.best_wall_ms << " ms, median "
                  << cost.median_wall_ms << " ms\n";
    }
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "instrumented code says nothing about speed";
#endif
    EXPECT_LT(processor_ms, limit_ms);
    EXPECT_LT(wall_ms, 10 * limit_ms);
}

TEST(StatusOfMany, JsonFollowsItsSchema) {
    Scenario& s = many().scenario();
    const std::string json = ctl(s, {"--json", "status"}).out;
    EXPECT_EQ((*parse_json(json))["migrations"].size(), 200U);
    EXPECT_EQ(against_status_schema(json), "");
    Json odd = *parse_json(json);
    odd["migrations"][7]["percent"] = "7";
    EXPECT_THAT(against_status_schema(to_line(odd)), HasSubstr("percent"))
        << "the schema says something";
    const std::string one = ctl(s, {"--json", "status", "42"}).out;
    EXPECT_EQ(against_status_schema(one), "");
    odd = *parse_json(one);
    EXPECT_EQ(odd["migration"]["id"], 42);
    odd["migration"]["state"] = "asleep";
    EXPECT_THAT(against_status_schema(to_line(odd)), HasSubstr("asleep"));
}

TEST(StatusOfMany, IsOneLineEachAt80And200Columns) {
    Scenario& s = many().scenario();
    for (const int columns : {80, 200}) {
        // What is written right before the end may be lost by the terminal, so it does not end.
        Tmux terminal(columns, 50, status_command(s, "") + "; echo END; exec sleep 600");
        std::vector<std::string> rows;
        ASSERT_TRUE(poll_until([&] {
            rows = terminal.everything(false);
            return !rows.empty() && rows.back() == "END";
        }));
        EXPECT_EQ(std::count_if(rows.begin(), rows.end(),
                                [](const std::string& row) {
                                    return row.find("  running  ") != std::string::npos;
                                }),
                  kMany);
        // A row that does not fit would be two on the screen and one when joined.
        EXPECT_EQ(rows.size(), terminal.everything(true).size());
        std::string titles;
        for (const std::string& row : rows) {
            titles = row.find("STATE") != std::string::npos ? row : titles;
        }
        for (const char* title :
             {"ID", "STATE", "CLUST", "TABLE", "STEP/PHASE", "PROGRESS", "ETA"}) {
            EXPECT_THAT(titles, HasSubstr(title)) << columns;
        }
        const bool wide = columns == 200;
        for (const char* title : {"ROWS/S", "ETA", "SINCE", "ATTEMPT", "ENGINE", "WORKER/TOOL"}) {
            EXPECT_TRUE(!wide || titles.find(title) != std::string::npos) << title;
        }
        const auto row = std::find_if(rows.begin(), rows.end(), [](const std::string& text) {
            return text.find("shop.orders_42 ") != std::string::npos;
        });
        ASSERT_NE(row, rows.end());
        EXPECT_THAT(*row, HasSubstr("42  running"));
        EXPECT_THAT(*row, HasSubstr("run/copy"));
        EXPECT_THAT(*row, HasSubstr(wide ? "[####------]  42%" : "[##---]  42%"));
        if (wide) {
            EXPECT_THAT(*row, HasSubstr("main/db42.example.com:3306"));
            EXPECT_THAT(*row, HasSubstr("100042/200042"));
        }
    }
}

TEST(StatusOfMany, ADrainWithoutAnEndIsSeenByEverybody) {
    Scenario& s = many().scenario();
    EXPECT_EQ(ctl(s, {"drain", "--keep"}).status.code, 0);
    EXPECT_EQ(ctl(s, {"drain", "--keep", "--timeout", "0.5"}).status.code, 75);
    for (const char* which : {"--all", "42"}) {
        EXPECT_THAT(ctl(s, {"status", which}).out, HasSubstr("drain: by command")) << which;
    }
    EXPECT_EQ(ctl_json(s, {"status", "42"})["drain"]["by"], "command");
    EXPECT_EQ(why_code(s, 42), "stopping");
    EXPECT_EQ(ctl(s, {"undrain"}).status.code, 0);
}

TEST(Watch, FollowsACopyOnATerminalThatChangesItsSize) {
    ScenarioOptions options;
    options.chunk_rows = 50;
    options.chunk_pause_s = 0.02;
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 2000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_running(id);
    s.await_copying(id);

    Tmux terminal(80, 24, status_command(s, "--watch 0.2"));
    const auto shows = [&](const std::string& text) {
        const auto rows = terminal.screen();
        return std::any_of(rows.begin(), rows.end(), [&](const std::string& row) {
            return row.find(text) != std::string::npos;
        });
    };
    ASSERT_TRUE(poll_until([&] { return shows("run/copy") && shows("%"); }));
    auto rows = terminal.screen();
    ASSERT_GE(rows.size(), 6U);
    EXPECT_THAT(rows[0], HasSubstr("shift-supervisord " SHIFT_VERSION " on host-a (pid "));
    EXPECT_THAT(rows[1], HasSubstr("API http://127.0.0.1:"));
    EXPECT_EQ(rows[2], "1 migration: 1 running");
    EXPECT_THAT(rows[4], HasSubstr("ID  STATE"));
    EXPECT_THAT(rows[5], HasSubstr(std::to_string(id) + "  running"));
    EXPECT_THAT(terminal.painted(), HasSubstr("\x1b[32mrunning")) << "in colour";
    EXPECT_FALSE(shows("WORKER/TOOL")) << "no room for it";

    terminal.resize(200, 40);
    ASSERT_TRUE(poll_until([&] { return shows("WORKER/TOOL"); }));
    EXPECT_TRUE(shows(std::to_string(int_or(s.supervisor().migration(id), "worker_pid", 0))));

    // What went on the screen is overwritten, not left behind.
    gate.open();
    s.await_status(id, 4);
    ASSERT_TRUE(poll_until([&] { return shows("  handed on  ") && !shows("run/copy"); }));
    rows = terminal.screen();
    EXPECT_EQ(std::count_if(
                  rows.begin(), rows.end(),
                  [](const std::string& row) { return row.find("app.t") != std::string::npos; }),
              1);

    // A daemon that goes away and comes back.
    s.supervisor().terminate();
    ASSERT_TRUE(poll_until([&] { return shows("no daemon answers"); }));
    s.supervisor().start();
    ASSERT_TRUE(poll_until([&] { return shows("1 migration: 1 handed on"); }));
    EXPECT_FALSE(terminal.ended());
    terminal.keys("C-c");
    ASSERT_TRUE(poll_until([&] { return terminal.ended(); }));
    EXPECT_THAT(terminal.screen().back(), Not(HasSubstr("status 1")));
}

TEST(Watch, SaysHowManyDoNotFit) {
    Scenario& s = many().scenario();
    Tmux terminal(80, 24, status_command(s, "--watch"));
    ASSERT_TRUE(poll_until([&] {
        const auto rows = terminal.screen();
        return !rows.empty() && rows.back().find("more lines") != std::string::npos;
    }));
    const auto rows = terminal.screen();
    EXPECT_EQ(rows.size(), 23U);
    EXPECT_THAT(rows[2], HasSubstr("200 migrations: 200 running"));
    // 23 rows: 5 of the head and the titles, the last says what is left out of 205.
    EXPECT_EQ(rows.back(), "... 183 more lines") << ::testing::PrintToString(rows);
}

// Runs as another user with these groups and no others.
ToolResult as_stranger(const std::string& groups, const std::vector<std::string>& argv) {
    constexpr const char* kNobody = "65534";
    std::vector<std::string> words = {"setpriv", "--reuid", kNobody, "--regid", kNobody};
    if (groups.empty()) {
        words.emplace_back("--clear-groups");
    } else {
        words.insert(words.end(), {"--groups", groups});
    }
    words.insert(words.end(), argv.begin(), argv.end());
    return run_tool(words, {{"USER", "stranger"}});
}

TEST(Permission, GroupsDecideWhoMayLookAndWhoMaySteer) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "takes root to become somebody else";
    }
    const group* readers = ::getgrnam("games");
    ASSERT_NE(readers, nullptr);
    const std::string read_gid = std::to_string(readers->gr_gid);
    const group* writers = ::getgrnam("operator");
    ASSERT_NE(writers, nullptr);
    const std::string write_gid = std::to_string(writers->gr_gid);
    ScenarioOptions options;
    options.settings["control_read_group"] = "games";
    options.settings["control_write_group"] = "operator";
    Scenario s(options);
    ASSERT_EQ(::chmod(s.dir().path().c_str(), 0755), 0);
    // Not every build folder is for everybody to read.
    const std::string tool = s.dir() / "ctl";
    std::filesystem::copy_file(program("shift-supervisorctl"), tool);
    ASSERT_EQ(::chmod(tool.c_str(), 0755), 0);
    const auto run = [&](const std::string& groups, const std::string& verb) {
        return as_stranger(groups, {tool, "--socket", s.supervisor().socket(), verb});
    };
    const ToolResult nobody = run("", "status");
    EXPECT_EQ(nobody.status.code, 77) << nobody.err;
    EXPECT_THAT(nobody.err, HasSubstr("control_read_group"));
    EXPECT_EQ(run(read_gid, "status").status.code, 0) << run(read_gid, "status").err;
    const ToolResult reader = run(read_gid, "drain");
    EXPECT_EQ(reader.status.code, 77) << reader.err;
    EXPECT_THAT(reader.err, HasSubstr("may look, but not drain"));
    EXPECT_EQ(run(write_gid, "drain").status.code, 0) << run(write_gid, "drain").err;
    const auto who = s.supervisor().journal_rows(
        "SELECT json_extract(detail,'$.uid'), json_extract(detail,'$.as') FROM event WHERE "
        "kind='drain'");
    ASSERT_EQ(who.size(), 1U);
    EXPECT_EQ(who[0], (std::vector<std::string>{"65534", "stranger"}));
    // Taken away by a reload.
    s.supervisor().set("control_write_group", "no-such-group-here");
    s.supervisor().signal(SIGHUP);
    EXPECT_TRUE(poll_until([&] { return run(write_gid, "undrain").status.code == 77; }));
    // Without any group the file itself keeps strangers out.
    s.supervisor().set("control_read_group", "no-such-group-here");
    s.supervisor().signal(SIGHUP);
    EXPECT_TRUE(poll_until([&] {
        struct stat info {};
        return ::stat(s.supervisor().socket().c_str(), &info) == 0 && (info.st_mode & 0777) == 0600;
    }));
    EXPECT_EQ(run(read_gid, "status").status.code, 77);
}

TEST(Permission, TheJournalIsReadByItsGroupWhileTheDaemonWorksAndAfter) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "takes root to become somebody else";
    }
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 100);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT", .runtype = 2});
    s.bring_to_running(id);
    s.await_status(id, 8);
    ASSERT_EQ(::chmod(s.dir().path().c_str(), 0755), 0);
    const auto ask = [&] {
        return run_tool({"setpriv", "--reuid", "65534", "--regid", std::to_string(::getegid()),
                         "--clear-groups", "sqlite3", "-readonly", s.supervisor().journal(),
                         "SELECT count(*) FROM v_migrations; INSERT INTO setting VALUES('x','y')"});
    };
    for (const bool runs : {true, false}) {
        if (!runs) {
            s.supervisor().terminate();
        }
        const ToolResult read = ask();
        EXPECT_EQ(read.out, "1\n") << read.err;
        EXPECT_THAT(read.err, HasSubstr("readonly")) << "and not written";
    }
    s.supervisor().start();
    EXPECT_EQ(ctl(s, {"status"}).status.code, 0);
}

}  // namespace
}  // namespace shift::testing
