// Every way a migration can go well (and the planned ways it can go wrong), with the real
// shift-api: the API ends in the states and with the fields the original left, the database in the
// same shape.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/integration/support/scenario.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const char* const kAddColumn = "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 7";

ScenarioOptions real_api() {
    ScenarioOptions options;
    options.real_api = true;
    return options;
}

ScenarioOptions real_api_small_chunks() {
    ScenarioOptions options = real_api();
    options.chunk_rows = 100;
    return options;
}

int position(const std::vector<std::string>& lines, const std::string& wanted, bool last) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const std::size_t at = last ? lines.size() - 1 - i : i;
        if (lines[at] == wanted) {
            return static_cast<int>(at);
        }
    }
    return -1;
}

// What a step is told in this order: log and state file, then the transition, then the unpin.
void expect_hand_on_order(Scenario& s, MigrationId id, const std::string& transition) {
    const std::vector<std::string> calls = s.api().sequence(id);
    const int unpin = position(calls, "POST unpin_run_host", true);
    const int moved = position(calls, "POST " + transition, true);
    ASSERT_GE(unpin, 0) << ::testing::PrintToString(calls);
    ASSERT_GE(moved, 0) << ::testing::PrintToString(calls);
    EXPECT_LT(moved, unpin);
    EXPECT_LT(position(calls, "POST append_to_file", true), moved);
    EXPECT_LT(position(calls, "POST write_file", true), moved);
}

void expect_handed_on(Scenario& s, MigrationId id) {
    s.await("it is unpinned", [&] { return s.text(id, "run_host").empty(); });
    EXPECT_FALSE(bool_or(s.columns(id), "staged", true));
}

// Prepare.

TEST(Prepare, AlterIsTriedAndMeasuredAndAwaitsApproval) {
    Scenario s(real_api());
    Writers::make_table(s.db(), "app", "t", 300);
    const std::string before = s.db().show_create("app", "t");
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_prepared(id);
    const Json columns = s.columns(id);
    EXPECT_GT(int_or(columns, "table_rows_start", 0), 0);
    EXPECT_GT(int_or(columns, "table_size_start", 0), 0);
    EXPECT_GT(int_or(columns, "index_size_start", 0), 0);
    EXPECT_TRUE(columns["error_message"].is_null());
    expect_handed_on(s, id);
    expect_hand_on_order(s, id, "next_step");
    EXPECT_EQ(s.db().show_create("app", "t"), before);
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
    // "[2026-01-02 15:04:05] stdout: ..." as the original writes it.
    const std::string log = s.file(id, 0);
    EXPECT_THAT(log, HasSubstr("] stdout: "));
    EXPECT_THAT(log.substr(0, log.find('\n')),
                MatchesRegex("\\[[0-9-]+ [0-9:]+\\] std(out|err): .*"));
    EXPECT_THAT(log, HasSubstr("Dry run complete"));
}

TEST(Prepare, CreateIsTriedAndLeavesNothing) {
    Scenario s(real_api());
    const MigrationId id = s.submit({.ddl = "CREATE TABLE fresh (id INT PRIMARY KEY)",
                                     .table = "fresh",
                                     .action = 0,
                                     .runtype = 2});
    s.bring_to_prepared(id);
    EXPECT_TRUE(s.columns(id)["table_rows_start"].is_null());
    EXPECT_EQ(s.leftovers("app", {}), "");
    expect_handed_on(s, id);
}

TEST(Prepare, DropOfATableIsMeasured) {
    Scenario s(real_api());
    Writers::make_table(s.db(), "app", "t", 50);
    const MigrationId id = s.submit({.ddl = "DROP TABLE t", .action = 1, .runtype = 2});
    s.bring_to_prepared(id);
    EXPECT_GT(int_or(s.columns(id), "table_rows_start", 0), 0);
    EXPECT_TRUE(s.db().table_exists("app", "t"));
    expect_handed_on(s, id);
}

