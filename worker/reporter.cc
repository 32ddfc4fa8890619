#include "worker/reporter.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cmath>

#include "common/file.h"
#include "common/text.h"

namespace shift {
namespace {

double rounded(double value) {
    return std::round(value * 10) / 10;
}

}  // namespace

Json to_json(const Progress& progress) {
    Json json = {{"percent", rounded(progress.percent)},
                 {"rows", progress.rows},
                 {"rows_total", progress.rows_total},
                 {"rows_per_s", rounded(progress.rows_per_s)},
                 {"phase", progress.phase}};
    json["eta_s"] = progress.eta_s ? Json(*progress.eta_s) : Json(nullptr);
    if (!progress.throttle.empty()) {
        json["throttle"] = progress.throttle;
        json["throttle_code"] = progress.throttle_code;
    }
    return json;
}

Status Reporter::append(const char* kind, Json fields) {
    const std::lock_guard lock(mutex_);
    return writer_.append(kind, std::move(fields));
}

void Reporter::event(const char* kind, Json fields) {
    if (const Status status = append(kind, std::move(fields)); !status.ok()) {
        logger_.warn("event_not_written", {{"kind", kind}, {"text", status.error().message}});
    }
}

Status Reporter::intent(const std::string& what, Json fields) {
    fields["what"] = what;
    logger_.info("intent", {{"what", what}});
    return append(event::kIntent, std::move(fields));
}

void Reporter::fact(const std::string& what, Json fields) {
    fields["what"] = what;
    logger_.info("fact", {{"what", what}});
    event(event::kFact, std::move(fields));
}

void Reporter::no_return(const std::string& what) {
    logger_.info("no_return", {{"what", what}});
    event(event::kNoReturn, {{"what", what}});
}

void Reporter::phase(const std::string& name) {
    {
        const std::lock_guard lock(mutex_);
        if (last_phase_ == name) {
            return;
        }
        last_phase_ = name;
        last_progress_["phase"] = name;
    }
    logger_.info("phase", {{"phase", name}});
    event(event::kPhase, {{"phase", name}});
}

void Reporter::note(LogLevel level, const std::string& text) {
    const char* name = level == LogLevel::kError  ? "error"
                       : level == LogLevel::kWarn ? "warn"
                                                  : "info";
    logger_.log(level, "note", {{"text", text}});
    event(event::kNote, {{"level", name}, {"text", clean_utf8(text)}});
}

void Reporter::progress(const Progress& progress) {
    Json fields = to_json(progress);
    {
        const std::lock_guard lock(mutex_);
        last_progress_ = fields;
    }
    event(event::kProgress, std::move(fields));
}

void Reporter::wait(const Why& why) {
    const char* code = why_entry(why.code).name;
    logger_.info("waiting", {{"code", code}, {"text", why.text}});
    event(event::kWaiting,
          {{"code", code}, {"text", clean_utf8(why.text)}, {"evidence", why.evidence}});
}

void Reporter::go_on() {
    event(event::kWaiting, {{"code", ""}});
}

void Reporter::outcome(const Verdict& verdict) {
    Json fields = {{"outcome", outcome_name(verdict.outcome)}};
    if (!verdict.reason.empty()) {
        fields["reason"] = verdict.reason;
    }
    if (!verdict.message.empty()) {
        fields["message"] = clean_utf8(verdict.message);
    }
    if (verdict.retry_after_s > 0) {
        fields["retry_after_s"] = verdict.retry_after_s;
    }
    if (!verdict.evidence.is_null()) {
        fields["evidence"] = verdict.evidence;
    }
    logger_.info("outcome", fields);
    event(event::kOutcome, std::move(fields));
}

void Reporter::log_line(std::string_view stream, std::string_view text) {
    const std::lock_guard lock(mutex_);
    if (!log_fd_) {
        log_fd_.reset(::open(log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
        if (!log_fd_) {
            return;  // the copy matters more than its log; the attempt directory has it too
        }
    }
    const std::string line =
        fmt::format("[{}] {}: {}\n", local_time(clock_.wall()), stream, clean_utf8(text));
    (void)write_all(log_fd_.get(), line, log_path_).ok();
}

void Reporter::remark(const std::string& text, LogLevel level) {
    log_line("stdout", "shift-worker: " + text);
    note(level, text);
}

Json Reporter::last_progress() const {
    const std::lock_guard lock(mutex_);
    return last_progress_;
}

}  // namespace shift
