#include "worker/lhm/engine.h"

#include <fmt/format.h>

#include "common/text.h"
#include "worker/lhm/conflicts.h"
#include "worker/lhm/early_comparison.h"
#include "worker/lhm/index_build.h"
#include "worker/lhm/leftovers.h"
#include "worker/lhm/phase.h"
#include "worker/lhm/planner.h"
#include "worker/lhm/proof.h"
#include "worker/lhm/retry.h"
#include "worker/lhm/statements.h"
#include "worker/lhm/write_cost.h"
#include "worker/mysql/errors.h"
#include "worker/mysql/sha1.h"

namespace shift::lhm {
namespace {

constexpr std::int64_t kConflictsMax = 10'000;
constexpr std::chrono::seconds kCountTimeout{3600};
// More rows than that are not taken out of a shadow one by one.
constexpr std::int64_t kExcessMax = 100'000;

struct RowCount {
    std::int64_t original = 0;
    std::int64_t shadow = 0;
};

Result<RowCount> count_both(Sessions& sessions, const Plan& plan) {
    ASSIGN_OR_RETURN(Connection session, sessions.open("row count", kCountTimeout));
    ASSIGN_OR_RETURN(const auto rows, session.query(count_statement(plan)));
    if (rows.empty() || rows[0].size() < 2) {
        return Error{Errc::kInternal, "the count gave nothing"};
    }
    return RowCount{to_int(rows[0][0]), to_int(rows[0][1])};
}

Ending refused(const Refusal& refusal) {
    return {Ending::Kind::kRefused, refusal.reason, refusal.message};
}

}  // namespace

Ending Ending::stopped(const StopRequest& stop) {
    return {Kind::kStopped, "stopped",
            fmt::format("stopped on request ({}), shadow table and triggers kept",
                        stop_reason_name(stop.reason().value_or(StopReason::kShutdown)))};
}

Result<Ending> with_wrong_server_told(Result<Ending> ended) {
    if (!ended.ok() && ended.error().native == kWrongServer) {
        return Ending{Ending::Kind::kBlocked, "wrong_server", ended.error().message};
    }
    return ended;
}

Engine::Engine(World world, Change change, Options options)
    : world_(world),
      change_(std::move(change)),
      options_(std::move(options)),
      workshop_{world_.database, world_.listener, world_.stop},
      sessions_(world_.database, options_.retry, world_.stop, world_.listener),
      new_copy_id_(random_copy_id()) {}

// Takes the lock, and from here on accepts this server only.
Status Engine::begin() {
    RETURN_IF_ERROR(world_.database.open());
    RETURN_IF_ERROR(world_.database.lock(change_.database, change_.table));
    sessions_.expect(world_.database.server(), change_.database);
    ASSIGN_OR_RETURN(Connection * locked, world_.database.locked());
    return prepare_session(*locked);
}

Status Engine::save() {
    return world_.listener.save(checkpoint_);
}

Result<Ending> Engine::dry_run() {
    world_.listener.phase("dry-run");
    RETURN_IF_ERROR(begin());
    Planner planner(change_, options_, workshop_, sessions_);
    auto planned = planner.make(new_copy_id_);
    const Status removed = remove_unbegun();
    RETURN_IF_ERROR(planned);
    RETURN_IF_ERROR(removed);
    plan_ = std::move(planned->plan);
    return planned->refused ? refused(*planned->refused) : Ending{};
}

Status Engine::remove_unbegun() {
    RETURN_IF_ERROR(sessions_.relock(change_.database, change_.table));
    ASSIGN_OR_RETURN(Connection * locked, world_.database.locked());
    ASSIGN_OR_RETURN(const Leftovers left,
                     find_leftovers(*locked, change_.database, change_.table));
    return left.copy_id == new_copy_id_ ? remove_all(workshop_, change_.database, change_.table)
                                        : Status(Ok{});
}

// A session that is lost outside of the statements that are tried again (somebody kills it) is
// answered like a crash: what was saved is gone on with. A server that is gone fails at the lock.
Result<Ending> Engine::copy(const std::optional<Checkpoint>& from) {
    auto ended = begin_copy(from);
    std::optional<Tries> tries;
    std::int64_t rows = -1;
    while (!ended.ok() && is_lost_connection(ended.error()) &&
           options_.retry.reconnect_max.count() > 0 && checkpoint_.stage != Stage::kCreate) {
        if (!tries || checkpoint_.rows != rows) {
            tries.emplace(options_.retry, "copy", world_.stop, world_.listener);
            rows = checkpoint_.rows;
        }
        if (!tries->again(ended.error())) {
            break;
        }
        ended = begin_copy(checkpoint_);
    }
    return with_wrong_server_told(std::move(ended));
}

Result<Ending> Engine::begin_copy(const std::optional<Checkpoint>& from) {
    world_.listener.phase("preflight");
    RETURN_IF_ERROR(begin());
    if (!from) {
        return start_anew();
    }
    ASSIGN_OR_RETURN(auto ended, go_on(*from));
    if (ended) {
        return *std::move(ended);
    }
    return run_to_ready();
}

Result<Ending> Engine::start_anew() {
    Planner planner(change_, options_, workshop_, sessions_);
    ASSIGN_OR_RETURN(Planned planned, planner.make(new_copy_id_));
    plan_ = std::move(planned.plan);
    if (planned.refused) {
        return refused(*planned.refused);
    }
    checkpoint_ = Checkpoint{};
    checkpoint_.database = plan_.database;
    checkpoint_.table = plan_.table;
    checkpoint_.copy_id = plan_.copy_id;
    checkpoint_.change_sha1 = change_sha1(plan_.statements, plan_.names);
    checkpoint_.server = plan_.server;
    checkpoint_.key_signature = sha1_hex(plan_.key.signature());
    checkpoint_.rows_estimate = plan_.rows;
    checkpoint_.runs = 1;
    RETURN_IF_ERROR(save());
    if (!plan_.instant.empty()) {
        return get_ready_for_instant();
    }
    ASSIGN_OR_RETURN(auto too_dear, make_measured_triggers());
    if (too_dear) {
        return *std::move(too_dear);
    }
    ASSIGN_OR_RETURN(Connection * look, world_.database.look());
    ASSIGN_OR_RETURN(const CopyFacts facts, look_at_copy(*look, plan_));
    checkpoint_.original_sha1 = facts.original_sha1;
    checkpoint_.shadow_sha1 = facts.shadow_sha1;
    checkpoint_.triggers = facts.triggers;
    ASSIGN_OR_RETURN(checkpoint_.lives, look_at_lives(*look, plan_));
    RETURN_IF_ERROR(find_bounds());
    checkpoint_.stage = Stage::kCopy;
    RETURN_IF_ERROR(save());
    return run_to_ready();
}

// No triggers and no rows: the shadow stays empty, it shows what the table shall look like.
Result<Ending> Engine::get_ready_for_instant() {
    ASSIGN_OR_RETURN(Connection * look, world_.database.look());
    ASSIGN_OR_RETURN(const CopyFacts facts, look_at_copy(*look, plan_));
    checkpoint_.original_sha1 = facts.original_sha1;
    checkpoint_.shadow_sha1 = facts.shadow_sha1;
    checkpoint_.instant = plan_.instant;
    checkpoint_.verified = "no row is touched: the server changes the definition alone";
    checkpoint_.stage = Stage::kReady;
    RETURN_IF_ERROR(save());
    world_.listener.remark(
        fmt::format("{} (ALGORITHM={}), at the swap", checkpoint_.verified, plan_.instant),
        LogLevel::kInfo);
    Progress progress;
    progress.phase = "copy";
    progress.percent = 100;
    world_.listener.progress(progress);
    return Ending{};
}

// The triggers, and what they cost the application.
Result<std::optional<Ending>> Engine::make_measured_triggers() {
    world_.listener.phase("triggers");
    ASSIGN_OR_RETURN(Connection session, sessions_.open("write cost", std::chrono::seconds(60)));
    ASSIGN_OR_RETURN(const auto before, measure_write(session, plan_));
    RETURN_IF_ERROR(make_triggers(workshop_, plan_.triggers(options_.conflicts)));
    ASSIGN_OR_RETURN(const auto after, measure_write(session, plan_));
    if (!before || !after) {
        return std::optional<Ending>();
    }
    const double before_ms = static_cast<double>(before->count()) / 1000;
    const double after_ms = static_cast<double>(after->count()) / 1000;
    world_.listener.remark(
        fmt::format("an UPDATE of one row takes {:.2f} ms without the triggers and "
                    "{:.2f} ms with them",
                    before_ms, after_ms),
        LogLevel::kInfo);
    if (options_.write_cost_max <= 0 || after_ms <= before_ms * options_.write_cost_max) {
        return std::optional<Ending>();
    }
    RETURN_IF_ERROR(remove_all(workshop_, plan_.database, plan_.table));
    return std::optional(Ending{
        Ending::Kind::kRefused, "write_cost",
        fmt::format(
            "the triggers make a write {:.1f} times dearer ({:.2f} ms instead of {:.2f} ms), "
            "more than the limit of {}: they were taken away",
            after_ms / before_ms, after_ms, before_ms, options_.write_cost_max)});
}

// The last key there is now that the triggers work: whatever comes behind it reaches the shadow by
// them. An empty table has none and nothing to copy.
Status Engine::find_bounds() {
    ASSIGN_OR_RETURN(Connection * look, world_.database.look());
    std::string condition = "TRUE";
    if (!options_.limit.empty()) {
        ASSIGN_OR_RETURN(const KeyValue limit, parse_key_value(plan_.key, options_.limit));
        condition = key_up_to(plan_.key, limit, plan_.original_prefix());
    }
    ASSIGN_OR_RETURN(const auto last, look->query(last_statement(plan_, condition)));
    checkpoint_.ledger = LedgerState{};
    checkpoint_.end.reset();
    if (last.empty()) {
        checkpoint_.ledger.is_complete = true;
        return Ok{};
    }
    checkpoint_.end = key_of(last[0]);
    // The last row goes first: between it and what was copied is a gap that an application's
    // REPEATABLE READ transaction may lock, by changing a row that is not copied yet; rows that
    // others add are behind it and do not wait for that. A verifier is asked before any row.
    if (!plan_.is_partial && options_.verifier_query.empty()) {
        ASSIGN_OR_RETURN(Connection session, sessions_.open("last row", std::chrono::seconds(60)));
        (void)repair_row(session, plan_, *checkpoint_.end).ok();
    }
    if (!options_.start.empty()) {
        ASSIGN_OR_RETURN(const KeyValue start, parse_key_value(plan_.key, options_.start));
        ASSIGN_OR_RETURN(const auto before,
                         look->query(last_statement(
                             plan_, key_before(plan_.key, start, plan_.original_prefix()))));
        if (!before.empty()) {
            checkpoint_.ledger.low = checkpoint_.ledger.frontier = key_of(before[0]);
        }
    }
    return Ok{};
}

// nullopt: everything is as it was left, and the work goes on.
Result<std::optional<Ending>> Engine::go_on(const Checkpoint& from) {
    const auto stale = [](const std::string& why) {
        return std::optional(Ending{Ending::Kind::kStale, "stale",
                                    "the earlier copy cannot be gone on with: " + why});
    };
    if (from.stage == Stage::kCreate) {
        return stale("it was stopped before its triggers were made");
    }
    adopt(from);
    ASSIGN_OR_RETURN(Connection * look, world_.database.look());
    ASSIGN_OR_RETURN(plan_.deferred, read_deferred(*look, plan_));
    ASSIGN_OR_RETURN(const CopyFacts facts, look_at_copy(*look, plan_));
    if (const std::string why = difference(from, facts); !why.empty()) {
        return stale(why);
    }
    Planner planner(change_, options_, workshop_, sessions_);
    ASSIGN_OR_RETURN(Planned planned, planner.recover(from.copy_id));
    if (planned.refused) {
        return stale(planned.refused->message);
    }
    plan_ = std::move(planned.plan);
    if (const std::string why = difference(from, plan_); !why.empty()) {
        return stale(why);
    }
    ++checkpoint_.runs;
    if (!is_same_run(from.server, plan_.server)) {
        ASSIGN_OR_RETURN(const bool durable, is_durable(*look));
        if (!durable && checkpoint_.instant.empty()) {
            world_.listener.remark(
                "the server was restarted and is not durable "
                "(innodb_flush_log_at_trx_commit, sync_binlog): rows are copied "
                "again from the first one",
                LogLevel::kWarn);
            checkpoint_.stage = Stage::kCopy;
            checkpoint_.rows = 0;
            RETURN_IF_ERROR(find_bounds());
        }
        checkpoint_.server = plan_.server;
    }
    RETURN_IF_ERROR(save());
    if (!checkpoint_.instant.empty()) {
        return std::optional<Ending>();
    }
    world_.listener.remark(
        checkpoint_.stage < Stage::kReady
            ? fmt::format("going on with the {} after {} rows (run {})",
                          stage_name(checkpoint_.stage), checkpoint_.rows, checkpoint_.runs)
            : fmt::format("the copy of {} rows is ready", checkpoint_.rows),
        LogLevel::kInfo);
    return std::optional<Ending>();
}

Result<Ending> Engine::run_to_ready() {
    if (checkpoint_.stage == Stage::kCopy) {
        ASSIGN_OR_RETURN(auto ended, run_phase(Stage::kCopy));
        if (ended) {
            return *std::move(ended);
        }
        checkpoint_.stage = Stage::kIndexes;
        RETURN_IF_ERROR(save());
        world_.listener.fact("copied", {{"db", plan_.database}, {"table", plan_.names.shadow}});
    }
    if (checkpoint_.stage == Stage::kIndexes) {
        std::optional<Ending> ended;
        if (options_.verify) {
            ASSIGN_OR_RETURN(ended, compare_from_the_first());
        }
        if (!ended) {
            ASSIGN_OR_RETURN(ended, build_indexes());
        }
        if (ended) {
            return *std::move(ended);
        }
        checkpoint_.stage = options_.verify ? Stage::kVerify : Stage::kReady;
        RETURN_IF_ERROR(save());
    }
    ASSIGN_OR_RETURN(auto ended, compare_all());
    if (ended) {
        return *std::move(ended);
    }
    ASSIGN_OR_RETURN(ended, settle_all_conflicts());
    if (ended) {
        return *std::move(ended);
    }
    checkpoint_.stage = Stage::kReady;
    RETURN_IF_ERROR(save());
    tell_times();
    return Ending{};
}

void Engine::tell_times() const {
    const double all = (times_.copy + times_.indexes + times_.verify).count();
    if (all <= 0) {
        return;
    }
    std::string text;
    for (const auto& [name, time] :
         {std::pair("copy", times_.copy), std::pair("indexes", times_.indexes),
          std::pair("verification", times_.verify)}) {
        if (time.count() > 0) {
            text += fmt::format("{}{} {:.0f} %", text.empty() ? "" : ", ", name,
                                100 * time.count() / all);
        }
    }
    world_.listener.remark(fmt::format("took {:.1f} s: {}", all, text), LogLevel::kInfo);
}

Result<std::optional<Ending>> Engine::build_indexes() {
    if (plan_.deferred.empty()) {
        return std::optional<Ending>();
    }
    const auto begun = std::chrono::steady_clock::now();
    std::optional<EarlyComparison> early;
    const IndexBuild::Beside compare{
        .look_after =
            [&] {
                if (early) {
                    early->look_after();
                } else if (EarlyComparison::is_wanted(plan_, options_, checkpoint_)) {
                    early.emplace(plan_, options_, checkpoint_.ledger, *checkpoint_.end, sessions_,
                                  world_.listener, world_.clock);
                }
            },
        .end =
            [&early] {
                if (early) {
                    early->stop();
                }
            },
    };
    auto ended = IndexBuild(workshop_, sessions_, plan_, options_, checkpoint_, compare).run();
    compare.end();
    if (early && ended.ok() && !*ended) {
        checkpoint_.ledger = early->state();
        compared_ = early->result();
        world_.listener.remark(
            fmt::format("compared {} rows while indexes were built", compared_.rows),
            LogLevel::kInfo);
    }
    times_.indexes += std::chrono::steady_clock::now() - begun;
    return ended;
}

// Nothing counts as compared any more.
Result<std::optional<Ending>> Engine::compare_from_the_first() {
    ASSIGN_OR_RETURN(Connection * look, world_.database.look());
    ASSIGN_OR_RETURN(const Lives now, look_at_lives(*look, plan_));
    if (is_another_life(checkpoint_.lives.original, now.original)) {
        const std::string why = difference(checkpoint_.lives, now, plan_);
        std::int64_t excess = 0;
        if (!plan_.is_partial) {
            ASSIGN_OR_RETURN(const RowCount count, count_both(sessions_, plan_));
            excess = count.shadow - count.original;
        }
        // Rows too many in a part of the table are seen only where ranges are the same in both.
        if (excess > kExcessMax || (plan_.is_partial && !plan_.shadow_key.same_order)) {
            return std::optional(
                Ending{Ending::Kind::kStale, "emptied",
                       "the copy cannot be gone on with: " + why + " since it began"});
        }
        world_.listener.remark(why, LogLevel::kWarn);
    }
    checkpoint_.lives = now;
    checkpoint_.verified.clear();
    compared_ = VerifyResult{};
    // The verification walks the same rows; with a filter of its own only by `start`.
    LedgerState fresh;
    if (!options_.start.empty()) {
        const Checkpoint copied = checkpoint_;
        RETURN_IF_ERROR(find_bounds());
        fresh = checkpoint_.ledger;
        checkpoint_.end = copied.end;
    }
    fresh.is_complete = false;
    checkpoint_.ledger = fresh;
    return std::optional<Ending>();
}

// Why what was compared may not hold any more: TRUNCATE and its like pass the triggers. "" = it
// holds. `is_long_ago`: what cannot be seen is found out by counting. With the triggers in step,
// equal counts prove that neither table has a row that the other lacks.
Result<std::string> Engine::why_compare_again(bool is_long_ago) {
    ASSIGN_OR_RETURN(Connection * look, world_.database.look());
    ASSIGN_OR_RETURN(const Lives now, look_at_lives(*look, plan_));
    if (std::string why = difference(checkpoint_.lives, now, plan_); !why.empty()) {
        return why;
    }
    if (!is_long_ago || (checkpoint_.lives.are_known() && now.are_known())) {
        return std::string();
    }
    const std::string blind = "a TRUNCATE since cannot be seen (it takes PROCESS and InnoDB)";
    if (plan_.is_partial) {  // not to be counted
        return options_.verify ? blind : std::string();
    }
    ASSIGN_OR_RETURN(const RowCount count, count_both(sessions_, plan_));
    return count.original == count.shadow
               ? std::string()
               : fmt::format("{}, and {} has {} rows, {} has {}", blind, plan_.table,
                             count.original, plan_.names.shadow, count.shadow);
}

// What is left of the verification, and all of it again while a table is emptied meanwhile.
Result<std::optional<Ending>> Engine::compare_all() {
    while (checkpoint_.stage == Stage::kVerify) {
        ASSIGN_OR_RETURN(auto ended, run_phase(Stage::kVerify));
        if (!ended) {
            ASSIGN_OR_RETURN(ended, compare_counts());
        }
        if (ended) {
            return ended;
        }
        ASSIGN_OR_RETURN(const std::string why, why_compare_again(false));
        if (why.empty()) {
            break;
        }
        world_.listener.remark(why + " meanwhile: all is compared again", LogLevel::kWarn);
        ASSIGN_OR_RETURN(ended, compare_from_the_first());
        if (ended) {
            return ended;
        }
        RETURN_IF_ERROR(save());
    }
    return std::optional<Ending>();
}

Result<std::optional<Ending>> Engine::run_phase(Stage stage) {
    world_.listener.phase(stage == Stage::kCopy ? "copy" : "verify");
    Phase phase(*this, stage);
    const auto begun = std::chrono::steady_clock::now();
    auto run = phase.run();
    (stage == Stage::kCopy ? times_.copy : times_.verify) +=
        std::chrono::steady_clock::now() - begun;
    ASSIGN_OR_RETURN(auto ended, std::move(run));
    if (!ended && stage == Stage::kVerify) {
        checkpoint_.verified = describe(compared_);
        world_.listener.fact("verified", to_json(compared_));
        world_.listener.remark(checkpoint_.verified,
                               compared_.repaired_ranges > 0 ? LogLevel::kWarn : LogLevel::kInfo);
    }
    return ended;
}

// Where ranges are not the same rows in both tables, a row too many in the shadow shows only here.
Result<std::optional<Ending>> Engine::compare_counts() {
    if (plan_.shadow_key.same_order || plan_.is_partial) {
        return std::optional<Ending>();
    }
    for (bool is_last = false;;) {
        ASSIGN_OR_RETURN(const RowCount count, count_both(sessions_, plan_));
        if (count.original == count.shadow) {
            return std::optional<Ending>();
        }
        if (is_last) {
            break;
        }
        ASSIGN_OR_RETURN(Connection session, sessions_.open("row count", kCountTimeout));
        ASSIGN_OR_RETURN(const auto rows,
                         session.query(different_statement(plan_, Range{}, kConflictsMax)));
        for (const Row& row : rows) {
            RETURN_IF_ERROR(repair_row(session, plan_, key_of(row)));
        }
        is_last = static_cast<std::int64_t>(rows.size()) < kConflictsMax;
    }
    return std::optional(Ending{Ending::Kind::kBlocked, "differs",
                                fmt::format("{} and {} have different numbers of rows",
                                            plan_.original_name(), plan_.shadow_name())});
}

Result<std::optional<Ending>> Engine::settle_all_conflicts() {
    ASSIGN_OR_RETURN(Connection session, sessions_.open("conflicts", std::chrono::seconds(60)));
    ASSIGN_OR_RETURN(const auto left, settle_conflicts(session, plan_, kConflictsMax));
    if (left.empty()) {
        return std::optional<Ending>();
    }
    return std::optional(
        Ending{Ending::Kind::kBlocked, "conflict",
               fmt::format(
                   "the application wrote {} row(s) that the new table refuses: {}; put them right "
                   "and resume",
                   left.size(), describe(plan_, left.front()))});
}

}  // namespace shift::lhm