TEST(Prepare, DropOfAViewHasNoSizes) {
    Scenario s(real_api());
    s.db().execute("CREATE VIEW app.v AS SELECT 1 AS one");
    const MigrationId id =
        s.submit({.ddl = "DROP VIEW v", .table = "v", .action = 1, .mode = 1, .runtype = 2});
    s.bring_to_prepared(id);
    EXPECT_TRUE(s.columns(id)["table_rows_start"].is_null());
    EXPECT_TRUE(s.columns(id)["table_size_start"].is_null());
    EXPECT_TRUE(s.db().table_exists("app", "v"));
}

TEST(Prepare, WhatCannotWorkFailsWithTheReason) {
    Scenario s(real_api());
    Writers::make_table(s.db(), "app", "t", 50);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t DROP COLUMN nope"});
    s.await_status(id, 10);
    EXPECT_THAT(s.text(id, "error_message"), HasSubstr("nope"));
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
    expect_handed_on(s, id);
}

// Run.

TEST(Run, LongRunCopiesAndStopsBeforeTheSwap) {
    Scenario s(real_api());
    Writers::make_table(s.db(), "app", "t", 2000);
    const std::string before = s.db().show_create("app", "t");
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_copied(id);
    EXPECT_EQ(int_or(s.columns(id), "copy_percentage", -1), 100);
    expect_handed_on(s, id);
    expect_hand_on_order(s, id, "next_step");
    EXPECT_EQ(s.db().show_create("app", "t"), before) << "not swapped yet";
    EXPECT_THAT(s.db().triggers("app"), SizeIs(3));
    const std::string shadow = s.shadow_table(id);
    ASSERT_NE(shadow, "");
    EXPECT_EQ(s.db().checksum("app", shadow, Writers::columns()),
              s.db().checksum("app", "t", Writers::columns()));
    const std::string state = s.file(id, 1);
    EXPECT_THAT(state, HasSubstr(shadow));
    EXPECT_THAT(state, HasSubstr("orig_tbl: t"));
    EXPECT_THAT(s.file(id, 0), HasSubstr("Copying approximately"));
}

TEST(Run, RunHostIsPinnedWhileItCopies) {
    Scenario s(real_api_small_chunks());
    Writers::make_table(s.db(), "app", "t", 2000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_running(id);
    s.await_copying(id);
    EXPECT_EQ(s.text(id, "run_host"), "host-a");
    s.await("progress is shown in status", [&] {
        const Json shown = s.supervisor().migration(id);
        return shown.is_object() && int_or(shown, "engine_pid", 0) > 0;
    });
    gate.open();
    s.await_status(id, 4);
}

TEST(Run, LongLifeUnderTrafficKeepsEveryRow) {
    ScenarioOptions options = real_api_small_chunks();
    options.chunk_pause_s = 0.01;
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 3000);
    Writers writers(s.server(), "app", "t", 2);
    writers.start();
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT "
                                            "7, ADD INDEX by_amount (amount)"});
    s.bring_to_completed(id);
    const std::int64_t at_end = writers.committed();
    s.await("writers go on after the swap", [&] { return writers.committed() > at_end + 20; });
    writers.stop();
    EXPECT_THAT(writers.errors(), IsEmpty());
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    EXPECT_THAT(s.db().columns("app", "t"), Contains("extra"));
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
    EXPECT_EQ(s.leftovers("pending_drops", s.db().tables("pending_drops")), "") << "no triggers";
    EXPECT_THAT(s.db().tables("pending_drops"), ElementsAre(MatchesRegex("[0-9]{17}_t")));
}

TEST(Run, NoCheckAlterRenamesAColumnWithItsData) {
    Scenario s(real_api());
    Writers::make_table(s.db(), "app", "t", 500);
    const std::string names = s.db().checksum("app", "t", "id, name");
    const MigrationId id = s.submit(
        {.ddl = "ALTER TABLE t CHANGE COLUMN name title VARCHAR(64) NOT NULL", .runtype = 4});
    s.bring_to_completed(id);
    EXPECT_THAT(s.db().columns("app", "t"), Contains("title"));
    EXPECT_EQ(s.db().checksum("app", "t", "id, title"), names);
}

