#include "api/store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <string>

#include "tests/unit/api/support.h"

namespace shift::api {
namespace {

MigrationRow full_row() {
    MigrationRow row;
    row.created_at = "2026-01-01T00:00:00.000Z";
    row.updated_at = row.created_at;
    row.completed_at = "2026-01-02T00:00:00.000Z";
    row.requestor = "me";
    row.cluster_name = "main";
    row.database = "d";
    row.ddl_statement = std::string("ALTER\0TABLE", 11);
    row.pr_url = "u";
    row.final_insert = "";
    row.table_rows_start = 9007199254740993;
    row.copy_percentage = -5;
    row.run_host = "h";
    row.auto_run = std::nullopt;
    row.custom_options = "{}";
    row.claim_id = "c";
    return row;
}

class StoreTest : public testing::Test {
  protected:
    void SetUp() override { reopen(); }
    void reopen() {
        store_.reset();
        auto opened = Store::open(folder_.file("store.db"), clock_);
        ASSERT_TRUE(opened.ok()) << opened.error().message;
        store_ = std::move(*opened);
    }
    void run_sql(const char* sql) {
        sqlite3* database = nullptr;
        ASSERT_EQ(sqlite3_open(folder_.file("store.db").c_str(), &database), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK);
        sqlite3_close(database);
    }
    TempFolder folder_;
    SystemClock clock_;
    std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, ARowComesBackAsItWasStored) {
    MigrationRow row = full_row();
    const auto inserted = store_->insert(row);
    ASSERT_TRUE(inserted.ok()) << inserted.error().message;
    reopen();
    const auto found = store_->find(inserted->id);
    ASSERT_TRUE(found.ok());
    ASSERT_TRUE(found->has_value());
    row.id = inserted->id;
    EXPECT_EQ(**found, row);
}

TEST_F(StoreTest, TheFileIsNotReadableByOthers) {
    struct stat info {};
    ASSERT_EQ(::stat(folder_.file("store.db").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST_F(StoreTest, AFileOfANewerVersionIsRefused) {
    store_.reset();
    run_sql("PRAGMA user_version = 99");
    const auto opened = Store::open(folder_.file("store.db"), clock_);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, Errc::kConflict);
}

TEST_F(StoreTest, AFileThatIsNoDatabaseIsAnError) {
    const std::string path = folder_.file("garbage.db");
    std::FILE* file = std::fopen(path.c_str(), "w");
    ASSERT_NE(file, nullptr);
    for (int i = 0; i < 1000; ++i) {
        std::fputs("this is not a database\n", file);
    }
    std::fclose(file);
    const auto opened = Store::open(path, clock_);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, Errc::kIo);
    EXPECT_FALSE(Store::open(folder_.file("no/such/folder.db"), clock_).ok());
}

TEST_F(StoreTest, ARefusedStepWritesNothing) {
    const auto inserted = store_->insert(full_row());
    ASSERT_TRUE(inserted.ok());
    const auto changed = store_->change(inserted->id, "test", [](MigrationRow& row) {
        row.status = 9;
        return false;
    });
    ASSERT_TRUE(changed.ok());
    ASSERT_TRUE(changed->has_value());
    EXPECT_FALSE((*changed)->changed);
    EXPECT_EQ((*changed)->row, *inserted);
    EXPECT_EQ(store_->find(inserted->id).value(), *inserted);
}

TEST_F(StoreTest, AnUnknownIdIsNoRow) {
    EXPECT_EQ(store_->find(42).value(), std::nullopt);
    EXPECT_FALSE(store_->change(42, "x", [](MigrationRow&) { return true; }).value().has_value());
}

TEST_F(StoreTest, IdsOfDeletedMigrationsAreNotUsedAgain) {
    const auto first = store_->insert(full_row());
    ASSERT_TRUE(store_->remove(first->id, [](const MigrationRow&) { return true; }).ok());
    const auto second = store_->insert(full_row());
    EXPECT_GT(second->id, first->id);
}

TEST_F(StoreTest, EveryTransitionLeavesAnEvent) {
    const auto inserted = store_->insert(full_row());
    ASSERT_TRUE(store_
                    ->change(inserted->id, "start",
                             [](MigrationRow& row) {
                                 row.status = 3;
                                 return true;
                             })
                    .ok());
    const auto events = store_->events(inserted->id, 10);
    ASSERT_TRUE(events.ok());
    ASSERT_EQ(events->size(), 2u);
    EXPECT_EQ((*events)[0].what, "start");
    EXPECT_EQ((*events)[0].to_status, 3);
    EXPECT_EQ((*events)[1].what, "create");
}

TEST_F(StoreTest, FilesGrowByChunksAndAreReplacedWhole) {
    EXPECT_EQ(store_->read(1, 0)->has_value(), false);
    ASSERT_TRUE(store_->append(1, FileType::kLog, "a").ok());
    ASSERT_TRUE(store_->append(1, FileType::kLog, "").ok());
    const auto last = store_->append(1, FileType::kLog, "b\n");
    EXPECT_EQ(last->id, store_->read(1, 0).value()->info.id);
    EXPECT_EQ(store_->read(1, 0).value()->contents, "ab\n");
    ASSERT_TRUE(store_->write(1, FileType::kState, "one").ok());
    ASSERT_TRUE(store_->write(1, FileType::kState, "two").ok());
    EXPECT_EQ(store_->read(1, 1).value()->contents, "two");
    ASSERT_TRUE(store_->write(1, FileType::kState, "").ok());
    EXPECT_EQ(store_->read(1, 1).value()->contents, "");
    ASSERT_TRUE(store_->write(1, FileType::kState, std::nullopt).ok());
    EXPECT_EQ(store_->read(1, 1).value()->contents, std::nullopt);
}

TEST_F(StoreTest, AppendingDoesNotReadTheFile) {
    ASSERT_TRUE(store_->append(1, FileType::kLog, std::string(20u << 20, 'x')).ok());
    const auto before = std::chrono::steady_clock::now();
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(store_->append(1, FileType::kLog, "line\n").ok());
    }
    // Copying 20 MiB fifty times takes far longer than this.
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
    EXPECT_EQ(store_->read(1, 0).value()->contents->size(), (20u << 20) + 50 * 5);
}

}  // namespace
}  // namespace shift::api
