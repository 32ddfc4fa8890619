#include "worker/lhm/pace.h"

#include <fmt/format.h>
#include <mysql.h>

#include <algorithm>

#include "common/ddl.h"

namespace shift::lhm {
namespace {

constexpr std::size_t kIdleWrites = 5;
constexpr std::size_t kRecentWrites = 3;  // their median counts: one slow disk write is no strain
constexpr int kCalmWrites = 6;
// Without a limit of their own: so many times what a write took before, and never less than this,
// for on a fast disk eight times nothing is still nothing.
constexpr int kTimesIdle = 8;
constexpr PaceRule::Micros kLimitMin{20'000};
constexpr double kShareMin = 0.1;
constexpr double kShareStep = 2;
constexpr std::chrono::milliseconds kIntervalMin{10};
constexpr std::chrono::seconds kAnswerTimeout{10};
constexpr std::chrono::seconds kTellEvery{60};

PaceRule::Micros median(std::vector<PaceRule::Micros> times) {
    if (times.empty()) {
        return PaceRule::Micros(0);
    }
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
}

double milliseconds_of(PaceRule::Micros time) {
    return static_cast<double>(time.count()) / 1000;
}

}  // namespace

PaceRule::PaceRule(int hands_max, std::optional<Micros> limit)
    : hands_max_(hands_max), fixed_limit_(limit), hands_(hands_max) {}

void PaceRule::probed_idle(Micros time) {
    idle_.push_back(time);
}

PaceRule::Micros PaceRule::limit() const {
    return fixed_limit_ ? *fixed_limit_ : std::max(median(idle_) * kTimesIdle, kLimitMin);
}

bool PaceRule::probed(Micros time) {
    recent_.push_back(time);
    if (recent_.size() > kRecentWrites) {
        recent_.erase(recent_.begin());
    }
    typical_ = median(recent_);
    if (typical_ > limit()) {
        calm_ = 0;
        // What was changed is waited for before it is changed again.
        const bool is_slower = recent_.size() == kRecentWrites && slow_down();
        if (is_slower) {
            recent_.clear();
        }
        return is_slower;
    }
    if (++calm_ < kCalmWrites) {
        return false;
    }
    calm_ = 0;
    return speed_up();
}

bool PaceRule::slow_down() {
    if (hands_ > 1) {
        hands_ /= 2;
        return true;
    }
    if (share_ <= kShareMin) {
        return false;
    }
    share_ = std::max(share_ / kShareStep, kShareMin);
    return true;
}

bool PaceRule::speed_up() {
    if (share_ < 1) {
        share_ = std::min(share_ * kShareStep, 1.0);
        return true;
    }
    if (hands_ == hands_max_) {
        return false;
    }
    ++hands_;
    return true;
}

Pace::Pace(const PaceOptions& options, const Plan& plan, int hands_max, ChunkSize& size,
           Sessions& sessions, Listener& listener, std::chrono::milliseconds interval)
    : options_(options),
      plan_(plan),
      size_(size),
      sessions_(sessions),
      listener_(listener),
      interval_(std::max(interval, kIntervalMin)),
      budget_(options.host_threads.value_or(std::max(hands_max, kHostThreads))),
      rule_(hands_max, options.write_max.count() > 0
                           ? std::optional<PaceRule::Micros>(options.write_max)
                           : std::nullopt) {
    size_.set_share(1);
    if (!options_.adapt && !budget_.is_limited()) {
        return;
    }
    for (std::size_t i = 0; options_.adapt && i < kIdleWrites; ++i) {
        if (const auto time = probe()) {
            rule_.probed_idle(*time);
        }
    }
    look_at_budget();
    thread_ = std::thread([this] {
        run();
        mysql_thread_end();
    });
}

Pace::~Pace() {
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

bool Pace::may_work(int number) const {
    const std::lock_guard lock(mutex_);
    return number <= hands();
}

// With mutex_ held.
int Pace::hands() const {
    return budget_.is_limited() ? std::min(rule_.hands(), budget_.hands()) : rule_.hands();
}

void Pace::run() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, interval_, [this] { return is_stopping_; })) {
        lock.unlock();
        const auto time = options_.adapt ? probe() : std::nullopt;
        lock.lock();
        if (time && rule_.probed(*time)) {
            size_.set_share(rule_.share());
        }
        lock.unlock();
        look_at_budget();
        lock.lock();
        tell();
    }
}

// The slots of a session that was lost are gone, and it may have as many again.
void Pace::look_at_budget() {
    if (!budget_.is_limited()) {
        return;
    }
    const auto on = session();
    if (!on.ok() || !budget_.look(**on, rule_.hands()).ok()) {
        session_.reset();
    }
}

std::optional<PaceRule::Micros> Pace::probe() {
    const auto begun = std::chrono::steady_clock::now();
    const auto time = write_row();
    if (time.ok()) {
        return *time;
    }
    session_.reset();
    // One that got no answer in all that time says a lot.
    const auto waited = std::chrono::steady_clock::now() - begun;
    return waited < kAnswerTimeout
               ? std::nullopt
               : std::optional(std::chrono::duration_cast<PaceRule::Micros>(waited));
}

Result<PaceRule::Micros> Pace::write_row() {
    const std::string table = qualified_name(plan_.database, plan_.names.control);
    ASSIGN_OR_RETURN(Connection * on, session());
    if (row_id_.empty()) {
        const std::string find = fmt::format("SELECT MIN(id) FROM {} WHERE kind='pace'", table);
        ASSIGN_OR_RETURN(auto id, on->query_value(find));
        if (!id) {
            RETURN_IF_ERROR(on->execute(
                fmt::format("INSERT INTO {} (kind, event, code) VALUES ('pace', '', 0)", table)));
            ASSIGN_OR_RETURN(id, on->query_value(find));
        }
        row_id_ = id.value_or("0");
    }
    const std::string sql =
        fmt::format("UPDATE {} SET code=COALESCE(code, 0) + 1 WHERE id={}", table, row_id_);
    const auto begun = std::chrono::steady_clock::now();
    RETURN_IF_ERROR(on->execute(sql));
    return std::chrono::duration_cast<PaceRule::Micros>(std::chrono::steady_clock::now() - begun);
}

Result<Connection*> Pace::session() {
    if (!session_ || session_->lost()) {
        session_.reset();
        row_id_.clear();
        ASSIGN_OR_RETURN(Connection opened, sessions_.open("pace", kAnswerTimeout));
        session_.emplace(std::move(opened));
    }
    return &*session_;
}

// With mutex_ held.
void Pace::tell() {
    const auto now = std::chrono::steady_clock::now();
    const bool is_short = hands() < rule_.hands();
    if ((!rule_.is_held_back() && !is_short) || now - told_ < kTellEvery) {
        return;
    }
    told_ = now;
    if (is_short) {
        listener_.remark(
            fmt::format("{} of {} connections work: other migrations of this server need theirs "
                        "(--host-threads)",
                        hands(), rule_.hands_max()),
            LogLevel::kInfo);
        return;
    }
    listener_.remark(
        fmt::format("small writes take {:.1f} ms (limit {:.1f}): {} of {} connections work, chunks "
                    "take {:.0f} % of their time",
                    milliseconds_of(rule_.typical()), milliseconds_of(rule_.limit()), rule_.hands(),
                    rule_.hands_max(), rule_.share() * 100),
        LogLevel::kInfo);
}

}  // namespace shift::lhm
