#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/migration_rules.h"
#include "common/clock.h"
#include "common/result.h"

struct sqlite3;

namespace shift::api {

enum class FileType : int { kLog = 0, kState = 1 };

struct FileInfo {
    std::int64_t id = 0;
    std::int64_t migration_id = 0;
    int file_type = 0;
    std::string created_at;
    std::string updated_at;
};

struct FileContents {
    FileInfo info;
    std::optional<std::string> contents;  // nullopt: made but never filled
};

struct MigrationEvent {
    std::string at;
    std::string what;  // "start", "next_step" ...
    std::int64_t from_status = 0;
    std::int64_t to_status = 0;
    std::int64_t lock_version = 0;
};

// What the API knows, in one SQLite file: WAL, synchronous FULL, so that an answered request
// survives kill -9 and power loss. One connection behind one mutex; every call is one transaction.
// Errors: kIo from any call - the disk refused; whether the change was kept is not known.
class Store {
  public:
    // Creates or migrates the file (mode 0640).
    // Errors: kIo; kConflict - it was written by a newer version.
    static Result<std::unique_ptr<Store>> open(const std::string& path, const Clock& clock);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    Result<std::optional<MigrationRow>> find(std::int64_t id);
    // Sets id; everything else is the caller's.
    Result<MigrationRow> insert(MigrationRow row);
    // The transition of a row: `step` changes it and answers true, or answers false and nothing is
    // written. nullopt: no such row.
    struct Changed {
        MigrationRow row;  // as it is stored now
        bool changed = false;
    };
    using Step = std::function<bool(MigrationRow&)>;
    Result<std::optional<Changed>> change(std::int64_t id, const char* what, const Step& step);
    // The same, with the running migrations of the row's cluster as they are in the same
    // transaction.
    using StepAmong = std::function<bool(MigrationRow&, const std::vector<MigrationRow>& running)>;
    Result<std::optional<Changed>> change_among_running(std::int64_t id, const char* what,
                                                        const StepAmong& step);
    // Deletes the row when `allowed` says so; its files and events stay.
    Result<std::optional<Changed>> remove(std::int64_t id,
                                          const std::function<bool(const MigrationRow&)>& allowed);

    // staged and a machine status, newest updated_at first.
    Result<std::vector<MigrationRow>> staged(int limit);
    // In a machine status and pinned to that host, staged or not, by id.
    Result<std::vector<MigrationRow>> of_run_host(const std::string& run_host);
    Result<std::vector<MigrationRow>> running_in_cluster(const std::string& cluster);
    // Per cluster the lowest id with this status and auto_run.
    Result<std::vector<MigrationRow>> first_with_auto_run(std::int64_t status);
    // Newest first.
    Result<std::vector<MigrationRow>> recent(int limit, std::int64_t below_id);
    Result<std::vector<MigrationEvent>> events(std::int64_t migration_id, int limit);

    // Files. Appending costs what the chunk costs, whatever the file's size.
    Result<FileInfo> append(std::int64_t migration_id, FileType type, std::string_view chunk);
    Result<FileInfo> write(std::int64_t migration_id, FileType type,
                           std::optional<std::string_view> contents);
    Result<std::optional<FileContents>> read(std::int64_t migration_id, int file_type);

    // A query that must succeed while the store is healthy.
    Status ping();

  private:
    class Statement;
    class Transaction;
    Store(sqlite3* database, const Clock& clock) : database_(database), clock_(clock) {}

    Status migrate();
    // The transition of one row in one transaction.
    Result<std::optional<Changed>> transit(std::int64_t id, const char* what,
                                           const std::function<Result<bool>(MigrationRow&)>& step);
    Status execute(const char* sql);
    Error failure(const char* what) const;
    Result<std::vector<MigrationRow>> rows(Statement& statement);
    Result<std::optional<MigrationRow>> find_locked(std::int64_t id);
    Result<std::vector<MigrationRow>> running_locked(const std::string& cluster);
    Status save_locked(const MigrationRow& row);
    Status record_locked(const MigrationRow& row, const char* what, std::int64_t from_status);
    Result<FileInfo> file_locked(std::int64_t migration_id, FileType type);
    Status add_chunk_locked(std::int64_t file_id, std::string_view chunk);
    std::string now() const { return iso_time(clock_.wall()); }

    std::mutex mutex_;
    sqlite3* database_;
    const Clock& clock_;
};

}  // namespace shift::api
