#include "worker/doctor/table_hold.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "worker/doctor/credentials.h"
#include "worker/mysql/inspect.h"
#include "worker/mysql/lock.h"

namespace shift {
namespace {

constexpr std::chrono::seconds kHoldDeadline{30};
constexpr std::chrono::milliseconds kHoldPoll{200};

struct Hold {
    std::optional<LockHolder> holder;
    std::vector<ServerThread> copying;
    std::vector<ServerThread> threads;

    const ServerThread* thread(std::uint64_t id) const {
        const auto it = std::find_if(threads.begin(), threads.end(),
                                     [id](const ServerThread& one) { return one.id == id; });
        return it == threads.end() ? nullptr : &*it;
    }
    bool has(std::uint64_t id) const {
        return (holder && holder->thread_id == id) ||
               std::any_of(copying.begin(), copying.end(),
                           [id](const ServerThread& one) { return one.id == id; });
    }
};

// Both engines mark the statements of their copy with a comment.
bool is_of_engine(const ServerThread& thread, const std::string& table) {
    const bool marked = thread.info.find("pt-online-schema-change") != std::string::npos ||
                        thread.info.find("maintenance:lhm") != std::string::npos;
    return marked && thread.info.find(table) != std::string::npos;
}

Result<Hold> look(Connection& session, const TableHoldQuery& query) {
    Hold hold;
    const std::string name = database_lock_name(query.database, query.table, session.folds_case());
    ASSIGN_OR_RETURN(hold.holder, database_lock_holder(session, name));
    ASSIGN_OR_RETURN(hold.threads, server_threads(session));
    for (const ServerThread& thread : hold.threads) {
        if (is_of_engine(thread, query.table)) {
            hold.copying.push_back(thread);
        }
    }
    return hold;
}

Json to_json(const Hold& hold) {
    Json json = {{"held", hold.holder.has_value()}, {"copying", Json::array()}};
    if (hold.holder) {
        const ServerThread* thread = hold.thread(hold.holder->thread_id);
        json["thread"] = hold.holder->thread_id;
        json["user"] = hold.holder->user;
        json["client"] = hold.holder->host;
        json["command"] = thread == nullptr ? "" : thread->command;
        json["time_s"] = thread == nullptr ? 0 : thread->time_s;
    }
    for (const ServerThread& thread : hold.copying) {
        json["copying"].push_back(
            {{"thread", thread.id}, {"client", thread.host}, {"time_s", thread.time_s}});
    }
    return json;
}

}  // namespace

Result<Json> who_holds_table(const Config& config, const TableHoldQuery& query) {
    ASSIGN_OR_RETURN(const Credentials credentials, Credentials::lay_down(config));
    ASSIGN_OR_RETURN(Connection session,
                     Connection::open({query.host, query.port, credentials.file()}));
    ASSIGN_OR_RETURN(Hold hold, look(session, query));
    if (query.kill == 0) {
        return to_json(hold);
    }
    const bool ours_to_end = hold.has(query.kill);
    if (ours_to_end) {
        (void)session.execute(fmt::format("KILL CONNECTION {}", query.kill)).ok();  // or just gone
        const auto deadline = std::chrono::steady_clock::now() + kHoldDeadline;
        while (hold.has(query.kill) && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(kHoldPoll);
            ASSIGN_OR_RETURN(hold, look(session, query));
        }
    }
    Json json = to_json(hold);
    json["killed"] = ours_to_end;
    return json;
}

}  // namespace shift