TEST(Run, ShortAlterIsDoneOnTheTableItself) {
    Scenario s(real_api());
    Writers::make_table(s.db(), "app", "t", 200);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t DROP INDEX by_name",
                                     .runtype = 2,
                                     .final_insert = "INSERT INTO done (id) VALUES (1)"});
    s.db().execute("CREATE TABLE app.done (id INT PRIMARY KEY)");
    s.bring_to_running(id);
    s.await_status(id, 8);
    EXPECT_THAT(s.db().show_create("app", "t"), Not(HasSubstr("by_name")));
    EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.done"), 1);
    EXPECT_EQ(s.leftovers("app", {"t", "done"}), "");
    EXPECT_TRUE(s.columns(id)["copy_percentage"].is_null());
    EXPECT_FALSE(s.columns(id)["completed_at"].is_null());
    expect_handed_on(s, id);
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
}

TEST(Run, CreateMakesTheTableAndTheFinalInsert) {
    Scenario s(real_api());
    s.db().execute("CREATE TABLE app.versions (v INT PRIMARY KEY)");
    const MigrationId id = s.submit({.ddl = "CREATE TABLE fresh (id INT PRIMARY KEY)",
                                     .table = "fresh",
                                     .action = 0,
                                     .runtype = 2,
                                     .final_insert = "INSERT INTO versions (v) VALUES (12)"});
    s.bring_to_prepared(id);
    EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.versions"), 0) << "only tried";
    s.approve(id);
    s.start_run(id);
    s.await_status(id, 8);
    EXPECT_TRUE(s.db().table_exists("app", "fresh"));
    EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.versions"), 1);
    EXPECT_EQ(s.leftovers("app", {"fresh", "versions"}), "");
}

TEST(Run, DroppedTableGoesToTheTrash) {
    Scenario s(real_api());
    Writers::make_table(s.db(), "app", "t", 120);
    const std::string content = s.db().checksum("app", "t");
    const MigrationId id = s.submit({.ddl = "DROP TABLE t", .action = 1, .runtype = 2});
    s.bring_to_running(id);
    s.await_status(id, 8);
    EXPECT_THAT(s.db().tables("app"), IsEmpty());
    const auto trash = s.db().tables("pending_drops");
    ASSERT_THAT(trash, ElementsAre(MatchesRegex("[0-9]{17}_t")));
    EXPECT_EQ(s.db().checksum("pending_drops", trash[0]), content);
}

TEST(Run, DropWithoutTrashDrops) {
    ScenarioOptions options = real_api();
    options.settings["enable_trash"] = "false";
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 20);
    const MigrationId id = s.submit({.ddl = "DROP TABLE t", .action = 1, .runtype = 2});
    s.bring_to_running(id);
    s.await_status(id, 8);
    EXPECT_THAT(s.db().tables("app"), IsEmpty());
    EXPECT_THAT(s.db().tables("pending_drops"), IsEmpty());
}

TEST(Run, DroppedViewIsGone) {
    Scenario s(real_api());
    s.db().execute("CREATE VIEW app.v AS SELECT 1 AS one");
    const MigrationId id =
        s.submit({.ddl = "DROP VIEW v", .table = "v", .action = 1, .mode = 1, .runtype = 2});
    s.bring_to_running(id);
    s.await_status(id, 8);
    EXPECT_THAT(s.db().tables("app"), IsEmpty());
    EXPECT_THAT(s.db().tables("pending_drops"), IsEmpty());
}

// Rename.

