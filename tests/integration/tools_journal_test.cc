// The journal for people: the worked questions of docs/journal-format.md on the journal of a real
// run, what goes with time, and a journal of an earlier version.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <regex>

#include "common/attempt_folder.h"
#include "common/file.h"
#include "common/text.h"
#include "tests/integration/support/ctl.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

struct Question {
    int number = 0;
    std::string text;
    std::string sql;
};

// Headings "### N. question" and the indented block below each.
std::vector<Question> questions() {
    std::vector<Question> found;
    const std::string file = std::string(SHIFT_SOURCE_ROOT) + "/docs/journal-format.md";
    for (const std::string& line : split(slurp(file), '\n')) {
        std::smatch match;
        if (std::regex_match(line, match, std::regex("### ([0-9]+)\\. (.*)"))) {
            found.push_back({std::stoi(match[1]), match[2], ""});
        } else if (!found.empty() && line.starts_with("    ")) {
            found.back().sql += line + "\n";
        } else if (line.starts_with("## ") && !found.empty()) {
            break;
        }
    }
    return found;
}

// The answer, a row a line, columns separated by '|'.
std::string answer(Scenario& s, const Question& question, MigrationId id) {
    std::string sql = std::regex_replace(question.sql, std::regex("\\b43\\b"), std::to_string(id));
    sql = std::regex_replace(sql, std::regex("'orders'"), "'t'");
    std::string text;
    for (const auto& row : s.supervisor().journal_rows(sql)) {
        for (const std::string& column : row) {
            text += column + "|";
        }
        text += "\n";
    }
    return text;
}

TEST(Journal, EveryWorkedQuestionIsAnsweredByARealRun) {
    ScenarioOptions options;
    options.settings["max_running_per_host"] = "3";
    options.chunk_rows = 100;
    options.chunk_pause_s = 0.01;
    Scenario s(options);
    for (const char* table : {"t", "u", "v"}) {
        Writers::make_table(s.db(), "app", table, 1000);
    }
    const MigrationId done = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_completed(done);
    const MigrationId failed =
        s.submit({.ddl = "ALTER TABLE gone ADD COLUMN c INT", .table = "gone"});
    s.await_status(failed, 10);
    EXPECT_EQ(ctl(s, {"drain", "--keep"}).status.code, 0);
    EXPECT_EQ(ctl(s, {"undrain"}).status.code, 0);
    CopyGate gate(s);
    const MigrationId runs = s.submit({.ddl = "ALTER TABLE u ADD COLUMN extra INT", .table = "u"});
    s.bring_to_running(runs);
    s.await_copying(runs);
    ::kill(static_cast<pid_t>(int_or(s.supervisor().migration(runs), "worker_pid", 0)), SIGKILL);
    s.await("it runs again", [&] {
        return !s.supervisor()
                    .journal_rows("SELECT 1 FROM v_status WHERE tbl='app.u' AND phase='copy'")
                    .empty() &&
               !s.supervisor()
                    .journal_rows("SELECT 1 FROM v_attempts WHERE outcome='died'")
                    .empty();
    });
    const MigrationId owes = s.submit({.ddl = "ALTER TABLE v ADD COLUMN extra INT", .table = "v"});
    s.api().inject(
        {.endpoint = "next_step", .times = -1, .migration = owes, .body = "<h1>no</h1>"});
    s.await("the API refuses again and again", [&] {
        return !s.supervisor().journal_rows("SELECT 1 FROM v_owed WHERE tries > 2").empty();
    });

    // Question -> the migration that stands for 43, and what the answer must hold.
    const std::map<int, std::pair<MigrationId, std::vector<std::string>>> expected = {
        {1, {0, {"|app.u|run|copy|"}}},
        {2, {0, {"|app.v|delivering|", "500"}}},
        {3, {done, {"claim_intent", "spawned", "no_return", "told"}}},
        {4, {failed, {"does not exist", "fail"}}},
        {5, {0, {"|intent|swap|", "|no_return|swap|", "|fact|copied|"}}},
        {6, {0, {"|next_step|", "500"}}},
        {7, {done, {"|prepare|", "|run|", "|rename|", "|prepared|", "|copied|", "|completed|"}}},
        {8, {0, {"|app.t|completed|", "|app.gone|failed|"}}},
        {9, {0, {"|drain|", "|undrain|"}}},
        {10, {0, {"|app.u|run|died|"}}},
        {11, {0, {"|pending_drops|"}}},
        {12, {done, {"|app.t|1|completed|"}}},
        {13, {0, {}}},
    };
    const auto all = questions();
    ASSERT_GE(all.size(), 10U);
    ASSERT_EQ(all.size(), expected.size());
    for (const Question& question : all) {
        const auto& [id, parts] = expected.at(question.number);
        const std::string text = answer(s, question, id);
        EXPECT_EQ(text.empty(), parts.empty()) << question.number << ". " << text;
        for (const std::string& part : parts) {
            EXPECT_THAT(text, HasSubstr(part)) << question.number << ". " << question.text;
        }
    }
    s.api().clear_faults();
    gate.open();
}

