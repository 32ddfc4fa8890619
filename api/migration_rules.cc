#include "api/migration_rules.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "common/ddl.h"

namespace shift::api {
namespace {

constexpr std::int64_t number(ApiStatus status) {
    return static_cast<std::int64_t>(status);
}
constexpr std::int64_t number(DdlRun run) {
    return static_cast<std::int64_t>(run);
}

bool in(std::int64_t status, std::initializer_list<ApiStatus> statuses) {
    return std::any_of(statuses.begin(), statuses.end(),
                       [status](ApiStatus one) { return number(one) == status; });
}

using enum ApiStatus;

bool is_machine_status(std::int64_t status) {
    return in(status, {kPreparing, kRunning, kRenaming, kCanceled, kPausing});
}

bool move(MigrationRow& row, ApiStatus to) {
    row.status = number(to);
    ++row.lock_version;
    return true;
}

// The next machine step is there to be taken; whoever had the last one has it no more.
bool stage(MigrationRow& row, ApiStatus to) {
    row.staged = true;
    row.claim_id.reset();
    return move(row, to);
}

bool allowed(const MigrationRow& row, std::initializer_list<ApiStatus> from,
             LockVersion lock_version) {
    return in(row.status, from) && lock_version == row.lock_version;
}

struct StatusText {
    const char* description;
    const char* label;
};
constexpr std::array<StatusText, 15> kStatusTexts = {{
    {"preparing migration", "warning"},
    {"awaiting approval", "info"},
    {"awaiting start", "info"},
    {"running migration", "warning"},
    {"awaiting rename", "info"},
    {"rename in progress", "warning"},
    {"awaiting drop old", "info"},
    {"drop old in progress", "warning"},
    {"completed", "success"},
    {"canceled", "danger"},
    {"failed", "danger"},
    {"pausing", "warning"},
    {"paused", "info"},
    {"error", "danger"},
    {"enqueued", "purple"},
}};
static_assert(kStatusTexts.size() == static_cast<std::size_t>(kEnqueued) + 1);

const StatusText& status_text(std::int64_t status) {
    static constexpr StatusText kUnknown = {"unknown", "danger"};
    const bool known = status >= 0 && status < static_cast<std::int64_t>(kStatusTexts.size());
    return known ? kStatusTexts[static_cast<std::size_t>(status)] : kUnknown;
}

std::vector<std::string> approvals(const MigrationRow& row) {
    const bool small = is_small_table(row);
    if (row.initial_runtype == number(DdlRun::kLong)) {
        return {small ? "approve_short" : "approve_long", "delete"};
    }
    if (row.initial_runtype == number(DdlRun::kShort)) {
        return {"approve_short", "delete"};
    }
    if (row.initial_runtype == number(DdlRun::kMaybeShort)) {
        return small ? std::vector<std::string>{"approve_short", "delete"}
                     : std::vector<std::string>{"approve_long", "approve_short", "delete"};
    }
    if (row.initial_runtype == number(DdlRun::kMaybeNoCheckAlter)) {
        return {small ? "approve_short" : "approve_nocheckalter", "delete"};
    }
    return {"delete"};
}

}  // namespace

Json to_json(const MigrationRow& row) {
    Json object = Json::object();
    each_shown_field(row, [&object](const char* key, const auto& field) {
        if constexpr (requires { field.has_value(); }) {
            object[key] = field.has_value() ? Json(*field) : Json(nullptr);
        } else {
            object[key] = field;
        }
    });
    return object;
}

bool is_small_table(const MigrationRow& row) {
    return row.table_rows_start && *row.table_rows_start <= kSmallTableRowsMax &&
           !row.meta_request_id;
}

std::vector<std::string> available_actions(const MigrationRow& row, bool creates_or_drops) {
    if (row.status < 0 || row.status >= static_cast<std::int64_t>(kStatusTexts.size())) {
        return {};
    }
    switch (static_cast<ApiStatus>(row.status)) {
        case kPreparing:
            return {"delete"};
        case kAwaitingApproval:
            return approvals(row);
        case kAwaitingStart:
            return {"unapprove", "start", "delete", "enqueue"};
        case kRunning:
            return creates_or_drops ? std::vector<std::string>{"cancel"}
                                    : std::vector<std::string>{"pause", "cancel"};
        case kAwaitingRename:
            return {"rename", "cancel"};
        case kRenaming:
        case kPausing:
            return {"cancel"};
        case kPaused:
        case kError:
            return {"resume", "cancel"};
        case kEnqueued:
            return {"dequeue", "delete"};
        case kAwaitingDrop:
        case kDropping:
        case kCompleted:
        case kCanceled:
        case kFailed:
            return {};
    }
    return {};
}

const char* status_description(std::int64_t status) {
    return status_text(status).description;
}
const char* status_label(std::int64_t status) {
    return status_text(status).label;
}

bool is_running_status(std::int64_t status) {
    return in(status,
              {kRunning, kAwaitingRename, kRenaming, kAwaitingDrop, kPausing, kPaused, kError});
}

bool unstage(MigrationRow& row, const Claim& claim, const std::string& now) {
    const bool pinned_elsewhere = row.run_host && !row.run_host->empty() && claim.run_host &&
                                  *row.run_host != *claim.run_host;
    if (!row.staged || pinned_elsewhere) {
        return false;
    }
    row.staged = false;
    row.claim_id = claim.claim_id;
    if (claim.run_host) {
        row.run_host = claim.run_host;
    }
    row.updated_at = now;
    ++row.lock_version;
    return true;
}

bool is_repeated_claim(const MigrationRow& row, const Claim& claim) {
    return !row.staged && claim.claim_id && row.claim_id == claim.claim_id;
}

bool next_step(MigrationRow& row) {
    if (!is_machine_status(row.status) || row.staged) {
        return false;
    }
    ++row.status;
    ++row.lock_version;
    return true;
}

bool complete(MigrationRow& row, const std::string& now) {
    row.completed_at = now;
    return move(row, kCompleted);
}

bool cancel(MigrationRow& row) {
    return is_running_status(row.status) && stage(row, kCanceled);
}

bool fail(MigrationRow& row, std::optional<std::string> message) {
    row.error_message = std::move(message);
    row.auto_run = false;
    return move(row, kFailed);
}

bool error(MigrationRow& row, std::optional<std::string> message) {
    if (!in(row.status, {kRunning})) {
        return false;
    }
    row.error_message = std::move(message);
    row.auto_run = false;
    return move(row, kError);
}

bool offer(MigrationRow& row) {
    return in(row.status, {kRunning}) && stage(row, kRunning);
}

bool unpin_run_host(MigrationRow& row) {
    row.run_host.reset();
    ++row.lock_version;
    return true;
}

bool approve(MigrationRow& row, LockVersion lock_version, std::int64_t runtype,
             std::optional<std::string> approver, const std::string& now) {
    if (!allowed(row, {kAwaitingApproval}, lock_version)) {
        return false;
    }
    row.runtype = runtype;
    row.approved_by = std::move(approver);
    row.approved_at = now;
    return move(row, kAwaitingStart);
}

bool unapprove(MigrationRow& row, LockVersion lock_version) {
    if (!allowed(row, {kAwaitingStart}, lock_version)) {
        return false;
    }
    row.runtype = number(DdlRun::kUndecided);
    row.approved_by.reset();
    row.approved_at.reset();
    return move(row, kAwaitingApproval);
}

bool start(MigrationRow& row, LockVersion lock_version, std::optional<bool> auto_run,
           const std::string& now) {
    if (!allowed(row, {kAwaitingStart, kEnqueued}, lock_version)) {
        return false;
    }
    row.started_at = now;
    row.editable = false;
    row.auto_run = auto_run;
    return stage(row, kRunning);
}

bool enqueue(MigrationRow& row, LockVersion lock_version) {
    if (!allowed(row, {kAwaitingStart}, lock_version)) {
        return false;
    }
    row.auto_run = true;
    return move(row, kEnqueued);
}

bool dequeue(MigrationRow& row, LockVersion lock_version) {
    if (!allowed(row, {kEnqueued}, lock_version)) {
        return false;
    }
    row.auto_run = false;
    return move(row, kAwaitingStart);
}

bool pause(MigrationRow& row) {
    if (!in(row.status, {kRunning})) {
        return false;
    }
    row.auto_run = false;
    return stage(row, kPausing);
}

bool rename(MigrationRow& row, LockVersion lock_version) {
    return allowed(row, {kAwaitingRename}, lock_version) && stage(row, kRenaming);
}

bool resume(MigrationRow& row, LockVersion lock_version, std::optional<bool> auto_run) {
    if (!allowed(row, {kPaused, kError}, lock_version)) {
        return false;
    }
    row.error_message.reset();
    row.auto_run = auto_run;
    return stage(row, kRunning);
}

bool may_delete(const MigrationRow& row, LockVersion lock_version) {
    return allowed(row, {kPreparing, kAwaitingApproval, kAwaitingStart, kEnqueued}, lock_version);
}

}  // namespace shift::api
