#include <fmt/format.h>

#include "common/ddl.h"
#include "common/test_points.h"
#include "common/text.h"
#include "worker/lhm/conflicts.h"
#include "worker/lhm/engine.h"
#include "worker/lhm/instant.h"
#include "worker/lhm/leftovers.h"
#include "worker/lhm/phase.h"
#include "worker/lhm/planner.h"
#include "worker/lhm/proof.h"
#include "worker/lhm/switcher.h"
#include "worker/lhm/way_back.h"
#include "worker/mysql/errors.h"

// The second half of Engine: the swap of a copy that is ready, what follows it, and the way back.
// Each step is taken again after a crash: what was announced is looked for on the server first.

namespace shift::lhm {
namespace {

constexpr std::chrono::seconds kAnalyzeTimeout{3600};
constexpr std::int64_t kLateConflictsMax = 1000;

// What a clean-up reads; the last one of a kind counts.
Status write_note(Connection& connection, const Plan& plan, const std::string& kind,
                  const std::string& text) {
    return connection.execute(fmt::format("INSERT INTO {} (kind, message) VALUES ('{}', {})",
                                          qualified_name(plan.database, plan.names.control), kind,
                                          connection.quote(text)));
}

}  // namespace

// Enough to look at names, whatever is left of the tables.
void Engine::adopt(const Checkpoint& from) {
    checkpoint_ = from;
    plan_.database = from.database;
    plan_.table = from.table;
    plan_.names = names_for(from.table);
    plan_.copy_id = from.copy_id;
    plan_.server = world_.database.server();
}

Result<Ending> Engine::swap(const Checkpoint& from) {
    return with_wrong_server_told(begin_swap(from));
}

Result<Ending> Engine::begin_swap(const Checkpoint& from) {
    world_.listener.phase("preflight");
    RETURN_IF_ERROR(begin());
    adopt(from);
    if (from.stage == Stage::kDone || from.stage == Stage::kWindow) {
        return Ending{};
    }
    const auto after = [this] {
        world_.listener.no_return("swap");
        return checkpoint_.instant.empty() ? after_swap() : after_instant();
    };
    if (from.stage == Stage::kSwap && (!from.archive.empty() || !from.instant.empty())) {
        Switcher switcher(workshop_, sessions_, plan_, options_, checkpoint_, world_.clock);
        ASSIGN_OR_RETURN(const bool happened, switcher.has_happened(from.archive));
        if (happened) {
            return after();
        }
    }
    ASSIGN_OR_RETURN(auto ended, go_on(from));
    if (ended) {
        return *std::move(ended);
    }
    if (from.stage < Stage::kReady) {
        return Ending{Ending::Kind::kBlocked, "not_ready",
                      "the copy is not complete: resume it first"};
    }
    if (checkpoint_.instant.empty()) {
        ASSIGN_OR_RETURN(ended, make_ready_again());
        if (ended) {
            return *std::move(ended);
        }
    }
    ASSIGN_OR_RETURN(ended, checkpoint_.instant.empty() ? prepare_swap() : announce_swap());
    if (ended) {
        return *std::move(ended);
    }
    world_.listener.phase("swap");
    Switcher switcher(workshop_, sessions_, plan_, options_, checkpoint_, world_.clock);
    auto swapped = switcher.swap(checkpoint_.archive);
    if (!swapped.ok() && is_algorithm_refused(swapped.error())) {
        return copy_after_all(swapped.error().message);
    }
    if (!swapped.ok() || *swapped) {
        // Nothing has changed; what was made for a way back is made again at the next try.
        return swapped.ok() ? Result<Ending>(**swapped) : Result<Ending>(swapped.error());
    }
    world_.listener.remark(
        checkpoint_.instant.empty()
            ? fmt::format("swapped {} and {}; the original is {} now", plan_.table,
                          plan_.names.shadow, checkpoint_.archive)
            : fmt::format("altered {} itself (ALGORITHM={})", plan_.table, checkpoint_.instant),
        LogLevel::kInfo);
    return after();
}

// The table is not like the empty one that it was tried on, or the server's settings changed.
Result<Ending> Engine::copy_after_all(const std::string& why) {
    world_.listener.remark("the server does not do it without copying after all: " + why,
                           LogLevel::kWarn);
    RETURN_IF_ERROR(remove_all(workshop_, plan_.database, plan_.table));
    options_.instant = Instant::kNo;
    new_copy_id_ = random_copy_id();
    ASSIGN_OR_RETURN(Ending ended, start_anew());
    if (ended.kind != Ending::Kind::kDone) {
        return ended;
    }
    const Checkpoint ready = checkpoint_;
    return begin_swap(ready);
}

// The copy was ready; it may have waited for long.
Result<std::optional<Ending>> Engine::make_ready_again() {
    if (checkpoint_.stage >= Stage::kReady) {
        ASSIGN_OR_RETURN(const std::string why, why_compare_again(true));
        if (why.empty()) {
            return std::optional<Ending>();
        }
        world_.listener.remark(why + ": the tables are compared before the swap", LogLevel::kWarn);
        ASSIGN_OR_RETURN(auto stale, compare_from_the_first());
        if (stale) {
            return stale;
        }
        checkpoint_.stage = Stage::kVerify;
        RETURN_IF_ERROR(save());
    }
    ASSIGN_OR_RETURN(Ending ended, run_to_ready());
    return ended.kind == Ending::Kind::kDone ? std::nullopt : std::optional(std::move(ended));
}

Result<std::optional<Ending>> Engine::prepare_swap() {
    ASSIGN_OR_RETURN(auto ended, settle_all_conflicts());
    if (ended) {
        return ended;
    }
    ASSIGN_OR_RETURN(ended, build_indexes());  // nobody took one away again
    if (ended) {
        return ended;
    }
    world_.listener.phase("analyze");
    {
        // The first queries after the swap must not meet a table without statistics.
        ASSIGN_OR_RETURN(Connection session, sessions_.open("analyze", kAnalyzeTimeout));
        RETURN_IF_ERROR(session.execute("ANALYZE NO_WRITE_TO_BINLOG TABLE " + plan_.shadow_name()));
    }
    RETURN_IF_ERROR(sessions_.relock(plan_.database, plan_.table));  // that may have taken long
    RETURN_IF_ERROR(carry_counter(workshop_, plan_));
    if (!checkpoint_.archive.empty() && has_way_back()) {
        RETURN_IF_ERROR(unmake_way_back(workshop_, plan_, checkpoint_.archive));
    }
    checkpoint_.archive = options_.swap.archive.empty()
                              ? archive_name(plan_.table, world_.clock.wall())
                              : options_.swap.archive;
    if (has_way_back()) {
        const auto back = reverse_plan(plan_, checkpoint_.archive);
        if (!back.ok()) {
            return std::optional(
                Ending{Ending::Kind::kBlocked, "no_way_back", back.error().message});
        }
        checkpoint_.window_ends = iso_time(world_.clock.wall() + options_.swap.rollback_window);
    }
    return announce_swap();
}

Result<std::optional<Ending>> Engine::announce_swap() {
    checkpoint_.stage = Stage::kSwap;
    RETURN_IF_ERROR(save());
    if (!checkpoint_.archive.empty()) {
        // Before there is a table of that name: a clean-up by others leaves it alone.
        ASSIGN_OR_RETURN(Connection * locked, world_.database.locked());
        RETURN_IF_ERROR(write_note(*locked, plan_, "archive", checkpoint_.archive));
    }
    if (has_way_back()) {
        RETURN_IF_ERROR(make_way_back(workshop_, plan_, checkpoint_.archive));
    }
    RETURN_IF_ERROR(world_.listener.intent("swap", {{"db", plan_.database},
                                                    {"table", plan_.table},
                                                    {"shadow", plan_.names.shadow},
                                                    {"old", checkpoint_.archive}}));
    return std::optional<Ending>();
}

bool Engine::has_way_back() const {
    return options_.swap.rollback_window.count() > 0;
}

// A write may have been refused by the new table between the last look and the RENAME. Its row is
// in the archive, which is kept until the row is in the new table too.
Result<std::optional<Ending>> Engine::settle_late() {
    if (has_way_back()) {
        // The tables were held for the last look. What is noted since is the old triggers' trouble
        // with the stand-in, and the row is in the new table.
        return std::optional<Ending>();
    }
    ASSIGN_OR_RETURN(Connection session,
                     sessions_.open("late conflicts", std::chrono::seconds(60)));
    ASSIGN_OR_RETURN(const auto control, table_facts(session, plan_.database, plan_.names.control));
    if (!control) {  // it goes last, by an attempt that was killed behind this
        return std::optional<Ending>();
    }
    ASSIGN_OR_RETURN(const auto seen, read_conflicts(session, plan_, 1));
    if (seen.empty()) {
        return std::optional<Ending>();
    }
    Planner planner(change_, options_, workshop_, sessions_);
    ASSIGN_OR_RETURN(Planned planned,
                     planner.recover_swapped(checkpoint_.copy_id, checkpoint_.archive));
    Plan& late = planned.plan;
    std::string row = planned.refused ? planned.refused->message : "";
    if (!planned.refused) {
        late.table = checkpoint_.archive;
        late.names.shadow = plan_.table;
        ASSIGN_OR_RETURN(const auto left, settle_late_conflicts(session, late, kLateConflictsMax));
        if (left.empty()) {
            return std::optional<Ending>();
        }
        row = describe(late, left.front());
    }
    return std::optional(
        Ending{Ending::Kind::kBlocked, "late_conflict",
               fmt::format(
                   "swapped, but the new table refused a row that was written in the moment of "
                   "the swap: {}; {} has it and is kept. Put {} right, then delete the row from {}",
                   row, checkpoint_.archive, plan_.table, checkpoint_.archive)});
}

// A TRUNCATE that waited for the same lock may go just before the RENAME.
Status Engine::tell_if_emptied() {
    ASSIGN_OR_RETURN(Connection * look, world_.database.look());
    ASSIGN_OR_RETURN(const std::string life,
                     table_life(*look, plan_.database, checkpoint_.archive));
    if (is_another_life(checkpoint_.lives.original, life)) {
        world_.listener.remark(
            fmt::format(
                "table {} was emptied (TRUNCATE) or rebuilt in the moment of the swap: what "
                "it lost is in the new table; what it kept is in {}",
                plan_.table, checkpoint_.archive),
            LogLevel::kError);
    }
    return Ok{};
}

Result<Ending> Engine::after_swap() {
    world_.listener.phase("clean-up");
    RETURN_IF_ERROR(tell_if_emptied());
    ASSIGN_OR_RETURN(auto ended, settle_late());
    if (ended) {
        return *std::move(ended);
    }
    crash_point("lhm-clean-up");
    RETURN_IF_ERROR(remove_triggers(workshop_, plan_.database, plan_.names.triggers()));
    if (has_way_back()) {
        // The stand-in, which got the old triggers' writes until now.
        RETURN_IF_ERROR(remove_table(workshop_, plan_.database, plan_.names.shadow));
        ASSIGN_OR_RETURN(Connection * locked, world_.database.locked());
        RETURN_IF_ERROR(write_note(*locked, plan_, "window", checkpoint_.window_ends));
        checkpoint_.stage = Stage::kWindow;
        RETURN_IF_ERROR(save());
        return Ending{Ending::Kind::kDone, "window",
                      "swapped; it can be taken back until " + checkpoint_.window_ends};
    }
    return end_swap();
}

Result<Ending> Engine::after_instant() {
    world_.listener.phase("clean-up");
    crash_point("lhm-clean-up");
    RETURN_IF_ERROR(remove_table(workshop_, plan_.database, plan_.names.shadow));
    return end_swap();
}

// The control table last: it is the proof that the rest is ours.
Result<Ending> Engine::end_swap() {
    RETURN_IF_ERROR(remove_table(workshop_, plan_.database, plan_.names.control));
    crash_point("lhm-cleaned-up");
    checkpoint_.stage = Stage::kDone;
    RETURN_IF_ERROR(save());
    return Ending{};
}

Result<Ending> Engine::end_window(const Checkpoint& from) {
    RETURN_IF_ERROR(begin());
    adopt(from);
    RETURN_IF_ERROR(remove_triggers(workshop_, plan_.database, plan_.names.back_triggers()));
    RETURN_IF_ERROR(remove_table(workshop_, plan_.database, plan_.names.control));
    checkpoint_.stage = Stage::kDone;
    RETURN_IF_ERROR(save());
    return Ending{};
}

Result<Ending> Engine::revert(const Checkpoint& from) {
    world_.listener.phase("preflight");
    RETURN_IF_ERROR(begin());
    adopt(from);
    if (from.stage != Stage::kWindow) {
        return Ending{Ending::Kind::kBlocked, "no_window",
                      "there is no swap that could be taken back: it needs a rollback window"};
    }
    ASSIGN_OR_RETURN(Connection * look, world_.database.look());
    ASSIGN_OR_RETURN(const auto there, table_facts(*look, from.database, from.archive));
    if (!there) {  // an earlier revert got so far
        return end_window(from);
    }
    Planner planner(change_, options_, workshop_, sessions_);
    ASSIGN_OR_RETURN(Planned planned, planner.recover_way_back(from.copy_id, from.archive));
    if (planned.refused) {
        return Ending{Ending::Kind::kBlocked, planned.refused->reason, planned.refused->message};
    }
    plan_ = std::move(planned.plan);
    ASSIGN_OR_RETURN(const CopyFacts facts, look_at_copy(*look, plan_));
    constexpr std::size_t kTriggers = 3;
    if (facts.triggers.size() != kTriggers) {
        return Ending{
            Ending::Kind::kBlocked, "moved",
            "the reverse triggers are not all there: writes since the swap are missing in " +
                from.archive};
    }
    checkpoint_.original_sha1 = facts.original_sha1;
    checkpoint_.shadow_sha1 = facts.shadow_sha1;
    checkpoint_.triggers = facts.triggers;
    checkpoint_.ledger = LedgerState{};
    checkpoint_.end.reset();
    compared_ = VerifyResult{};
    ASSIGN_OR_RETURN(checkpoint_.lives, look_at_lives(*look, plan_));
    ASSIGN_OR_RETURN(auto ended, run_phase(Stage::kVerify));
    if (!ended) {
        ASSIGN_OR_RETURN(ended, settle_all_conflicts());
    }
    if (ended) {
        return *std::move(ended);
    }
    RETURN_IF_ERROR(carry_counter(workshop_, plan_));
    world_.listener.phase("swap");
    options_.swap.rollback_window = std::chrono::seconds(0);
    const std::string aside = failed_name(from.table, world_.clock.wall());
    RETURN_IF_ERROR(world_.listener.intent("swap", {{"db", plan_.database},
                                                    {"table", plan_.table},
                                                    {"shadow", from.archive},
                                                    {"old", aside}}));
    Switcher switcher(workshop_, sessions_, plan_, options_, checkpoint_, world_.clock);
    ASSIGN_OR_RETURN(ended, switcher.swap(aside));
    if (ended) {
        return *std::move(ended);
    }
    world_.listener.remark(fmt::format("took the swap back: {} is the old table again, the new one "
                                       "is {}",
                                       from.table, aside),
                           LogLevel::kInfo);
    return end_window(from);
}

}  // namespace shift::lhm
