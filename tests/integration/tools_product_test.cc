// What is shipped beside the programs agrees with them: metrics, dashboard, alerts, completion,
// doctor.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "common/http.h"
#include "common/text.h"
#include "tests/integration/support/ctl.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string source(const std::string& path) {
    return slurp(std::string(SHIFT_SOURCE_ROOT) + "/" + path);
}

// ---- metrics

struct Scrape {
    std::map<std::string, std::string> types;  // by family
    std::map<std::string, double> samples;     // by name with labels
    std::vector<std::string> complaints;
};

Scrape read_scrape(const std::string& text) {
    Scrape scrape;
    std::string family;
    std::string helped;
    for (const std::string& line : split(text, '\n')) {
        std::smatch match;
        if (line.empty()) {
            continue;
        }
        if (std::regex_match(line, match, std::regex("# HELP ([a-z_]+) [A-Z0-9].*\\."))) {
            helped = match[1];
        } else if (std::regex_match(line, match,
                                    std::regex("# TYPE ([a-z_]+) (counter|gauge|histogram)"))) {
            family = match[1];
            if (family != helped || !scrape.types.emplace(family, match[2]).second) {
                scrape.complaints.push_back("no help, or twice: " + line);
            }
            if ((match[2] == "counter") != family.ends_with("_total")) {
                scrape.complaints.push_back("not named as Prometheus wants it: " + line);
            }
        } else if (std::regex_match(
                       line, match,
                       std::regex("([a-z_]+)(\\{([a-z_]+=\"([^\"\\\\]|\\\\.)*\",?)*\\})? "
                                  "([0-9.e+-]+)"))) {
            const std::string name = match[1];
            const std::string suffix = name.substr(std::min(name.size(), family.size()));
            const bool histogram = scrape.types[family] == "histogram";
            const bool known = histogram
                                   ? suffix == "_bucket" || suffix == "_sum" || suffix == "_count"
                                   : suffix.empty();
            if (!name.starts_with(family) || !known) {
                scrape.complaints.push_back("outside its family: " + line);
            }
            scrape.samples[name + match[2].str()] = std::strtod(match[5].str().c_str(), nullptr);
        } else {
            scrape.complaints.push_back("not understood: " + line);
        }
    }
    return scrape;
}

