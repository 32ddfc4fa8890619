#include "worker/lhm/cli/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "common/text.h"

namespace shift::lhm {
namespace {

// Without a terminal a line of progress is due so often.
constexpr std::chrono::seconds kTellEvery{10};
constexpr std::size_t kBarCells = 30;

std::size_t terminal_width() {
    winsize size{};
    constexpr std::size_t kUsual = 80;
    return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col
                                                                              : kUsual;
}

// 1234567 -> "1,234,567"
std::string grouped(std::int64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3;) {
        at -= 3;
        digits.insert(at, ",");
    }
    return digits;
}

std::string left_text(const Progress& progress) {
    return progress.eta_s && *progress.eta_s >= 0
               ? ", " + format_duration(std::chrono::seconds(*progress.eta_s)) + " left"
               : "";
}

std::string line_of(const Progress& progress) {
    return fmt::format("{}: {:.1f}%, {} of about {} rows, {}/s{}{}", progress.phase,
                       progress.percent, grouped(progress.rows), grouped(progress.rows_total),
                       grouped(static_cast<std::int64_t>(progress.rows_per_s)), left_text(progress),
                       progress.throttle.empty() ? "" : ", waiting: " + progress.throttle);
}

}  // namespace

Console::Console(bool json, ProgressStyle style, Save save)
    : json_(json), style_(style), save_(std::move(save)) {
    if (style_ == ProgressStyle::kAuto) {
        style_ = ::isatty(STDOUT_FILENO) == 1 ? ProgressStyle::kBar : ProgressStyle::kPercent;
    }
}

Console::~Console() {
    clear_bar();
}

void Console::event(const std::string& kind, Json fields) {
    fields["event"] = kind;
    fields["at"] = iso_time(std::chrono::system_clock::now());
    std::puts(to_line(fields).c_str());
    std::fflush(stdout);
}

void Console::clear_bar() {
    if (bar_width_ > 0) {
        std::fputs(("\r" + std::string(bar_width_, ' ') + "\r").c_str(), stdout);
        bar_width_ = 0;
    }
    if (has_dots_) {
        std::fputs("\n", stdout);
        has_dots_ = false;
    }
}

Status Console::intent(const std::string& what, const Json& fields) {
    if (json_) {
        const std::lock_guard lock(mutex_);
        Json copy = fields;
        copy["what"] = what;
        event("intent", std::move(copy));
    }
    return Ok{};
}

void Console::fact(const std::string& what, const Json& fields) {
    if (json_) {
        const std::lock_guard lock(mutex_);
        Json copy = fields;
        copy["what"] = what;
        event("fact", std::move(copy));
    }
}

void Console::no_return(const std::string& what) {
    if (json_) {
        const std::lock_guard lock(mutex_);
        event("no_return", Json{{"what", what}});
    }
}

void Console::phase(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (json_) {
        event("phase", Json{{"phase", name}});
        return;
    }
    if (name != phase_) {
        clear_bar();
        fmt::print("{}\n", name);
        std::fflush(stdout);
        phase_ = name;
        told_ = {};
    }
}

void Console::remark(const std::string& text, LogLevel level) {
    const std::lock_guard lock(mutex_);
    const bool is_complaint = level == LogLevel::kWarn || level == LogLevel::kError;
    if (json_) {
        event("note", Json{{"text", text},
                           {"level", level == LogLevel::kError  ? "error"
                                     : level == LogLevel::kWarn ? "warn"
                                                                : "info"}});
        return;
    }
    clear_bar();
    fmt::print(is_complaint ? stderr : stdout, "{}{}\n", is_complaint ? "shift-lhm: " : "  ", text);
    std::fflush(stdout);
}

void Console::waits_for_lock(const std::string& text, const Json& evidence) {
    if (json_) {
        const std::lock_guard lock(mutex_);
        event("waiting", Json{{"text", text}, {"evidence", evidence}});
        return;
    }
    remark("waiting: " + text, LogLevel::kWarn);
}

void Console::draw_bar(const Progress& progress) {
    const auto cells = static_cast<std::size_t>(progress.percent / 100 * kBarCells);
    std::string text = fmt::format(
        "{} [{}{}] {:.1f}%  {} rows, {}/s{}{}", progress.phase, std::string(cells, '='),
        std::string(kBarCells - std::min(cells, kBarCells), ' '), progress.percent,
        grouped(progress.rows), grouped(static_cast<std::int64_t>(progress.rows_per_s)),
        left_text(progress), progress.throttle.empty() ? "" : "  waiting: " + progress.throttle);
    text = std::string(utf8_prefix(text, terminal_width() - 1));
    const std::size_t width = text.size();
    if (width < bar_width_) {
        text += std::string(bar_width_ - width, ' ');
    }
    std::fputs(("\r" + text).c_str(), stdout);
    std::fflush(stdout);
    bar_width_ = width;
}

void Console::progress(const Progress& progress) {
    const std::lock_guard lock(mutex_);
    if (json_) {
        Json fields{{"phase", progress.phase},
                    {"percent", progress.percent},
                    {"rows", progress.rows},
                    {"rows_total", progress.rows_total},
                    {"rows_per_s", progress.rows_per_s},
                    {"throttle", progress.throttle}};
        fields["eta_s"] = progress.eta_s ? Json(*progress.eta_s) : Json(nullptr);
        event("progress", std::move(fields));
        return;
    }
    const bool is_complete = progress.percent >= 100;
    if (style_ == ProgressStyle::kBar && !is_complete) {
        draw_bar(progress);
        return;
    }
    if (style_ == ProgressStyle::kDots && !is_complete) {
        std::fputs(".", stdout);
        std::fflush(stdout);
        has_dots_ = true;
        return;
    }
    const auto now = std::chrono::steady_clock::now();
    const bool changed = progress.throttle.empty() != throttle_.empty();
    throttle_ = progress.throttle;
    if (style_ == ProgressStyle::kNone || (!is_complete && !changed && now - told_ < kTellEvery)) {
        return;
    }
    told_ = now;
    clear_bar();
    if (is_complete) {
        fmt::print("{}: 100% complete, {} rows\n", progress.phase, grouped(progress.rows));
    } else {
        fmt::print("{}\n", line_of(progress));
    }
    std::fflush(stdout);
}

Status Console::save(const Checkpoint& checkpoint) {
    return save_(checkpoint);
}

void Console::say(const std::string& text, const std::string& kind, Json fields) {
    const std::lock_guard lock(mutex_);
    if (json_) {
        if (!text.empty()) {
            fields["text"] = text;
        }
        event(kind, std::move(fields));
        return;
    }
    clear_bar();
    fmt::print("{}{}", text, text.empty() || text.back() == '\n' ? "" : "\n");
    std::fflush(stdout);
}

}  // namespace shift::lhm
