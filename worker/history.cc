#include "worker/history.h"

#include <algorithm>

#include "common/event_log.h"

namespace shift {
namespace {

History::Table table_of(const Json& event) {
    return History::Table{string_or(event, "db", ""), string_or(event, "table", "")};
}

void fold_intent(History& history, const std::string& what, const Json& event) {
    if (what == "shadow") {
        history.copied = false;
        history.shadows.push_back(table_of(event));
    } else if (what == "scratch") {
        history.scratch.push_back(table_of(event));
    } else if (what == "swap") {
        history.swap = History::Swap{string_or(event, "shadow", ""), string_or(event, "old", "")};
    } else if (what == "trash") {
        history.trash = table_of(event);
    } else if (what == "ddl") {
        History::Ddl ddl;
        ddl.statement = string_or(event, "statement", "");
        ddl.before_hash = string_or(event, "before_hash", "");
        ddl.trash.database = string_or(event, "trash_db", "");
        ddl.trash.table = string_or(event, "trash_table", "");
        history.ddl = std::move(ddl);
    } else if (what == "final_insert") {
        history.final_insert = History::FinalInsert{};
        history.final_insert.intended = true;
        history.final_insert.plain = string_or(event, "mode", "xa") == "plain";
    }
}

// `state` of a final_insert fact: prepared, committed, not_done (it is known that nothing was
// inserted); an operator's word is done or run-again.
void fold_final_insert(History& history, const std::string& state) {
    if (state == "prepared") {
        history.final_insert.prepared = true;
    } else if (state == "committed" || state == "done") {
        history.final_insert.done = true;
    } else if (state == "not_done" || state == "run-again") {
        history.final_insert = History::FinalInsert{};
    }
}

void fold_fact(History& history, const std::string& what, const Json& event) {
    if (what == "copied") {
        history.copied = true;
    } else if (what == "dropped") {
        const History::Table gone = table_of(event);
        std::erase(history.shadows, gone);
        std::erase(history.scratch, gone);
    } else if (what == "ddl") {
        if (history.ddl) {
            history.ddl->happened = string_or(event, "state", "done") == "done";
            if (!history.ddl->happened) {
                history.ddl.reset();  // known not to have happened: nothing is in doubt
            }
        }
    } else if (what == "final_insert") {
        fold_final_insert(history, string_or(event, "state", "committed"));
    }
}

}  // namespace

bool History::intended_shadow(const std::string& database, const std::string& table) const {
    return std::find(shadows.begin(), shadows.end(), Table{database, table}) != shadows.end();
}

History fold_history(const Json& events) {
    History history;
    if (!events.is_array()) {
        return history;
    }
    for (const Json& event : events) {
        if (!event.is_object()) {
            continue;
        }
        const std::string kind = string_or(event, "event", "");
        const std::string what = string_or(event, "what", "");
        if (kind == event::kConnected) {
            History::Session session;
            session.thread_id = static_cast<std::uint64_t>(int_or(event, "thread_id", 0));
            session.server.id = string_or(event, "server_uuid", "");
            session.server.started_s = int_or(event, "server_started", 0);
            session.user = string_or(event, "user", "");
            history.sessions.push_back(std::move(session));
        } else if (kind == event::kIntent) {
            fold_intent(history, what, event);
        } else if (kind == event::kFact) {
            fold_fact(history, what, event);
        } else if (kind == event::kNoReturn) {
            history.no_return = true;
        }
    }
    return history;
}

}  // namespace shift
