#include "supervisor/journal/sqlite_journal.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "supervisor/journal/schema.h"

namespace shift {
namespace {

class SqliteJournalTest : public ::testing::Test {
  protected:
    SqliteJournalTest() {
        char name[] = "/tmp/shift-journal-XXXXXX";
        dir_ = ::mkdtemp(name);
        path_ = dir_ + "/journal.db";
    }
    ~SqliteJournalTest() override { std::filesystem::remove_all(dir_); }

    std::unique_ptr<SqliteJournal> open() {
        auto journal = SqliteJournal::open(path_);
        EXPECT_TRUE(journal.ok()) << journal.error().message;
        return std::move(*journal);
    }
    static MigrationRecord record(MigrationId id) {
        MigrationRecord r;
        r.id = id;
        r.seen.id = id;
        r.seen.status = 3;
        r.seen.table = "odd `name` \xc3\xa9";
        r.seen.mode = Mode::kTable;
        r.seen.action = Action::kAlter;
        r.seen.runtype = Runtype::kNoCheckAlter;
        r.seen.host = "db1";
        r.seen.port = 3306;
        r.seen.lock_version = 9;
        r.state = ClaimState::kWaiting;
        r.step = Step::kRun;
        r.claim = 4;
        r.claim_id = "abc";
        r.tries = 2;
        r.no_return = true;
        r.log_offset = 77;
        r.next_try = WallTime(std::chrono::milliseconds(1'700'000'000'123));
        r.reason = "because";
        return r;
    }

