#include "tests/sim/database.h"

#include "common/check.h"

namespace shift::sim {

void Database::go_down() {
    up_ = false;
    locks_.clear();
    for (auto& [id, change] : changes_) {
        change.statement_killed = change.statement_killed || change.statement;
    }
}

bool Database::lock(const std::string& table, std::int64_t owner) {
    CHECK(up_, "a lock is asked of a server that is down");
    return locks_.try_emplace(table, owner).first->second == owner;
}

bool Database::holds(const std::string& table, std::int64_t owner) const {
    const auto found = locks_.find(table);
    return up_ && found != locks_.end() && found->second == owner;
}

void Database::hang_up(std::int64_t owner, Millis noticed_after) {
    events_.after(noticed_after, [this, owner] {
        std::erase_if(locks_, [owner](const auto& lock) { return lock.second == owner; });
    });
}

bool Database::run_ddl(MigrationId id, Millis duration) {
    Change& change = changes_[id];
    if (change.statement) {
        return false;
    }
    change.statement = true;
    change.statement_killed = false;
    events_.after(duration, [this, id] {
        Change& ended = changes_[id];
        ended.statement = false;
        if (!ended.statement_killed) {
            ++ended.ddls;
        }
    });
    return true;
}

}  // namespace shift::sim
