#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/json.h"

namespace shift {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

// One line per event on stderr: `level=info event=claimed migration=17 claim=3 text="..."`. Keys
// are stable; values with spaces are quoted. A timestamp is added only when stderr is not the
// journal's (JOURNAL_STREAM unset). Never pass passwords, DSNs or row data.
class Logger {
  public:
    // Takes a line, "event=claimed migration=17", instead of stderr.
    using Sink = std::function<void(LogLevel, const std::string& line)>;

    explicit Logger(LogLevel threshold = LogLevel::kInfo, Sink sink = {})
        : threshold_(threshold), sink_(std::move(sink)) {}
    void set_threshold(LogLevel threshold) { threshold_ = threshold; }

    // `fields` is an object; members are printed in key order after `event`.
    void log(LogLevel level, std::string_view event, const Json& fields = Json::object()) const;
    void debug(std::string_view event, const Json& fields = Json::object()) const {
        log(LogLevel::kDebug, event, fields);
    }
    void info(std::string_view event, const Json& fields = Json::object()) const {
        log(LogLevel::kInfo, event, fields);
    }
    void warn(std::string_view event, const Json& fields = Json::object()) const {
        log(LogLevel::kWarn, event, fields);
    }
    void error(std::string_view event, const Json& fields = Json::object()) const {
        log(LogLevel::kError, event, fields);
    }

  private:
    LogLevel threshold_;
    Sink sink_;
};

LogLevel parse_log_level(const std::string& name);  // unknown = info

}  // namespace shift
