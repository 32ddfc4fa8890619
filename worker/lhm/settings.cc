#include "worker/lhm/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <type_traits>

#include "common/text.h"

namespace shift::lhm {
namespace {

constexpr const char* kCopy = "Copy";
constexpr const char* kThrottle = "Throttle";
constexpr const char* kSafety = "Safety";
constexpr const char* kSwap = "Swap";
constexpr const char* kRetry = "Retry";

Error bad_value(const std::string& value, const char* wanted) {
    return Error{Errc::kInvalidArgument, fmt::format("'{}' is not {}", value, wanted)};
}

Result<double> number(const std::string& value, double min, double max) {
    double result = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
    if (error != std::errc{} || end != value.data() + value.size() || !(result >= min) ||
        !(result <= max)) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("'{}' is not a number from {} to {}", value, min, max)};
    }
    return result;
}

// Seconds, or with a unit behind them: 90, 1.5, 200ms, 15m, 24h, 7d.
Result<std::chrono::milliseconds> duration(const std::string& value) {
    double result = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
    const std::string_view unit(end, static_cast<std::size_t>(value.data() + value.size() - end));
    const double ms = unit == "ms"                  ? 1
                      : unit.empty() || unit == "s" ? 1e3
                      : unit == "m"                 ? 6e4
                      : unit == "h"                 ? 3.6e6
                      : unit == "d"                 ? 8.64e7
                                                    : 0;
    if (error != std::errc{} || ms == 0 || !(result >= 0) || result * ms > 1e13) {
        return bad_value(value, "a time (90, 1.5, 200ms, 15m, 24h)");
    }
    return std::chrono::milliseconds(static_cast<std::int64_t>(result * ms + 0.5));
}

Result<bool> flag(const std::string& value) {
    const std::string text = to_lower_ascii(value);
    if (text.empty() || text == "true" || text == "yes" || text == "1" || text == "on") {
        return true;
    }
    if (text == "false" || text == "no" || text == "0" || text == "off") {
        return false;
    }
    return bad_value(value, "true or false");
}

// LHM's throttlers by name, with LHM's numbers. Several work together.
Status set_throttlers(const std::string& value, Options& options) {
    constexpr std::int64_t kStride = 2000;
    constexpr std::chrono::milliseconds kDelay{100};
    constexpr int kThreadsRunning = 50;
    for (const std::string& part : split(value, ',')) {
        const std::string name(trim(part));
        if (name == "time" || name == "time_throttler") {
            options.chunk.rows = kStride;
            options.chunk.target = std::chrono::milliseconds(0);
            options.throttle.delay = kDelay;
        } else if (name == "replica_lag" || name == "slave_lag" ||
                   name == "replica_lag_throttler" || name == "slave_lag_throttler") {
            options.throttle.watch_replicas = true;
        } else if (name == "threads_running" || name == "threads_running_throttler") {
            options.throttle.threads_running_max = kThreadsRunning;
        } else {
            return bad_value(name, "a throttler (time, replica_lag, threads_running)");
        }
    }
    return Ok{};
}

using Apply = std::function<Status(const std::string&, Options&)>;
struct SettingRow {
    Setting setting;
    Apply apply;
};

// A setting that is a time, into what `member` gives of the options.
template <typename Member>
Apply time_into(Member member) {
    return [member](const std::string& value, Options& options) -> Status {
        ASSIGN_OR_RETURN(const auto time, duration(value));
        member(options) =
            std::chrono::ceil<std::remove_reference_t<decltype(member(options))>>(time);
        return Ok{};
    };
}

template <typename Member>
Apply number_into(Member member, double min, double max) {
    return [member, min, max](const std::string& value, Options& options) -> Status {
        ASSIGN_OR_RETURN(const double result, number(value, min, max));
        member(options) = static_cast<std::remove_reference_t<decltype(member(options))>>(result);
        return Ok{};
    };
}

template <typename Member>
Apply flag_into(Member member, bool when_set = true) {
    return [member, when_set](const std::string& value, Options& options) -> Status {
        ASSIGN_OR_RETURN(const bool result, flag(value));
        member(options) = result == when_set;
        return Ok{};
    };
}

template <typename Member>
Apply text_into(Member member) {
    return [member](const std::string& value, Options& options) -> Status {
        member(options) = value;
        return Ok{};
    };
}

