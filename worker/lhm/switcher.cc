#include "worker/lhm/switcher.h"

#include <fmt/format.h>
#include <mysql.h>

#include <algorithm>
#include <future>

#include "common/ddl.h"
#include "common/test_points.h"
#include "worker/lhm/conflicts.h"
#include "worker/lhm/instant.h"
#include "worker/lhm/proof.h"
#include "worker/lhm/retry.h"
#include "worker/mysql/errors.h"
#include "worker/mysql/inspect.h"
#include "worker/mysql/lock_holders.h"

// Happy path: RENAME, done. Trouble: the lock is not free - say who is in the way, pause, again;
// the connection breaks - the old session's end frees the database lock, so once we hold it again
// the statement is over, and looking tells whether it worked.

namespace shift::lhm {
namespace {

constexpr std::chrono::seconds kLockedTimeout{30};
// How long the RENAME is given to get in line behind LOCK TABLES before the tables are let go.
constexpr std::chrono::milliseconds kQueueMax{900};
constexpr std::chrono::milliseconds kQueuePoll{5};

bool is_kill_wanted(const KillRule& rule, const TableLockHolder& holder) {
    if (rule.age_min.count() == 0 || holder.for_s < rule.age_min.count() || !holder.is_certain) {
        return false;
    }
    return rule.users.empty()
               ? holder.user != "system user" && holder.user != "event_scheduler"
               : std::find(rule.users.begin(), rule.users.end(), holder.user) != rule.users.end();
}

}  // namespace

std::string Switcher::rename_statement(const std::string& archive) const {
    const std::string old = qualified_name(plan_.database, archive);
    if (options_.swap.rollback_window.count() == 0) {
        return fmt::format("RENAME TABLE {} TO {}, {} TO {}", plan_.original_name(), old,
                           plan_.shadow_name(), plan_.original_name());
    }
    // The reverse triggers write to the archive's name, where an empty stand-in is until now; it
    // moves to the shadow's name, which the old triggers write to. So there is no cycle.
    const std::string stand_in = qualified_name(plan_.database, plan_.names.placeholder);
    return fmt::format("RENAME TABLE {0} TO {3}, {1} TO {0}, {2} TO {1}, {3} TO {2}", old,
                       plan_.original_name(), plan_.shadow_name(), stand_in);
}

bool Switcher::holds_tables(const Plan& plan, const Options& options) {
    const bool converts =
        std::any_of(plan.map.pairs.begin(), plan.map.pairs.end(), [](const ColumnPair& pair) {
            return !pair.is_same_type() || (pair.from.nullable && !pair.to.nullable);
        });
    const bool computes = std::any_of(plan.shadow.columns.begin(), plan.shadow.columns.end(),
                                      [](const Column& column) { return column.generated; });
    const auto has = [&plan](const char* word) {
        return plan.shadow.definition.find(word) != std::string::npos;
    };
    return options.swap.locked || options.swap.rollback_window.count() > 0 || converts ||
           computes || !plan.stricter.empty() || has("CONSTRAINT") || has("CHECK") ||
           has("PARTITION BY");
}

Result<bool> Switcher::has_happened(const std::string& archive) {
    ASSIGN_OR_RETURN(Connection * look, workshop_.database.look());
    if (!checkpoint_.instant.empty()) {
        return has_altered_instantly(*look, plan_.database, plan_.table, checkpoint_.original_sha1);
    }
    ASSIGN_OR_RETURN(const auto table, table_facts(*look, plan_.database, plan_.table));
    ASSIGN_OR_RETURN(const auto old, table_facts(*look, plan_.database, archive));
    if (options_.swap.rollback_window.count() > 0) {
        // They were on the shadow, and stay longer than anything else of ours.
        ASSIGN_OR_RETURN(const auto back, read_trigger_facts(*look, plan_.database, plan_.table,
                                                             plan_.names.back_triggers()));
        return old && !back.empty();
    }
    ASSIGN_OR_RETURN(const auto shadow, table_facts(*look, plan_.database, plan_.names.shadow));
    return table && old && !shadow;
}

// nullopt: nothing speaks against it.
Result<std::optional<Ending>> Switcher::last_look(Connection& connection) {
    ASSIGN_OR_RETURN(const CopyFacts now, look_at_copy(connection, plan_));
    if (const std::string why = difference(checkpoint_, now); !why.empty()) {
        return std::optional(
            Ending{Ending::Kind::kBlocked, "moved", why + " (since the copy): not swapped"});
    }
    ASSIGN_OR_RETURN(const auto conflicts, read_conflicts(connection, plan_, 1));
    if (!conflicts.empty()) {
        return std::optional(Ending{
            Ending::Kind::kBlocked, "conflict",
            fmt::format("the application wrote a row that the new table refuses: {}; not swapped",
                        describe(plan_, conflicts.front()))});
    }
    return std::optional<Ending>();
}

void Switcher::kill_holders() {
    if (options_.swap.kill.age_min.count() == 0) {
        return;
    }
    auto look = workshop_.database.look();
    if (!look.ok()) {
        return;
    }
    const auto holders =
        table_lock_holders(**look, plan_.database, plan_.table, workshop_.database.own_threads());
    if (!holders.ok()) {
        return;
    }
    for (const TableLockHolder& holder : *holders) {
        if (is_kill_wanted(options_.swap.kill, holder)) {
            workshop_.listener.remark("killing " + to_text(holder), LogLevel::kWarn);
            (void)workshop_.database.kill_thread(holder.thread_id, true).ok();
        }
    }
}

Status Switcher::rename(const std::string& archive, bool& happened) {
    ASSIGN_OR_RETURN(Connection * locked, workshop_.database.locked());
    crash_point("lhm-swap");
    Status status = checkpoint_.instant.empty()
                        ? locked->execute(rename_statement(archive))
                        : alter_instantly(workshop_, plan_, checkpoint_.instant);
    crash_point("lhm-swapped");
    happened = status.ok();
    return status;
}

Result<std::optional<Ending>> Switcher::try_once(const std::string& archive, bool& happened) {
    ASSIGN_OR_RETURN(Connection * look, workshop_.database.look());
    ASSIGN_OR_RETURN(auto wrong, last_look(*look));
    if (wrong) {
        return wrong;
    }
    RETURN_IF_ERROR(rename(archive, happened));
    return std::optional<Ending>();
}

Result<std::optional<Ending>> Switcher::try_locked(const std::string& archive, bool& happened) {
    ASSIGN_OR_RETURN(Connection holder, sessions_.open("hold tables", kLockedTimeout));
    ASSIGN_OR_RETURN(Connection * look, workshop_.database.look());
    ASSIGN_OR_RETURN(Connection * locked, workshop_.database.locked());
    const std::uint64_t rename_thread = locked->thread_id();
    RETURN_IF_ERROR(holder.execute(
        fmt::format("LOCK TABLES {} WRITE, {} WRITE, {} WRITE", plan_.original_name(),
                    plan_.shadow_name(), qualified_name(plan_.database, plan_.names.control))));
    // Nothing is written from here to UNLOCK.
    std::future<Status> renamed = std::async(std::launch::async, [&] {
        Status status = rename(archive, happened);
        mysql_thread_end();
        return status;
    });
    const auto deadline = std::chrono::steady_clock::now() + kQueueMax;
    bool in_line = false;
    while (!in_line && std::chrono::steady_clock::now() < deadline) {
        const auto state = look->query_value(fmt::format(
            "SELECT STATE FROM information_schema.PROCESSLIST WHERE ID = {}", rename_thread));
        in_line = state.ok() && state->value_or("").find("metadata lock") != std::string::npos;
        if (renamed.wait_for(kQueuePoll) == std::future_status::ready) {
            break;
        }
    }
    // `holder` reads what it holds: everything that was written before is there.
    Result<std::optional<Ending>> wrong = std::optional<Ending>();
    if (in_line) {
        wrong = last_look(holder);
    }
    if (!in_line || !wrong.ok() || *wrong) {
        // The RENAME must not happen now: it is ended while the tables are still held.
        (void)workshop_.database.kill_thread(rename_thread, false).ok();
        renamed.wait();
    }
    (void)holder.execute("UNLOCK TABLES").ok();
    const Status status = renamed.get();
    if (happened) {
        return std::optional<Ending>();
    }
    RETURN_IF_ERROR(wrong);
    if (*wrong) {
        return wrong;
    }
    RETURN_IF_ERROR(status);
    return std::optional<Ending>();
}

Result<std::optional<Ending>> Switcher::swap(const std::string& archive) {
    bool has_waited = false;
    auto ended = try_until_deadline(archive, has_waited);
    if (has_waited) {
        workshop_.listener.goes_on();
    }
    return ended;
}

Result<std::optional<Ending>> Switcher::try_until_deadline(const std::string& archive,
                                                           bool& has_waited) {
    const bool holds = checkpoint_.instant.empty() && holds_tables(plan_, options_);
    const SteadyTime deadline = clock_.now() + options_.swap.patience;
    auto pause = options_.swap.pause_min;
    for (int tries = 1;; ++tries) {
        if (workshop_.stop.is_urgent()) {
            return std::optional(
                Ending{Ending::Kind::kStopped, "stopped", "stopped before the swap"});
        }
        bool happened = false;
        Result<std::optional<Ending>> tried = std::optional<Ending>();
        ASSIGN_OR_RETURN(Connection * look, workshop_.database.look());
        // Not while the tables are held: it reads the whole of InnoDB's dictionary.
        ASSIGN_OR_RETURN(const Lives now, look_at_lives(*look, plan_));
        if (const std::string why = difference(checkpoint_.lives, now, plan_); !why.empty()) {
            return std::optional(Ending{Ending::Kind::kBlocked, "emptied",
                                        why + ": not swapped; the next try compares again"});
        }
        if (holds) {
            ASSIGN_OR_RETURN(auto wrong, last_look(*look));
            if (wrong) {
                return wrong;
            }
            tried = try_locked(archive, happened);
        } else {
            tried = try_once(archive, happened);
        }
        if (happened || (tried.ok() && *tried)) {
            return happened ? std::optional<Ending>() : *tried;
        }
        if (tried.ok()) {
            return Error{Errc::kInternal, "the swap neither happened nor failed"};
        }
        Error error = std::move(tried).error();
        if (is_connection_trouble(error) || is_interrupted(error)) {
            // Holding the database lock again means that the session which sent it has ended.
            RETURN_IF_ERROR(sessions_.relock(plan_.database, plan_.table));
            ASSIGN_OR_RETURN(const bool done, has_happened(archive));
            if (done) {
                return std::optional<Ending>();
            }
        } else if (!is_lock_trouble(error)) {
            return error.within("swap");
        }
        const bool used_up = options_.retry.count_lock_waits && tries >= options_.retry.tries;
        const std::string who = tell_who_holds(workshop_, error, plan_.database, plan_.table);
        has_waited = true;
        kill_holders();
        if (clock_.now() >= deadline || used_up) {
            return Error{Errc::kUnavailable,
                         fmt::format("the swap did not get its lock in {} tries: {}; {}", tries,
                                     error.message, who),
                         1205};
        }
        workshop_.stop.rest_for(pause);
        pause = std::min(pause * 2, options_.swap.pause_max);
    }
}

}  // namespace shift::lhm
