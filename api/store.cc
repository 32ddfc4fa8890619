#include "api/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <type_traits>

#include "common/unique_fd.h"

// Every public call takes the mutex, opens a transaction, works on whole rows and commits;
// functions named *_locked run inside such a transaction. A failed step returns early and the
// Transaction rolls back. The schema's version is user_version; migrations are only ever appended
// to kSchemaSteps.

namespace shift::api {
namespace {

constexpr const char* kSchemaSteps[] = {
    R"sql(
CREATE TABLE migration (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    completed_at TEXT,
    approved_at TEXT,
    started_at TEXT,
    requestor TEXT NOT NULL,
    cluster_name TEXT NOT NULL,
    database TEXT NOT NULL,
    ddl_statement TEXT NOT NULL,
    pr_url TEXT NOT NULL,
    final_insert TEXT,
    table_rows_start INTEGER,
    table_rows_end INTEGER,
    table_size_start INTEGER,
    table_size_end INTEGER,
    index_size_start INTEGER,
    index_size_end INTEGER,
    approved_by TEXT,
    work_directory TEXT,
    copy_percentage INTEGER,
    run_host TEXT,
    error_message TEXT,
    status INTEGER NOT NULL,
    staged INTEGER NOT NULL,
    editable INTEGER NOT NULL,
    auto_run INTEGER,
    lock_version INTEGER NOT NULL,
    runtype INTEGER NOT NULL,
    initial_runtype INTEGER NOT NULL,
    meta_request_id INTEGER,
    custom_options TEXT,
    claim_id TEXT
) STRICT;
CREATE INDEX migration_by_state ON migration (staged, status, updated_at);
CREATE INDEX migration_by_cluster ON migration (cluster_name, status);
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    migration_id INTEGER NOT NULL,
    at TEXT NOT NULL,
    what TEXT NOT NULL,
    from_status INTEGER NOT NULL,
    to_status INTEGER NOT NULL,
    lock_version INTEGER NOT NULL
) STRICT;
CREATE INDEX event_by_migration ON event (migration_id, id);
CREATE TABLE file (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    migration_id INTEGER NOT NULL,
    file_type INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    filled INTEGER NOT NULL DEFAULT 0,
    UNIQUE (migration_id, file_type)
) STRICT;
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    file_id INTEGER NOT NULL REFERENCES file (id) ON DELETE CASCADE,
    contents TEXT NOT NULL
) STRICT;
CREATE INDEX chunk_by_file ON chunk (file_id, id);
)sql",
};
constexpr int kVersion = static_cast<int>(std::size(kSchemaSteps));

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

// "id, created_at, ...": the order of each_stored_field().
const std::string& stored_columns() {
    static const std::string kColumns = [] {
        std::string columns;
        MigrationRow row;
        each_stored_field(row, [&columns](const char* name, const auto&) {
            columns += columns.empty() ? name : fmt::format(", {}", name);
        });
        return columns;
    }();
    return kColumns;
}

std::string select_rows(std::string_view rest) {
    return fmt::format("SELECT {} FROM migration {}", stored_columns(), rest);
}

}  // namespace

// A prepared statement; finalised when it goes.
class Store::Statement {
  public:
    Statement(Store& store, const std::string& sql) : store_(store) {
        result_ = sqlite3_prepare_v2(store.database_, sql.c_str(), -1, &statement_, nullptr);
    }
    ~Statement() { sqlite3_finalize(statement_); }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    template <typename T>
    void bind(const T& value) {
        ++parameter_;
        if constexpr (IsOptional<T>::value) {
            --parameter_;
            value ? bind(*value) : bind_null();
        } else if constexpr (std::is_integral_v<T>) {
            note(sqlite3_bind_int64(statement_, parameter_, static_cast<sqlite3_int64>(value)));
        } else {
            const std::string_view text = value;
            note(sqlite3_bind_text64(statement_, parameter_, text.data(), text.size(),
                                     SQLITE_TRANSIENT, SQLITE_UTF8));
        }
    }
    void bind_null() { note(sqlite3_bind_null(statement_, ++parameter_)); }