// As `.schema` in sqlite3 shows them.
TEST(Journal, EveryTableColumnAndViewHasItsComment) {
    Scenario s;
    int columns = 0;
    for (const auto& row : s.supervisor().journal_rows(
             "SELECT sql FROM sqlite_schema WHERE type='table' AND name NOT LIKE 'sqlite_%'")) {
        for (const std::string& line : split(row[0], '\n')) {
            const bool is_end = line.starts_with(")");
            EXPECT_TRUE(is_end || line.find("-- ") != std::string::npos) << line;
            columns += line.starts_with("    ") ? 1 : 0;
        }
    }
    EXPECT_GT(columns, 60);
    const auto views =
        s.supervisor().journal_rows("SELECT name, sql FROM sqlite_schema WHERE type='view'");
    EXPECT_GE(views.size(), 7U);
    for (const auto& view : views) {
        EXPECT_THAT(view[1], HasSubstr(" AS\n-- ")) << view[0];
    }
}

void execute(const std::string& path, const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    char* why = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &why), SQLITE_OK) << why;
    sqlite3_close(db);
}

// As if nobody had written to it for years.
void age(const std::string& path) {
    const timespec old[2] = {{1'500'000'000, 0}, {1'500'000'000, 0}};
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
        ASSERT_EQ(::utimensat(AT_FDCWD, entry.path().c_str(), old, AT_SYMLINK_NOFOLLOW), 0);
    }
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), old, 0), 0);
}

TEST(Retention, TakesWhatIsOldAndOverAndNothingElse) {
    Scenario s;
    std::vector<MigrationId> ids;
    for (const char* table : {"t", "u", "v"}) {
        Writers::make_table(s.db(), "app", table, 50);
        ids.push_back(s.submit({.ddl = std::string("ALTER TABLE ") + table + " ADD COLUMN x INT",
                                .table = table,
                                .runtype = 2}));
        s.bring_to_prepared(ids.back());
    }
    for (const MigrationId id : {ids[0], ids[1]}) {
        s.approve(id);
        s.start_run(id);
        s.await_status(id, 8);
    }
    s.await_idle();
    s.supervisor().terminate();
    const auto attempts = s.supervisor().attempts();
    ASSERT_EQ(attempts.size(), 5U);
    // The first migration is old in every way; of the second only the files are; the third waits
    // for people.
    execute(
        s.supervisor().journal(),
        "UPDATE migration SET since='2020-01-01T00:00:00.000Z' WHERE id=" + std::to_string(ids[0]) +
            "; UPDATE outbox SET created_at='2020-01-01T00:00:00.000Z' WHERE migration_id=" +
            std::to_string(ids[1]));
    for (const MigrationId id : ids) {
        age(s.supervisor().files_dir(id));
    }
    for (const std::string& attempt : attempts) {
        age(attempt);
    }
    // Somebody still holds a lock of one: whatever that is, its folder stays.
    const auto held = lock_file(AttemptFiles(attempts[1]).engine_lock());
    ASSERT_TRUE(held.ok());
    const auto count = [&](const std::string& what) {
        return s.supervisor().journal_rows("SELECT count(*) FROM " + what)[0][0];
    };
    const std::string first = "migration_id=" + std::to_string(ids[0]);
    const std::string second = "migration_id=" + std::to_string(ids[1]);
    EXPECT_NE(count("event WHERE " + first), "0");
    EXPECT_NE(count("outbox WHERE state='done' AND lane='report' AND " + second), "0");

    s.supervisor().start();
    s.await("the old ones are gone", [&] {
        return count("migration") == "2" && !path_exists(s.supervisor().files_dir(ids[1])) &&
               s.supervisor().attempts().size() == 1;
    });
    EXPECT_EQ(count("event WHERE " + first), "0");
    EXPECT_EQ(count("attempt WHERE " + first), "0");
    EXPECT_EQ(count("outbox WHERE " + first), "0");
    EXPECT_FALSE(path_exists(s.supervisor().files_dir(ids[0])));
    EXPECT_EQ(s.supervisor().attempts()[0], attempts[1]);
    EXPECT_NE(count("event WHERE " + second), "0") << "its history is not 90 days old";
    EXPECT_EQ(count("outbox WHERE state='done' AND lane='report' AND " + second), "0");
    EXPECT_NE(count("outbox WHERE lane='hand-on' AND " + second), "0");
    EXPECT_TRUE(path_exists(s.supervisor().files_dir(ids[2]))) << "people may go on with it";
    // It does.
    s.approve(ids[2]);
    s.start_run(ids[2]);
    s.await_status(ids[2], 8);
    for (const auto& entry : std::filesystem::directory_iterator(s.supervisor().log_dir())) {
        EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("gone")));
    }
}

TEST(Journal, OneOfTheFirstVersionIsTakenOverAndWhatItOwesIsDelivered) {
    ScenarioOptions options;
    options.start = false;
    options.settings["run_host"] = "runner-1";
    Scenario s(options);
    std::filesystem::create_directories(s.supervisor().state_dir());
    execute(s.supervisor().journal(),
            slurp(std::string(SHIFT_SOURCE_ROOT) + "/tests/data/journal/v1.sql"));
    s.supervisor().start();
    const Json status = ctl_json(s, {"status"});
    EXPECT_EQ(status["state"], "draining") << "as it was left";
    EXPECT_EQ(status["drain"]["keep"], true);
    EXPECT_EQ(s.supervisor().journal_rows("PRAGMA user_version")[0][0], "2");
    // This API knows none of its migrations: that is told apart from an API that is away.
    s.await("its calls have come to an end",
            [&] { return s.supervisor().journal_rows("SELECT 1 FROM v_owed").empty(); });
    EXPECT_THAT(ctl(s, {"events", "1"}).out, HasSubstr("no_return"));
    const Json history = ctl_json(s, {"history"});
    EXPECT_THAT(history["migrations"], SizeIs(4));
}

}  // namespace
}  // namespace shift::testing