TEST(Metrics, AreWhatTheDocumentListsAndFollowARealCopy) {
    ScenarioOptions options;
    const int port = free_port();
    options.settings["metrics_listen"] = std::to_string(port);
    options.chunk_rows = 100;
    options.chunk_pause_s = 0.01;
    Scenario s(options);
    const auto scrape = [&] {
        const auto answer =
            http_call("GET", "http://127.0.0.1:" + std::to_string(port) + "/metrics", Json(), {});
        EXPECT_TRUE(answer.ok()) << answer.error().message;
        EXPECT_EQ(answer->status, 200);
        return read_scrape(answer->body);
    };
    Writers::make_table(s.db(), "app", "t", 1000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_running(id);
    s.await_copying(id);
    const std::string labels = "{migration=\"" + std::to_string(id) +
                               "\",cluster=\"default\",database=\"app\",table=\"t\"}";
    s.await("the copy is measured",
            [&] { return scrape().samples.contains("shift_migration_rows_copied" + labels); });
    Scrape during = scrape();
    EXPECT_THAT(during.complaints, IsEmpty());
    EXPECT_EQ(during.samples["shift_migrations{state=\"running\"}"], 1);
    EXPECT_EQ(during.samples["shift_attempts_running"], 1);
    EXPECT_GT(during.samples["shift_worker_resident_memory_bytes" + labels], 1e6);
    EXPECT_GT(during.samples["shift_engine_resident_memory_bytes" + labels], 1e6);
    EXPECT_GT(during.samples["process_resident_memory_bytes"], 1e6);
    EXPECT_EQ(during.samples["shift_api_up"], 1);
    EXPECT_GT(during.samples["shift_api_request_duration_seconds_count"], 5);
    EXPECT_GT(during.samples["shift_journal_commit_duration_seconds_count"], 5);
    EXPECT_LT(during.samples["shift_poll_age_seconds"], 30);
    EXPECT_EQ(during.samples["shift_attempts_total{step=\"prepare\",outcome=\"prepared\"}"], 1);
    gate.open();
    s.await_status(id, 4);
    s.await_idle();
    const Scrape after = scrape();
    EXPECT_EQ(after.samples.at("shift_rows_copied_total"), 1000);
    EXPECT_EQ(after.samples.count("shift_migration_rows_copied" + labels), 0U);

    // The document lists exactly these, with these types.
    std::map<std::string, std::string> documented;
    for (const std::string& line : split(source("docs/metrics.md"), '\n')) {
        std::smatch match;
        if (std::regex_match(line, match, std::regex("\\| `([a-z_]+)` \\| ([a-z]+) \\|.*"))) {
            documented[match[1]] = match[2];
        }
    }
    EXPECT_EQ(documented, after.types);

    // And whatever names a metric names one of them.
    std::set<std::string> names;
    for (const auto& [name, type] : after.types) {
        names.insert(name);
        for (const char* suffix : {"_bucket", "_sum", "_count"}) {
            if (type == "histogram") {
                names.insert(name + suffix);
            }
        }
    }
    for (const char* file : {"packaging/grafana/shift-supervisor.json",
                             "packaging/prometheus/shift-supervisor.rules.yml"}) {
        const std::string text = source(file);
        const std::regex metric("\\b(shift|process)_[a-z_]+\\b");
        int found = 0;
        for (std::sregex_iterator it(text.begin(), text.end(), metric), end; it != end; ++it) {
            ++found;
            EXPECT_TRUE(names.contains(it->str())) << file << ": " << it->str();
        }
        EXPECT_GT(found, 10) << file;
    }
}

TEST(Metrics, AreOffUnlessAskedForAndABadAddressIsRefused) {
    Scenario s;
    EXPECT_THAT(slurp(s.supervisor().log_file()), Not(HasSubstr("event=metrics")));
    s.supervisor().terminate();
    s.supervisor().set("metrics_listen", "localhost:1");
    s.supervisor().start(false);
    const auto ended = s.supervisor().wait();
    ASSERT_TRUE(ended.has_value());
    EXPECT_EQ(ended->code, 78);
    EXPECT_THAT(slurp(s.supervisor().log_file()), HasSubstr("metrics_listen: 'localhost:1'"));
}

TEST(Alerts, AreRulesThatPrometheusCanRead) {
    const YAML::Node file = YAML::Load(source("packaging/prometheus/shift-supervisor.rules.yml"));
    std::set<std::string> names;
    const std::string reasons = source("docs/troubleshooting.md");
    for (const auto& group : file["groups"]) {
        for (const auto& rule : group["rules"]) {
            const auto name = rule["alert"].as<std::string>();
            EXPECT_TRUE(names.insert(name).second) << name;
            const auto expr = rule["expr"].as<std::string>();
            EXPECT_EQ(std::count(expr.begin(), expr.end(), '('),
                      std::count(expr.begin(), expr.end(), ')'))
                << name;
            EXPECT_FALSE(rule["labels"]["severity"].as<std::string>().empty()) << name;
            EXPECT_FALSE(rule["annotations"]["summary"].as<std::string>().empty()) << name;
            std::smatch match;
            if (std::regex_search(expr, match, std::regex("reason=\"([a-z-]+)\""))) {
                EXPECT_THAT(reasons, HasSubstr("`" + match[1].str() + "`")) << name;
            }
        }
    }
    EXPECT_GE(names.size(), 10U);
}

TEST(Dashboard, IsWholeAndEveryPanelAsksForSomething) {
    const auto board = parse_json(source("packaging/grafana/shift-supervisor.json"));
    ASSERT_TRUE(board.ok()) << board.error().message;
    std::set<int> ids;
    for (const Json& panel : (*board)["panels"]) {
        EXPECT_TRUE(ids.insert(panel["id"].get<int>()).second);
        ASSERT_FALSE(panel["targets"].empty()) << panel["title"];
        for (const Json& target : panel["targets"]) {
            EXPECT_THAT(target["expr"].get<std::string>(), HasSubstr("shift")) << panel["title"];
        }
    }
    EXPECT_GE(ids.size(), 12U);
}

// ---- completion

std::vector<std::string> words_of(const std::string& text, const std::string& pattern) {
    std::vector<std::string> words;
    const std::regex regex(pattern);
    for (const std::string& line : split(text, '\n')) {
        std::smatch match;
        if (std::regex_search(line, match, regex)) {
            words.push_back(match[1]);
        }
    }
    std::sort(words.begin(), words.end());
    return words;
}

// What the shell offers after `words`, of which the last is being typed.
std::vector<std::string> completions(const std::string& words) {
    const ToolResult result = run_tool(
        {"bash", "-c",
         "source \"$1\"; read -ra COMP_WORDS <<<\"$2\"; [[ $2 == *' ' ]] && "
         "COMP_WORDS+=(''); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
         "_shift_supervisorctl; printf '%s\\n' \"${COMPREPLY[@]}\"",
         "bash", std::string(SHIFT_SOURCE_ROOT) + "/packaging/completion/shift-supervisorctl",
         words});
    EXPECT_EQ(result.status.code, 0) << result.err;
    std::vector<std::string> offered = split(result.out, '\n');
    std::erase(offered, "");
    std::sort(offered.begin(), offered.end());
    return offered;
}

TEST(Completion, OffersWhatHelpLists) {
    const std::string tool = program("shift-supervisorctl");
    const std::string help = run_tool({tool, "--help"}).out;
    const std::string option = "^  (?:-[a-z],)?(--[a-z-]+)";
    const auto verbs = words_of(help.substr(help.find("Subcommands:")), "^  ([a-z][a-z-]+) ");
    ASSERT_GE(verbs.size(), 25U);
    auto global = words_of(help, option);
    std::vector<std::string> everything = verbs;
    everything.insert(everything.end(), global.begin(), global.end());
    std::sort(everything.begin(), everything.end());
    EXPECT_EQ(completions("shift-supervisorctl "), everything);
    for (const std::string& verb : verbs) {
        auto wanted = words_of(run_tool({tool, verb, "--help"}).out, option);
        wanted.insert(wanted.end(), global.begin(), global.end());
        std::sort(wanted.begin(), wanted.end());
        wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
        EXPECT_EQ(completions("shift-supervisorctl " + verb + " --"), wanted) << verb;
    }
    EXPECT_EQ(completions("shift-supervisorctl --config x sta"),
              (std::vector<std::string>{"start", "status"}));
    EXPECT_EQ(completions("shift-supervisorctl approve 7 --runtype l"),
              (std::vector<std::string>{"long"}));
}

// ---- doctor

std::string finding(const Json& report, const std::string& check) {
    std::string text;
    for (const Json& one : report["findings"]) {
        if (one["check"] == check) {
            text += one["level"].get<std::string>() + ": " + one["text"].get<std::string>() +
                    " | " + one["fix"].get<std::string>() + "\n";
        }
    }
    return text;
}

TEST(Doctor, LooksAtEverythingTheDaemonNeeds) {
    ScenarioOptions options;
    options.real_api = true;
    options.own_server = true;
    options.server.arguments = {"--sync-binlog=0", "--log-bin-trust-function-creators=OFF"};
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 50);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN x INT", .runtype = 2});
    s.bring_to_prepared(id);

    Json report = ctl_json(s, {"doctor"});
    EXPECT_EQ(report["failures"], 0) << report.dump(1);
    EXPECT_THAT(finding(report, "pt-osc"), HasSubstr("ok: "));
    EXPECT_THAT(finding(report, "disk state_dir"), HasSubstr("free"));
    EXPECT_THAT(finding(report, "daemon"), HasSubstr("ok: shift-supervisord " SHIFT_VERSION));
    EXPECT_THAT(finding(report, "reachable"), HasSubstr("answers 200"));
    EXPECT_THAT(finding(report, "tls"), HasSubstr("http: nothing is encrypted"));
    // The server is known from the journal's migrations.
    EXPECT_THAT(finding(report, "connect"), HasSubstr("ok: as shift@"));
    EXPECT_THAT(finding(report, "version"), HasSubstr("MariaDB"));
    EXPECT_THAT(finding(report, "writable"), HasSubstr("ok: "));
    EXPECT_THAT(finding(report, "binlog"), HasSubstr("ok: on, ROW"));
    EXPECT_THAT(finding(report, "durability"), HasSubstr("warn: "));
    EXPECT_THAT(finding(report, "rights-direct"), HasSubstr("direct: all on `app`.*"));
    EXPECT_THAT(finding(report, "rights-copy"), HasSubstr("all on `app`.*"));
    EXPECT_THAT(finding(report, "rights-lhm"), HasSubstr("ok: lhm: all on `app`.*"));
    EXPECT_THAT(finding(report, "trash"), HasSubstr("old tables go to pending_drops"));
    EXPECT_THAT(finding(report, "clock"), Not(HasSubstr("warn")));
    EXPECT_THAT(finding(report, "locks"), HasSubstr("INSTALL SONAME 'metadata_lock_info'"));
    EXPECT_THAT(ctl(s, {"doctor"}).out, Not(HasSubstr(MariadbServer::password())));

    // A user who lacks what is needed, a replica, and no trash.
    s.db().execute("REVOKE ALL PRIVILEGES, GRANT OPTION FROM shift@'127.0.0.1'");
    s.db().execute("GRANT SELECT, INSERT ON `app`.* TO shift@'127.0.0.1'");
    s.db().execute("DROP DATABASE pending_drops");
    s.db().execute("SET GLOBAL read_only=ON");
    report = ctl_json(s, {"doctor"}, 1);
    EXPECT_THAT(finding(report, "rights-copy"),
                AllOf(HasSubstr("fail: "),
                      HasSubstr("GRANT UPDATE, DELETE, CREATE, ALTER, DROP, TRIGGER ON `app`.* TO "
                                "'shift'@'127.0.0.1'")));
    EXPECT_THAT(finding(report, "rights-lhm"),
                AllOf(HasSubstr("warn: "), HasSubstr("TRIGGER, LOCK TABLES ON `app`.*"),
                      HasSubstr("before a migration chooses this engine")));
    EXPECT_THAT(finding(report, "binlog"), HasSubstr("log_bin_trust_function_creators=1"));
    EXPECT_THAT(finding(report, "process"), HasSubstr("warn: "));
    EXPECT_THAT(finding(report, "trash"), HasSubstr("CREATE DATABASE `pending_drops`"));
    EXPECT_THAT(finding(report, "writable"), HasSubstr("read_only is on"));

    // Everything away.
    s.server().stop();
    s.api().down();
    s.supervisor().terminate();
    report = ctl_json(s, {"doctor", "--server", "127.0.0.1:1"}, 69);
    EXPECT_THAT(finding(report, "daemon"), HasSubstr("fail: no daemon answers"));
    EXPECT_THAT(finding(report, "reachable"), HasSubstr("fail: "));
    EXPECT_THAT(finding(report, "connect"), HasSubstr("connect to 127.0.0.1:1"));
    for (const Json& one : report["findings"]) {
        EXPECT_TRUE(one["level"] == "ok" || one["fix"] != "") << one.dump();
    }
}

