#include "worker/osc/osc_output.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "worker/osc/osc_outcome.h"

namespace shift {
namespace {

// A recorded run of the real tool: tests/data/pt-osc/3.2.1/README.md.
struct Recording {
    OscSummary summary;
    std::vector<OscLine> lines;
    ExitStatus exit;
};

Recording replay(const std::string& name) {
    const std::string base = SHIFT_SOURCE_ROOT "/tests/data/pt-osc/3.2.1/" + name;
    Recording recording;
    for (const char* stream : {".out", ".err"}) {
        std::ifstream in(base + stream);
        EXPECT_TRUE(in) << base << stream;
        for (std::string line; std::getline(in, line);) {
            recording.lines.push_back(parse_osc_line(line));
            recording.summary.add(recording.lines.back(), line);
        }
    }
    std::ifstream in(base + ".exit");
    std::string word;
    in >> word >> recording.exit.number;
    recording.exit.signaled = word == "signal";
    return recording;
}

OscJudgement judged_copy(const std::string& name) {
    const Recording recording = replay(name);
    return judge_copy(recording.exit, recording.summary);
}

OscJudgement judged_dry_run(const std::string& name) {
    const Recording recording = replay(name);
    return judge_dry_run(recording.exit, recording.summary);
}

TEST(OscOutput, ProgressIsReadFromTheEndOfTheLine) {
    const OscLine line =
        parse_osc_line("Copying `d`.`a: 99% 00:01 remain`:  37% 1+02:03:04 remain");
    EXPECT_EQ(line.kind, OscLineKind::kProgress);
    EXPECT_EQ(line.percent, 37);
    EXPECT_EQ(line.number, 86'400 + 2 * 3600 + 3 * 60 + 4);
    EXPECT_EQ(parse_osc_line("Copying `d`.`t`:   2% 03:16 remain").number, 196);
    EXPECT_NE(parse_osc_line("Copying `d`.`t`: % remain").kind, OscLineKind::kProgress);
}

TEST(OscOutput, EveryWayOfWaitingIsAThrottle) {
    for (const char* line :
         {"Pausing because Threads_running=11.", "Replica lag is 12 seconds on db2.  Waiting.",
          "Replica lag is ? seconds on db2 -> 10.0.0.2:3306.  Waiting.",
          "(1) Replica 'db2' is stopped.  Waiting.", "Replica db2 is stopped.  Waiting."}) {
        EXPECT_EQ(parse_osc_line(line).kind, OscLineKind::kThrottled) << line;
    }
}

TEST(OscOutput, HarmlessLinesAreNoErrors) {
    for (const char* line :
         {"Error setting explain_format: DBD::mysql::db do failed: Unknown",
          "Slave set to watch has changed", "", "# A software update is available:"}) {
        EXPECT_NE(parse_osc_line(line).kind, OscLineKind::kError) << line;
    }
}

TEST(OscOutcome, ATableThatTheToolSeesNoRowsOfIsDoubted) {
    EXPECT_NE(doubt_of_estimate(0, 5'000'000).find("5000000"), std::string::npos);
    EXPECT_NE(doubt_of_estimate(1, 10'000), "");
    EXPECT_EQ(doubt_of_estimate(2, 5'000'000), "");
    EXPECT_EQ(doubt_of_estimate(0, 9'999), "") << "one chunk anyway";
    EXPECT_EQ(doubt_of_estimate(0, 0), "");
}

TEST(OscRecordings, GoodRunsAreGood) {
    EXPECT_EQ(judged_dry_run("dry_run_ok").verdict, OscVerdict::kSuccess);
    for (const char* name : {"copy_ok", "copy_progress", "copy_throttled", "copy_empty"}) {
        EXPECT_EQ(judged_copy(name).verdict, OscVerdict::kSuccess) << name;
    }
    const Recording progress = replay("copy_progress");
    EXPECT_TRUE(progress.summary.created_triggers);
}

TEST(OscRecordings, BadDryRunsSayWhy) {
    const OscJudgement altered = judged_dry_run("dry_run_bad_alter");
    EXPECT_EQ(altered.verdict, OscVerdict::kRefused);
    EXPECT_NE(altered.reason.find("Duplicate column name 'a'"), std::string::npos)
        << altered.reason;
    EXPECT_NE(judged_dry_run("dry_run_no_table").reason.find("does not exist"), std::string::npos);
    EXPECT_EQ(judged_dry_run("dry_run_no_server").verdict, OscVerdict::kConnection);
    EXPECT_EQ(judged_dry_run("dry_run_unique").verdict, OscVerdict::kRefused);
}

TEST(OscRecordings, BadCopiesAreToldApart) {
    EXPECT_EQ(judged_copy("copy_sigterm").verdict, OscVerdict::kTerminated);
    EXPECT_EQ(judged_copy("copy_sigkill").verdict, OscVerdict::kTerminated);
    EXPECT_EQ(judged_copy("copy_paused").verdict, OscVerdict::kTerminated);
    EXPECT_EQ(judged_copy("copy_lost_connection").verdict, OscVerdict::kConnection);
    EXPECT_EQ(judged_copy("copy_critical_load").verdict, OscVerdict::kOverload);
    EXPECT_NE(judged_copy("copy_critical_load").reason.find("exceeds its critical threshold"),
              std::string::npos);
    EXPECT_EQ(judged_copy("copy_bad_alter").verdict, OscVerdict::kRefused);
    EXPECT_EQ(judged_copy("copy_bad_trigger").verdict, OscVerdict::kRefused);
    EXPECT_NE(judged_copy("copy_rename_column").reason.find("rename these columns"),
              std::string::npos);
    EXPECT_NE(judged_copy("copy_has_triggers").reason.find("has triggers"), std::string::npos);
}

// 3.6.0 and 3.7.0 exit 0 after these.
TEST(OscRecordings, ExitZeroAloneIsNoSuccess) {
    for (const char* name : {"copy_lost_connection", "copy_critical_load", "copy_bad_alter"}) {
        Recording recording = replay(name);
        recording.exit = ExitStatus{false, 0};
        EXPECT_NE(judge_copy(recording.exit, recording.summary).verdict, OscVerdict::kSuccess);
    }
    Recording dry = replay("dry_run_bad_alter");
    EXPECT_NE(judge_dry_run(ExitStatus{false, 0}, dry.summary).verdict, OscVerdict::kSuccess);
}

TEST(OscRecordings, SilentFailuresAreFailures) {
    const OscJudgement silent = judge_dry_run(ExitStatus{false, 3}, OscSummary{});
    EXPECT_EQ(silent.verdict, OscVerdict::kUnknown);
    EXPECT_NE(silent.reason.find("exit 3"), std::string::npos);
    EXPECT_EQ(judge_copy(ExitStatus{true, 9}, OscSummary{}).verdict, OscVerdict::kTerminated);
    OscSummary summary;
    const std::string line = "shift-worker: exec /usr/bin/pt: Permission denied";
    summary.add(parse_osc_line(line), line);
    EXPECT_EQ(judge_copy(ExitStatus{false, 127}, summary).verdict, OscVerdict::kNotExecutable);
}

TEST(OscRecordings, ReplicaWarningsDoNotSpoilASuccess) {
    Recording recording = replay("copy_ok");
    const std::string line = "Replica set to watch has changed";
    recording.summary.add(parse_osc_line(line), line);
    EXPECT_EQ(judge_copy(recording.exit, recording.summary).verdict, OscVerdict::kSuccess);
}

}  // namespace
}  // namespace shift