    std::string dir_;
    std::string path_;
};

TEST_F(SqliteJournalTest, WhatWasCommittedComesBack) {
    {
        auto journal = open();
        ASSERT_TRUE(journal->put(record(7)).ok());
        AttemptRecord attempt;
        attempt.id = 12;
        attempt.migration = 7;
        attempt.step = Step::kRun;
        attempt.worker = {41, 42, "boot"};
        attempt.last_seq = 5;
        attempt.outcome = Outcome::kCopied;
        attempt.message = "done";
        attempt.progress.percent = 41.5;
        attempt.progress.throttle = "replica lag";
        ASSERT_TRUE(journal->put(attempt).ok());
        OwedCall call;
        call.migration = 7;
        call.lane = Lane::kHandOn;
        call.kind = CallKind::kFail;
        call.body = {{"error_message", "x"}};
        ASSERT_TRUE(journal->put(call).ok());
        EXPECT_GT(call.id, 0);
        ASSERT_TRUE(journal->put_setting("drain", "keep").ok());
        ASSERT_TRUE(journal->commit().ok());
    }
    auto contents = open()->load();
    ASSERT_TRUE(contents.ok()) << contents.error().message;
    ASSERT_EQ(contents->migrations.size(), 1U);
    const MigrationRecord& back = contents->migrations[0];
    EXPECT_EQ(back.seen.table, record(7).seen.table);
    EXPECT_EQ(back.seen.runtype, Runtype::kNoCheckAlter);
    EXPECT_EQ(back.seen.lock_version, 9);
    EXPECT_EQ(back.state, ClaimState::kWaiting);
    EXPECT_EQ(back.step, Step::kRun);
    EXPECT_EQ(back.next_try, record(7).next_try);
    EXPECT_TRUE(back.no_return);
    EXPECT_EQ(back.log_offset, 77U);
    ASSERT_EQ(contents->attempts.size(), 1U);
    EXPECT_EQ(contents->attempts[0].worker, (ProcessIdentity{41, 42, "boot"}));
    EXPECT_EQ(contents->attempts[0].outcome, Outcome::kCopied);
    EXPECT_EQ(contents->attempts[0].progress.percent, 41.5);
    EXPECT_EQ(contents->attempts[0].progress.rows, std::nullopt);
    EXPECT_EQ(contents->attempts[0].progress.throttle, "replica lag");
    ASSERT_EQ(contents->calls.size(), 1U);
    EXPECT_EQ(contents->calls[0].kind, CallKind::kFail);
    EXPECT_EQ(contents->settings.at("drain"), "keep");
    EXPECT_EQ(contents->last_attempt, 12);
}

TEST_F(SqliteJournalTest, WhatWasNotCommittedIsGone) {
    {
        auto journal = open();
        ASSERT_TRUE(journal->put(record(7)).ok());
    }
    EXPECT_TRUE(open()->load()->migrations.empty());
}

TEST_F(SqliteJournalTest, HistoryHoldsOnlyDurableWorkerEvents) {
    auto journal = open();
    ASSERT_TRUE(journal->put(record(7)).ok());
    EventRecord event;
    event.migration = 7;
    event.source = "worker";
    event.kind = event::kIntent;
    event.detail = {{"what", "shadow"}, {"table", "_7_t_new"}};
    ASSERT_TRUE(journal->add(event).ok());
    event.kind = event::kNote;
    ASSERT_TRUE(journal->add(event).ok());
    event.kind = event::kIntent;
    event.source = "supervisor";
    ASSERT_TRUE(journal->add(event).ok());
    ASSERT_TRUE(journal->commit().ok());
    const auto history = journal->history(7);
    ASSERT_TRUE(history.ok());
    ASSERT_EQ(history->size(), 1U);
    EXPECT_EQ((*history)[0]["table"], "_7_t_new");
}

TEST_F(SqliteJournalTest, APersonsDecisionIsPartOfTheHistory) {
    auto journal = open();
    ASSERT_TRUE(journal->put(record(7)).ok());
    EventRecord event;
    event.migration = 7;
    event.source = "operator";
    event.kind = event::kFact;
    event.detail = {{"what", "final_insert"}, {"state", "done"}};
    ASSERT_TRUE(journal->add(event).ok());
    event.kind = "retry";
    ASSERT_TRUE(journal->add(event).ok());
    ASSERT_TRUE(journal->commit().ok());
    const auto history = journal->history(7);
    ASSERT_TRUE(history.ok());
    ASSERT_EQ(history->size(), 1U);
    EXPECT_EQ((*history)[0]["state"], "done");
}

// Every column with its type, every index and view, by name.
std::vector<std::string> shape_of(const std::string& path) {
    sqlite3* db = nullptr;
    EXPECT_EQ(sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
    std::vector<std::string> shape;
    const auto add = [](void* out, int columns, char** values, char**) {
        std::string line;
        for (int i = 0; i < columns; ++i) {
            line += std::string(values[i] == nullptr ? "NULL" : values[i]) + "|";
        }
        static_cast<std::vector<std::string>*>(out)->push_back(line);
        return 0;
    };
    for (const char* sql :
         {"SELECT m.name,p.cid,p.name,p.type,p.\"notnull\",p.pk FROM sqlite_schema m, "
          "pragma_table_info(m.name) p WHERE m.type IN ('table','view') ORDER BY 1,2",
          "SELECT type,name,tbl_name FROM sqlite_schema WHERE type<>'table' ORDER BY 1,2"}) {
        EXPECT_EQ(sqlite3_exec(db, sql, add, &shape, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    }
    sqlite3_close(db);
    return shape;
}

// Runs it as a person with the file could; returns the first column.
std::vector<std::string> run_on(const std::string& path, const std::string& sql) {
    sqlite3* db = nullptr;
    EXPECT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    std::vector<std::string> found;
    const auto add = [](void* out, int, char** values, char**) {
        static_cast<std::vector<std::string>*>(out)->emplace_back(values[0]);
        return 0;
    };
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), add, &found, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db) << ": " << sql;
    sqlite3_close(db);
    return found;
}

TEST_F(SqliteJournalTest, AJournalOfTheFirstVersionIsBroughtUpToDateWithEverythingInIt) {
    std::ifstream file(std::string(SHIFT_SOURCE_ROOT) + "/tests/data/journal/v1.sql");
    const std::string dump((std::istreambuf_iterator<char>(file)), {});
    ASSERT_FALSE(dump.empty());
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    char* why = nullptr;
    ASSERT_EQ(sqlite3_exec(db, dump.c_str(), nullptr, nullptr, &why), SQLITE_OK) << why;
    sqlite3_close(db);
    {
        auto journal = open();
        const auto contents = journal->load();
        ASSERT_TRUE(contents.ok()) << contents.error().message;
        ASSERT_EQ(contents->migrations.size(), 1U);
        EXPECT_EQ(contents->migrations[0].id, 4);
        EXPECT_EQ(contents->migrations[0].state, ClaimState::kDelivering);
        EXPECT_EQ(contents->migrations[0].why, std::nullopt);
        ASSERT_EQ(contents->calls.size(), 7U);
        EXPECT_EQ(contents->calls.back().kind, CallKind::kNextStep);
        EXPECT_EQ(contents->last_attempt, 9);
        EXPECT_EQ(contents->settings.at("drain"), "keep");
        const auto all = journal->list({.table = "t", .limit = 10});
        ASSERT_TRUE(all.ok()) << all.error().message;
        ASSERT_EQ(all->size(), 2U);
        EXPECT_EQ((*all)[1]["id"], 1);
        EXPECT_EQ((*all)[1]["outcome"], "completed");
        EXPECT_EQ((*all)[1]["attempts"], 3);
        const auto events = journal->events(1, 0, 1000);
        ASSERT_TRUE(events.ok());
        EXPECT_EQ((*events)[0]["kind"], "claim_intent");
        MigrationRecord changed = contents->migrations[0];
        changed.why = WhyCode::kOwed;
        ASSERT_TRUE(journal->put(changed).ok());
        ASSERT_TRUE(journal->commit().ok());
    }
    EXPECT_EQ(open()->load()->migrations[0].why, WhyCode::kOwed);
    const std::string old_path = path_;
    path_ = dir_ + "/fresh.db";
    open();
    EXPECT_EQ(shape_of(old_path), shape_of(path_));
    EXPECT_THAT(run_on(old_path, "SELECT what FROM v_inconsistent"), ::testing::IsEmpty());
}

TEST_F(SqliteJournalTest, EventsComeInPages) {
    auto journal = open();
    ASSERT_TRUE(journal->put(record(7)).ok());
    for (int i = 0; i < 5; ++i) {
        EventRecord event;
        event.migration = 7;
        event.kind = fmt::format("k{}", i);
        event.detail = {{"n", i}};
        ASSERT_TRUE(journal->add(event).ok());
    }
    ASSERT_TRUE(journal->commit().ok());
    const auto first = journal->events(7, 0, 3);
    ASSERT_TRUE(first.ok());
    ASSERT_EQ(first->size(), 3U);
    EXPECT_EQ((*first)[2]["detail"]["n"], 2);
    const auto rest = journal->events(7, (*first)[2]["id"].get<std::int64_t>(), 3);
    ASSERT_EQ(rest->size(), 2U);
    EXPECT_EQ((*rest)[1]["kind"], "k4");
}

TEST_F(SqliteJournalTest, OnlyWhatIsOverAndOldMayGo) {
    using std::chrono::hours;
    auto journal = open();
    const WallTime now = parse_iso_time("2026-11-23T18:10:00.000Z");
    const auto put = [&](MigrationId id, ClaimState state, int status, int days) {
        MigrationRecord r = record(id);
        r.state = state;
        r.seen.status = status;
        r.since = now - hours(24) * days;
        ASSERT_TRUE(journal->put(r).ok());
    };
    put(1, ClaimState::kHandedOn, 8, 91);
    put(2, ClaimState::kHandedOn, 8, 89);
    put(3, ClaimState::kHandedOn, 12, 91);   // paused: somebody may come back to it
    put(4, ClaimState::kHandedOn, 12, 361);  // nobody did
    put(5, ClaimState::kLetGo, 3, 91);
    put(6, ClaimState::kWaiting, 8, 500);
    put(7, ClaimState::kHandedOn, 10, 500);
    put(8, ClaimState::kHandedOn, 9, 500);
    put(9, ClaimState::kHandedOn, 8, 500);
    AttemptRecord attempt;  // lives: whatever the row says
    attempt.id = 1;
    attempt.migration = 7;
    ASSERT_TRUE(journal->put(attempt).ok());
    attempt.id = 2;  // the newest: its number must not be given out again
    attempt.migration = 9;
    attempt.ended = true;
    ASSERT_TRUE(journal->put(attempt).ok());
    OwedCall call;
    call.migration = 8;
    ASSERT_TRUE(journal->put(call).ok());
    ASSERT_TRUE(journal->commit().ok());
    Expiry expiry;
    EXPECT_EQ(journal->expired(expiry, 100)->size(), 0U);  // for ever
    expiry.over_before = now - hours(24) * 90;
    expiry.untouched_before = now - hours(24) * 360;
    EXPECT_EQ(*journal->expired(expiry, 100), (std::vector<MigrationId>{1, 4, 5}));
}

TEST_F(SqliteJournalTest, ForgettingTakesEverythingOfOneMigrationLittleByLittle) {
    auto journal = open();
    for (const MigrationId id : {7, 8}) {
        ASSERT_TRUE(journal->put(record(id)).ok());
        for (int i = 0; i < 25; ++i) {
            EventRecord event;
            event.migration = id;
            ASSERT_TRUE(journal->add(event).ok());
            OwedCall call;
            call.migration = id;
            call.state = CallState::kDone;
            ASSERT_TRUE(journal->put(call).ok());
        }
        AttemptRecord attempt;
        attempt.id = id;
        attempt.migration = id;
        attempt.ended = true;
        ASSERT_TRUE(journal->put(attempt).ok());
    }
    int steps = 1;
    for (auto more = journal->forget(7, 10); more.ok() && *more; more = journal->forget(7, 10)) {
        ++steps;
    }
    ASSERT_TRUE(journal->commit().ok());
    EXPECT_EQ(steps, 5);  // 10 + 10 + 5 events with 10, then 10 and 5 calls with the rest
    EXPECT_EQ(journal->find(7).error().code, Errc::kNotFound);
    EXPECT_EQ(journal->events(7, 0, 100)->size(), 0U);
    EXPECT_TRUE(journal->find(8).ok());
    EXPECT_EQ(journal->events(8, 0, 100)->size(), 25U);
}

TEST_F(SqliteJournalTest, DeliveredReportsArePrunedAndNothingElseOfTheOutbox) {
    auto journal = open();
    ASSERT_TRUE(journal->put(record(7)).ok());
    const WallTime now = parse_iso_time("2026-11-23T18:10:00.000Z");
    const auto put = [&](Lane lane, CallState state, WallTime created) {
        OwedCall call;
        call.migration = 7;
        call.lane = lane;
        call.state = state;
        call.created = created;
        ASSERT_TRUE(journal->put(call).ok());
    };
    const WallTime old = now - std::chrono::hours(25);
    put(Lane::kReport, CallState::kDone, old);
    put(Lane::kReport, CallState::kDone, old);
    put(Lane::kReport, CallState::kDone, now);
    put(Lane::kReport, CallState::kPending, old);
    put(Lane::kReport, CallState::kDead, old);
    put(Lane::kHandOn, CallState::kDone, old);
    Expiry expiry;
    expiry.reports_before = now - std::chrono::hours(24);
    const auto more = journal->prune(expiry, 2);
    ASSERT_TRUE(more.ok());
    EXPECT_TRUE(*more);
    EXPECT_FALSE(*journal->prune(expiry, 2));
    ASSERT_TRUE(journal->commit().ok());
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open_v2(path_.c_str(), &db, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
    int rows = 0;
    const auto count = [](void* out, int, char** values, char**) {
        *static_cast<int*>(out) = static_cast<int>(std::strtol(values[0], nullptr, 10));
        return 0;
    };
    sqlite3_exec(db, "SELECT count(*) FROM outbox", count, &rows, nullptr);
    sqlite3_close(db);
    EXPECT_EQ(rows, 4);
}

TEST_F(SqliteJournalTest, ANewerJournalIsRefused) {
    open();
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA user_version=99", nullptr, nullptr, nullptr);
    sqlite3_close(db);
    const auto journal = SqliteJournal::open(path_);
    ASSERT_FALSE(journal.ok());
    EXPECT_EQ(journal.error().code, Errc::kInvalidArgument);
    EXPECT_NE(journal.error().message.find("99"), std::string::npos);
}

TEST_F(SqliteJournalTest, GarbageIsRefusedWithTheWayOut) {
    std::ofstream(path_) << std::string(8192, 'x');
    const auto journal = SqliteJournal::open(path_);
    ASSERT_FALSE(journal.ok());
    EXPECT_EQ(journal.error().code, Errc::kIo);
}

TEST_F(SqliteJournalTest, APersonCanReadItAfterACleanStopWithoutWriteAccess) {
    {
        auto journal = open();
        ASSERT_TRUE(journal->put(record(7)).ok());
        ASSERT_TRUE(journal->commit().ok());
    }
    EXPECT_TRUE(std::filesystem::exists(path_ + "-wal"));
    struct stat info {};
    ASSERT_EQ(::stat(path_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0640U);
}

TEST_F(SqliteJournalTest, EveryViewCanBeQueried) {
    open();
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open_v2(path_.c_str(), &db, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
    for (const char* view : {"v_status", "v_recent", "v_stuck", "v_owed", "v_history",
                             "v_migrations", "v_attempts", "v_inconsistent"}) {
        const std::string sql = std::string("SELECT * FROM ") + view;
        EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << view;
    }
    sqlite3_close(db);
}

TEST_F(SqliteJournalTest, ViewsOfAnotherReleaseAreMadeAnewAndNothingIsWrittenWhenTheyAreOurs) {
    open();
    const auto version = [this] { return run_on(path_, "PRAGMA schema_version"); };
    const auto shape = shape_of(path_);
    const auto before = version();
    open();
    EXPECT_EQ(version(), before);
    run_on(path_,
           "DROP VIEW v_inconsistent; DROP VIEW v_status; CREATE VIEW v_status AS SELECT 1 AS one;"
           "CREATE VIEW \"of a \"\"person\"\"\" AS SELECT no_such_column FROM migration");
    open();
    EXPECT_EQ(shape_of(path_), shape);
    EXPECT_NE(version(), before);
}

TEST_F(SqliteJournalTest, EachStateThatCannotBeIsFound) {
    const struct {
        const char* what;
        const char* sql;
    } kStates[] = {
        {"more than one open attempt",
         "INSERT INTO attempt SELECT 2,migration_id,claim,step,engine,tries,ended,pid,start_ticks,"
         "boot_id,engine_pid,engine_start_ticks,last_seq,phase,percent,rows_done,rows_total,"
         "rows_per_s,eta_s,throttle,started_at,ended_at,outcome,reason,message FROM attempt"},
        {"an open attempt that is not the latest", "UPDATE migration SET attempt=9"},
        {"an open attempt of a migration at rest", "UPDATE migration SET state='handed on'"},
        {"running without an open attempt", "UPDATE attempt SET ended=1, ended_at='2026'"},
        {"an attempt of a claim to come", "UPDATE attempt SET claim=5"},
        {"an end without a time, or a time without an end", "UPDATE attempt SET ended_at='2026'"},
        {"an attempt with 2 ends",
         "INSERT INTO event(at,migration_id,claim,attempt,source,kind,detail) VALUES "
         "('',7,1,1,'supervisor','ended','{}'),('',7,1,1,'supervisor','ended','{}')"},
        {"no step in state running", "UPDATE migration SET step=''"},
        {"a pending call of a claim to come", "UPDATE outbox SET claim=5"},
        {"a pending call of an older claim", "UPDATE migration SET claim=5"},
        {"a pending call of a migration that owes nothing", "UPDATE migration SET state='let go'"},
        {"a hand-on owed while the attempt is open", "UPDATE outbox SET lane='hand-on'"},
    };
    {
        auto journal = open();
        MigrationRecord running = record(7);
        running.state = ClaimState::kRunning;
        running.step = Step::kRun;
        running.claim = 1;
        running.attempt = 1;
        AttemptRecord attempt;
        attempt.id = 1;
        attempt.migration = 7;
        attempt.claim = 1;
        OwedCall call;
        call.migration = 7;
        call.claim = 1;
        ASSERT_TRUE(journal->put(running).ok());
        ASSERT_TRUE(journal->put(attempt).ok());
        ASSERT_TRUE(journal->put(call).ok());
        ASSERT_TRUE(journal->commit().ok());
    }
    ASSERT_THAT(run_on(path_, "SELECT what FROM v_inconsistent"), ::testing::IsEmpty());
    for (const auto& state : kStates) {
        EXPECT_THAT(run_on(path_, std::string("BEGIN;") + state.sql +
                                      ";SELECT what FROM v_inconsistent; ROLLBACK"),
                    ::testing::Contains(state.what));
    }
}

TEST_F(SqliteJournalTest, AFailedWriteIsSticky) {
    auto journal = open();
    OwedCall orphan;  // refers to a migration that does not exist
    orphan.migration = 99;
    EXPECT_FALSE(journal->put(orphan).ok());
    EXPECT_FALSE(journal->put(record(7)).ok());
    EXPECT_FALSE(journal->commit().ok());
}

}  // namespace
}  // namespace shift