template <typename Member>
Apply words_into(Member member) {
    return [member](const std::string& value, Options& options) -> Status {
        member(options) = split(value, ',');
        return Ok{};
    };
}

template <typename Member>
Apply limits_into(Member member) {
    return [member](const std::string& value, Options& options) -> Status {
        ASSIGN_OR_RETURN(member(options), parse_load_limits(value));
        return Ok{};
    };
}

Status set_filter(const std::string& value, Options& options) {
    ASSIGN_OR_RETURN(options.filter, parse_filter(value));
    return Ok{};
}

Status set_conflicts(const std::string& value, Options& options) {
    if (value != "record" && value != "fail") {
        return bad_value(value, "record or fail");
    }
    options.conflicts = value == "record" ? ConflictPolicy::kRecord : ConflictPolicy::kFailWrite;
    return Ok{};
}

// yes, no or auto.
template <typename When>
Apply when_into(When Options::*field) {
    return [field](const std::string& value, Options& options) -> Status {
        if (value == "auto") {
            options.*field = When::kAuto;
            return Ok{};
        }
        ASSIGN_OR_RETURN(const bool wanted, flag(value));
        options.*field = wanted ? When::kYes : When::kNo;
        return Ok{};
    };
}

std::vector<SettingRow> copy_rows() {
    constexpr double kRowsMax = 1e9;
    return {
        {{"stride", "ROWS", "rows of a chunk, fixed (else by --chunk-time)", kCopy},
         [](const std::string& value, Options& options) -> Status {
             ASSIGN_OR_RETURN(const double rows, number(value, 1, kRowsMax));
             options.chunk.rows = static_cast<std::int64_t>(rows);
             options.chunk.target = std::chrono::milliseconds(0);
             return Ok{};
         }},
        {{"chunk-time", "TIME", "what a chunk shall take (200ms; half of it where rows are locked)",
          kCopy},
         time_into([](Options & o) -> auto& { return o.chunk.target; })},
        {{"chunk-rows-max", "ROWS", "the most rows of a chunk (50000)", kCopy},
         number_into(
             [](Options & o) -> auto& { return o.chunk.rows_max; }, 1, kRowsMax)},
        {{"chunk-mib-max", "MIB", "the most of a chunk, by the table's average row (64)", kCopy},
         number_into(
             [](Options & o) -> auto& { return o.chunk_mib_max; }, 1, 1e6)},
        {{"min-stride", "ROWS", "the fewest rows a chunk may be reduced to (1)", kCopy},
         number_into(
             [](Options & o) -> auto& { return o.chunk.rows_min; }, 1, kRowsMax)},
        {{"backoff-factor", "FACTOR", "what a chunk too large for the binary log loses (0.2)",
          kCopy},
         number_into(
             [](Options & o) -> auto& { return o.chunk.backoff_factor; }, 0.001, 0.999)},
        {{"threads", "N",
          "connections that copy (2; more take turns where MariaDB locks the counter)", kCopy},
         number_into(
             [](Options & o) -> auto& { return o.threads; }, 1, 64)},
        {{"host-threads", "N",
          "connections that copy or compare on one server, of all migrations together (4; 0: any)",
          kCopy},
         [](const std::string& value, Options& options) -> Status {
             ASSIGN_OR_RETURN(const double threads, number(value, 0, 256));
             options.pace.host_threads = static_cast<int>(threads);
             return Ok{};
         }},
        {{"defer-indexes", "WHEN",
          "secondary indexes after the copy: yes, no, auto (large tables without replicas)", kCopy},
         when_into(&Options::defer_indexes)},
        {{"instant", "WHEN",
          "alter the table itself where no row is touched: yes, no, auto (not when columns go)",
          kCopy},
         when_into(&Options::instant)},
        {{"no-fences", "",
          "chunks that met a lock do not begin with their last row (docs/lhm.md, Fences)", kCopy},
         flag_into(
             [](Options & o) -> auto& { return o.fences; }, false)},
        {{"key", "NAME", "walk the table by this unique key", kCopy},
         text_into([](Options & o) -> auto& { return o.key; })},
        {{"start", "VALUE", "copy from this key value on (one per column, comma)", kCopy},
         words_into([](Options & o) -> auto& { return o.start; })},
        {{"limit", "VALUE", "copy up to this key value", kCopy},
         words_into([](Options & o) -> auto& { return o.limit; })},
        {{"filter", "TEXT", "copy only these rows: \"where ..\" or \"inner join .. on ..\"", kCopy},
         set_filter},
    };
}

