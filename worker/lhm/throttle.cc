#include "worker/lhm/throttle.h"

#include <fmt/format.h>
#include <mysql.h>

#include <charconv>

#include "common/file.h"
#include "common/http.h"
#include "worker/mysql/inspect.h"

// Happy path: once per interval every signal is asked and the reasons are published; connections
// that want to copy wait on a condition variable while there is one. Trouble: a signal that cannot
// be asked becomes the reason.

namespace shift::lhm {
namespace {

constexpr std::chrono::seconds kAnswerTimeout{10};
constexpr long kHttpTimeoutMs = 2'000;
constexpr std::chrono::milliseconds kPoll{100};
// A reason that comes and goes is told once in that time.
constexpr std::chrono::seconds kTellEvery{60};

void add(std::string& reasons, const std::string& reason) {
    if (!reason.empty()) {
        reasons += (reasons.empty() ? "" : "; ") + reason;
    }
}

}  // namespace

Throttle::Throttle(const ThrottleOptions& options, Sessions& sessions, Listener& listener,
                   const Clock& clock)
    : options_(options), sessions_(sessions), listener_(listener) {
    if (options_.watch_replicas) {
        ReplicaLag::Options lag;
        lag.method = parse_recursion_method(options_.recursion_method);
        if (!lag.method.trouble.empty()) {
            listener_.remark(lag.method.trouble + "; processlist,hosts is used", LogLevel::kWarn);
        }
        lag.primary = sessions_.database().target();
        lag.lag_max = options_.lag_max;
        if (lag.method.watches()) {
            lag_ = std::make_unique<ReplicaLag>(
                std::move(lag),
                [this](const std::string& text, LogLevel level) { listener_.remark(text, level); },
                clock);
        }
    }
    thread_ = std::thread([this] {
        run();
        mysql_thread_end();
    });
}

Throttle::~Throttle() {
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    changed_.notify_all();
    if (lag_) {
        lag_->stop();
    }
    thread_.join();
}

void Throttle::run() {
    for (;;) {
        const bool is_early = look();
        std::unique_lock lock(mutex_);
        if (changed_.wait_for(lock, is_early ? kPoll : options_.interval,
                              [this] { return is_stopping_; })) {
            return;
        }
    }
}

bool Throttle::look() {
    std::string reasons;
    std::string code;
    const auto take = [&](const char* kind, const std::string& reason) {
        if (!reason.empty() && code.empty()) {
            code = kind;
        }
        add(reasons, reason);
    };
    const bool is_early = lag_ && !lag_->has_asked();
    if (lag_) {
        take("replica-lag", is_early ? "the replicas are looked for" : lag_->held_because());
    }
    take("load", look_at_server());
    if (!options_.http.empty()) {
        take("paused", ask_url());
    }
    if (!options_.file.empty() && path_exists(options_.file)) {
        take("paused", options_.file + " exists");
    }
    publish(std::move(reasons), std::move(code), is_early);
    return is_early;
}

std::string Throttle::look_at_server() {
    const bool asks = options_.threads_running_max || !options_.max_load.empty() ||
                      !options_.critical_load.empty() || !options_.query.empty();
    if (!asks) {
        return "";
    }
    if (!session_ || session_->lost()) {
        session_.reset();
        auto opened = sessions_.open("throttle", kAnswerTimeout);
        if (!opened.ok()) {
            return "the load is not known: " + opened.error().message;
        }
        session_.emplace(std::move(opened).value());
    }
    auto answer = ask(*session_);
    return answer.ok() ? *answer : "the load is not known: " + answer.error().message;
}

Result<std::optional<double>> Throttle::status_value(Connection& connection,
                                                     const std::string& name) {
    ASSIGN_OR_RETURN(const auto rows, connection.query(fmt::format("SHOW GLOBAL STATUS LIKE {}",
                                                                   connection.quote(name))));
    if (rows.empty() || rows[0].size() < 2) {
        return std::optional<double>();
    }
    const std::string text = rows[0][1].value_or("");
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} ? std::optional(value) : std::nullopt;
}

Result<std::string> Throttle::ask_limits(Connection& connection) {
    std::string reasons;
    for (const LoadLimit& limit : options_.critical_load) {
        ASSIGN_OR_RETURN(const auto value, status_value(connection, limit.variable));
        if (!value || *value <= limit.value_max) {
            continue;
        }
        const std::lock_guard lock(mutex_);
        critical_ = fmt::format("{}={} exceeds its critical limit {}", limit.variable, *value,
                                limit.value_max);
    }
    for (const LoadLimit& limit : options_.max_load) {
        ASSIGN_OR_RETURN(const auto value, status_value(connection, limit.variable));
        if (!value) {
            add(reasons, "there is no status variable " + limit.variable);
        } else if (*value > limit.value_max) {
            add(reasons, fmt::format("{}={} (max {})", limit.variable, *value, limit.value_max));
        }
    }
    return reasons;
}

Result<std::string> Throttle::ask(Connection& connection) {
    ASSIGN_OR_RETURN(std::string reasons, ask_limits(connection));
    if (options_.threads_running_max) {
        ASSIGN_OR_RETURN(const auto running, status_value(connection, "Threads_running"));
        if (!running || *running > *options_.threads_running_max) {
            add(reasons, fmt::format("{} threads run (max {})", running.value_or(0),
                                     *options_.threads_running_max));
        }
    }
    if (!options_.query.empty()) {
        ASSIGN_OR_RETURN(const auto value, connection.query_value(options_.query));
        const std::string text = value.value_or("0");
        double number = 0;
        (void)std::from_chars(text.data(), text.data() + text.size(), number);
        if (number > 0) {
            add(reasons, "the throttle query gives " + text);
        }
    }
    return reasons;
}

std::string Throttle::ask_url() const {
    HttpOptions options;
    options.timeout_ms = kHttpTimeoutMs;
    const auto answer = http_call("GET", options_.http, Json(nullptr), options);
    if (!answer.ok()) {
        return options_.http + " does not answer: " + answer.error().message;
    }
    return answer->status == 200 ? "" : fmt::format("{} answers {}", options_.http, answer->status);
}

void Throttle::publish(std::string reason, std::string code, bool is_early) {
    const auto now = std::chrono::steady_clock::now();
    bool tells = false;
    {
        const std::lock_guard lock(mutex_);
        tells = !reason.empty() && !is_early && (told_reason_.empty() || now - told_ >= kTellEvery);
        if (tells) {
            told_ = now;
            told_reason_ = reason;
        }
        reason_ = reason;
        code_ = std::move(code);
        has_looked_ = true;
    }
    changed_.notify_all();
    if (tells) {
        listener_.remark("waiting: " + reason, LogLevel::kInfo);
    }
}

void Throttle::wait(const StopRequest& stop) {
    std::unique_lock lock(mutex_);
    while ((!has_looked_ || !reason_.empty() || critical_) && !is_stopping_ && !stop.reason()) {
        changed_.wait_for(lock, kPoll);
    }
}

void Throttle::rest(StopRequest& stop) {
    if (options_.delay.count() > 0) {
        stop.wait_for(options_.delay);
    }
}

std::string Throttle::reason() const {
    const std::lock_guard lock(mutex_);
    return reason_;
}

std::string Throttle::code() const {
    const std::lock_guard lock(mutex_);
    return code_;
}

std::optional<std::string> Throttle::critical() const {
    const std::lock_guard lock(mutex_);
    return critical_;
}

}  // namespace shift::lhm
