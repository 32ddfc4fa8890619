#include "tests/sim/people.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/sim/host.h"

namespace shift::sim {
namespace {

constexpr Millis kSchedulerInterval{15'000};

bool starts_with(const std::string& text, const char* prefix) {
    return text.rfind(prefix, 0) == 0;
}

}  // namespace

void People::begin() {
    to_file_ = static_cast<int>(world_.random.between(1, 6));
    file();
    plan();
    world_.events.after(kSchedulerInterval, [this] { schedule(); });
}

void People::settle() {
    settling_ = true;
    while (to_file_ > 0) {
        file();
    }
}

void People::schedule() {
    world_.api.run_scheduler();
    world_.events.after(kSchedulerInterval, [this] { schedule(); });
}

void People::plan() {
    const auto mean = world_.profile.people.count();
    world_.events.after(world_.random.millis(mean / 2, mean + mean / 2), [this] {
        act();
        plan();
    });
}

void People::file() {
    --to_file_;
    Random& random = world_.random;
    const std::string table = fmt::format("t{}", random.between(1, 3));
    static const std::vector<std::string> kStatements = {
        "ALTER TABLE {} ADD COLUMN c INT", "ALTER TABLE {} ADD COLUMN c INT",
        "ALTER TABLE {} DROP COLUMN d", "DROP TABLE {}", "CREATE TABLE {} (id INT)"};
    const std::string insert = random.chance(0.4) ? "INSERT INTO versions VALUES (1)" : "";
    const auto answer = world_.api.call(
        "POST", "migrations",
        {{"cluster_name", "main"},
         {"database", "shop"},
         {"ddl_statement", fmt::format(fmt::runtime(random.pick(kStatements)), table)},
         {"final_insert", insert},
         {"requestor", "dev"}});
    const MigrationId id = int_or(answer.body["migration"], "id", 0);
    filed_.push_back(id);
    ++world_.counts.migrations;
    world_.database.of(id).table = table;
    world_.trace.note("people", "file", id, table);
}

void People::act() {
    if (world_.events.now() < world_.api_stalled_until) {
        return;  // their calls wait like everybody's
    }
    decide();
    if (world_.random.chance(world_.profile.retry)) {
        retry();
    }
    if (world_.random.chance(world_.profile.takeover)) {
        take_over();
    }
    if (to_file_ > 0 && world_.random.chance(0.5)) {
        file();
    }
    if (settling_) {
        for (const MigrationId id : filed_) {
            act_on(id);
        }
    } else {
        act_on(world_.random.pick(filed_));
    }
}

// They look into the table, then say what became of the final insert.
void People::decide() {
    for (const auto& host : world_.hosts) {
        std::vector<MigrationId> open;
        if (host->daemon() != nullptr) {
            for (const auto& [id, entry] : host->daemon()->registry().entries()) {
                if (entry->record.state == ClaimState::kDeciding) {
                    open.push_back(id);
                }
            }
        }
        for (const MigrationId id : open) {
            const bool done = world_.database.of(id).inserts > 0;
            world_.trace.note("people", "decide", id, done ? "done" : "run-again");
            host->command("final-insert", {{"id", id}, {"decision", done ? "done" : "run-again"}});
        }
    }
}

void People::retry() {
    const auto& host = world_.random.pick(world_.hosts);
    host->command("retry", {{"id", world_.random.pick(filed_)}});
}

// What is pinned to a host without power goes to one that lives, when the table's lock is free. Not
// when the table may be changed already: that its worker would have to find out on the server.
void People::take_over() {
    const auto& dead = world_.random.pick(world_.hosts);
    const auto& heir = world_.random.pick(world_.hosts);
    if (dead->powered() || heir->daemon() == nullptr) {
        return;
    }
    for (const MigrationId id : filed_) {
        if (!world_.api.has(id) || world_.api.text(id, "run_host") != dead->name()) {
            continue;
        }
        const Database::Change& table = world_.database.of(id);
        if (table.changed() || table.statement || world_.database.is_locked(table.table) ||
            heir->daemon() == nullptr) {
            continue;
        }
        world_.trace.note("people", "take over", id, heir->name());
        Json listed = world_.api.get(id);
        listed.erase("_claim");
        listed.erase("_updated");
        heir->command("takeover", {{"migration", std::move(listed)}});
    }
}

void People::ask(const std::string& action, MigrationId id, Json extra) {
    extra["id"] = id;
    extra["lock_version"] = world_.api.row(id)["lock_version"];
    (void)world_.api.call("POST", "migrations/" + action, std::move(extra));
}

void People::act_on(MigrationId id) {
    if (!world_.api.has(id)) {
        return;
    }
    Random& random = world_.random;
    const Profile& p = world_.profile;
    const auto actions = testing::available_actions(world_.api.row(id));
    const auto may = [&](const char* action) {
        return std::find(actions.begin(), actions.end(), action) != actions.end();
    };
    if (may("cancel") && random.chance(p.cancel)) {
        return ask("cancel_cli", id);
    }
    if (may("pause") && random.chance(p.pause)) {
        return ask("pause", id);
    }
    if (may("delete") && random.chance(p.remove)) {
        const Json version = world_.api.row(id)["lock_version"];
        (void)world_.api.call("DELETE", fmt::format("migrations/{}", id),
                              {{"lock_version", version}});
        return;
    }
    for (const std::string& action : actions) {
        if (starts_with(action, "approve_")) {
            return ask("approve", id, {{"runtype", action.substr(8)}});
        }
    }
    if (may("start")) {
        const bool by_scheduler = !settling_ && random.chance(0.3);
        return ask(by_scheduler ? "enqueue" : "start", id, {{"auto_run", random.chance(0.3)}});
    }
    for (const char* action : {"rename", "resume"}) {
        if (may(action)) {
            return ask(action, id, {{"auto_run", random.chance(0.3)}});
        }
    }
}

}  // namespace shift::sim
