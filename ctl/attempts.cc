#include "ctl/attempts.h"

#include <fmt/format.h>

#include "common/file.h"
#include "common/line_call.h"
#include "common/state_file.h"

namespace shift::ctl {
namespace {

constexpr std::size_t kJobBytesMax = std::size_t{64} * 1024 * 1024;
constexpr std::size_t kStateBytesMax = std::size_t{4} * 1024 * 1024;
constexpr int kWorkerTimeoutMs = 2'000;

void take_event(OpenAttempt& attempt, const Json& event) {
    const std::string kind = string_or(event, "event", "");
    if (kind == event::kStarted) {
        attempt.worker = parse_process_identity(event);
    } else if (kind == event::kEngine) {
        attempt.engine = parse_process_identity(event);
    } else if (kind == event::kPhase) {
        attempt.phase = string_or(event, "phase", "");
    } else if (kind == event::kOutcome) {
        attempt.outcome = string_or(event, "outcome", "");
        attempt.message = string_or(event, "message", "");
    }
}

}  // namespace

void refresh(OpenAttempt& attempt) {
    const auto life = look_at_attempt(attempt.files);
    attempt.life = life.ok() ? *life : AttemptLife::kAlive;
    for (;;) {
        const auto events = attempt.events.poll();
        if (!events.ok() || events->empty()) {
            return;
        }
        for (const Json& event : *events) {
            take_event(attempt, event);
        }
    }
}

Result<std::vector<OpenAttempt>> open_attempts(const Config& config, bool ended) {
    ASSIGN_OR_RETURN(const auto numbers, list_attempts(config.state_dir));
    std::vector<OpenAttempt> attempts;
    for (const std::int64_t number : numbers) {
        OpenAttempt attempt;
        attempt.number = number;
        attempt.files = AttemptFiles(attempt_folder(config.state_dir, number));
        if (path_exists(attempt.files.closed())) {
            continue;
        }
        attempt.events = EventReader(attempt.files.events(), 0);
        refresh(attempt);
        if (attempt.life == AttemptLife::kDead && !ended) {
            continue;
        }
        const auto text = read_file(attempt.files.job(), kJobBytesMax);
        if (auto job = text.ok() ? parse_job(*text) : Result<Job>(Error(text.error())); job.ok()) {
            attempt.job = *std::move(job);
        }
        attempts.push_back(std::move(attempt));
    }
    return attempts;
}

std::string left_on_server(const OpenAttempt& attempt) {
    const auto outcome = parse_outcome(attempt.outcome);
    const bool is_over = outcome == Outcome::kCompleted || outcome == Outcome::kCancelled ||
                         outcome == Outcome::kFailed || outcome == Outcome::kPrepared;
    const auto text = read_file(attempt.job.files_dir + "/statefile.txt", kStateBytesMax);
    if (is_over || !text.ok()) {
        return {};
    }
    const auto state = parse_state_file(*text);
    if (!state.ok() || state->mig_tbl.empty()) {
        return {};
    }
    std::vector<std::string> triggers;
    for (const std::string& trigger : state->triggers) {
        triggers.push_back(trigger.substr(0, trigger.find(' ')));
    }
    return fmt::format("new table `{}`.`{}`{} on {}:{}", state->db, state->mig_tbl,
                       triggers.empty() ? ""
                                        : fmt::format(" and triggers {} of `{}`",
                                                      fmt::join(triggers, ", "), state->orig_tbl),
                       attempt.job.host, attempt.job.port);
}

Result<Json> ask_worker(const OpenAttempt& attempt, const Json& command) {
    // The first line is the worker's greeting.
    ASSIGN_OR_RETURN(
        const std::vector<std::string> lines,
        line_call(attempt.files.socket(), to_line(command) + '\n', 2, kWorkerTimeoutMs));
    return parse_json(lines.back());
}

}  // namespace shift::ctl