    // True: a row is there.
    Result<bool> step(const char* what) {
        if (result_ == SQLITE_OK) {
            result_ = sqlite3_step(statement_);
            column_ = 0;
            if (result_ == SQLITE_ROW || result_ == SQLITE_DONE) {
                const bool row = result_ == SQLITE_ROW;
                result_ = SQLITE_OK;
                return row;
            }
        }
        return store_.failure(what);
    }
    Status run(const char* what) {
        ASSIGN_OR_RETURN([[maybe_unused]] const bool row, step(what));
        return Ok{};
    }

    // The next column of the row.
    template <typename T>
    void read(T& value) {
        if constexpr (IsOptional<T>::value) {
            if (sqlite3_column_type(statement_, column_) == SQLITE_NULL) {
                value.reset();
                ++column_;
            } else {
                read(value.emplace());
            }
        } else if constexpr (std::is_same_v<T, std::string>) {
            const void* text = sqlite3_column_text(statement_, column_);
            const auto bytes = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column_));
            value.assign(text == nullptr ? "" : static_cast<const char*>(text), bytes);
            ++column_;
        } else {
            const sqlite3_int64 number = sqlite3_column_int64(statement_, column_++);
            if constexpr (std::is_same_v<T, bool>) {
                value = number != 0;
            } else {
                value = static_cast<T>(number);
            }
        }
    }

  private:
    void note(int result) {
        if (result_ == SQLITE_OK) {
            result_ = result;
        }
    }
    Store& store_;
    sqlite3_stmt* statement_ = nullptr;
    int result_ = SQLITE_OK;
    int parameter_ = 0;
    int column_ = 0;
};

// Holds the store's mutex; rolls back unless committed.
class Store::Transaction {
  public:
    explicit Transaction(Store& store) : lock_(store.mutex_), store_(store) {}
    ~Transaction() {
        if (open_) {
            (void)store_.execute("ROLLBACK");
        }
    }
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    Status begin() {
        RETURN_IF_ERROR(store_.execute("BEGIN IMMEDIATE"));
        open_ = true;
        return Ok{};
    }
    Status commit() {
        RETURN_IF_ERROR(store_.execute("COMMIT"));
        open_ = false;
        return Ok{};
    }

  private:
    std::lock_guard<std::mutex> lock_;
    Store& store_;
    bool open_ = false;
};

// -- opening --------------------------------------------------------------------------------------

