#include "worker/leftovers.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/ddl.h"
#include "common/test_points.h"
#include "worker/lhm/names.h"
#include "worker/lhm_job/migration.h"
#include "worker/lock_wait.h"
#include "worker/mysql/errors.h"
#include "worker/names.h"

namespace shift {
namespace {

constexpr std::chrono::seconds kGoneDeadline{30};
constexpr std::chrono::milliseconds kLookAgain{250};
constexpr std::string_view kEngineMark = "pt-online-schema-change";

struct OldStatement {
    std::uint64_t thread_id = 0;
    bool is_session = false;  // a session of an earlier worker, not an engine's statement
    bool is_busy = false;
    std::string info;
};

bool mentions(const std::string& text, const std::vector<std::string>& names) {
    return std::any_of(names.begin(), names.end(), [&text](const std::string& name) {
        return text.find("`" + name + "`") != std::string::npos ||
               text.find(name) != std::string::npos;
    });
}

// pt-osc marks its chunks with a comment; its DDL on the shadow has none. What a trigger runs in an
// application's session is neither (its user and its shadow would fit: ServerThread).
bool is_engine_statement(const std::string& info) {
    if (info.find(kEngineMark) != std::string::npos) {
        return true;
    }
    for (const std::string_view head :
         {"CREATE TRIGGER", "CREATE TABLE", "ALTER TABLE", "DROP TABLE", "DROP TRIGGER"}) {
        if (std::string_view(info).starts_with(head)) {
            return true;
        }
    }
    return false;
}

Result<std::vector<OldStatement>> find_old_statements(Context& context) {
    Database& database = context.database;
    ASSIGN_OR_RETURN(Connection * look, database.look());
    ASSIGN_OR_RETURN(const auto threads, server_threads(*look));
    const std::vector<std::string> shadows = shadow_candidates(context);
    std::vector<OldStatement> found;
    for (const ServerThread& thread : threads) {
        // Thread ids are not reused until the server restarts, so id and run identify a session.
        const bool is_session =
            std::any_of(context.history.sessions.begin(), context.history.sessions.end(),
                        [&](const History::Session& session) {
                            return session.thread_id == thread.id &&
                                   is_same_run(session.server, database.server()) &&
                                   (session.user.empty() || session.user == thread.user);
                        });
        const bool is_engine = thread.user == database.user() && mentions(thread.info, shadows) &&
                               is_engine_statement(thread.info);
        if ((is_session || is_engine) && !database.is_own_thread(thread.id)) {
            found.push_back({thread.id, is_session,
                             thread.command != "Sleep" && !thread.info.empty(), thread.info});
        }
    }
    return found;
}

}  // namespace

Status stop_old_statements(Context& context, OldDdl policy) {
    const SteadyTime begin = context.clock.now();
    SteadyTime kill_begin = begin;
    bool told = false;
    for (;;) {
        ASSIGN_OR_RETURN(const std::vector<OldStatement> found, find_old_statements(context));
        if (found.empty()) {
            return Ok{};
        }
        const SteadyTime now = context.clock.now();
        bool is_waiting = false;
        for (const OldStatement& old : found) {
            if (!told) {
                context.reporter.remark(
                    fmt::format("an earlier attempt still has thread {} on the server{}",
                                old.thread_id, old.is_busy ? ": " + old.info.substr(0, 200) : ""),
                    LogLevel::kWarn);
            }
            if (policy == OldDdl::kWait && old.is_session && old.is_busy &&
                !context.stop.is_urgent() && now - begin < context.job.ddl_timeout) {
                is_waiting = true;
                continue;
            }
            RETURN_IF_ERROR(context.database.kill_thread(old.thread_id, old.is_session));
        }
        told = true;
        if (is_waiting) {
            kill_begin = now;
        } else if (now - kill_begin > kGoneDeadline) {
            return Error{Errc::kUnavailable,
                         fmt::format("thread {} of an earlier attempt does not end",
                                     found.front().thread_id)};
        }
        std::this_thread::sleep_for(kLookAgain);
    }
}

bool names_shadow(const std::string& body, const std::string& database, const std::string& shadow) {
    return body.find(qualified_name(database, shadow)) != std::string::npos;
}

std::vector<std::string> shadow_candidates(const Context& context) {
    std::vector<std::string> names;
    const auto add = [&names](const std::string& name) {
        if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
            names.push_back(name);
        }
    };
    const std::string predicted =
        context.table.empty() ? "" : shadow_name(context.job.migration, context.table);
    if (context.state && context.state->db == context.db()) {
        // Whoever can write the API's state file must not choose which table we drop: only names
        // that an engine would have made are believed.
        const StateFile& state = *context.state;
        if (state.mig_tbl == shadow_name(context.job.migration, state.orig_tbl) ||
            is_original_shadow_name(state.mig_tbl, state.orig_tbl)) {
            add(state.mig_tbl);
        }
    }
    // The lhm engine's are told by their marks, not by their names.
    const std::string lhm_shadow = lhm::names_for(context.table).shadow;
    for (const History::Table& shadow : context.history.shadows) {
        if (shadow.database == context.db() && shadow.table != lhm_shadow) {
            add(shadow.table);
        }
    }
    add(predicted);
    return names;
}

Result<std::string> find_shadow(Context& context) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    for (const std::string& name : shadow_candidates(context)) {
        ASSIGN_OR_RETURN(const auto facts, table_facts(*look, context.db(), name));
        if (facts && !facts->is_view) {
            return name;
        }
    }
    return std::string();
}

