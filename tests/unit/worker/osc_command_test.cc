#include "worker/osc/osc_command.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace shift {
namespace {

OscPlan plan() {
    OscPlan plan;
    plan.tool.path = "/usr/bin/pt-online-schema-change";
    plan.host = "db1";
    plan.port = 3307;
    plan.defaults_file = "/etc/shift-supervisor/my.cnf";
    plan.database = "shop";
    plan.table = "a,b";
    plan.shadow = "_17_a,b_new";
    plan.alter = "ADD COLUMN `x y` INT";
    plan.pid_file = "/a/ptosc.pid";
    plan.pause_file = "/a/pause";
    plan.tool.has_pause_file = true;
    return plan;
}

bool has(const std::vector<std::string>& argv, const std::string& word) {
    return std::find(argv.begin(), argv.end(), word) != argv.end();
}

std::string after(const std::vector<std::string>& argv, const std::string& word) {
    const auto at = std::find(argv.begin(), argv.end(), word);
    return at == argv.end() || at + 1 == argv.end() ? "" : *(at + 1);
}

TEST(OscCommand, ConfigIsTheFirstWord) {
    for (const auto& argv : {osc_dry_run_argv(plan()), osc_copy_argv(plan())}) {
        EXPECT_EQ(argv[1], "--config");
        EXPECT_EQ(argv[2], "/dev/null");
        EXPECT_EQ(argv.back(),
                  "h=db1,P=3307,D=shop,t=a\\,b,A=utf8mb4,F=/etc/shift-supervisor/my.cnf");
    }
}

TEST(OscCommand, CopyKeepsEverythingAndLimitsLoad) {
    OscPlan given = plan();
    given.options.max_threads_running = 77;
    given.options.max_replication_lag = 9;
    const auto argv = osc_copy_argv(given);
    for (const char* word : {"--execute", "--no-swap-tables", "--no-drop-new-table",
                             "--no-drop-triggers", "--no-version-check"}) {
        EXPECT_TRUE(has(argv, word)) << word;
    }
    EXPECT_EQ(after(argv, "--critical-load"), "Threads_running=77");
    EXPECT_EQ(after(argv, "--max-load"), "Threads_running=125");
    EXPECT_EQ(after(argv, "--max-lag"), "9");
    EXPECT_EQ(after(argv, "--alter"), "ADD COLUMN `x y` INT");
    EXPECT_EQ(after(argv, "--new-table-name"), "_17_a,b_new");
    EXPECT_EQ(after(argv, "--recursion-method"), "none");
    EXPECT_FALSE(has(argv, "--no-check-alter"));
}

TEST(OscCommand, OperatorsConfigReplacesTheLimits) {
    OscPlan given = plan();
    given.options.config_path = "/etc/pt.conf";
    given.no_check_alter = true;
    const auto argv = osc_copy_argv(given);
    EXPECT_EQ(argv[2], "/etc/pt.conf");
    EXPECT_EQ(osc_dry_run_argv(given)[2], "/etc/pt.conf") << "the tool reads it before the run too";
    for (const char* word :
         {"--max-load", "--critical-load", "--tries", "--max-lag", "--set-vars"}) {
        EXPECT_FALSE(has(argv, word)) << word;
    }
    EXPECT_TRUE(has(argv, "--no-check-alter"));
}

TEST(OscCommand, OnlyAToolThatCannotBeHeldWatchesReplicasItself) {
    OscPlan given = plan();
    given.options.recursion_method = "processlist";
    for (const auto& argv : {osc_dry_run_argv(given), osc_copy_argv(given)}) {
        EXPECT_EQ(after(argv, "--recursion-method"), "none");
    }
    given.tool.has_pause_file = false;
    EXPECT_EQ(after(osc_copy_argv(given), "--recursion-method"), "processlist");
    given.options.recursion_method.clear();
    EXPECT_EQ(after(osc_copy_argv(given), "--recursion-method"), "none");
}

TEST(OscCommand, ExplainFormatOnlyWhereTheServerHasIt) {
    OscPlan given = plan();
    EXPECT_EQ(after(osc_copy_argv(given), "--set-vars"), "wait_timeout=600,lock_wait_timeout=1");
    given.needs_traditional_explain = true;
    EXPECT_EQ(after(osc_copy_argv(given), "--set-vars"),
              "wait_timeout=600,lock_wait_timeout=1,explain_format=TRADITIONAL");
}

// Without it MySQL 9 copies the whole table in one statement, whoever wrote the limits.
TEST(OscCommand, ExplainFormatIsAddedToWhatTheOperatorsConfigSets) {
    OscPlan given = plan();
    given.options.config_path = "/etc/pt.conf";
    given.config_set_vars = "lock_wait_timeout=5";
    EXPECT_FALSE(has(osc_copy_argv(given), "--set-vars"));
    given.needs_traditional_explain = true;
    EXPECT_EQ(after(osc_copy_argv(given), "--set-vars"),
              "lock_wait_timeout=5,explain_format=TRADITIONAL");
    given.config_set_vars = "explain_format=TRADITIONAL,wait_timeout=9";
    EXPECT_FALSE(has(osc_copy_argv(given), "--set-vars"));
    given.config_set_vars = "";
    EXPECT_EQ(after(osc_copy_argv(given), "--set-vars"), "explain_format=TRADITIONAL");
}

TEST(OscCommand, SetVarsAreReadAsTheToolReadsThem) {
    EXPECT_EQ(set_vars_of_config("max-lag=5\n"), "");
    EXPECT_EQ(set_vars_of_config("set-vars=a=1\n# set-vars=b=2\n;set-vars=c=3\n"), "a=1");
    EXPECT_EQ(set_vars_of_config("  set-vars = a=1,b='x' # why\nmax-lag=5"), "a=1,b='x'");
    EXPECT_EQ(set_vars_of_config("set-vars=a=1\nset-vars=b=2\n--\nset-vars=c=3\n"), "b=2");
    EXPECT_EQ(set_vars_of_config("#set-vars=a=1"), "");
}

// DBD::mysql would take the socket file and ignore the port.
TEST(OscCommand, LocalhostIsAnAddress) {
    OscPlan given = plan();
    given.host = "localhost";
    EXPECT_TRUE(osc_dsn(given).starts_with("h=127.0.0.1,P=3307"));
}

TEST(OscCommand, ProgramsAreLookedUp) {
    EXPECT_EQ(find_program("sh", "/nowhere:/bin:/usr/bin").value(), "/bin/sh");
    EXPECT_EQ(find_program("no-such-tool", "/bin").error().code, Errc::kNotFound);
    EXPECT_EQ(find_program("/nowhere/pt", "/bin").error().code, Errc::kNotFound);
    EXPECT_EQ(find_program("/etc/passwd", "/bin").error().code, Errc::kInvalidArgument);
    EXPECT_EQ(find_program("/etc", "/bin").error().code, Errc::kNotFound);
    EXPECT_FALSE(find_program("", "/bin").ok());
}

}  // namespace
}  // namespace shift