std::vector<SettingRow> throttle_rows() {
    return {
        {{"throttler", "NAME", "time, replica_lag, threads_running; several with commas",
          kThrottle},
         set_throttlers},
        {{"delay", "TIME", "pause after each chunk (none; throttler time: 0.1)", kThrottle},
         time_into([](Options & o) -> auto& { return o.throttle.delay; })},
        {{"max-lag", "TIME", "wait while a replica is further behind, or not known (10)",
          kThrottle},
         time_into([](Options & o) -> auto& { return o.throttle.lag_max; })},
        {{"recursion-method", "HOW", "processlist, hosts, dsn=D=..,t=.., none", kThrottle},
         text_into([](Options & o) -> auto& { return o.throttle.recursion_method; })},
        {{"no-check-replicas", "", "do not look at replicas", kThrottle},
         flag_into(
             [](Options & o) -> auto& { return o.throttle.watch_replicas; }, false)},
        {{"max-threads-running", "N", "wait while more threads run", kThrottle},
         [](const std::string& value, Options& options) -> Status {
             ASSIGN_OR_RETURN(const double threads, number(value, 0, 1e6));
             options.throttle.threads_running_max = static_cast<int>(threads);
             return Ok{};
         }},
        {{"max-load", "VAR=N,..", "wait while a status variable is above", kThrottle},
         limits_into([](Options & o) -> auto& { return o.throttle.max_load; })},
        {{"critical-load", "VAR=N,..", "stop (and keep everything) when one is above", kThrottle},
         limits_into([](Options & o) -> auto& { return o.throttle.critical_load; })},
        {{"throttle-query", "SQL", "wait while it gives a number above 0", kThrottle},
         text_into([](Options & o) -> auto& { return o.throttle.query; })},
        {{"throttle-http", "URL", "wait while it does not answer 200", kThrottle},
         text_into([](Options & o) -> auto& { return o.throttle.http; })},
        {{"throttle-file", "FILE", "wait while it exists", kThrottle},
         text_into([](Options & o) -> auto& { return o.throttle.file; })},
        {{"no-pace", "", "work as hard as ever while the application's writes become slow",
          kThrottle},
         flag_into(
             [](Options & o) -> auto& { return o.pace.adapt; }, false)},
        {{"max-write-time", "TIME",
          "what a small write may take before fewer connections and shorter chunks work (8 times "
          "what it took before the copy, 20ms at least)",
          kThrottle},
         time_into([](Options & o) -> auto& { return o.pace.write_max; })},
        {{"throttle-interval", "TIME", "how often all that is asked (1)", kThrottle},
         time_into([](Options & o) -> auto& { return o.throttle.interval; })},
    };
}

std::vector<SettingRow> safety_rows() {
    return {
        {{"no-verify", "", "do not compare both tables before the swap", kSafety},
         flag_into(
             [](Options & o) -> auto& { return o.verify; }, false)},
        {{"no-early-verify", "", "compare nothing before the indexes are built", kSafety},
         flag_into(
             [](Options & o) -> auto& { return o.verify_early; }, false)},
        {{"verifier-query", "SQL", "stop unless it gives a number above 0", kSafety},
         text_into([](Options & o) -> auto& { return o.verifier_query; })},
        {{"raise-on-warnings", "", "stop at any warning of a copied row", kSafety},
         flag_into([](Options & o) -> auto& { return o.fail_on_warnings; })},
        {{"allow-loss", "", "the change may round and cut values that are there", kSafety},
         flag_into([](Options & o) -> auto& { return o.allow_loss; })},
        {{"conflicts", "POLICY", "a write the new table refuses: record (and block the swap), fail",
          kSafety},
         set_conflicts},
        {{"conflict-patience", "TIME", "how long such a row may be put right (30)", kSafety},
         time_into([](Options & o) -> auto& { return o.conflict_patience; })},
        {{"max-write-cost", "FACTOR",
          "give up when the triggers make a write so many times dearer (off)", kSafety},
         number_into(
             [](Options & o) -> auto& { return o.write_cost_max; }, 0, 1e6)},
        {{"force-default-engine", "", "the new table gets the server's default engine", kSafety},
         flag_into([](Options & o) -> auto& { return o.default_engine; })},
        {{"data-check", "TIME", "look through the rows beforehand for so long (60; 0 = not)",
          kSafety},
         time_into([](Options & o) -> auto& { return o.data_check_max; })},
    };
}