Result<bool> is_foreign_table(Context& context, const std::string& shadow) {
    const bool known = context.history.intended_shadow(context.db(), shadow) ||
                       (context.state && context.state->mig_tbl == shadow);
    if (known || planted_bug("foreign-shadow")) {
        return false;
    }
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto facts, table_facts(*look, context.db(), shadow));
    if (!facts) {
        return false;
    }
    // A host that died before its state file reached the API: pt-osc's triggers on our table write
    // to it, and its name holds our migration's id.
    ASSIGN_OR_RETURN(const auto triggers, our_triggers(context, context.table, {shadow}));
    return triggers.empty();
}

Result<std::vector<Trigger>> our_triggers(Context& context, const std::string& table,
                                          const std::vector<std::string>& shadows) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto triggers, triggers_of(*look, context.db(), table));
    std::vector<Trigger> ours;
    for (const Trigger& trigger : triggers) {
        const bool named = std::any_of(shadows.begin(), shadows.end(), [&](const auto& shadow) {
            return names_shadow(trigger.body, context.db(), shadow);
        });
        if (named && trigger.name.starts_with("pt_osc_")) {
            ours.push_back(trigger);
        }
    }
    return ours;
}

Result<std::vector<std::string>> users_triggers(Context& context) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto triggers, triggers_of(*look, context.db(), context.table));
    const std::vector<std::string> shadows = shadow_candidates(context);
    std::vector<std::string> names;
    for (const Trigger& trigger : triggers) {
        const bool ours = std::any_of(shadows.begin(), shadows.end(), [&](const auto& shadow) {
            return names_shadow(trigger.body, context.db(), shadow);
        });
        if (!ours) {
            names.push_back(trigger.name);
        }
    }
    return names;
}

Status drop_triggers(Context& context, const std::vector<Trigger>& triggers) {
    for (const Trigger& trigger : triggers) {
        if (planted_bug("forget-trigger") && &trigger == &triggers.back()) {
            continue;
        }
        LockWait wait(context, trigger.table);
        RETURN_IF_ERROR(patiently(
            context.stop, [&context] { return context.stop.is_urgent(); },
            [&]() -> Status {
                ASSIGN_OR_RETURN(Connection * locked, context.database.locked());
                return locked->execute("DROP TRIGGER IF EXISTS " +
                                       qualified_name(context.db(), trigger.name));
            },
            [&wait] { wait.look(); }));
        context.reporter.remark("dropped trigger " + trigger.name);
    }
    return Ok{};
}

std::string trash_database(const Job& job) {
    return job.pending_drops_db.empty() ? job.database : job.pending_drops_db;
}

bool uses_other_trash_database(const Job& job) {
    return job.enable_trash && trash_database(job) != job.database;
}

Status discard_table(Context& context, const std::string& table, std::string* trashed) {
    const Job& job = context.job;
    const std::string target_db = trash_database(job);
    const std::string target = trash_name(trash_timestamp(context.clock.wall()), table);
    std::string sql = "DROP TABLE " + qualified_name(context.db(), table);
    if (job.enable_trash) {
        RETURN_IF_ERROR(context.reporter.intent("trash", {{"db", target_db}, {"table", target}}));
        sql = fmt::format("RENAME TABLE {} TO {}", qualified_name(context.db(), table),
                          qualified_name(target_db, target));
    }
    LockWait wait(context, table);
    RETURN_IF_ERROR(patiently(
        context.stop, [&context] { return context.stop.is_urgent(); },
        [&]() -> Status {
            ASSIGN_OR_RETURN(Connection * locked, context.database.locked());
            return locked->execute(sql);
        },
        [&wait] { wait.look(); }));
    if (trashed != nullptr) {
        *trashed = job.enable_trash ? target_db + "." + target : "";
    }
    context.reporter.fact("dropped", {{"db", context.db()}, {"table", table}});
    context.reporter.remark(job.enable_trash
                                ? fmt::format("moved {} to {}.{}", table, target_db, target)
                                : "dropped table " + table);
    return Ok{};
}

Status remove_ours(Context& context, bool trash) {
    RETURN_IF_ERROR(remove_lhm(context, trash));
    const std::vector<std::string> shadows = shadow_candidates(context);
    if (!context.table.empty()) {
        ASSIGN_OR_RETURN(const auto triggers, our_triggers(context, context.table, shadows));
        RETURN_IF_ERROR(drop_triggers(context, triggers));
    }
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    std::vector<std::string> tables = shadows;
    for (const History::Table& scratch : context.history.scratch) {
        if (scratch.database == context.db()) {
            tables.push_back(scratch.table);
        }
    }
    for (const std::string& table : tables) {
        ASSIGN_OR_RETURN(const auto facts, table_facts(*look, context.db(), table));
        if (!facts) {
            continue;
        }
        if (trash && !facts->is_view) {
            RETURN_IF_ERROR(discard_table(context, table, nullptr));
            continue;
        }
        const std::string sql =
            fmt::format("DROP {} IF EXISTS {}", facts->is_view ? "VIEW" : "TABLE",
                        qualified_name(context.db(), table));
        RETURN_IF_ERROR(patiently(
            context.stop, [&context] { return context.stop.is_urgent(); },
            [&]() -> Status {
                ASSIGN_OR_RETURN(Connection * locked, context.database.locked());
                return locked->execute(sql);
            }));
        context.reporter.fact("dropped", {{"db", context.db()}, {"table", table}});
        context.reporter.remark("dropped " + table);
    }
    return Ok{};
}

}  // namespace shift
