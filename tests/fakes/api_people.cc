// What people's tools ask of the shift API: filing, approving, starting, pausing ... Each needs the
// action among the available ones, most also the lock_version of now.

#include <algorithm>
#include <stdexcept>

#include "common/ddl.h"
#include "tests/fakes/api_model.h"

namespace shift::testing {
namespace {

// A table of at most this many rows can only be approved as a short run.
constexpr std::int64_t kSmallTableRowsMax = 5000;

bool creates_or_drops(const Json& row) {
    return int_or(row, "action", 2) != 2;
}

std::vector<std::string> approvals(const Json& row) {
    const auto rows = get_int(row, "table_rows_start");
    const bool small = rows && *rows <= kSmallTableRowsMax && !get_int(row, "meta_request_id");
    switch (static_cast<DdlRun>(int_or(row, "initial_runtype", 0))) {
        case DdlRun::kLong:
            return {small ? "approve_short" : "approve_long", "delete"};
        case DdlRun::kShort:
            return {"approve_short", "delete"};
        case DdlRun::kMaybeShort:
            return small ? std::vector<std::string>{"approve_short", "delete"}
                         : std::vector<std::string>{"approve_long", "approve_short", "delete"};
        case DdlRun::kMaybeNoCheckAlter:
            return {small ? "approve_short" : "approve_nocheckalter", "delete"};
        case DdlRun::kUndecided:
        case DdlRun::kNoCheckAlter:
            break;
    }
    return {"delete"};
}

int runtype_of(const std::string& name) {
    return name == "long" ? 1 : name == "short" ? 2 : name == "nocheckalter" ? 4 : 0;
}

Json auto_run_of(const Json& args) {
    const auto flag = get_bool(args, "auto_run");
    return flag ? Json(*flag) : Json();
}

}  // namespace

std::vector<std::string> available_actions(const Json& row) {
    switch (static_cast<ApiStatus>(int_or(row, "status", -1))) {
        case ApiStatus::kPreparing:
            return {"delete"};
        case ApiStatus::kAwaitingApproval:
            return approvals(row);
        case ApiStatus::kAwaitingStart:
            return {"unapprove", "start", "delete", "enqueue"};
        case ApiStatus::kRunning:
            return creates_or_drops(row) ? std::vector<std::string>{"cancel"}
                                         : std::vector<std::string>{"pause", "cancel"};
        case ApiStatus::kAwaitingRename:
            return {"rename", "cancel"};
        case ApiStatus::kRenaming:
        case ApiStatus::kPausing:
            return {"cancel"};
        case ApiStatus::kPaused:
        case ApiStatus::kError:
            return {"resume", "cancel"};
        case ApiStatus::kEnqueued:
            return {"dequeue", "delete"};
        case ApiStatus::kAwaitingDrop:
        case ApiStatus::kDropping:
        case ApiStatus::kCompleted:
        case ApiStatus::kCanceled:
        case ApiStatus::kFailed:
            break;
    }
    return {};
}

ApiReply ApiModel::create_from(const Json& args) {
    const auto parsed = parse_ddl(string_or(args, "ddl_statement", ""));
    if (!parsed.ok()) {
        return {
            400,
            {{"status", 400},
             {"errors", {"DDL statement is invalid (error: " + parsed.error().message + ")."}}}};
    }
    Spec spec;
    spec.database = string_or(args, "database", "");
    spec.table = parsed->table;
    spec.ddl_statement = string_or(args, "ddl_statement", "");
    spec.final_insert = string_or(args, "final_insert", "");
    spec.mode = parsed->mode == Mode::kView ? 1 : 0;
    spec.action = parsed->action == Action::kCreate ? 0 : parsed->action == Action::kDrop ? 1 : 2;
    spec.runtype = 0;
    spec.host = "db";
    spec.port = 3306;
    const MigrationId id = next_id_++;
    insert(id, spec);
    Json& made = rows_.at(id);
    made["initial_runtype"] = static_cast<int>(parsed->run);
    made["cluster_name"] = string_or(args, "cluster_name", "");
    made["requestor"] = string_or(args, "requestor", "");
    made["auto_run"] = false;
    return shown_to_people(made);
}

std::optional<ApiReply> ApiModel::people(const std::string& action, Json& row, const Json& args) {
    static const std::map<std::string, std::pair<int, bool>> kTargets = {
        // action -> status it leads to, whether it stages
        {"approve", {2, false}},  {"unapprove", {1, false}}, {"start", {3, true}},
        {"enqueue", {14, false}}, {"dequeue", {2, false}},   {"pause", {11, true}},
        {"rename", {5, true}},    {"resume", {3, true}},     {"cancel_cli", {9, true}}};
    const auto target = kTargets.find(action);
    if (target == kTargets.end()) {
        return std::nullopt;
    }
    const std::string runtype = string_or(args, "runtype", "");
    const std::string wanted = action == "cancel_cli" ? "cancel"
                               : action == "approve"  ? "approve_" + runtype
                                                      : action;
    const auto actions = available_actions(row);
    const bool offered = std::find(actions.begin(), actions.end(), wanted) != actions.end();
    const bool needs_version = action != "pause" && action != "cancel_cli";
    const bool fresh = get_int(args, "lock_version") == get_int(row, "lock_version");
    if (!offered || (needs_version && !fresh)) {
        Json errors = Json::array();
        if (!offered) {
            errors.push_back("Invalid action.");
        }
        if (!fresh) {
            errors.push_back("Incorrect lock_version supplied.");
        }
        return ApiReply{400, {{"status", 400}, {"errors", std::move(errors)}}};
    }
    move(row, target->second.first, action, args);
    if (target->second.second) {
        stage(row);
    }
    if (action == "approve" || action == "unapprove") {
        row["runtype"] = action == "approve" ? runtype_of(runtype) : 0;
        row["approved_by"] = args.contains("approver") ? args["approver"] : Json();
    } else if (action == "start" || action == "resume") {
        row["auto_run"] = auto_run_of(args);
    } else if (action == "enqueue") {
        row["auto_run"] = true;
    } else if (action == "dequeue" || action == "pause") {
        row["auto_run"] = false;
    }
    if (action == "start") {
        row["editable"] = false;
    } else if (action == "resume") {
        row["error_message"] = nullptr;
    }
    return shown_to_people(row);
}

ApiReply ApiModel::destroy(MigrationId id, const Json& args) {
    const Json& row = rows_.at(id);
    const auto actions = available_actions(row);
    const bool offered = std::find(actions.begin(), actions.end(), "delete") != actions.end();
    if (!offered || get_int(args, "lock_version") != get_int(row, "lock_version")) {
        return {400, {{"status", 400}, {"errors", Json::array()}}};
    }
    tell(row, "delete", static_cast<int>(int_or(row, "status", 0)), args);
    rows_.erase(id);
    return {200, Json::object()};
}

void ApiModel::run_scheduler() {
    const std::lock_guard guard(mutex_);
    for (auto& [id, row] : rows_) {
        if (!bool_or(row, "auto_run", false)) {
            continue;
        }
        const auto status = static_cast<ApiStatus>(int_or(row, "status", -1));
        if (status == ApiStatus::kEnqueued || status == ApiStatus::kAwaitingRename) {
            const bool starts = status == ApiStatus::kEnqueued;
            move(row, starts ? 3 : 5, "scheduler");
            stage(row);
            row["editable"] = false;
        }
    }
}

int ApiModel::human(MigrationId id, const std::vector<int>& from, int to, bool stages,
                    const char* by) {
    const std::lock_guard guard(mutex_);
    Json& row = rows_.at(id);
    const int status = static_cast<int>(int_or(row, "status", -1));
    if (std::find(from.begin(), from.end(), status) == from.end()) {
        throw std::runtime_error(std::string(by) + " migration " + std::to_string(id) +
                                 ": it is in status " + std::to_string(status));
    }
    move(row, to, by);
    if (stages) {
        stage(row);
    }
    return to;
}

int ApiModel::approve(MigrationId id, int runtype) {
    if (runtype != 0) {
        set(id, Json{{"runtype", runtype}});
    }
    return human(id, {1}, 2, false, "approve");
}

int ApiModel::start(MigrationId id) {
    return human(id, {2}, 3, true, "start");
}
int ApiModel::pause(MigrationId id) {
    return human(id, {3}, 11, true, "pause");
}

int ApiModel::resume(MigrationId id) {
    const int status = human(id, {12, 13}, 3, true, "resume");
    set(id, Json{{"error_message", nullptr}});
    return status;
}

int ApiModel::rename(MigrationId id) {
    return human(id, {4}, 5, true, "rename");
}

int ApiModel::cancel(MigrationId id) {
    return human(id, {3, 4, 5, 6, 11, 12, 13}, 9, true, "cancel");
}

}  // namespace shift::testing