TEST(Doctor, ABadConfigurationIsAFindingWithItsFix) {
    Scenario s;
    spit(s.dir() / "bad.yaml", "rest_api: http://x/\nmax_wrokers: 3\n");
    const std::vector<std::string> words = {program("shift-supervisorctl"), "--config",
                                            s.dir() / "bad.yaml", "doctor"};
    const ToolResult text = run_tool(words);
    EXPECT_EQ(text.status.code, 78);
    EXPECT_THAT(text.out, HasSubstr("FAIL  configuration: "));
    EXPECT_THAT(text.out, HasSubstr("max_wrokers"));
    EXPECT_THAT(text.out, HasSubstr("check-config"));
    std::vector<std::string> json = words;
    json.emplace_back("--json");
    const auto report = parse_json(run_tool(json).out);
    ASSERT_TRUE(report.ok());
    EXPECT_EQ((*report)["failures"], 1);
    EXPECT_THAT(finding(*report, "configuration"), HasSubstr("fail: "));
    EXPECT_EQ(run_tool({words[0], "--config", s.dir() / "none.yaml", "doctor"}).status.code, 78);
}

TEST(Doctor, WithoutAKnownServerItSaysHowToNameOne) {
    Scenario s;
    const Json report = ctl_json(s, {"doctor"});
    EXPECT_THAT(finding(report, "servers"),
                AllOf(HasSubstr("warn: "), HasSubstr("doctor --server HOST:PORT/DATABASE")));
}

