#include "worker/lhm/cleanup.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "common/ddl.h"
#include "worker/lhm/leftovers.h"
#include "worker/lhm/names.h"
#include "worker/mysql/lock.h"

namespace shift::lhm {
namespace {

struct FoundObject {
    std::string database;
    std::string name;
    std::string comment;  // of a table; of a trigger its body
};

Result<std::vector<FoundObject>> find_named(Connection& connection, const CleanupScope& scope,
                                            bool triggers) {
    // Patterns of names are harmless here: everything found is looked at by itself.
    const std::string what =
        triggers
            ? "TRIGGER_SCHEMA, TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS "
              "WHERE TRIGGER_NAME REGEXP '^lhm[tr]_' AND TRIGGER_SCHEMA"
            : "TABLE_SCHEMA, TABLE_NAME, TABLE_COMMENT FROM information_schema.TABLES WHERE "
              "TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME REGEXP '^lhm[acnp]_' AND TABLE_SCHEMA";
    const std::string where = scope.database.empty()
                                  ? " NOT IN ('mysql', 'information_schema', 'performance_schema', "
                                    "'sys')"
                                  : " = " + connection.quote(scope.database);
    ASSIGN_OR_RETURN(const auto rows,
                     connection.query(fmt::format("SELECT {}{} ORDER BY 1, 2", what, where)));
    std::vector<FoundObject> found;
    for (const Row& row : rows) {
        found.push_back({row[0].value_or(""), row[1].value_or(""), row[2].value_or("")});
    }
    return found;
}

struct ControlNotes {
    std::string window;
    std::string archive;
};

Result<ControlNotes> read_notes(Connection& connection, const FoundObject& control) {
    ASSIGN_OR_RETURN(const auto rows,
                     connection.query(fmt::format("SELECT kind, message FROM {} WHERE kind IN "
                                                  "('window', 'archive') ORDER BY id",
                                                  qualified_name(control.database, control.name))));
    ControlNotes notes;
    for (const Row& row : rows) {
        const std::string kind = row[0].value_or("");
        std::string& note = kind == "window" ? notes.window : notes.archive;
        note = row[1].value_or("");
    }
    return notes;
}

Result<bool> is_worked_at(Connection& connection, const std::string& database,
                          const std::string& table) {
    ASSIGN_OR_RETURN(const auto holder,
                     database_lock_holder(
                         connection, database_lock_name(database, table, connection.folds_case())));
    return holder.has_value();
}

Result<Remains> look_at_migration(Connection& connection, const FoundObject& control,
                                  WallTime now) {
    Remains remains;
    remains.kind = Remains::Kind::kMigration;
    remains.database = control.database;
    ASSIGN_OR_RETURN(const ControlNotes notes, read_notes(connection, control));
    const ControlMark mark = parse_control_mark(control.comment).value_or(ControlMark{});
    remains.table = mark.table;
    remains.archive = notes.archive;
    if (mark.table.empty() || names_for(mark.table).control != control.name) {
        remains.why = "its control table does not say what it is of";
        remains.tables = {control.name};
        return remains;
    }
    ASSIGN_OR_RETURN(const Leftovers left,
                     find_leftovers(connection, control.database, mark.table));
    for (const Trigger& trigger : left.triggers) {
        remains.triggers.push_back(trigger.name);
    }
    const Names names = names_for(mark.table);
    for (const auto& [is_there, name] :
         {std::pair(left.shadow, &names.shadow), std::pair(left.placeholder, &names.placeholder),
          std::pair(left.control, &names.control)}) {
        if (is_there) {
            remains.tables.push_back(*name);
        }
    }
    ASSIGN_OR_RETURN(const bool worked_at, is_worked_at(connection, control.database, mark.table));
    const WallTime window = parse_iso_time(notes.window);
    if (worked_at) {
        remains.state = Remains::State::kRunning;
        remains.why = "it is running";
    } else if (mark.owner.starts_with("shift-supervisor")) {
        remains.state = Remains::State::kSupervised;
        remains.why = fmt::format("it belongs to {}: cancel it there", mark.owner);
    } else if (!notes.window.empty() && window > now) {
        remains.state = Remains::State::kWindow;
        remains.why = fmt::format("it can be reverted until {}", notes.window);
    } else if (!notes.window.empty()) {
        remains.state = Remains::State::kDone;
    } else {
        remains.state = Remains::State::kStopped;
    }
    return remains;
}

bool is_in(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// What nothing proves to be ours; it stays.
void add_unproved(std::vector<Remains>& all, const FoundObject& named, bool is_trigger) {
    const bool known = std::any_of(all.begin(), all.end(), [&](const Remains& one) {
        return one.database == named.database &&
               is_in(is_trigger ? one.triggers : one.tables, named.name);
    });
    if (known) {
        return;
    }
    Remains unproved;
    unproved.database = named.database;
    unproved.table = named.name;
    (is_trigger ? unproved.triggers : unproved.tables).push_back(named.name);
    const bool is_lhm =
        is_trigger && named.comment.find("large hadron migration") != std::string::npos;
    unproved.why = is_lhm ? "it is of Ruby's LHM, which may be running"
                          : "nothing but its name says that it is ours";
    all.push_back(std::move(unproved));
}

void want(Remains& one, const CleanupScope& scope) {
    if (one.kind == Remains::Kind::kArchive) {
        one.is_wanted = scope.until || !scope.database.empty();
        if (one.state == Remains::State::kDone && !one.is_wanted) {
            one.why = "only its name says that it is an old table: name its database, or --until";
        }
    } else {
        one.is_wanted = one.state == Remains::State::kDone || !scope.table.empty();
        if (one.state == Remains::State::kStopped && !one.is_wanted) {
            one.why = fmt::format("it can be resumed, or switched; to give it up: cleanup {}.{}",
                                  one.database, one.table);
        }
    }
}

}  // namespace

Result<std::vector<Remains>> find_remains(Connection& connection, const CleanupScope& scope,
                                          WallTime now) {
    ASSIGN_OR_RETURN(const auto tables, find_named(connection, scope, false));
    ASSIGN_OR_RETURN(const auto triggers, find_named(connection, scope, true));
    std::vector<Remains> all;
    for (const FoundObject& named : tables) {
        if (copy_id_in(named.comment)) {
            ASSIGN_OR_RETURN(Remains remains, look_at_migration(connection, named, now));
            all.push_back(std::move(remains));
        } else if (const auto at = archive_time(named.name)) {
            Remains archive;
            archive.kind = Remains::Kind::kArchive;
            archive.state = Remains::State::kDone;
            archive.database = named.database;
            archive.table = named.name;
            archive.archived = at;
            archive.tables = {named.name};
            all.push_back(std::move(archive));
        }
    }
    for (Remains& archive : all) {
        for (const Remains& one : all) {
            const bool in_use = one.kind == Remains::Kind::kMigration &&
                                one.database == archive.database && one.archive == archive.table;
            if (archive.kind == Remains::Kind::kArchive && in_use) {
                const bool is_stopped = one.state == Remains::State::kStopped;
                archive.state = is_stopped ? Remains::State::kUnproved : one.state;
                archive.why =
                    is_stopped
                        ? fmt::format("the migration of {} was stopped in its swap", one.table)
                        : one.why;
            }
        }
    }
    // Triggers that write to an archive go before it.
    std::stable_sort(all.begin(), all.end(), [](const Remains& a, const Remains& b) {
        return a.kind != Remains::Kind::kArchive && b.kind == Remains::Kind::kArchive;
    });
    for (const FoundObject& named : tables) {
        add_unproved(all, named, false);
    }
    for (const FoundObject& named : triggers) {
        add_unproved(all, named, true);
    }
    if (scope.until) {
        std::erase_if(all, [&scope](const Remains& one) {
            return !one.archived || *one.archived > *scope.until;
        });
    }
    if (!scope.table.empty()) {
        std::erase_if(all, [&scope](const Remains& one) {
            return one.kind != Remains::Kind::kMigration || one.table != scope.table;
        });
    }
    for (Remains& one : all) {
        want(one, scope);
    }
    return all;
}

Status remove_remains(Workshop& workshop, const Remains& remains, bool sets_aside, WallTime now) {
    if (remains.kind == Remains::Kind::kArchive) {
        RETURN_IF_ERROR(workshop.database.lock(remains.database, remains.table));
        return remove_table(workshop, remains.database, remains.table);
    }
    RETURN_IF_ERROR(workshop.database.lock(remains.database, remains.table));
    if (sets_aside) {
        const Names names = names_for(remains.table);
        RETURN_IF_ERROR(remove_triggers(workshop, remains.database, remains.triggers));
        if (is_in(remains.tables, names.shadow)) {
            RETURN_IF_ERROR(execute_patiently(
                workshop,
                fmt::format("RENAME TABLE {} TO {}", qualified_name(remains.database, names.shadow),
                            qualified_name(remains.database, failed_name(remains.table, now))),
                remains.database, names.shadow));
        }
    }
    return remove_all(workshop, remains.database, remains.table);
}

}  // namespace shift::lhm
