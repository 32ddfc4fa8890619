#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/migration.h"

namespace shift::api {

// One row of the store: what the shift API shows of a migration, and the claim it belongs to. The
// member names are the API's keys.
struct MigrationRow {
    std::int64_t id = 0;
    std::string created_at;
    std::string updated_at;
    std::optional<std::string> completed_at;
    std::optional<std::string> approved_at;
    std::optional<std::string> started_at;
    std::string requestor;
    std::string cluster_name;
    std::string database;
    std::string ddl_statement;
    std::string pr_url;
    std::optional<std::string> final_insert;
    std::optional<std::int64_t> table_rows_start;
    std::optional<std::int64_t> table_rows_end;
    std::optional<std::int64_t> table_size_start;
    std::optional<std::int64_t> table_size_end;
    std::optional<std::int64_t> index_size_start;
    std::optional<std::int64_t> index_size_end;
    std::optional<std::string> approved_by;
    std::optional<std::string> work_directory;
    std::optional<std::int64_t> copy_percentage;
    std::optional<std::string> run_host;
    std::optional<std::string> error_message;
    std::int64_t status = 0;
    bool staged = true;
    bool editable = true;
    std::optional<bool> auto_run = false;
    std::int64_t lock_version = 0;
    std::int64_t runtype = 0;
    std::int64_t initial_runtype = 0;
    std::optional<std::int64_t> meta_request_id;
    std::optional<std::string> custom_options;  // JSON text
    std::optional<std::string> claim_id;        // of the last unstage; never shown

    friend bool operator==(const MigrationRow&, const MigrationRow&) = default;
};

// Calls visit(key, field) for every field the API shows, in the order of the store's columns.
template <typename Row, typename Visitor>
void each_shown_field(Row& row, Visitor&& visit) {
    visit("id", row.id);
    visit("created_at", row.created_at);
    visit("updated_at", row.updated_at);
    visit("completed_at", row.completed_at);
    visit("approved_at", row.approved_at);
    visit("started_at", row.started_at);
    visit("requestor", row.requestor);
    visit("cluster_name", row.cluster_name);
    visit("database", row.database);
    visit("ddl_statement", row.ddl_statement);
    visit("pr_url", row.pr_url);
    visit("final_insert", row.final_insert);
    visit("table_rows_start", row.table_rows_start);
    visit("table_rows_end", row.table_rows_end);
    visit("table_size_start", row.table_size_start);
    visit("table_size_end", row.table_size_end);
    visit("index_size_start", row.index_size_start);
    visit("index_size_end", row.index_size_end);
    visit("approved_by", row.approved_by);
    visit("work_directory", row.work_directory);
    visit("copy_percentage", row.copy_percentage);
    visit("run_host", row.run_host);
    visit("error_message", row.error_message);
    visit("status", row.status);
    visit("staged", row.staged);
    visit("editable", row.editable);
    visit("auto_run", row.auto_run);
    visit("lock_version", row.lock_version);
    visit("runtype", row.runtype);
    visit("initial_runtype", row.initial_runtype);
    visit("meta_request_id", row.meta_request_id);
    visit("custom_options", row.custom_options);
}

template <typename Row, typename Visitor>
void each_stored_field(Row& row, Visitor&& visit) {
    each_shown_field(row, visit);
    visit("claim_id", row.claim_id);
}

// Shape: the object with the 32 keys that every endpoint returns.
Json to_json(const MigrationRow& row);

// -- what people may do -------------------------------------------------------------------------

// A table of at most this many rows can only be approved as a short run: pt-osc refuses a table
// that fits into one chunk on the primary and not on a replica.
constexpr std::int64_t kSmallTableRowsMax = 5000;
bool is_small_table(const MigrationRow& row);

// "approve_long", "start", "pause" ...; `creates_or_drops`: the statement parses as one of these.
std::vector<std::string> available_actions(const MigrationRow& row, bool creates_or_drops);

// "approve", "start", "pausing ...": a word for people, and a colour class for the web page.
const char* status_description(std::int64_t status);
const char* status_label(std::int64_t status);

// In a running state a migration takes its cluster's place (the parallel limit counts them).
bool is_running_status(std::int64_t status);

// -- the state machine ----------------------------------------------------------------------------
// Each function makes one transition and answers whether it did; when it did not, the row is as it
// was. Every transition adds exactly one to lock_version; those that set `staged` end the claim.
// updated_at changes only where the original's did (create, unstage, PUT).

struct Claim {
    std::optional<std::string> claim_id;
    std::optional<std::string> run_host;
};

// A runner takes the next step. False: not staged, or pinned to another host than the one that asks
// (it may have listed the migration before it was pinned). The original's runners do not say who
// they are and are not refused.
bool unstage(MigrationRow& row, const Claim& claim, const std::string& now);
// The claim named by `claim_id` is the row's current one: a repeat of that unstage is answered as
// the first time.
bool is_repeated_claim(const MigrationRow& row, const Claim& claim);

bool next_step(MigrationRow& row);
bool complete(MigrationRow& row, const std::string& now);  // any status
bool cancel(MigrationRow& row);
bool fail(MigrationRow& row, std::optional<std::string> message);  // any status
bool error(MigrationRow& row, std::optional<std::string> message);
bool offer(MigrationRow& row);
bool unpin_run_host(MigrationRow& row);

// People's transitions; `lock_version` must be the row's, nullopt never is.
using LockVersion = std::optional<std::int64_t>;
bool approve(MigrationRow& row, LockVersion lock_version, std::int64_t runtype,
             std::optional<std::string> approver, const std::string& now);
bool unapprove(MigrationRow& row, LockVersion lock_version);
bool start(MigrationRow& row, LockVersion lock_version, std::optional<bool> auto_run,
           const std::string& now);
bool enqueue(MigrationRow& row, LockVersion lock_version);
bool dequeue(MigrationRow& row, LockVersion lock_version);
bool pause(MigrationRow& row);
bool rename(MigrationRow& row, LockVersion lock_version);
bool resume(MigrationRow& row, LockVersion lock_version, std::optional<bool> auto_run);
bool may_delete(const MigrationRow& row, LockVersion lock_version);

}  // namespace shift::api
