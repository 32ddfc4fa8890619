#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/json.h"
#include "common/result.h"

namespace shift {

using MigrationId = std::int64_t;

// Status numbers of the shift API (ui/app/models/migration.rb of square/shift).
enum class ApiStatus : int {
    kPreparing = 0,
    kAwaitingApproval = 1,
    kAwaitingStart = 2,
    kRunning = 3,
    kAwaitingRename = 4,
    kRenaming = 5,
    kAwaitingDrop = 6,
    kDropping = 7,
    kCompleted = 8,
    kCanceled = 9,
    kFailed = 10,
    kPausing = 11,
    kPaused = 12,
    kError = 13,
    kEnqueued = 14,
};
const char* api_status_name(int status);  // "running", "awaiting rename" ...; "status 42" unknown

// Who has to do something next in a status of the API.
enum class NextMove { kPeople, kRunner, kNobody };
NextMove next_move(int status);  // of an unknown status: people
// Completed, cancelled or failed: there is no way on from here.
bool is_final_status(int status);

// The machine steps: a staged migration in one of these statuses is work for a runner.
enum class Step { kPrepare, kRun, kRename, kPause, kCancel };
const char* step_name(Step step);  // "prepare" "run" "rename" "pause" "cancel"
std::optional<Step> parse_step(const std::string& name);
std::optional<Step> step_of_status(int status);
int status_of_step(Step step);

enum class Mode { kTable, kView };
enum class Action { kCreate, kDrop, kAlter };
enum class Runtype { kUndecided, kLong, kShort, kNoCheckAlter };
const char* mode_name(Mode mode);           // "table" "view"
const char* action_name(Action action);     // "create" "drop" "alter"
const char* runtype_name(Runtype runtype);  // "undecided" "long" "short" "nocheckalter"
std::optional<Mode> parse_mode(const std::string& name);
std::optional<Action> parse_action(const std::string& name);
std::optional<Runtype> parse_runtype(const std::string& name);

// custom_options of the API: a JSON text whose values may be strings, numbers or null. A missing,
// null or empty value means the default; a value that is not a positive number is an error (the
// original read numbers as "" and ran pt-osc with no limits at all).
struct CustomOptions {
    int max_threads_running = 200;
    int max_replication_lag = 1;  // seconds
    std::string config_path;
    std::string recursion_method;
    std::string engine;       // "" = the configured one
    bool allow_loss = false;  // the engine lhm: values may be rounded and cut
};
Result<CustomOptions> parse_custom_options(const std::string& text);
Json to_json(const CustomOptions& options);

// One migration as the API shows it. Fields the API gives only in `staged` (table, mode, action,
// host, port) are optional: they are absent elsewhere, and in `staged` for a cancelled migration
// whose target is down.
struct Migration {
    MigrationId id = 0;
    int status = 0;
    std::int64_t lock_version = 0;
    bool staged = false;
    std::string cluster_name;
    std::string database;
    std::string ddl_statement;
    std::string final_insert;
    std::string table;
    std::optional<Mode> mode;
    std::optional<Action> action;
    Runtype runtype = Runtype::kUndecided;
    std::string run_host;  // "" = not pinned (the API's null or "")
    std::string host;
    int port = 0;
    std::string custom_options;  // JSON text as given, "" for null
};

// What a run is: a copy (long), or one statement on the table itself.
bool is_copy(const Migration& migration, Step step);
bool is_direct(const Migration& migration, Step step);

// Reads an item of `staged`, or the answer of any endpoint that returns a migration bare.
// Errors: kInvalidArgument naming the first field that is missing or mistyped. Only id and status
// are demanded here; what a step needs more is the business of missing_for_step().
Result<Migration> parse_migration(const Json& value);

// The name of the first field that `step` cannot do without and that `migration` lacks, or "".
std::string missing_for_step(const Migration& migration, Step step);

}  // namespace shift
