#include "worker/lhm/index_build.h"

#include <fmt/format.h>
#include <mysql.h>

#include <algorithm>
#include <future>
#include <utility>

#include "common/test_points.h"
#include "common/text.h"
#include "worker/lhm/retry.h"
#include "worker/mysql/errors.h"
#include "worker/mysql/lock_holders.h"

namespace shift::lhm {
namespace {

constexpr std::int64_t kOneAtATimeFrom = std::int64_t{4} * 1024 * 1024 * 1024;  // bytes
constexpr std::chrono::seconds kOldTransaction{1};
constexpr std::chrono::seconds kWaitForOldMax{30};
constexpr std::chrono::milliseconds kLookAtBuild{100};
constexpr std::chrono::seconds kShowEvery{1};
constexpr std::chrono::milliseconds kPauseMin{500};
constexpr std::chrono::milliseconds kPauseMax{30'000};
constexpr int kLogOverflowsMax = 3;
constexpr int kLogOverflow = 1799;
constexpr int kDuplicateKeyName = 1061;

}  // namespace

Result<std::vector<DeferredIndex>> IndexBuild::missing() {
    ASSIGN_OR_RETURN(Connection * look, workshop_.database.look());
    ASSIGN_OR_RETURN(const TableShape shadow,
                     read_shape(*look, plan_.database, plan_.names.shadow));
    std::vector<DeferredIndex> left;
    for (const DeferredIndex& index : plan_.deferred) {
        const bool is_there =
            std::any_of(shadow.indexes.begin(), shadow.indexes.end(),
                        [&](const Index& one) { return iequals_ascii(one.name, index.name); });
        if (!is_there) {
            left.push_back(index);
        }
    }
    return left;
}

Result<std::optional<Ending>> IndexBuild::run() {
    one_at_a_time_ = plan_.bytes >= kOneAtATimeFrom;
    for (;;) {
        if (workshop_.stop.reason()) {
            return std::optional(Ending::stopped(workshop_.stop));
        }
        if (!workshop_.database.holds_lock()) {
            beside_.end();
            RETURN_IF_ERROR(sessions_.relock(plan_.database, plan_.table));
        }
        if (sessions_.may_have_lost_commits()) {
            return lost_commits_error();
        }
        ASSIGN_OR_RETURN(std::vector<DeferredIndex> left, missing());
        if (left.empty()) {
            return std::optional<Ending>();
        }
        if (!std::exchange(told_, true)) {
            workshop_.listener.phase("indexes");
        }
        if (one_at_a_time_) {
            left.resize(1);
        }
        wait_for_old_transactions();
        if (workshop_.stop.reason()) {
            continue;
        }
        crash_point("lhm-index");
        const Time begun = std::chrono::steady_clock::now();
        waited_ = std::chrono::milliseconds(0);
        const Status built = build(left);
        crash_point("lhm-index-built");
        if (built.ok()) {
            lock_waits_ = 0;
            waits_since_.reset();
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
            workshop_.listener.remark(
                fmt::format("built {} in {:.1f} s; waited {} ms for the table",
                            listed(names_of(left)), took.count(), waited_.count()),
                LogLevel::kInfo);
            continue;
        }
        ASSIGN_OR_RETURN(auto ended, after_failure(built.error(), left.size()));
        if (ended) {
            return ended;
        }
    }
}

void IndexBuild::wait_for_old_transactions() {
    const Time deadline = std::chrono::steady_clock::now() + kWaitForOldMax;
    while (!workshop_.stop.reason() && std::chrono::steady_clock::now() < deadline) {
        auto look = workshop_.database.look();
        if (!look.ok()) {
            return;
        }
        const auto open =
            open_transactions(**look, kOldTransaction, workshop_.database.own_threads());
        if (!open.ok() || open->empty() || !workshop_.database.keep_alive().ok()) {
            return;
        }
        workshop_.stop.wait_for(kLookAtBuild);
    }
}

Status IndexBuild::build(const std::vector<DeferredIndex>& indexes) {
    ASSIGN_OR_RETURN(Connection session, sessions_.open("indexes", Database::kCountTimeout));
    // Memory for sorting where a session has its own (MySQL 8.0.27 and later; 1 MiB otherwise).
    (void)session.execute("SET SESSION innodb_ddl_buffer_size=67108864").ok();
    std::string sql = "ALTER TABLE " + plan_.shadow_name();
    for (const DeferredIndex& index : indexes) {
        sql += " ADD " + index.definition + ",";
    }
    sql += " ALGORITHM=INPLACE, LOCK=NONE";
    auto running = std::async(std::launch::async, [&session, &sql] {
        Status status = session.execute(sql);
        mysql_thread_end();
        return status;
    });
    Time reported{};
    bool killed = false;
    while (running.wait_for(kLookAtBuild) != std::future_status::ready) {
        const bool is_lost = !workshop_.database.keep_alive().ok();
        if ((workshop_.stop.reason() || is_lost) && !killed) {
            killed = workshop_.database.kill_own_statement(session.thread_id()).ok();
            beside_.end();
        }
        const Time now = std::chrono::steady_clock::now();
        const bool is_at_work = watch(session.thread_id(), now - reported >= kShowEvery);
        reported = now - reported >= kShowEvery ? now : reported;
        if (is_at_work && !is_lost && !workshop_.stop.reason()) {
            beside_.look_after();
        }
    }
    Status status = running.get();
    words_ = status.ok() ? "" : session.server_words();
    return status;
}

bool IndexBuild::watch(std::uint64_t thread_id, bool tells) {
    auto look = workshop_.database.look();
    if (!look.ok()) {
        return false;
    }
    const auto rows = (*look)->query(
        fmt::format("SELECT STATE, {} FROM information_schema.PROCESSLIST WHERE ID = {}",
                    (*look)->is_mariadb() ? "PROGRESS" : "0", thread_id));
    if (!rows.ok() || rows->empty()) {
        return false;
    }
    const bool waits = (*rows)[0][0].value_or("").find("metadata lock") != std::string::npos;
    waited_ += waits ? kLookAtBuild : std::chrono::milliseconds(0);
    if (!tells) {
        return !waits;
    }
    Progress progress;
    progress.phase = "indexes";
    progress.percent =
        std::clamp(std::strtod((*rows)[0][1].value_or("0").c_str(), nullptr), 0.0, 99.9);
    progress.rows = checkpoint_.rows;
    progress.rows_total = std::max(checkpoint_.rows, checkpoint_.rows_estimate);
    workshop_.listener.progress(progress);
    return !waits;
}

// nullopt: try again.
Result<std::optional<Ending>> IndexBuild::after_failure(const Error& error, std::size_t tried) {
    const auto again = std::optional<Ending>();
    if (workshop_.stop.reason()) {
        return std::optional(Ending::stopped(workshop_.stop));
    }
    if (error.native == kDuplicateKeyName) {  // one that a dead run's server thread ended after all
        return again;
    }
    if (is_connection_trouble(error)) {
        ASSIGN_OR_RETURN(const Connection back,
                         sessions_.reopen("indexes", std::chrono::seconds(60), error));
        return again;
    }
    if (error.native == kLogOverflow) {
        workshop_.listener.remark(
            "an index was lost: the application wrote more than the server "
            "keeps for it (innodb_online_alter_log_max_size)",
            LogLevel::kWarn);
        if (tried > 1) {
            one_at_a_time_ = true;
            return again;
        }
        if (++log_overflows_ < kLogOverflowsMax) {
            return again;
        }
        return std::optional(Ending{
            Ending::Kind::kBlocked, "index_log",
            fmt::format("{}: raise innodb_online_alter_log_max_size and resume; the copy is kept",
                        words_)});
    }
    if (is_lock_trouble(error) || is_interrupted(error)) {
        const Time now = std::chrono::steady_clock::now();
        waits_since_ = waits_since_.value_or(now);
        if (now - *waits_since_ >= options_.swap.patience) {
            return error;
        }
        (void)tell_who_holds(workshop_, error, plan_.database, plan_.names.shadow);
        workshop_.stop.wait_for(std::min(kPauseMax, kPauseMin * (1 << std::min(lock_waits_++, 6))));
        workshop_.listener.goes_on();
        return again;
    }
    return std::optional(Ending{Ending::Kind::kBlocked, "index",
                                fmt::format("the indexes cannot be added: {}; the copy is kept",
                                            words_.empty() ? error.message : words_)});
}

}  // namespace shift::lhm
