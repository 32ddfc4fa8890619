#include "worker/osc/osc_output.h"

#include <algorithm>
#include <cstdlib>

#include "common/text.h"

namespace shift {
namespace {

constexpr std::size_t kErrorsMax = 8;
constexpr std::size_t kLastLinesMax = 5;
constexpr std::size_t kErrorBytesMax = 2000;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// "2026-11-23T18:10:52 " in front of many lines.
std::string_view without_timestamp(std::string_view line) {
    constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd ";
    if (line.size() < kShape.size()) {
        return line;
    }
    for (std::size_t i = 0; i < kShape.size(); ++i) {
        if (kShape[i] == 'd' ? !is_digit(line[i]) : line[i] != kShape[i]) {
            return line;
        }
    }
    return line.substr(kShape.size());
}

std::int64_t leading_number(std::string_view text) {
    std::int64_t value = 0;
    for (std::size_t i = 0; i < text.size() && i < 18 && is_digit(text[i]); ++i) {
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

// Three hundred years: what a broken line may say does not matter, as long as it can be counted.
constexpr std::int64_t kRemainingMax = 10'000'000'000;

// "DD+HH:MM:SS", "HH:MM:SS" or "MM:SS".
std::int64_t parse_remaining(std::string_view text) {
    std::int64_t days = 0;
    if (const std::size_t plus = text.find('+'); plus != std::string_view::npos) {
        days = leading_number(text);
        text.remove_prefix(plus + 1);
    }
    std::int64_t seconds = 0;
    for (const std::string& part : split(text, ':')) {
        seconds = std::min(seconds, kRemainingMax) * 60 + leading_number(part);
    }
    return std::min(std::min(days, kRemainingMax) * 86'400 + std::min(seconds, kRemainingMax),
                    kRemainingMax);
}

// Copying `db`.`t`:  37% 00:12 remain. Names may hold anything, so it is read from the end.
std::optional<OscLine> parse_progress(std::string_view line) {
    constexpr std::string_view kHead = "Copying `";
    constexpr std::string_view kTail = " remain";
    if (!line.starts_with(kHead) || !line.ends_with(kTail)) {
        return std::nullopt;
    }
    line.remove_suffix(kTail.size());
    const std::size_t percent_end = line.rfind("% ");
    if (percent_end == std::string_view::npos) {
        return std::nullopt;
    }
    std::size_t begin = percent_end;
    while (begin > 0 && is_digit(line[begin - 1])) {
        --begin;
    }
    if (begin == percent_end || percent_end - begin > 3) {
        return std::nullopt;
    }
    OscLine parsed;
    parsed.kind = OscLineKind::kProgress;
    parsed.percent =
        static_cast<int>(std::min<std::int64_t>(leading_number(line.substr(begin)), 100));
    parsed.number = parse_remaining(line.substr(percent_end + 2));
    return parsed;
}

std::optional<OscLine> parse_throttle(std::string_view line) {
    const bool lag = line.starts_with("Replica lag is ") && line.ends_with("Waiting.");
    const bool stopped = contains(line, "Replica") && line.ends_with(" is stopped.  Waiting.");
    if (line.starts_with("Pausing because ") || lag || stopped) {
        return OscLine{OscLineKind::kThrottled, 0, 0, std::string(line)};
    }
    return std::nullopt;
}

// Texts that end a run, on whichever stream a version prints them.
bool is_error_text(std::string_view line) {
    static constexpr std::string_view kHeads[] = {
        "Error altering new table",
        "Error copying rows",
        "Error creating new table",
        "Error creating triggers",
        "Error checking --max-load",
        "Cannot connect to MySQL",
        "Cannot connect to ",
        "DBI connect(",
        "You are trying to add an unique key",
        "--check-alter failed",
        "--alter appears to ",
        "The tool should handle this",
        "You did not specify --alter-foreign-keys-method",
        "Failed to find a unique new",
        "Unknown option:",
        "Errors in command-line",
        "Cannot chunk the original table",
        "Can't locate ",
        "PID file ",
        "shift-worker: exec",
        "DSN ",
        "Can't exec",
        "Required column ",
    };
    for (const std::string_view head : kHeads) {
        if (line.starts_with(head)) {
            return true;
        }
    }
    static constexpr std::string_view kParts[] = {
        "exceeds its critical threshold",
        "does not have a PRIMARY KEY or a unique index",
        "has triggers but --preserve-triggers was not specified",
        "was not altered because",
        "Lost connection",
        "server has gone away",
        "Server has gone away",
        "Lock wait timeout exceeded",
        "Deadlock found",
        "chose no index",
        "not safe to ascend",
        "Copying rows caused a MySQL error",
        "DBD::mysql::",
        "Access denied for user",
        "command denied to user",
        "syntax error",
    };
    for (const std::string_view part : kParts) {
        if (contains(line, part)) {
            return true;
        }
    }
    return line.starts_with("The original table ") && contains(line, "does not exist");
}

bool is_warning_text(std::string_view line) {
    static constexpr std::string_view kHeads[] = {
        "Error setting ",
        "Option --",
        "Rows are copying very slowly",
        "Switching to nibble",
        "Error cleaning up",
        "OSC-PLUGIN cannot save state",
        "Slave set to watch",
        "Replica set to watch",
        "Use of uninitialized value",
    };
    return std::any_of(std::begin(kHeads), std::end(kHeads),
                       [&](std::string_view head) { return line.starts_with(head); });
}

OscLine plain(OscLineKind kind) {
    return OscLine{kind, 0, 0, ""};
}

}  // namespace

OscLine parse_osc_line(std::string_view raw) {
    std::string_view line = raw;
    constexpr std::string_view kInCleanup = "\t(in cleanup) ";
    if (line.starts_with(kInCleanup)) {
        line.remove_prefix(kInCleanup.size());
    }
    line = without_timestamp(line);
    if (auto progress = parse_progress(line)) {
        return *progress;
    }
    if (auto throttle = parse_throttle(line)) {
        return *throttle;
    }
    constexpr std::string_view kApprox = "Copying approximately ";
    if (line.starts_with(kApprox)) {
        return OscLine{OscLineKind::kApproxRows, 0, leading_number(line.substr(kApprox.size())),
                       ""};
    }
    if (line == "Copied rows OK.") {
        return plain(OscLineKind::kCopiedOk);
    }
    if (line.starts_with("`") && line.ends_with("` is empty, no rows to copy.")) {
        return plain(OscLineKind::kEmptyTable);
    }
    if (line.starts_with("Altered `") && line.ends_with("` OK.")) {
        return plain(OscLineKind::kShadowAltered);
    }
    if (line == "Not copying rows because this is a dry run.") {
        return plain(OscLineKind::kDryRunNoCopy);
    }
    if (line == "Created triggers OK.") {
        return plain(OscLineKind::kCreatedTriggers);
    }
    if (line.starts_with("Successfully altered `")) {
        return plain(OscLineKind::kSuccess);
    }
    if (line.starts_with("Altered `") && line.ends_with("but there were errors or warnings.")) {
        return plain(OscLineKind::kNotAltered);
    }
    constexpr std::string_view kExiting = "# Exiting on SIG";
    if (line.starts_with(kExiting)) {
        std::string_view name = line.substr(kExiting.size());
        return OscLine{OscLineKind::kInterrupted, 0, 0,
                       std::string(name.substr(0, name.find('.')))};
    }
    if (line.starts_with("Sleeping ") && contains(line, " seconds because ")) {
        return OscLine{OscLineKind::kPaused, 0, 0, std::string(line)};
    }
    for (const std::string_view head :
         {"Error creating --plugin", "Error loading --plugin", "OSC-PLUGIN resume refused: "}) {
        if (line.starts_with(head)) {
            return OscLine{OscLineKind::kPluginFailed, 0, 0,
                           std::string(utf8_prefix(line, kErrorBytesMax))};
        }
    }
    if (is_warning_text(line)) {
        return OscLine{OscLineKind::kWarning, 0, 0, std::string(line)};
    }
    if (is_error_text(line)) {
        return OscLine{OscLineKind::kError, 0, 0, std::string(utf8_prefix(line, kErrorBytesMax))};
    }
    if (line.ends_with("was not altered.")) {
        return plain(OscLineKind::kNotAltered);
    }
    return plain(OscLineKind::kOther);
}

void OscSummary::add(const OscLine& line, std::string_view raw) {
    switch (line.kind) {
        case OscLineKind::kCopiedOk:
            copied_ok = true;
            return;
        case OscLineKind::kEmptyTable:
            empty_table = true;
            return;
        case OscLineKind::kShadowAltered:
            shadow_altered = true;
            return;
        case OscLineKind::kDryRunNoCopy:
            dry_run_no_copy = true;
            return;
        case OscLineKind::kCreatedTriggers:
            created_triggers = true;
            return;
        case OscLineKind::kSuccess:
            success = true;
            return;
        case OscLineKind::kNotAltered:
            not_altered = true;
            return;
        case OscLineKind::kInterrupted:
            interrupted = line.text;
            return;
        case OscLineKind::kPluginFailed:
            plugin_failed = true;
            [[fallthrough]];
        case OscLineKind::kError:
            if (errors.size() < kErrorsMax &&
                std::find(errors.begin(), errors.end(), line.text) == errors.end()) {
                errors.push_back(line.text);
            }
            return;
        case OscLineKind::kProgress:
        case OscLineKind::kThrottled:
        case OscLineKind::kPaused:
        case OscLineKind::kApproxRows:
        case OscLineKind::kWarning:
            return;
        case OscLineKind::kOther:
            break;
    }
    const std::string_view text = trim(raw);
    if (!text.empty()) {
        if (last_lines.size() == kLastLinesMax) {
            last_lines.erase(last_lines.begin());
        }
        last_lines.emplace_back(utf8_prefix(text, kErrorBytesMax));
    }
}

std::string OscSummary::reason() const {
    const std::vector<std::string>& lines = errors.empty() ? last_lines : errors;
    std::string text;
    for (const std::string& line : lines) {
        if (!text.empty()) {
            text += " | ";
        }
        text += line;
    }
    return text;
}

}  // namespace shift
