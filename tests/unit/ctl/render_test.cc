#include <gtest/gtest.h>

#include "ctl/render/api.h"
#include "ctl/render/status.h"
#include "ctl/render/text.h"

namespace shift::ctl {
namespace {

View view_at(const std::string& now, int width = 0) {
    View view;
    view.width = width;
    view.now = parse_iso_time(now);
    return view;
}

const std::string kNow = "2026-11-23T18:10:00.000Z";

Json status_with(const Json& migrations) {
    return Json{{"version", "0.1.0"},
                {"pid", 4711},
                {"run_host", "runner1"},
                {"state", "running"},
                {"since", "2026-11-20T14:04:54.000Z"},
                {"api",
                 {{"url", "http://api:3000/api/v1/"},
                  {"reachable", true},
                  {"last_ok", "2026-11-23T18:09:59.000Z"},
                  {"last_error", nullptr}}},
                {"drain", {{"active", false}, {"by", nullptr}, {"keep", false}, {"owed", 0}}},
                {"migrations", migrations}};
}

Json copying() {
    return Json{{"id", 17},
                {"cluster", "main"},
                {"host", "db1"},
                {"port", 3306},
                {"database", "shop"},
                {"table", "orders"},
                {"status", 3},
                {"status_name", "running"},
                {"step", "run"},
                {"state", "running"},
                {"phase", "copy"},
                {"percent", 42.7},
                {"rows", 4270000},
                {"rows_total", 10000000},
                {"rows_per_s", 12345.6},
                {"eta_s", 464},
                {"throttle", nullptr},
                {"since", "2026-11-23T18:00:00.000Z"},
                {"attempt", 42},
                {"engine", "pt-osc"},
                {"worker_pid", 5001},
                {"engine_pid", 5002},
                {"owed", 0},
                {"error", nullptr},
                {"next_try", nullptr},
                {"log_file", "/var/log/shift-supervisor/id-17/ptosc-output.log"}};
}

Json waiting() {
    Json m = copying();
    m["id"] = 8;
    m["table"] = "people";
    m["state"] = "waiting";
    m["step"] = "prepare";
    for (const char* key :
         {"phase", "percent", "rows_per_s", "eta_s", "engine", "worker_pid", "engine_pid"}) {
        m[key] = nullptr;
    }
    m["attempt"] = 0;
    m["reason"] = "waiting for a slot";
    m["next_try"] = "2026-11-23T18:10:30.000Z";
    return m;
}

TEST(RenderStatus, ShowsOneLineAMigration) {
    EXPECT_EQ(render_status(status_with({copying(), waiting()}), view_at(kNow)),
              "shift-supervisord 0.1.0 on runner1 (pid 4711): running since 3d 04:05:06\n"
              "API http://api:3000/api/v1/: reachable\n"
              "2 migrations: 1 running, 1 waiting\n"
              "\n"
              "ID  STATE    CLUSTER/HOST:PORT  TABLE        STEP/PHASE  PROGRESS           ROWS/S"
              "       ETA     SINCE  ATTEMPT  ENGINE  WORKER/TOOL\n"
              "17  running  main/db1:3306      shop.orders  run/copy    [####------]  42%   12.3k"
              "  00:07:44  00:10:00       42  pt-osc    5001/5002\n"
              " 8  waiting  main/db1:3306      shop.people  prepare                              "
              "            00:10:00\n"
              "      reason: waiting for a slot\n"
              "      next try in 00:00:30\n");
}

TEST(RenderStatus, SaysThatThereIsNothing) {
    EXPECT_EQ(render_status(status_with(Json::array()), view_at(kNow)),
              "shift-supervisord 0.1.0 on runner1 (pid 4711): running since 3d 04:05:06\n"
              "API http://api:3000/api/v1/: reachable\n"
              "\n"
              "no migrations here\n");
}

TEST(RenderStatus, ShowsTroubleOfTheDaemonFirst) {
    Json status = status_with(Json::array());
    status["state"] = "draining";
    status["api"]["reachable"] = false;
    status["api"]["last_ok"] = "2026-11-23T18:05:00.000Z";
    status["api"]["last_error"] = "connection refused";
    status["drain"] = {{"active", true}, {"by", "command"}, {"keep", true}, {"owed", 2}};
    status["journal_error"] = "disk full";
    status["skipped"] = {{{"id", "12"}, {"why", "runtype: unknown value 7"}}};
    EXPECT_EQ(render_status(status, view_at(kNow)),
              "shift-supervisord 0.1.0 on runner1 (pid 4711): draining since 3d 04:05:06\n"
              "API http://api:3000/api/v1/: NOT reachable, last answer 00:05:00 ago: "
              "connection refused\n"
              "journal: disk full\n"
              "drain: by command, stopped copies stay on this host; 2 owed\n"
              "skipped: 12: runtype: unknown value 7\n"
              "\n"
              "no migrations here\n");
}

TEST(RenderStatus, DoesNotCallAnApiAwayThatWasNotAskedYet) {
    Json status = status_with(Json::array());
    status["api"] = {{"url", "http://x/"}, {"reachable", false}, {"last_ok", nullptr}};
    EXPECT_NE(render_status(status, view_at(kNow)).find("API http://x/: not asked yet\n"),
              std::string::npos);
}

TEST(RenderStatus, ShowsTheLastErrorWhereNothingElseSaysIt) {
    Json m = copying();
    m["last_error"] = "Deadlock found";
    const auto text = [&m] { return render_status(status_with(Json::array({m})), view_at(kNow)); };
    EXPECT_NE(text().find("      last error: Deadlock found\n"), std::string::npos) << text();
    EXPECT_NE(render_migration(m, view_at(kNow)).find("Deadlock found"), std::string::npos);
    m["reason"] = "Deadlock found";
    EXPECT_EQ(text().find("last error"), std::string::npos) << "the reason says it";
}

TEST(RenderStatus, PutsThrottleErrorAndOwedCallsBelow) {
    Json m = copying();
    m["throttle"] = "replica lag is 7 s on db2";
    m["error"] = "next_step: HTTP 500";
    m["owed"] = 1;
    m["next_try"] = "2026-11-23T18:10:12.500Z";
    const std::string text = render_status(status_with(Json::array({m})), view_at(kNow));
    EXPECT_NE(text.find("      throttled: replica lag is 7 s on db2\n"
                        "      error: next_step: HTTP 500\n"
                        "      owed: 1 call to the API, next try in 00:00:13\n"),
              std::string::npos)
        << text;
}

TEST(RenderStatus, HidesWhatIsOver) {
    Json done = copying();
    done["state"] = "handed on";
    done["status"] = 8;
    Json renaming = copying();
    renaming["id"] = 18;
    renaming["state"] = "handed on";
    renaming["status"] = 4;
    View view = view_at(kNow);
    const Json status = status_with({done, renaming});
    std::string text = render_status(status, view);
    EXPECT_EQ(text.find("\n17 "), std::string::npos);
    EXPECT_NE(text.find("\n18 "), std::string::npos);
    EXPECT_NE(text.find("1 finished or given away: see them with --all\n"), std::string::npos);
    view.all = true;
    text = render_status(status, view);
    EXPECT_NE(text.find("\n17 "), std::string::npos);
    EXPECT_EQ(text.find("--all"), std::string::npos);
}

TEST(RenderStatus, FitsEveryWidth) {
    Json m = copying();
    m["table"] = "a_table_with_a_very_long_name_of_sixty_four_bytes_as_mysql_allows";
    m["host"] = "a-database-host.with.a.long.domain.example.com";
    m["throttle"] = std::string(300, 'x');
    Json asian = m;
    asian["table"] = "\xE8\xA1\xA8\xE8\xA1\xA8\xE8\xA1\xA8\xE8\xA1\xA8\xE8\xA1\xA8\xE8\xA1\xA8";
    for (int width = 60; width < 220; ++width) {
        const std::string text = render_status(status_with({m, asian}), view_at(kNow, width));
        std::size_t row = 0;
        for (std::size_t at = 0; at < text.size(); ++row) {
            const std::size_t end = text.find('\n', at);
            const std::string line = text.substr(at, end - at);
            if (row > 1) {  // the header wraps
                EXPECT_LE(display_width(line), static_cast<std::size_t>(width)) << line;
            }
            at = end + 1;
        }
        EXPECT_NE(text.find("17  running"), std::string::npos) << width;
    }
}

TEST(RenderStatus, DropsColumnsBeforeTheOnesThatMatter) {
    const std::string text =
        render_status(status_with(Json::array({copying()})), view_at(kNow, 80));
    EXPECT_EQ(text.find("ATTEMPT"), std::string::npos) << text;
    for (const char* title : {"ID", "STATE", "TABLE", "STEP/PHASE", "PROGRESS", "ETA"}) {
        EXPECT_NE(text.find(title), std::string::npos) << title << '\n' << text;
    }
}

TEST(RenderStatus, ColoursOnlyWhenAsked) {
    View view = view_at(kNow);
    EXPECT_EQ(render_status(status_with(Json::array({copying()})), view).find('\x1b'),
              std::string::npos);
    view.colours = true;
    EXPECT_NE(
        render_status(status_with(Json::array({copying()})), view).find("\x1b[32mrunning\x1b[0m"),
        std::string::npos);
}

TEST(RenderStatus, CannotBeSteeredByWhatIsShown) {
    Json m = copying();
    m["table"] =
        "x\x1b[2Jy\n\xC2\x9B"
        "31m\xE2\x80\xAE";
    m["error"] = "first\nsecond\x07";
    const std::string text = render_status(status_with(Json::array({m})), view_at(kNow));
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find('\x07'), std::string::npos);
    EXPECT_EQ(text.find("\xC2\x9B"), std::string::npos);
    EXPECT_EQ(text.find("\xE2\x80\xAE"), std::string::npos);
    EXPECT_NE(text.find("      error: first second?\n"), std::string::npos);
}

TEST(RenderStatus, SurvivesADaemonThatTellsNothing) {
    EXPECT_NE(render_status(Json::object(), view_at(kNow)).find("no migrations here"),
              std::string::npos);
    EXPECT_NE(
        render_status(status_with(Json::array({Json::object()})), view_at(kNow, 80)).find("STATE"),
        std::string::npos);
}

TEST(RenderMigration, ShowsEverythingThatIsKnown) {
    Json m = copying();
    m["ddl_statement"] = "ALTER TABLE orders ADD c INT";
    m["tries"] = 2;
    EXPECT_EQ(render_migration(m, view_at(kNow)),
              "migration:       17\n"
              "state:           running\n"
              "since:           2026-11-23T18:00:00.000Z (00:10:00 ago)\n"
              "API status:      running\n"
              "step:            run, copy\n"
              "cluster:         main\n"
              "server:          db1:3306\n"
              "table:           shop.orders\n"
              "statement:       ALTER TABLE orders ADD c INT\n"
              "progress:        [########------------]  42%  4.3M of about 10.0M rows, "
              "12.3k rows/s, ETA 00:07:44\n"
              "engine:          pt-osc\n"
              "attempt:         42 (try 2)\n"
              "worker pid:      5001\n"
              "engine pid:      5002\n"
              "log:             /var/log/shift-supervisor/id-17/ptosc-output.log\n");
}

TEST(RenderOwed, NamesWhatADrainWaitsFor) {
    Json status = status_with({copying(), waiting()});
    EXPECT_EQ(render_owed(status), "nothing is owed");
    status["drain"]["owed"] = 1;
    EXPECT_EQ(render_owed(status), "1 still owed: 17 running");
}

TEST(RenderApiMigration, ShowsWhatTheApiKnows) {
    const Json m = {{"id", 7},
                    {"status", 2},
                    {"staged", false},
                    {"lock_version", 4},
                    {"runtype", 1},
                    {"cluster_name", "main"},
                    {"database", "shop"},
                    {"ddl_statement", "ALTER TABLE t\n ADD c INT"},
                    {"final_insert", nullptr},
                    {"requestor", "ann"},
                    {"pr_url", "cli"},
                    {"approved_by", "bob"},
                    {"copy_percentage", nullptr},
                    {"table_rows_start", 1200000},
                    {"table_rows_end", nullptr},
                    {"table_size_start", 157286400},
                    {"table_size_end", 104857600},
                    {"created_at", "2026-11-23T17:10:00.000Z"},
                    {"auto_run", nullptr},
                    {"error_message", nullptr}};
    EXPECT_EQ(render_api_migration(m, {"unapprove", "start", "delete", "enqueue"}, view_at(kNow)),
              "migration:       7\n"
              "status:          awaiting start\n"
              "cluster:         main\n"
              "database:        shop\n"
              "statement:       ALTER TABLE t  ADD c INT\n"
              "runtype:         long\n"
              "rows:            1200000\n"
              "table size:      150.0 MiB -> 100.0 MiB\n"
              "requested by:    ann\n"
              "pull request:    cli\n"
              "approved by:     bob\n"
              "created:         2026-11-23T17:10:00.000Z (01:00:00 ago)\n"
              "lock version:    4\n"
              "next:            unapprove 7, start 7, delete 7, enqueue 7\n");
}

TEST(RenderApiResult, NamesTheNextCommands) {
    const Json m = {{"id", 7}, {"status", 1}, {"staged", false}};
    EXPECT_EQ(render_api_result(m, {"approve_long", "delete"}),
              "migration 7: awaiting approval\n"
              "next: approve 7 --runtype long, delete 7\n");
    EXPECT_EQ(render_api_result(Json{{"id", 7}, {"status", 3}, {"staged", true}}, {}),
              "migration 7: running, waiting for a runner\n");
}

TEST(DisplayWidth, CountsColumnsNotBytes) {
    EXPECT_EQ(display_width("abc"), 3U);
    EXPECT_EQ(display_width("caf\xC3\xA9"), 4U);
    EXPECT_EQ(display_width("e\xCC\x81"), 1U);         // combining accent
    EXPECT_EQ(display_width("\xE8\xA1\xA8"), 2U);      // wide
    EXPECT_EQ(display_width("\xF0\x9F\x98\x80"), 2U);  // emoji
}

TEST(FitWidth, NeverCutsAWideCharacterInTwo) {
    EXPECT_EQ(fit_width("abcdef", 6), "abcdef");
    EXPECT_EQ(fit_width("abcdef", 4), "abc\xE2\x80\xA6");
    EXPECT_EQ(fit_width("\xE8\xA1\xA8\xE8\xA1\xA8\xE8\xA1\xA8", 4), "\xE8\xA1\xA8\xE2\x80\xA6");
    EXPECT_EQ(fit_width("abc", 1), "\xE2\x80\xA6");
    EXPECT_EQ(fit_width("abc", 0), "");
}

TEST(FitHeight, SaysHowMuchIsLeftOut) {
    EXPECT_EQ(fit_height("a\nb\nc\n", 3), "a\nb\nc\n");
    EXPECT_EQ(fit_height("a\nb\nc\nd\n", 3), "a\nb\n... 2 more lines\n");
    EXPECT_EQ(fit_height("a\nb\n", 1), "... 2 more lines\n");
    EXPECT_EQ(fit_height("a\nb\n", 0), "a\nb\n");
}

TEST(ProgressBar, IsFullOnlyAtTheEnd) {
    EXPECT_EQ(progress_bar(0, 4), "[----]   0%");
    EXPECT_EQ(progress_bar(99.9, 4), "[###-]  99%");
    EXPECT_EQ(progress_bar(100, 4), "[####] 100%");
    EXPECT_EQ(progress_bar(1e9, 4), "[####] 100%");
    EXPECT_EQ(progress_bar(-3, 4), "[----]   0%");
}

TEST(Numbers, AreShort) {
    EXPECT_EQ(short_number(0), "0");
    EXPECT_EQ(short_number(950), "950");
    EXPECT_EQ(short_number(12'345), "12.3k");
    EXPECT_EQ(short_number(999'999), "1.0M");
    EXPECT_EQ(short_number(4'500'000'000), "4.5G");
    EXPECT_EQ(byte_size(100), "100 bytes");
    EXPECT_EQ(byte_size(1'572'864), "1.5 MiB");
}

}  // namespace
}  // namespace shift::ctl