// The worker swaps with its own account, also where the tool has another one.
TEST(Doctor, TheWorkersAccountIsCheckedForTheSwapToo) {
    ScenarioOptions options;
    options.own_server = true;
    Scenario s(options);
    s.db().execute("CREATE USER copier@'127.0.0.1' IDENTIFIED BY 'c'");
    s.db().execute("GRANT ALL PRIVILEGES ON *.* TO copier@'127.0.0.1'");
    spit(s.dir() / "copier.cnf", "[client]\nuser=copier\npassword=c\n");
    s.supervisor().set("mysql_defaults_file", s.dir() / "copier.cnf");
    s.supervisor().restart();
    const std::string server = "127.0.0.1:" + std::to_string(s.server().port()) + "/app";
    Json report = ctl_json(s, {"doctor", "--server", server});
    EXPECT_THAT(finding(report, "connect-pt-osc"), HasSubstr("ok: as copier@"));
    EXPECT_THAT(finding(report, "rights-swap"), HasSubstr("ok: "));
    s.db().execute("REVOKE ALL PRIVILEGES, GRANT OPTION FROM shift@'127.0.0.1'");
    s.db().execute("GRANT SELECT, CREATE, ALTER, DROP, INDEX ON `app`.* TO shift@'127.0.0.1'");
    report = ctl_json(s, {"doctor", "--server", server}, 1);
    EXPECT_THAT(finding(report, "rights-direct"), HasSubstr("ok: "));
    EXPECT_THAT(finding(report, "rights-swap"),
                AllOf(HasSubstr("fail: "),
                      HasSubstr("GRANT INSERT, TRIGGER ON `app`.* TO 'shift'@'127.0.0.1'")));
    EXPECT_THAT(finding(report, "rights-copy"), HasSubstr("ok: "));
}

}  // namespace
}  // namespace shift::testing