Result<std::unique_ptr<Store>> Store::open(const std::string& path, const Clock& clock) {
    {
        // SQLite would create the file with the umask's mode; its -wal and -shm take over ours.
        const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
        if (!file || ::fchmod(file.get(), 0640) != 0) {
            const int why = errno;
            return Error{Errc::kIo, fmt::format("open store {}: {}", path, std::strerror(why)),
                         why};
        }
    }
    sqlite3* database = nullptr;
    const int result = sqlite3_open_v2(path.c_str(), &database,
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    std::unique_ptr<Store> store(new Store(database, clock));
    if (result != SQLITE_OK) {
        return store->failure("open").within(path);
    }
    constexpr int kBusyMs = 10'000;  // a person's sqlite3 may hold the write lock for a moment
    sqlite3_busy_timeout(database, kBusyMs);
    for (const char* pragma :
         {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON"}) {
        if (Status status = store->execute(pragma); !status.ok()) {
            return std::move(status).error().within(path);
        }
    }
    // Keeps the -wal file over a clean stop: without it a read-only user cannot open the database.
    int persist = 1;
    sqlite3_file_control(database, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
    if (Status status = store->migrate(); !status.ok()) {
        return std::move(status).error().within(path);
    }
    return store;
}

Store::~Store() {
    sqlite3_close(database_);
}

Error Store::failure(const char* what) const {
    return Error{Errc::kIo, fmt::format("store: {}: {}", what, sqlite3_errmsg(database_)),
                 sqlite3_extended_errcode(database_)};
}

Status Store::execute(const char* sql) {
    if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
        return failure(sql);
    }
    return Ok{};
}

Status Store::migrate() {
    Transaction transaction(*this);
    RETURN_IF_ERROR(transaction.begin());
    int version = 0;
    {
        Statement statement(*this, "PRAGMA user_version");
        RETURN_IF_ERROR(statement.run("read user_version"));
        statement.read(version);
    }
    if (version > kVersion) {
        return Error{Errc::kConflict,
                     fmt::format("written by a newer version (schema {}, this program knows {})",
                                 version, kVersion)};
    }
    for (int next = version; next < kVersion; ++next) {
        RETURN_IF_ERROR(execute(kSchemaSteps[next]));
    }
    if (version < kVersion) {
        RETURN_IF_ERROR(execute(fmt::format("PRAGMA user_version={}", kVersion).c_str()));
    }
    return transaction.commit();
}

Status Store::ping() {
    const std::lock_guard lock(mutex_);
    Statement statement(*this, "SELECT count(*) FROM (SELECT 1 FROM migration LIMIT 1)");
    return statement.run("ping");
}

// -- migrations -----------------------------------------------------------------------------------

Result<std::vector<MigrationRow>> Store::rows(Statement& statement) {
    std::vector<MigrationRow> found;
    while (true) {
        ASSIGN_OR_RETURN(const bool row, statement.step("select migrations"));
        if (!row) {
            return found;
        }
        each_stored_field(found.emplace_back(),
                          [&statement](const char*, auto& field) { statement.read(field); });
    }
}

Result<std::optional<MigrationRow>> Store::find_locked(std::int64_t id) {
    Statement statement(*this, select_rows("WHERE id = ?"));
    statement.bind(id);
    ASSIGN_OR_RETURN(std::vector<MigrationRow> found, rows(statement));
    return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

Result<std::optional<MigrationRow>> Store::find(std::int64_t id) {
    const std::lock_guard lock(mutex_);
    return find_locked(id);
}

Status Store::save_locked(const MigrationRow& row) {
    std::string assignments;
    each_stored_field(row, [&assignments](const char* name, const auto&) {
        assignments += fmt::format("{}{} = ?", assignments.empty() ? "" : ", ", name);
    });
    Statement statement(*this, fmt::format("UPDATE migration SET {} WHERE id = ?", assignments));
    each_stored_field(row, [&statement](const char*, const auto& field) { statement.bind(field); });
    statement.bind(row.id);
    return statement.run("update migration");
}

Status Store::record_locked(const MigrationRow& row, const char* what, std::int64_t from_status) {
    Statement statement(*this,
                        "INSERT INTO event (migration_id, at, what, from_status, to_status, "
                        "lock_version) VALUES (?, ?, ?, ?, ?, ?)");
    statement.bind(row.id);
    statement.bind(now());
    statement.bind(std::string_view(what));
    statement.bind(from_status);
    statement.bind(row.status);
    statement.bind(row.lock_version);
    return statement.run("insert event");
}

Result<MigrationRow> Store::insert(MigrationRow row) {
    Transaction transaction(*this);
    RETURN_IF_ERROR(transaction.begin());
    std::string marks;
    each_stored_field(row,
                      [&marks](const char*, const auto&) { marks += marks.empty() ? "?" : ", ?"; });
    {
        Statement statement(
            *this, fmt::format("INSERT INTO migration ({}) VALUES ({})", stored_columns(), marks));
        each_stored_field(row, [&statement](const char* name, const auto& field) {
            std::string_view(name) == "id" ? statement.bind_null() : statement.bind(field);
        });
        RETURN_IF_ERROR(statement.run("insert migration"));
    }
    row.id = sqlite3_last_insert_rowid(database_);
    RETURN_IF_ERROR(record_locked(row, "create", row.status));
    RETURN_IF_ERROR(transaction.commit());
    return row;
}

Result<std::optional<Store::Changed>> Store::transit(
    std::int64_t id, const char* what, const std::function<Result<bool>(MigrationRow&)>& step) {
    Transaction transaction(*this);
    RETURN_IF_ERROR(transaction.begin());
    ASSIGN_OR_RETURN(std::optional<MigrationRow> found, find_locked(id));
    if (!found) {
        return std::optional<Changed>();
    }
    MigrationRow row = *found;
    ASSIGN_OR_RETURN(const bool moved, step(row));
    if (!moved) {
        return std::optional(Changed{std::move(*found), false});
    }
    RETURN_IF_ERROR(save_locked(row));
    if (row.status != found->status || row.staged != found->staged ||
        row.run_host != found->run_host) {
        RETURN_IF_ERROR(record_locked(row, what, found->status));
    }
    RETURN_IF_ERROR(transaction.commit());
    return std::optional(Changed{std::move(row), true});
}

Result<std::optional<Store::Changed>> Store::change(std::int64_t id, const char* what,
                                                    const Step& step) {
    return transit(id, what, [&step](MigrationRow& row) -> Result<bool> { return step(row); });
}

Result<std::optional<Store::Changed>> Store::change_among_running(std::int64_t id, const char* what,
                                                                  const StepAmong& step) {
    return transit(id, what, [this, &step](MigrationRow& row) -> Result<bool> {
        ASSIGN_OR_RETURN(const std::vector<MigrationRow> running, running_locked(row.cluster_name));
        return step(row, running);
    });
}

Result<std::optional<Store::Changed>> Store::remove(
    std::int64_t id, const std::function<bool(const MigrationRow&)>& allowed) {
    Transaction transaction(*this);
    RETURN_IF_ERROR(transaction.begin());
    ASSIGN_OR_RETURN(std::optional<MigrationRow> found, find_locked(id));
    if (!found) {
        return std::optional<Changed>();
    }
    if (!allowed(*found)) {
        return std::optional(Changed{std::move(*found), false});
    }
    {
        Statement statement(*this, "DELETE FROM migration WHERE id = ?");
        statement.bind(id);
        RETURN_IF_ERROR(statement.run("delete migration"));
    }
    RETURN_IF_ERROR(record_locked(*found, "delete", found->status));
    RETURN_IF_ERROR(transaction.commit());
    return std::optional(Changed{std::move(*found), true});
}

Result<std::vector<MigrationRow>> Store::staged(int limit) {
    const std::lock_guard lock(mutex_);
    Statement statement(*this, select_rows("WHERE staged = 1 AND status IN (0, 3, 5, 9, 11) "
                                           "ORDER BY updated_at DESC, id DESC LIMIT ?"));
    statement.bind(limit);
    return rows(statement);
}

Result<std::vector<MigrationRow>> Store::of_run_host(const std::string& run_host) {
    const std::lock_guard lock(mutex_);
    Statement statement(*this, select_rows("WHERE run_host = ? AND status IN (0, 3, 5, 9, 11) "
                                           "ORDER BY id"));
    statement.bind(run_host);
    return rows(statement);
}

Result<std::vector<MigrationRow>> Store::running_locked(const std::string& cluster) {
    Statement statement(*this, select_rows("WHERE cluster_name = ? AND status IN "
                                           "(3, 4, 5, 6, 11, 12, 13) ORDER BY id"));
    statement.bind(cluster);
    return rows(statement);
}

Result<std::vector<MigrationRow>> Store::running_in_cluster(const std::string& cluster) {
    const std::lock_guard lock(mutex_);
    return running_locked(cluster);
}

Result<std::vector<MigrationRow>> Store::first_with_auto_run(std::int64_t status) {
    const std::lock_guard lock(mutex_);
    Statement statement(
        *this, select_rows("WHERE id IN (SELECT min(id) FROM migration WHERE status = ? AND "
                           "auto_run = 1 GROUP BY cluster_name) ORDER BY id"));
    statement.bind(status);
    return rows(statement);
}

Result<std::vector<MigrationRow>> Store::recent(int limit, std::int64_t below_id) {
    const std::lock_guard lock(mutex_);
    Statement statement(*this, select_rows("WHERE id < ? ORDER BY id DESC LIMIT ?"));
    statement.bind(below_id);
    statement.bind(limit);
    return rows(statement);
}

Result<std::vector<MigrationEvent>> Store::events(std::int64_t migration_id, int limit) {
    const std::lock_guard lock(mutex_);
    Statement statement(*this,
                        "SELECT at, what, from_status, to_status, lock_version FROM event "
                        "WHERE migration_id = ? ORDER BY id DESC LIMIT ?");
    statement.bind(migration_id);
    statement.bind(limit);
    std::vector<MigrationEvent> found;
    while (true) {
        ASSIGN_OR_RETURN(const bool row, statement.step("select events"));
        if (!row) {
            return found;
        }
        MigrationEvent& event = found.emplace_back();
        statement.read(event.at);
        statement.read(event.what);
        statement.read(event.from_status);
        statement.read(event.to_status);
        statement.read(event.lock_version);
    }
}

// -- files ----------------------------------------------------------------------------------------

// The file's row, made when missing, with updated_at set to now.
Result<FileInfo> Store::file_locked(std::int64_t migration_id, FileType type) {
    FileInfo file{0, migration_id, static_cast<int>(type), "", now()};
    Statement statement(*this,
                        "INSERT INTO file (migration_id, file_type, created_at, updated_at) "
                        "VALUES (?1, ?2, ?3, ?3) ON CONFLICT DO UPDATE SET updated_at = ?3 "
                        "RETURNING id, created_at");
    statement.bind(migration_id);
    statement.bind(file.file_type);
    statement.bind(file.updated_at);
    ASSIGN_OR_RETURN([[maybe_unused]] const bool row, statement.step("insert file"));
    statement.read(file.id);
    statement.read(file.created_at);
    RETURN_IF_ERROR(statement.run("insert file"));
    return file;
}

Status Store::add_chunk_locked(std::int64_t file_id, std::string_view chunk) {
    Statement filled(*this, "UPDATE file SET filled = 1 WHERE id = ? AND filled = 0");
    filled.bind(file_id);
    RETURN_IF_ERROR(filled.run("update file"));
    if (chunk.empty()) {
        return Ok{};
    }
    Statement statement(*this, "INSERT INTO chunk (file_id, contents) VALUES (?, ?)");
    statement.bind(file_id);
    statement.bind(chunk);
    return statement.run("insert chunk");
}

Result<FileInfo> Store::append(std::int64_t migration_id, FileType type, std::string_view chunk) {
    Transaction transaction(*this);
    RETURN_IF_ERROR(transaction.begin());
    ASSIGN_OR_RETURN(FileInfo file, file_locked(migration_id, type));
    RETURN_IF_ERROR(add_chunk_locked(file.id, chunk));
    RETURN_IF_ERROR(transaction.commit());
    return file;
}

Result<FileInfo> Store::write(std::int64_t migration_id, FileType type,
                              std::optional<std::string_view> contents) {
    Transaction transaction(*this);
    RETURN_IF_ERROR(transaction.begin());
    ASSIGN_OR_RETURN(FileInfo file, file_locked(migration_id, type));
    for (const char* sql :
         {"DELETE FROM chunk WHERE file_id = ?", "UPDATE file SET filled = 0 WHERE id = ?"}) {
        Statement statement(*this, sql);
        statement.bind(file.id);
        RETURN_IF_ERROR(statement.run("empty file"));
    }
    if (contents) {
        RETURN_IF_ERROR(add_chunk_locked(file.id, *contents));
    }
    RETURN_IF_ERROR(transaction.commit());
    return file;
}

Result<std::optional<FileContents>> Store::read(std::int64_t migration_id, int file_type) {
    const std::lock_guard lock(mutex_);
    Statement statement(*this,
                        "SELECT id, created_at, updated_at, filled FROM file "
                        "WHERE migration_id = ? AND file_type = ?");
    statement.bind(migration_id);
    statement.bind(file_type);
    ASSIGN_OR_RETURN(const bool exists, statement.step("select file"));
    if (!exists) {
        return std::optional<FileContents>();
    }
    FileContents file{{0, migration_id, file_type, "", ""}, std::nullopt};
    bool filled = false;
    statement.read(file.info.id);
    statement.read(file.info.created_at);
    statement.read(file.info.updated_at);
    statement.read(filled);
    if (!filled) {
        return std::optional(std::move(file));
    }
    std::string& contents = file.contents.emplace();
    Statement chunks(*this, "SELECT contents FROM chunk WHERE file_id = ? ORDER BY id");
    chunks.bind(file.info.id);
    while (true) {
        ASSIGN_OR_RETURN(const bool row, chunks.step("select chunks"));
        if (!row) {
            return std::optional(std::move(file));
        }
        std::string chunk;
        chunks.read(chunk);
        contents += chunk;
    }
}

}  // namespace shift::api
