#pragma once

#include <sqlite3.h>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "supervisor/journal/journal.h"
#include "supervisor/journal/statement.h"

namespace shift {

// STATE_DIR/journal.db: SQLite in WAL mode, synchronous=FULL, files 0640. The WAL stays on disk
// after a clean stop (SQLITE_FCNTL_PERSIST_WAL), else a read-only user could not open the file.
// Source: sqlite.org/wal.html "Read-Only Databases"; sqlite.org/c3ref/c_fcntl_begin_atomic_write.
class SqliteJournal final : public Journal {
  public:
    // Creates or opens, runs quick_check and schema migrations, brings the views up to date.
    // Errors: kInvalidArgument - a journal of a newer version (exit 78); kIo - damaged or not
    // writable, with the way out; kConflict - locked by another writer.
    static Result<std::unique_ptr<SqliteJournal>> open(const std::string& path);
    ~SqliteJournal() override;
    SqliteJournal(const SqliteJournal&) = delete;
    SqliteJournal& operator=(const SqliteJournal&) = delete;

    Result<bool> commit() override;
    Status put(const MigrationRecord& record) override;
    Status put(const AttemptRecord& record) override;
    Status put(OwedCall& call) override;
    Status add(const EventRecord& event) override;
    Status put_setting(const std::string& key, const std::string& value) override;
    Result<Contents> load() override;
    Result<MigrationRecord> find(MigrationId id) override;
    Result<Json> history(MigrationId id) override;
    Result<Json> events(MigrationId id, std::int64_t after, int limit) override;
    Result<Json> list(const HistoryFilter& filter) override;
    Result<std::vector<MigrationId>> expired(const Expiry& expiry, int limit) override;
    Result<bool> forget(MigrationId id, int rows_max) override;
    Result<bool> prune(const Expiry& expiry, int rows_max) override;

  private:
    SqliteJournal(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {}
    Status prepare_schema();
    Result<bool> has_these_views();
    // The steps that version `version` lacks, and the views.
    Status upgrade(int version);
    // DELETE of at most `rows_max` rows; whether some may be left.
    Result<bool> remove_some(const char* sql, const std::string& key, int rows_max);
    Result<int> user_version();
    // The first column.
    Result<std::vector<std::string>> texts(const char* sql);
    Status execute(const char* sql);
    Status begin_if_needed();
    Status write(Statement& statement);
    Status load_migrations(Contents& contents);
    template <typename Read>
    Status each_row(const char* sql, std::optional<std::int64_t> parameter, Read read);
    Status stick(Error error);
    Error error(const std::string& what) const;
    Error damaged(const std::string& how) const;
    // Prepared once per text, reset between uses.
    Result<sqlite3_stmt*> statement(const char* sql);

    sqlite3* db_;
    std::string path_;
    bool in_transaction_ = false;
    std::optional<Error> failed_;
    std::unordered_map<const char*, sqlite3_stmt*> statements_;
};

}  // namespace shift