TEST(Rename, SwapsMeasuresAndRunsTheFinalInsert) {
    Scenario s(real_api());
    Writers::make_table(s.db(), "app", "t", 400);
    s.db().execute("CREATE TABLE app.versions (v INT PRIMARY KEY)");
    const std::string old_content = s.db().checksum("app", "t");
    const MigrationId id =
        s.submit({.ddl = kAddColumn, .final_insert = "INSERT INTO versions (v) VALUES (3)"});
    s.bring_to_copied(id);
    EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.versions"), 0);
    s.rename(id);
    s.await_status(id, 8);
    EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.versions"), 1);
    const Json columns = s.columns(id);
    EXPECT_GT(int_or(columns, "table_rows_end", 0), 0);
    EXPECT_GT(int_or(columns, "table_size_end", 0), 0);
    EXPECT_FALSE(columns["completed_at"].is_null());
    expect_handed_on(s, id);
    EXPECT_THAT(s.db().columns("app", "t"), Contains("extra"));
    EXPECT_EQ(s.leftovers("app", {"t", "versions"}), "");
    const auto trash = s.db().tables("pending_drops");
    ASSERT_THAT(trash, ElementsAre(MatchesRegex("[0-9]{17}_t")));
    EXPECT_EQ(s.db().checksum("pending_drops", trash[0]), old_content);
}

TEST(Rename, WithoutTrashTheOldTableIsDropped) {
    ScenarioOptions options = real_api();
    options.settings["enable_trash"] = "false";
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 100);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_completed(id);
    EXPECT_THAT(s.db().tables("app"), ElementsAre("t"));
    EXPECT_THAT(s.db().tables("pending_drops"), IsEmpty());
}

TEST(Rename, WithoutAPendingDropsDbTheOldTableStaysBesideIt) {
    ScenarioOptions options = real_api();
    options.settings["pending_drops_db"] = "";
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 100);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_completed(id);
    EXPECT_THAT(s.db().tables("app"), UnorderedElementsAre("t", MatchesRegex("[0-9]{17}_t")));
    EXPECT_THAT(s.db().triggers("app"), IsEmpty());
}

TEST(Rename, WaitsForALongTransactionWithoutFailing) {
    Scenario s(real_api());
    Writers::make_table(s.db(), "app", "t", 100);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_copied(id);
    Db reader = s.server().connect("app");
    reader.execute("START TRANSACTION");
    reader.execute("SELECT * FROM t LIMIT 1");
    s.rename(id);
    s.await("the swap is tried", [&] {
        return s.db().integer(
                   "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE "
                   "'RENAME TABLE%'") > 0;
    });
    EXPECT_EQ(s.status(id), 5);
    reader.execute("COMMIT");
    s.await_status(id, 8);
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
}

// Pause, resume, cancel, stop.

TEST(Pause, KeepsTheCopyAndResumeFinishesIt) {
    ScenarioOptions options = real_api_small_chunks();
    options.chunk_pause_s = 0.01;
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 3000);
    Writers writers(s.server(), "app", "t");
    CopyGate gate(s);
    writers.start();
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_running(id);
    s.await_copying(id);
    s.pause(id);
    s.await_status(id, 12);
    expect_handed_on(s, id);
    EXPECT_THAT(s.supervisor().workers(), IsEmpty());
    EXPECT_THAT(s.db().triggers("app"), SizeIs(3)) << "kept";
    const std::string shadow = s.shadow_table(id);
    EXPECT_NE(shadow, "");
    EXPECT_THAT(s.file(id, 1), HasSubstr(shadow));
    gate.open();
    s.resume(id);
    s.await_status(id, 4);
    EXPECT_EQ(s.shadow_table(id), shadow) << "the same copy goes on";
    s.rename(id);
    s.await_status(id, 8);
    writers.stop();
    EXPECT_THAT(writers.errors(), IsEmpty());
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
}

