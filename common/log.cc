#include "common/log.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "common/clock.h"
#include "common/file.h"
#include "common/text.h"

namespace shift {
namespace {

// A line stays below journald's LineMax= (48 KiB) even with several long values.
constexpr std::size_t kValueBytesMax = 8 * 1024;

const char* level_name(LogLevel level) {
    switch (level) {
        case LogLevel::kDebug:
            return "debug";
        case LogLevel::kInfo:
            return "info";
        case LogLevel::kWarn:
            return "warn";
        case LogLevel::kError:
            return "error";
    }
    return "info";
}

// Source: sd-daemon(3), "SD_ERR" and siblings.
const char* journal_prefix(LogLevel level) {
    switch (level) {
        case LogLevel::kDebug:
            return "<7>";
        case LogLevel::kInfo:
            return "<6>";
        case LogLevel::kWarn:
            return "<4>";
        case LogLevel::kError:
            return "<3>";
    }
    return "<6>";
}

// JOURNAL_STREAM is inherited by children whose stderr went elsewhere; it holds "device:inode" of
// the journal's socket so that one can tell. Source: systemd.exec(5), $JOURNAL_STREAM.
bool stderr_is_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat info {};
    if (stream == nullptr || ::fstat(STDERR_FILENO, &info) != 0) {
        return false;
    }
    return fmt::format("{}:{}", info.st_dev, info.st_ino) == stream;
}

std::string log_value(std::string_view text) {
    const bool cut = text.size() > kValueBytesMax;
    std::string clean = clean_utf8(utf8_prefix(text, kValueBytesMax));
    if (cut) {
        clean += "...";
    }
    const auto plain = [](char c) {
        return c > ' ' && c != '"' && c != '=' && c != '\\' && c != 0x7f;
    };
    bool needs_quotes = clean.empty();
    for (const char c : clean) {
        // Bytes of multi-byte characters are negative here and fine as they are.
        needs_quotes = needs_quotes || (!plain(c) && static_cast<unsigned char>(c) < 0x80);
    }
    if (!needs_quotes) {
        return clean;
    }
    std::string out = "\"";
    for (const char c : clean) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (c == '\r') {
            out += "\\r";
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
            out += c;
        }
    }
    return out + '"';
}

// The last line of defence: callers must not pass secrets at all.
bool is_secret(std::string_view key) {
    const std::string lowered = to_lower_ascii(key);
    return lowered.find("password") != std::string::npos ||
           lowered.find("secret") != std::string::npos;
}

}  // namespace

void Logger::log(LogLevel level, std::string_view event, const Json& fields) const {
    if (level < threshold_) {
        return;
    }
    std::string line = "event=" + log_value(event);
    if (fields.is_object()) {
        for (const auto& [key, value] : fields.items()) {
            if (value.is_null()) {
                continue;
            }
            line += ' ' + key + '=';
            if (is_secret(key)) {
                line += "***";
            } else {
                line += log_value(value.is_string() ? value.get_ref<const std::string&>()
                                                    : to_line(value));
            }
        }
    }
    if (sink_) {
        sink_(level, line);
        return;
    }
    static const bool to_journal = stderr_is_journal();
    const std::string prefix =
        to_journal ? journal_prefix(level) : iso_time(SystemClock().wall()) + " ";
    line = fmt::format("{}level={} {}\n", prefix, level_name(level), line);
    // One write: lines of several processes on one stderr do not mix. A lost log line stops nobody.
    (void)write_all(STDERR_FILENO, line, "stderr");
}

LogLevel parse_log_level(const std::string& name) {
    if (name == "debug") {
        return LogLevel::kDebug;
    }
    if (name == "warn") {
        return LogLevel::kWarn;
    }
    if (name == "error") {
        return LogLevel::kError;
    }
    return LogLevel::kInfo;
}

}  // namespace shift
