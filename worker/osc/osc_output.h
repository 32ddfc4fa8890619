#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shift {

// What one line of pt-online-schema-change's output says. Source: the tool's messages in 3.0.9 to
// 3.7.1; names in them are quoted with backticks unless noted.
enum class OscLineKind {
    kOther,
    kProgress,         // stderr: Copying `db`.`t`:  37% 00:12 remain
    kThrottled,        // stderr: Pausing because ..., Replica lag is ..., Replica ... is stopped
    kPaused,           // stdout: Sleeping N seconds because FILE exists
    kApproxRows,       // stdout: Copying approximately N rows...
    kCopiedOk,         // stdout: Copied rows OK.
    kEmptyTable,       // stdout: `db`.`t` is empty, no rows to copy.
    kShadowAltered,    // stdout: Altered `db`.`NAME` OK.
    kDryRunNoCopy,     // stdout: Not copying rows because this is a dry run.
    kCreatedTriggers,  // stdout: Created triggers OK.
    kSuccess,          // stdout: Successfully altered `db`.`t`.
    kNotAltered,       // stdout: `db`.`t` was not altered.
    kInterrupted,      // stderr: # Exiting on SIGTERM.
    kPluginFailed,     // stdout: Error loading|creating --plugin, OSC-PLUGIN resume refused
    kError,            // either: a reason why the run fails
    kWarning,          // either: odd, yet the run goes on
};

struct OscLine {
    OscLineKind kind = OscLineKind::kOther;
    int percent = 0;          // kProgress
    std::int64_t number = 0;  // kProgress: seconds remaining; kApproxRows: rows
    std::string text;         // kThrottled, kError, kWarning, kPaused: the words worth repeating
};

OscLine parse_osc_line(std::string_view line);

// What a whole run said.
struct OscSummary {
    bool copied_ok = false;
    bool empty_table = false;
    bool shadow_altered = false;
    bool dry_run_no_copy = false;
    bool success = false;
    bool not_altered = false;
    bool created_triggers = false;
    bool plugin_failed = false;           // before anything was changed
    std::string interrupted;              // the signal's name without SIG
    std::vector<std::string> errors;      // at most a few, oldest first, without repeats
    std::vector<std::string> last_lines;  // the last few lines that said something else

    void add(const OscLine& line, std::string_view raw);
    // The real reason of a failure in one text; "" when the tool gave none.
    std::string reason() const;
};

}  // namespace shift