TEST(Cancel, WhileCopyingLeavesNothing) {
    Scenario s(real_api_small_chunks());
    Writers::make_table(s.db(), "app", "t", 2000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_running(id);
    s.await_copying(id);
    s.cancel(id);
    s.await("the clean-up is done", [&] { return s.leftovers("app", {"t"}).empty(); });
    gate.open();
    s.await_idle();
    EXPECT_EQ(s.status(id), 9);
    expect_handed_on(s, id);
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    // As the original: a cancelled shadow table goes to the trash.
    EXPECT_THAT(s.db().tables("pending_drops"), SizeIs(1));
    EXPECT_THAT(s.supervisor().workers(), IsEmpty());
}

TEST(Cancel, AfterTheCopyLeavesNothing) {
    Scenario s(real_api());
    Writers::make_table(s.db(), "app", "t", 300);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_copied(id);
    s.cancel(id);
    s.await("the clean-up is done", [&] { return s.leftovers("app", {"t"}).empty(); });
    s.await_idle();
    EXPECT_EQ(s.status(id), 9);
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
}

TEST(Cancel, OfAPausedCopyLeavesNothing) {
    Scenario s(real_api_small_chunks());
    Writers::make_table(s.db(), "app", "t", 2000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_running(id);
    s.await_copying(id);
    s.pause(id);
    s.await_status(id, 12);
    s.cancel(id);
    s.await("the clean-up is done", [&] { return s.leftovers("app", {"t"}).empty(); });
    gate.open();
    s.await_idle();
    EXPECT_EQ(s.status(id), 9);
}

TEST(Cancel, WithoutStateFileAndOnAnotherHostStillCleansUp) {
    Scenario s(real_api());
    Writers::make_table(s.db(), "app", "t", 300);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_copied(id);
    s.await_idle();
    // A new host with an empty disk takes over; the API's copy of the state file is lost too.
    s.supervisor().terminate();
    std::filesystem::remove_all(s.supervisor().state_dir());
    std::filesystem::remove_all(s.supervisor().log_dir());
    s.api().inject({.endpoint = "get_file",
                    .wrong = Wrong::kAnswer,
                    .times = -1,
                    .status = 404,
                    .body = R"({"message":"File not found"})",
                    .content_type = "application/json"});
    s.supervisor().set("run_host", "host-b");
    s.supervisor().start();
    s.cancel(id);
    s.await("the clean-up is done", [&] { return s.leftovers("app", {"t"}).empty(); });
    s.await_idle();
    EXPECT_EQ(s.status(id), 9);
}

TEST(StopFile, OffersTheCopyAndTakesItBackLater) {
    Scenario s(real_api_small_chunks());
    Writers::make_table(s.db(), "app", "t", 2000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_running(id);
    s.await_copying(id);
    spit(s.supervisor().stop_file(), "");
    s.await("the run is offered", [&] {
        const Json columns = s.columns(id);
        return bool_or(columns, "staged", false) && string_or(columns, "run_host", "").empty();
    });
    EXPECT_EQ(s.status(id), 3);
    EXPECT_THAT(s.supervisor().workers(), IsEmpty());
    EXPECT_THAT(s.file(id, 1), HasSubstr("orig_tbl: t")) << "the next host can go on";
    const std::string shadow = s.shadow_table(id);
    EXPECT_TRUE(stays_true([&] { return bool_or(s.columns(id), "staged", false); }, seconds{1}));
    gate.open();
    std::filesystem::remove(s.supervisor().stop_file());
    s.await_status(id, 4);
    EXPECT_EQ(s.shadow_table(id), shadow);
}

// A new host with an empty disk; all it has is what the API has.
void become_another_host(Scenario& s, const char* name) {
    s.await_idle();
    s.supervisor().terminate();
    std::filesystem::remove_all(s.supervisor().state_dir());
    std::filesystem::remove_all(s.supervisor().log_dir());
    s.supervisor().set("run_host", name);
    s.supervisor().start();
}

// What the tool itself said: it went on, it did not begin anew.
void expect_went_on(Scenario& s, MigrationId id) {
    const std::string log = slurp(s.supervisor().files_dir(id) + "ptosc-output.log");
    EXPECT_THAT(log, HasSubstr("going on with the copy after"));
    EXPECT_THAT(log, HasSubstr("OSC-PLUGIN copying from the saved boundary"));
    EXPECT_THAT(log, Not(HasSubstr("starts over")));
}

TEST(OtherHost, ResumesAPausedCopyWhereItStopped) {
    ScenarioOptions options = real_api_small_chunks();
    options.chunk_pause_s = 0.02;
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 3000);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    Writers writers(s.server(), "app", "t");
    writers.start();
    {
        CopyGate gate(s);
        s.bring_to_running(id);
        s.await_copying(id);
        gate.open();
        s.await("some chunks are copied", [&] {
            return s.db().integer("SELECT COUNT(*) FROM app." + quote_name(s.shadow_table(id))) >
                   900;
        });
    }
    s.pause(id);
    s.await_status(id, 12);
    become_another_host(s, "host-b");
    s.resume(id);
    s.await_status(id, 4);
    expect_went_on(s, id);
    s.rename(id);
    s.await_status(id, 8);
    writers.stop();
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
}

TEST(OtherHost, TakesOverAnOfferedCopyWhereItStopped) {
    ScenarioOptions options = real_api_small_chunks();
    options.chunk_pause_s = 0.15;
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 3000);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_running(id);
    s.await("some chunks are copied", [&] {
        const std::string shadow = s.shadow_table(id);
        return !shadow.empty() &&
               s.db().integer("SELECT COUNT(*) FROM app." + quote_name(shadow)) > 900;
    });
    spit(s.supervisor().stop_file(), "");
    s.await("the run is offered", [&] {
        const Json columns = s.columns(id);
        return bool_or(columns, "staged", false) && string_or(columns, "run_host", "").empty();
    });
    std::filesystem::remove(s.supervisor().stop_file());
    become_another_host(s, "host-b");
    s.await_status(id, 4);
    expect_went_on(s, id);
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
}

TEST(OtherHost, PausesACopyThatRunsNowhere) {
    Scenario s(real_api_small_chunks());
    Writers::make_table(s.db(), "app", "t", 2000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_running(id);
    s.await_copying(id);
    // The host that copied is gone for good; people take its pin away and pause.
    s.supervisor().kill9();
    s.supervisor().kill_workers();
    gate.open();
    std::filesystem::remove_all(s.supervisor().state_dir());
    std::filesystem::remove_all(s.supervisor().log_dir());
    s.supervisor().set("run_host", "host-b");
    s.shift_api().call("POST", "migrations/unpin_run_host", {{"id", id}});
    s.pause(id);
    s.supervisor().start();
    s.await_status(id, 12);
    s.resume(id);
    s.await_status(id, 4);
    s.rename(id);
    s.await_status(id, 8);
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
}

pid_t engine_of(Scenario& s, MigrationId id) {
    pid_t engine = 0;
    s.await("the engine is known", [&] {
        engine = static_cast<pid_t>(int_or(s.supervisor().migration(id), "engine_pid", 0));
        return engine > 0;
    });
    return engine;
}

void expect_completed_whole(Scenario& s, MigrationId id) {
    s.await_status(id, 4);
    s.rename(id);
    s.await_status(id, 8);
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
}

TEST(Engine, KilledToolIsAnErrorThatResumes) {
    ScenarioOptions options = real_api_small_chunks();
    options.settings["attempts_max"] = "1";
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 2000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_running(id);
    s.await_copying(id);
    const pid_t engine = engine_of(s, id);
    ASSERT_THAT(command_line(engine), HasSubstr("pt-online-schema-change"));
    ::kill(engine, SIGKILL);
    s.await_status(id, 13);
    EXPECT_THAT(s.text(id, "error_message"), HasSubstr("signal 9"));
    expect_handed_on(s, id);
    gate.open();
    s.resume(id);
    expect_completed_whole(s, id);
}

TEST(Engine, KilledToolIsStartedAgainWhileTriesAreLeft) {
    Scenario s(real_api_small_chunks());
    Writers::make_table(s.db(), "app", "t", 2000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_running(id);
    s.await_copying(id);
    ::kill(engine_of(s, id), SIGKILL);
    gate.open();
    expect_completed_whole(s, id);
}

TEST(Pin, AnotherHostsMigrationIsLeftAlone) {
    Scenario s(real_api());
    Writers::make_table(s.db(), "app", "t", 100);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_prepared(id);
    s.shift_api().call("PUT", "migrations/" + std::to_string(id), Json{{"run_host", "host-z"}});
    const int unstaged = s.api().count("unstage", id);
    s.approve(id);
    s.start_run(id);
    const int polls = s.api().count("staged");
    s.await("three polls more", [&] { return s.api().count("staged") >= polls + 3; });
    EXPECT_EQ(s.api().count("unstage", id), unstaged);
    EXPECT_EQ(s.status(id), 3);
    EXPECT_EQ(s.text(id, "run_host"), "host-z");
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
}

// A copy runs on the only slot of the host. Two more runs are staged after a prepare and a cancel,
// so the page of two that the API lists holds nothing but runs that cannot start: the prepare and
// the cancel must not starve behind them.
TEST(Queue, TwoRunsForABusyHostDoNotHideAPrepareAndACancel) {
    ScenarioOptions options = real_api_small_chunks();
    options.settings["max_running_per_host"] = "1";
    Scenario s(options);
    for (const char* table : {"busy", "run1", "run2", "cancelled", "prepared"}) {
        Writers::make_table(s.db(), "app", table, 1000);
    }
    const auto alter = [&](const std::string& table) {
        return s.submit({.ddl = "ALTER TABLE " + table + " ADD COLUMN extra INT", .table = table});
    };
    const MigrationId cancelled = alter("cancelled");
    s.bring_to_copied(cancelled);
    const MigrationId run1 = alter("run1");
    const MigrationId run2 = alter("run2");
    for (const MigrationId id : {run1, run2}) {
        s.bring_to_prepared(id);
        s.approve(id);
    }
    CopyGate gate(s);
    const MigrationId busy = alter("busy");
    s.bring_to_running(busy);
    s.await_copying(busy);

    // Staged while nobody looks; the runs last, so that they are listed first.
    s.supervisor().kill9();
    s.cancel(cancelled);
    const MigrationId prepared = alter("prepared");
    s.start_run(run1);
    s.start_run(run2);
    // `staged` orders by updated_at (whole seconds): make the runs the newest beyond doubt.
    int percent = 0;
    s.await("the API lists only the runs", [&] {
        ++percent;
        for (const MigrationId id : {run1, run2}) {
            s.shift_api().call("PUT", "migrations/" + std::to_string(id),
                               Json{{"copy_percentage", percent % 90}});
        }
        std::set<MigrationId> listed;
        for (const Json& item : s.shift_api().call("GET", "migrations/staged")) {
            listed.insert(int_or(item, "id", 0));
        }
        return listed == std::set<MigrationId>{run1, run2};
    });
    s.api().forget_calls();
    s.supervisor().start();
    s.await("the prepare and the cancel are claimed", [&] {
        return s.api().count("unstage", prepared) > 0 && s.api().count("unstage", cancelled) > 0;
    });
    // One poll takes the two runs off the page, the next one sees what they hid.
    int polls = 0;
    bool seen_prepare = false;
    bool seen_cancel = false;
    for (const ApiCall& call : s.api().calls()) {
        polls += call.endpoint == "staged" ? 1 : 0;
        seen_prepare = seen_prepare || (call.endpoint == "unstage" && call.migration == prepared);
        seen_cancel = seen_cancel || (call.endpoint == "unstage" && call.migration == cancelled);
        if (seen_prepare && seen_cancel) {
            break;
        }
    }
    EXPECT_LE(polls, 3);
    s.await_status(prepared, 1);
    s.await("the cancel is done", [&] { return s.shadow_table(cancelled).empty(); });
    EXPECT_EQ(s.status(run1), 3);
    EXPECT_EQ(s.status(run2), 3);
    EXPECT_EQ(s.shadow_table(run1), "") << "waits for its slot";
    gate.open();
    for (const MigrationId id : {busy, run1, run2}) {
        s.await_status(id, 4);
    }
}

}  // namespace
}  // namespace shift::testing
