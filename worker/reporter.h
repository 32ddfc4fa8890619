#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/event_log.h"
#include "common/log.h"
#include "common/why.h"
#include "worker/verdict.h"

namespace shift {

struct Progress {
    double percent = 0;  // 0..100
    std::int64_t rows = 0;
    std::int64_t rows_total = 0;  // an estimate
    double rows_per_s = 0;
    std::optional<std::int64_t> eta_s;
    std::string phase;
    std::string throttle;       // why the copy waits, "" = it does not
    std::string throttle_code;  // replica-lag load paused
};
Json to_json(const Progress& progress);

// Everything a worker says: events for the supervisor, the engine's log file, its own stderr.
// Thread-safe. Durable events that cannot be written are waited for (EventWriter); other failures
// are logged and forgotten.
class Reporter {
  public:
    Reporter(EventWriter writer, std::string log_path, const Clock& clock, const Logger& logger)
        : writer_(std::move(writer)),
          log_path_(std::move(log_path)),
          clock_(clock),
          logger_(logger) {}

    void event(const char* kind, Json fields);
    // Written and fsynced before the effect they announce. A failure is the caller's: the effect
    // must not happen.
    Status intent(const std::string& what, Json fields);
    void fact(const std::string& what, Json fields);
    void no_return(const std::string& what);
    void phase(const std::string& name);
    void note(LogLevel level, const std::string& text);
    void progress(const Progress& progress);
    void outcome(const Verdict& verdict);
    // What the step waits for now, and that it goes on.
    void wait(const Why& why);
    void go_on();

    // "[2006-01-02 15:04:05] stdout: text" appended to ptosc-output.log, as the original wrote it.
    void log_line(std::string_view stream, std::string_view text);
    // A remark of ours, in the log file and as a note.
    void remark(const std::string& text, LogLevel level = LogLevel::kInfo);

    Json last_progress() const;  // {} before the first

  private:
    Status append(const char* kind, Json fields);

    mutable std::mutex mutex_;
    EventWriter writer_;
    std::string log_path_;
    UniqueFd log_fd_;
    const Clock& clock_;
    const Logger& logger_;
    Json last_progress_ = Json::object();
    std::string last_phase_;
};

}  // namespace shift
