#include "tests/soak/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace shift::testing {
namespace {

void verify_lane(Scenario& s, const Lane& lane, std::vector<std::string>& wrong) {
    if (const std::string text = Writers::difference(s.db(), "app", lane.table); !text.empty()) {
        wrong.push_back(lane.table + ": " + text);
    }
    const std::vector<std::string> columns = s.db().columns("app", lane.table);
    const auto has = [&columns](const std::string& name) {
        return std::find(columns.begin(), columns.end(), name) != columns.end();
    };
    for (const std::string& name : lane.columns) {
        if (!has(name)) {
            wrong.push_back(
                fmt::format("{}: column {} of a completed migration is missing", lane.table, name));
        }
    }
    for (const std::string& name : lane.never) {
        if (has(name)) {
            wrong.push_back(
                fmt::format("{}: column {} of a cancelled migration is there", lane.table, name));
        }
    }
    std::vector<std::string> expected = {"PRIMARY", "by_name"};
    expected.insert(expected.end(), lane.indexes.begin(), lane.indexes.end());
    std::vector<std::string> indexes = s.db().column(
        "SELECT DISTINCT INDEX_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = "
        "'app' AND TABLE_NAME = '" +
        lane.table + "'");
    std::sort(expected.begin(), expected.end());
    std::sort(indexes.begin(), indexes.end());
    if (indexes != expected) {
        wrong.push_back(fmt::format("{}: indexes {}, expected {}", lane.table,
                                    fmt::join(indexes, " "), fmt::join(expected, " ")));
    }
    const std::string lock = "CONCAT('shift:', SHA1(CONCAT('app', CHAR(0), '" + lane.table + "')))";
    const bool is_free = poll_until(
        [&] { return s.db().integer("SELECT IS_FREE_LOCK(" + lock + ")") == 1; }, seconds{10});
    if (!is_free) {
        wrong.push_back(lane.table + ": its database lock is held");
    }
    for (const std::string& error : lane.writers->errors()) {
        wrong.push_back(lane.table + ": the application saw " + error);
    }
}

void verify_journal(Scenario& s, std::vector<std::string>& wrong) {
    for (const char* check :
         {"PRAGMA integrity_check", "PRAGMA foreign_key_check", "SELECT * FROM v_inconsistent"}) {
        for (const auto& row : s.supervisor().journal_rows(check)) {
            if (row[0] != "ok") {
                wrong.push_back(fmt::format("journal: {}: {}", check, fmt::join(row, " ")));
            }
        }
    }
    for (const auto& row : s.supervisor().journal_rows(
             "SELECT a.id, a.ended, (SELECT count(*) FROM event e WHERE e.attempt = a.id AND "
             "e.source = 'supervisor' AND e.kind = 'ended') AS ends FROM attempt a "
             "WHERE a.ended <> 1 OR ends <> 1")) {
        wrong.push_back(fmt::format("attempt {}: ended={}, {} ends", row[0], row[1], row[2]));
    }
}

// A claim moves its migration once at most.
void verify_told_once(Scenario& s, std::vector<std::string>& wrong) {
    std::map<MigrationId, int> told;
    for (const ApiCall& call : s.api().calls()) {
        const bool moves = call.endpoint == "next_step" || call.endpoint == "complete" ||
                           call.endpoint == "fail" || call.endpoint == "error";
        if (call.endpoint == "unstage") {
            told[call.migration] = 0;
        } else if (moves && call.status == 200 && ++told[call.migration] > 1) {
            wrong.push_back(fmt::format("migration {}: told twice after one claim: {}",
                                        call.migration,
                                        fmt::join(s.api().sequence(call.migration), ", ")));
        }
    }
}

}  // namespace

std::vector<std::string> differences(Scenario& s, const std::vector<Lane>& lanes,
                                     const Ends& ends) {
    std::vector<std::string> wrong;
    std::vector<std::string> tables = {"versions"};
    tables.insert(tables.end(), ends.views.begin(), ends.views.end());
    for (const Lane& lane : lanes) {
        tables.push_back(lane.table);
        tables.insert(tables.end(), lane.tables.begin(), lane.tables.end());
        verify_lane(s, lane, wrong);
    }
    if (const std::string left = s.leftovers("app", tables); !left.empty()) {
        wrong.push_back("left behind:" + left);
    }
    if (!s.db().rows("XA RECOVER").empty()) {
        wrong.push_back("a prepared transaction is left");
    }
    std::vector<std::int64_t> found;
    for (const std::string& id : s.db().column("SELECT id FROM app.versions ORDER BY id")) {
        found.push_back(std::stoll(id));
    }
    std::vector<std::int64_t> inserted = ends.inserted;
    std::sort(inserted.begin(), inserted.end());
    if (found != inserted) {
        wrong.push_back(fmt::format("final inserts: {}, expected {}", fmt::join(found, " "),
                                    fmt::join(inserted, " ")));
    }
    for (const pid_t pid : s.supervisor().workers()) {
        wrong.push_back(fmt::format("process left: {} {}", pid, command_line(pid)));
    }
    verify_journal(s, wrong);
    verify_told_once(s, wrong);
    return wrong;
}

}  // namespace shift::testing
