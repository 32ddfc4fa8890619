#include "supervisor/journal/sqlite_journal.h"

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
    for (const char* view : {"v_status", "v_recent", "v_stuck", "v_owed", "v_history"}) {
        const std::string sql = std::string("SELECT * FROM ") + view;
        EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << view;
    }
    sqlite3_close(db);
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
