#include "worker/lhm/host_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace shift::lhm {
namespace {

// Names of locks are the server's own, not a database's. They have 64 characters at most.
std::string slot_name(int number) {
    return fmt::format("'shift-lhm slot {}'", number);
}

std::string short_name(int held) {
    return fmt::format("'shift-lhm short with {}'", held);
}

struct Locks {
    std::vector<int> mine;            // slots
    std::vector<int> free;            // slots
    std::vector<int> shorts_of_mine;  // what we said we have
    std::optional<int> poorest;       // the fewest slots with which another one is short
};

Result<Locks> read_locks(Connection& session, int slots) {
    std::string sql;
    for (int number = 1; number <= slots; ++number) {
        sql += fmt::format("{}IS_USED_LOCK({}), IS_USED_LOCK({})", number == 1 ? "SELECT " : ", ",
                           slot_name(number), short_name(number - 1));
    }
    ASSIGN_OR_RETURN(const auto rows, session.query(sql));
    const Row& owners = rows.front();
    const auto me = static_cast<std::int64_t>(session.thread_id());
    Locks locks;
    for (int number = 1; number <= slots; ++number) {
        const auto at = 2 * static_cast<std::size_t>(number - 1);
        if (!owners[at]) {
            locks.free.push_back(number);
        } else if (to_int(owners[at]) == me) {
            locks.mine.push_back(number);
        }
        if (!owners[at + 1]) {
            continue;
        }
        if (to_int(owners[at + 1]) == me) {
            locks.shorts_of_mine.push_back(number - 1);
        } else if (!locks.poorest) {
            locks.poorest = number - 1;
        }
    }
    return locks;
}

Result<bool> take(Connection& session, const std::string& lock) {
    ASSIGN_OR_RETURN(const auto taken,
                     session.query_value(fmt::format("SELECT GET_LOCK({}, 0)", lock)));
    return to_int(taken) == 1;
}

Status give_back(Connection& session, const std::string& lock) {
    return session.execute(fmt::format("DO RELEASE_LOCK({})", lock));
}

}  // namespace

Status HostBudget::look(Connection& session, int wanted) {
    ASSIGN_OR_RETURN(Locks locks, read_locks(session, slots_));
    wanted = std::min(wanted, slots_);
    const auto held = [&locks] { return static_cast<int>(locks.mine.size()); };

    const bool is_rich = locks.poorest && *locks.poorest + 2 <= held();
    const int keep = std::min(wanted, is_rich ? held() - 1 : held());
    while (held() > keep) {
        RETURN_IF_ERROR(give_back(session, slot_name(locks.mine.back())));
        locks.mine.pop_back();
    }
    for (const int number : locks.free) {
        // What is free is for whoever has the fewest.
        if (is_rich || held() >= wanted || (locks.poorest && *locks.poorest < held())) {
            break;
        }
        ASSIGN_OR_RETURN(const bool taken, take(session, slot_name(number)));
        if (taken) {
            locks.mine.push_back(number);
        }
    }
    hands_ = std::max(held(), 1);

    const bool is_short = held() < wanted;
    bool is_said = false;
    for (const int said : locks.shorts_of_mine) {
        if (is_short && said == held()) {
            is_said = true;
        } else {
            RETURN_IF_ERROR(give_back(session, short_name(said)));
        }
    }
    // Another one may say the same already: then it is heard first.
    if (is_short && !is_said) {
        RETURN_IF_ERROR(take(session, short_name(held())));
    }
    return Ok{};
}

}  // namespace shift::lhm