std::vector<SettingRow> swap_rows() {
    return {
        {{"locked-switch", "", "hold both tables by LOCK TABLES for the last look", kSwap},
         flag_into([](Options & o) -> auto& { return o.swap.locked; })},
        {{"switch-patience", "TIME", "how long the swap's lock is tried for (10m)", kSwap},
         time_into([](Options & o) -> auto& { return o.swap.patience; })},
        {{"kill-blockers", "TIME", "kill who holds the table for longer (off)", kSwap},
         time_into([](Options & o) -> auto& { return o.swap.kill.age_min; })},
        {{"kill-users", "USER,..", "of these users only", kSwap},
         words_into([](Options & o) -> auto& { return o.swap.kill.users; })},
        {{"rollback-window", "TIME", "keep the old table in step for so long (off)", kSwap},
         time_into([](Options & o) -> auto& { return o.swap.rollback_window; })},
    };
}

std::vector<SettingRow> retry_rows() {
    return {
        {{"tries", "N", "tries of a statement, lock waits included (20, lock waits without end)",
          kRetry},
         [](const std::string& value, Options& options) -> Status {
             ASSIGN_OR_RETURN(const double tries, number(value, 1, 1e6));
             options.retry.tries = static_cast<int>(tries);
             options.retry.count_lock_waits = true;
             return Ok{};
         }},
        {{"retry-interval", "TIME", "pause before the next try (1)", kRetry},
         time_into([](Options & o) -> auto& { return o.retry.base_interval; })},
        {{"retry-multiplier", "FACTOR", "by which it grows (1)", kRetry},
         number_into(
             [](Options & o) -> auto& { return o.retry.multiplier; }, 1, 100)},
        {{"retry-rand-factor", "FACTOR", "by which it varies (0)", kRetry},
         number_into(
             [](Options & o) -> auto& { return o.retry.rand_factor; }, 0, 1)},
        {{"retry-max-elapsed", "TIME", "no tries after so long (no limit)", kRetry},
         time_into([](Options & o) -> auto& { return o.retry.elapsed_max; })},
        {{"reconnect", "TIME", "how long a lost server is tried for (120; 0 = not at all)", kRetry},
         time_into([](Options & o) -> auto& { return o.retry.reconnect_max; })},
    };
}

const std::vector<SettingRow>& rows() {
    static const std::vector<SettingRow> all = [] {
        std::vector<SettingRow> list;
        for (auto part : {copy_rows(), throttle_rows(), safety_rows(), swap_rows(), retry_rows()}) {
            list.insert(list.end(), part.begin(), part.end());
        }
        return list;
    }();
    return all;
}

}  // namespace

const std::vector<Setting>& settings() {
    static const std::vector<Setting> all = [] {
        std::vector<Setting> list;
        for (const SettingRow& row : rows()) {
            list.push_back(row.setting);
        }
        return list;
    }();
    return all;
}

Status apply_setting(std::string_view name, const std::string& value, Options& options) {
    std::string wanted(name);
    std::replace(wanted.begin(), wanted.end(), '_', '-');
    std::vector<std::string> known;
    for (const SettingRow& row : rows()) {
        if (wanted == row.setting.name) {
            Status applied = row.apply(value, options);
            return applied.ok() ? applied : Status(std::move(applied).error().within(wanted));
        }
        known.emplace_back(row.setting.name);
    }
    const std::string nearest = nearest_word(wanted, known);
    return Error{Errc::kInvalidArgument,
                 fmt::format("there is no setting {}{}", wanted,
                             nearest.empty() ? "" : "; did you mean " + nearest + "?")};
}

Status apply_settings(const SettingValues& values, Options& options) {
    // A throttler sets what others may set again: it goes first, as LHM's factory does.
    constexpr std::string_view kFirst = "throttler";
    if (const auto it = values.find(kFirst); it != values.end()) {
        RETURN_IF_ERROR(apply_setting(it->first, it->second, options));
    }
    for (const auto& [name, value] : values) {
        if (name != kFirst) {
            RETURN_IF_ERROR(apply_setting(name, value, options));
        }
    }
    return Ok{};
}

}  // namespace shift::lhm
