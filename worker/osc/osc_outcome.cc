#include "worker/osc/osc_outcome.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <string_view>

namespace shift {
namespace {

bool any_error(const OscSummary& summary, std::initializer_list<std::string_view> parts) {
    const auto holds = [&parts](const std::string& line) {
        return std::any_of(parts.begin(), parts.end(), [&line](std::string_view part) {
            return line.find(part) != std::string::npos;
        });
    };
    return std::any_of(summary.errors.begin(), summary.errors.end(), holds) ||
           std::any_of(summary.last_lines.begin(), summary.last_lines.end(), holds);
}

OscJudgement judge_failure(const ExitStatus& exit, const OscSummary& summary) {
    OscJudgement judgement;
    judgement.reason = summary.reason();
    if (judgement.reason.empty()) {
        judgement.reason =
            fmt::format("pt-online-schema-change ended with {} and said nothing", exit.text());
    } else {
        judgement.reason += fmt::format(" ({})", exit.text());
    }
    if (!exit.signaled && (exit.number == 126 || exit.number == 127)) {
        judgement.verdict = OscVerdict::kNotExecutable;
    } else if (any_error(summary, {"exceeds its critical threshold"})) {
        judgement.verdict = OscVerdict::kOverload;
    } else if (any_error(summary, {"Lost connection", "has gone away", "Can't connect",
                                   "Too many "
                                   "connections",
                                   "server shutdown", "Connection was killed"})) {
        judgement.verdict = OscVerdict::kConnection;
    } else if (any_error(summary, {"Lock wait timeout exceeded", "Deadlock found"})) {
        judgement.verdict = OscVerdict::kLockWait;
    } else if (!summary.interrupted.empty() || (exit.signaled && exit.number != SIGSEGV)) {
        judgement.verdict = OscVerdict::kTerminated;
        judgement.reason = summary.interrupted.empty()
                               ? fmt::format("killed by {}", exit.text())
                               : fmt::format("stopped by SIG{}", summary.interrupted);
    } else if (!summary.errors.empty()) {
        judgement.verdict = OscVerdict::kRefused;
    } else {
        judgement.verdict = OscVerdict::kUnknown;
    }
    return judgement;
}

bool failed_to_alter(const OscSummary& summary) {
    return any_error(summary, {"Error altering new table"});
}

}  // namespace

OscJudgement judge_dry_run(const ExitStatus& exit, const OscSummary& summary) {
    if (exit.is_clean() && summary.shadow_altered && summary.dry_run_no_copy &&
        !failed_to_alter(summary)) {
        return {OscVerdict::kSuccess, ""};
    }
    return judge_failure(exit, summary);
}

OscJudgement judge_copy(const ExitStatus& exit, const OscSummary& summary) {
    if (exit.is_clean() && (summary.copied_ok || summary.empty_table) && summary.success &&
        !summary.not_altered && !failed_to_alter(summary)) {
        return {OscVerdict::kSuccess, ""};
    }
    return judge_failure(exit, summary);
}

OscJudgement judge_square_copy(const ExitStatus& exit, const OscSummary& summary) {
    if (exit.is_clean() && (summary.copied_ok || summary.empty_table) && summary.errors.empty()) {
        return {OscVerdict::kSuccess, ""};
    }
    return judge_failure(exit, summary);
}

std::string doubt_of_estimate(std::int64_t tool_rows, std::int64_t server_rows) {
    constexpr std::int64_t kFew = 1;
    constexpr std::int64_t kMany = 10'000;
    if (tool_rows > kFew || server_rows < kMany) {
        return "";
    }
    return fmt::format(
        "pt-online-schema-change sees approximately {} rows where the server's statistics see {}: "
        "it may copy the table in one statement; ANALYZE TABLE, or explain_format=TRADITIONAL in "
        "the set-vars of your config_path",
        tool_rows, server_rows);
}

}  // namespace shift
