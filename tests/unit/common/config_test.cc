#include "common/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "common/file.h"
#include "common/text.h"
#include "tests/unit/common/temp_dir.h"

namespace shift {
namespace {

const std::string kLeast = "rest_api: http://localhost:3000/api/v1/\nlog_dir: /tmp/shift\n";

Config good(const std::string& more) {
    auto config = parse_config(kLeast + more, "f.yaml");
    EXPECT_TRUE(config.ok()) << config.error().message;
    return config.ok() ? *config : Config{};
}

std::string config_error(const std::string& text) {
    const auto config = parse_config(text, "f.yaml");
    EXPECT_FALSE(config.ok());
    return config.ok() ? "" : config.error().message;
}
std::string error_with(const std::string& more) {
    return config_error(kLeast + more);
}

TEST(Config, NeedsOnlyTheApiAndTheLogFolder) {
    const Config config = good("");
    EXPECT_EQ(config.rest_api, "http://localhost:3000/api/v1/");
    EXPECT_EQ(config.log_dir, "/tmp/shift/");
    EXPECT_EQ(config.state_dir, "/tmp/shift/supervisor-state");
    EXPECT_EQ(config.control_socket, "/tmp/shift/supervisor-state/control.sock");
    EXPECT_EQ(config.run_host, host_name());
    EXPECT_TRUE(config.rest_verify);
    EXPECT_EQ(config.pt_osc_path, "pt-online-schema-change");
}

TEST(Config, SaysWhatIsMissing) {
    EXPECT_NE(config_error("log_dir: /tmp\n").find("rest_api: missing"), std::string::npos);
    EXPECT_NE(config_error("rest_api: http://x/\n").find("log_dir: missing"), std::string::npos);
    EXPECT_NE(config_error("").find("rest_api: missing"), std::string::npos);
    EXPECT_NE(config_error("rest_api: localhost:3000\nlog_dir: /tmp\n").find("http://"),
              std::string::npos);
}

TEST(Config, ReadsTheOriginalsEnvironmentBasedFile) {
    ::setenv("SHIFT_REST_API", "http://api/", 1);
    ::setenv("SHIFT_LOG_DIR", "/var/log/x", 1);
    ::unsetenv("SHIFT_PORT_OVERRIDE");
    const auto config = parse_config(
        "mysql_user: ${SHIFT_MYSQL_USER}\n"
        "rest_api: ${SHIFT_REST_API}\n"
        "log_dir: ${SHIFT_LOG_DIR}\n"
        "pt_osc_path: ${SHIFT_PT_OSC_PATH}\n"
        "log_sync_interval: 10\n"
        "port_override: ${SHIFT_PORT_OVERRIDE}\n",
        "f.yaml");
    ASSERT_TRUE(config.ok()) << config.error().message;
    EXPECT_EQ(config->rest_api, "http://api/");
    EXPECT_EQ(config->log_dir, "/var/log/x/");
    EXPECT_EQ(config->port_override, 0);
    EXPECT_EQ(config->pt_osc_path, "pt-online-schema-change");
}

TEST(Config, TakesNullForTheDefault) {
    const Config config = good("mysql_user:\nmax_workers: ~\nengine: null\nport_override: ''\n");
    EXPECT_EQ(config.mysql_user, "");
    EXPECT_EQ(config.max_workers, Config{}.max_workers);
    EXPECT_EQ(config.engine, "pt-osc");
}

TEST(Config, ExpandsVariablesInValuesOnly) {
    ::setenv("SHIFT_TEST_A", "one", 1);
    ::unsetenv("SHIFT_TEST_NONE");
    EXPECT_EQ(good("mysql_user: x${SHIFT_TEST_A}y\n").mysql_user, "xoney");
    EXPECT_EQ(good("mysql_user: x${SHIFT_TEST_NONE}y\n").mysql_user, "xy");
    EXPECT_EQ(good("mysql_password: pa$$w0rd$HOME${\n").mysql_password, "pa$$w0rd$HOME${");
    EXPECT_EQ(good("mysql_password: 'a${not a name}b'\n").mysql_password, "a${not a name}b");
    EXPECT_EQ(good("mysql_password: '${1x}'\n").mysql_password, "${1x}");
}

TEST(Config, PutsTheHostNameIn) {
    EXPECT_EQ(good("run_host: '%hostname%-a'\n").run_host, host_name() + "-a");
}

TEST(Config, DoesNotExpandWhatAVariableHolds) {
    ::setenv("SHIFT_TEST_A", "${HOME}%hostname%", 1);
    EXPECT_EQ(good("mysql_user: ${SHIFT_TEST_A}\n").mysql_user, "${HOME}%hostname%");
}

TEST(Config, NamesTheNearestKeyOfAnUnknownOne) {
    const std::string error = error_with("max_worker: 3\n");
    EXPECT_EQ(error, "f.yaml:3: max_worker: unknown key, did you mean max_workers?");
    EXPECT_EQ(error_with("banana: 3\n"), "f.yaml:3: banana: unknown key");
}

TEST(Config, RefusesAKeyGivenTwice) {
    EXPECT_EQ(error_with("max_workers: 3\n\nmax_workers: 3\n"),
              "f.yaml:5: max_workers: given twice");
}

TEST(Config, RefusesListsAndBrokenYaml) {
    EXPECT_EQ(error_with("max_workers: [3]\n"), "f.yaml:3: max_workers: must be a single value");
    EXPECT_EQ(error_with("max_workers: {a: 3}\n"), "f.yaml:3: max_workers: must be a single value");
    EXPECT_EQ(config_error("- a\n").rfind("f.yaml:1: ", 0), 0U);
    EXPECT_EQ(error_with("x: [\n").rfind("f.yaml:", 0), 0U);
    EXPECT_EQ(config_error("just words").rfind("f.yaml:1: ", 0), 0U);
}

TEST(Config, ReadsIntervals) {
    Config config = good("poll_interval: 10-20\n");
    EXPECT_EQ(config.poll_interval_min, Millis(10'000));
    EXPECT_EQ(config.poll_interval_max, Millis(20'000));
    config = good("poll_interval: 0.2-0.4\n");
    EXPECT_EQ(config.poll_interval_min, Millis(200));
    EXPECT_EQ(config.poll_interval_max, Millis(400));
    config = good("poll_interval: 15\nclaim_grace: 2.5\nlog_sync_interval: 0.2\n");
    EXPECT_EQ(config.poll_interval_min, Millis(15'000));
    EXPECT_EQ(config.poll_interval_max, Millis(15'000));
    EXPECT_EQ(config.claim_grace, Millis(2'500));
    EXPECT_EQ(config.log_sync_interval, Millis(200));
}

TEST(Config, RefusesIntervalsThatMakeNoSense) {
    for (const char* value : {"20-10", "0", "-5", "10-", "abc", "1e9", "10-20-30", "1..2", "inf",
                              "99999999999999999999", "0.01"}) {
        EXPECT_NE(error_with(std::string("poll_interval: ") + value + "\n").find("poll_interval"),
                  std::string::npos)
            << value;
    }
    EXPECT_NE(error_with("ddl_timeout: 10 minutes\n").find("ddl_timeout"), std::string::npos);
    EXPECT_NE(error_with("retry_backoff_min: 9\nretry_backoff_max: 1\n").find("retry_backoff_max"),
              std::string::npos);
}

TEST(Config, ReadsBooleansAndNumbersInRangeOnly) {
    EXPECT_FALSE(good("enable_trash: false\n").enable_trash);
    EXPECT_FALSE(good("rest_verify: No\n").rest_verify);
    EXPECT_TRUE(good("rest_verify: 1\n").rest_verify);
    EXPECT_EQ(good("port_override: 3307\n").port_override, 3307);
    EXPECT_EQ(good("direct_rows_max: 5000000000\n").direct_rows_max, 5'000'000'000);
    EXPECT_EQ(error_with("enable_trash: maybe\n"),
              "f.yaml:3: enable_trash: 'maybe' is not true or false");
    EXPECT_EQ(error_with("port_override: 65536\n"),
              "f.yaml:3: port_override: 65536 is not between 0 and 65535");
    EXPECT_NE(error_with("max_workers: 0\n").find("max_workers"), std::string::npos);
    EXPECT_NE(error_with("max_workers: 1.5\n").find("max_workers"), std::string::npos);
    EXPECT_NE(error_with("max_workers: 99999999999\n").find("max_workers"), std::string::npos);
}

TEST(Config, KnowsItsEnginesAndLevels) {
    EXPECT_EQ(good("engine: pt-osc\n").engine, "pt-osc");
    EXPECT_EQ(good("engine: lhm\n").engine, "lhm");
    EXPECT_EQ(error_with("engine: gh-ost\n"),
              "f.yaml:3: engine: 'gh-ost' is no engine of this version (there is: pt-osc, lhm)");
    EXPECT_NE(error_with("log_level: loud\n").find("log_level"), std::string::npos);
}

TEST(Config, KeepsTheEnginesSettingsUnderItsOwnNames) {
    const Config config = good(
        "lhm_chunk_time: 0.2\nlhm_threads: 4\nlhm_max_load: Threads_running=50\nlhm_allow_loss: "
        "true\n");
    EXPECT_EQ(config.lhm, (std::map<std::string, std::string>{{"allow-loss", "true"},
                                                              {"chunk-time", "0.2"},
                                                              {"max-load", "Threads_running=50"},
                                                              {"threads", "4"}}));
    EXPECT_NE(error_with("lhm_allow_loss: perhaps\n").find("true or false"), std::string::npos);
    EXPECT_NE(error_with("lhm_threads: 65\n").find("between 1 and 64"), std::string::npos);
    EXPECT_NE(error_with("lhm_chunk_time: soon\n").find("seconds"), std::string::npos);
    EXPECT_NE(error_with("lhm_chunk_tim: 1\n").find("lhm_chunk_time"), std::string::npos);
}

TEST(Config, WantsCertificateAndKeyTogether) {
    EXPECT_NE(error_with("rest_cert: /a\n").find("rest_key"), std::string::npos);
    EXPECT_EQ(good("rest_cert: /a\nrest_key: /b\n").rest_key, "/b");
}

TEST(Config, MakesPathsAbsolute) {
    const auto config = parse_config("rest_api: http://x/\nlog_dir: logs\n", "f.yaml");
    ASSERT_TRUE(config.ok());
    EXPECT_EQ(config->log_dir, std::filesystem::current_path().native() + "/logs/");
    EXPECT_EQ(good("pt_osc_path: pt-osc\n").pt_osc_path, "pt-osc");
    EXPECT_EQ(good("stop_file_path: /a/./b\n").stop_file_path, "/a/b");
}

TEST(Config, RefusesASocketPathThatUnixCannotBind) {
    const std::string error = error_with("state_dir: /" + std::string(120, 'x') + "\n");
    EXPECT_NE(error.find("control_socket"), std::string::npos);
    EXPECT_NE(error.find("107"), std::string::npos);
    EXPECT_EQ(good("control_socket: /" + std::string(106, 'x') + "\n").control_socket.size(), 107U);
}

TEST(Config, NeverPrintsThePassword) {
    for (const char* more : {"mysql_password: [hunter2]\n", "mysql_password: hunter2\nx: 1\n",
                             "mysql_password: hunter2\nmysql_password: hunter2\n"}) {
        EXPECT_EQ(error_with(more).find("hunter2"), std::string::npos) << more;
    }
}

TEST(LoadConfig, TellsAMissingFile) {
    const TempDir dir;
    EXPECT_EQ(load_config(dir / "none.yaml").error().code, Errc::kNotFound);
    ASSERT_TRUE(write_file_atomic(dir / "c.yaml", kLeast + "bad_key: 1\n", 0600).ok());
    const auto config = load_config(dir / "c.yaml");
    ASSERT_FALSE(config.ok());
    EXPECT_EQ(config.error().message.rfind(dir / "c.yaml:3: bad_key", 0), 0U);
}

TEST(DefaultConfigPath, FollowsTheEnvironment) {
    const TempDir dir;
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(dir.path());
    ::setenv("ENVIRONMENT", "staging", 1);
    EXPECT_EQ(default_config_path(), "/etc/shift-supervisor/staging-config.yaml");
    ASSERT_TRUE(make_directories(dir / "config", 0700).ok());
    ASSERT_TRUE(write_file_atomic(dir / "config/staging-config.yaml", "", 0600).ok());
    EXPECT_EQ(default_config_path(), "./config/staging-config.yaml");
    ::unsetenv("ENVIRONMENT");
    const std::string etc = dir / "etc";
    EXPECT_EQ(default_config_path(etc), etc + "/development-config.yaml");
    std::filesystem::current_path(before);
}

TEST(DefaultConfigPath, IsThatOfThePackagedServiceWhenTheEnvironmentIsSilent) {
    const TempDir dir;
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(dir.path());
    ::unsetenv("ENVIRONMENT");
    const std::string etc = dir / "etc";
    ASSERT_TRUE(make_directories(etc, 0700).ok());
    const auto with = [&](const std::string& text) {
        EXPECT_TRUE(write_file_atomic(etc + "/environment", text, 0600).ok());
        return default_config_path(etc);
    };
    EXPECT_EQ(with("# ENVIRONMENT=staging\nENVIRONMENT=production\n"),
              etc + "/production-config.yaml");
    EXPECT_EQ(with("ENVIRONMENT=\"eu west\"\n"), etc + "/eu west-config.yaml");
    EXPECT_EQ(with("TZ=UTC\n"), etc + "/development-config.yaml");
    ::setenv("ENVIRONMENT", "staging", 1);
    EXPECT_EQ(with("ENVIRONMENT=production\n"), etc + "/staging-config.yaml");
    ::unsetenv("ENVIRONMENT");
    std::filesystem::current_path(before);
}

TEST(ConfigKeys, AreThoseOfTheManualPage) {
    const auto page = read_file(
        std::string(SHIFT_SOURCE_ROOT) + "/packaging/man/shift-supervisor.yaml.5", 1 << 20);
    ASSERT_TRUE(page.ok());
    std::vector<std::string> documented;
    for (const std::string& line : split(*page, '\n')) {
        constexpr std::string_view kItem = ".It Cm ";
        if (line.starts_with(kItem)) {
            for (const std::string& key : split(line.substr(kItem.size()), ',')) {
                documented.emplace_back(trim(key));
            }
        }
    }
    std::vector<std::string> keys = config_keys();
    std::sort(documented.begin(), documented.end());
    std::sort(keys.begin(), keys.end());
    EXPECT_EQ(documented, keys);
}

TEST(NotReloadable, NamesWhatARunningDaemonCannotChange) {
    const Config running = good("");
    Config fresh = running;
    fresh.max_workers = 9;
    EXPECT_TRUE(not_reloadable(running, fresh).empty());
    fresh.state_dir = "/elsewhere";
    EXPECT_EQ(not_reloadable(running, fresh), std::vector<std::string>{"state_dir"});
}

TEST(ConfigKeys, AreUnique) {
    auto names = config_keys();
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace shift
