#include "tests/fakes/api_model.h"

#include <algorithm>

namespace shift::testing {
namespace {

const std::vector<std::string> kStagedOnly = {"table", "mode", "action", "host", "port"};

ApiReply message_reply(int status, const char* text) {
    return {status, {{"message", text}}};
}

bool is_machine_status(int status) {
    return status == 0 || status == 3 || status == 5 || status == 9 || status == 11;
}

// What the endpoints other than `staged` show of a row.
Json shown(const Json& row) {
    Json out = row;
    for (const std::string& name : kStagedOnly) {
        out.erase(name);
    }
    out.erase("_updated");
    out.erase("_claim");
    return out;
}

}  // namespace

MigrationId ApiModel::create(const Spec& spec) {
    return create_odd(spec, Json::object());
}

MigrationId ApiModel::create_odd(const Spec& spec, const Json& overrides,
                                 const std::vector<std::string>& without) {
    const std::lock_guard guard(mutex_);
    const MigrationId id = next_id_++;
    insert(id, spec);
    Json& row = rows_.at(id);
    for (const auto& [name, value] : overrides.items()) {
        row[name] = value;
    }
    for (const std::string& name : without) {
        row.erase(name);
    }
    return id;
}

void ApiModel::create_as(MigrationId id, const Spec& spec) {
    const std::lock_guard guard(mutex_);
    next_id_ = std::max(next_id_, id + 1);
    insert(id, spec);
}

void ApiModel::insert(MigrationId id, const Spec& spec) {
    rows_[id] = {{"id", id},
                 {"status", spec.status},
                 {"staged", true},
                 {"lock_version", 0},
                 {"created_at", "2026-01-01T00:00:00.000Z"},
                 {"updated_at", "2026-01-01T00:00:00.000Z"},
                 {"completed_at", nullptr},
                 {"approved_at", nullptr},
                 {"started_at", nullptr},
                 {"requestor", "dev"},
                 {"cluster_name", "default"},
                 {"database", spec.database},
                 {"ddl_statement", spec.ddl_statement},
                 {"final_insert", spec.final_insert},
                 {"pr_url", "http://example.org/1"},
                 {"table_rows_start", nullptr},
                 {"table_rows_end", nullptr},
                 {"table_size_start", nullptr},
                 {"table_size_end", nullptr},
                 {"index_size_start", nullptr},
                 {"index_size_end", nullptr},
                 {"approved_by", nullptr},
                 {"work_directory", nullptr},
                 {"copy_percentage", nullptr},
                 {"run_host", nullptr},
                 {"error_message", nullptr},
                 {"runtype", spec.runtype},
                 {"initial_runtype", 1},
                 {"editable", true},
                 {"auto_run", nullptr},
                 {"meta_request_id", nullptr},
                 {"custom_options", spec.custom_options},
                 {"table", spec.table},
                 {"mode", spec.mode},
                 {"action", spec.action},
                 {"host", spec.host},
                 {"port", spec.port},
                 {"_updated", ++now_}};
}

void ApiModel::prepend_to_staged(const std::string& raw_items) {
    const std::lock_guard guard(mutex_);
    raw_items_ = raw_items;
}

void ApiModel::set_list_limit(int limit) {
    const std::lock_guard guard(mutex_);
    list_limit_ = limit;
}

void ApiModel::pin_at_unstage(bool on) {
    const std::lock_guard guard(mutex_);
    pins_at_unstage_ = on;
}

void ApiModel::tell(const Json& row, const std::string& by, int to, const Json& args) {
    if (on_change) {
        on_change({row, by, to, args});
    }
}

void ApiModel::move(Json& row, int status, const std::string& by, const Json& args) {
    tell(row, by, status, args);
    const std::int64_t before = int_or(row, "status", -1);
    row["status"] = status;
    row["lock_version"] = int_or(row, "lock_version", 0) + 1;
    history_[int_or(row, "id", 0)].push_back(std::to_string(before) + ">" + std::to_string(status) +
                                             " " + by);
}

// Staging ends the claim.
void ApiModel::stage(Json& row) {
    row["staged"] = true;
    row.erase("_claim");
}

void ApiModel::set(MigrationId id, const Json& columns) {
    const std::lock_guard guard(mutex_);
    Json& row = rows_.at(id);
    for (const auto& [name, value] : columns.items()) {
        row[name] = value;
    }
    row["lock_version"] = int_or(row, "lock_version", 0) + 1;
}

bool ApiModel::has(MigrationId id) const {
    const std::lock_guard guard(mutex_);
    return rows_.contains(id);
}

Json ApiModel::get(MigrationId id) const {
    const std::lock_guard guard(mutex_);
    return rows_.at(id);
}

int ApiModel::status(MigrationId id) const {
    return static_cast<int>(int_or(get(id), "status", -1));
}

bool ApiModel::staged(MigrationId id) const {
    return bool_or(get(id), "staged", false);
}

std::string ApiModel::text(MigrationId id, const char* column) const {
    return string_or(get(id), column, "");
}

std::string ApiModel::file(MigrationId id, int file_type) const {
    const std::lock_guard guard(mutex_);
    const auto found = files_.find({id, file_type});
    return found == files_.end() ? "" : found->second;
}

void ApiModel::put_file(MigrationId id, int file_type, const std::string& contents) {
    const std::lock_guard guard(mutex_);
    files_[{id, file_type}] = contents;
}

std::vector<std::string> ApiModel::history(MigrationId id) const {
    const std::lock_guard guard(mutex_);
    const auto found = history_.find(id);
    return found == history_.end() ? std::vector<std::string>{} : found->second;
}

ApiReply ApiModel::staged_list() const {
    std::vector<const Json*> items;
    for (const auto& [id, row] : rows_) {
        // Odd rows (status "banana") are listed too: that is what they are for.
        const auto status = get_int(row, "status");
        const bool machine =
            !status || *status > 14 || *status < 0 || is_machine_status(static_cast<int>(*status));
        if (bool_or(row, "staged", false) && machine) {
            items.push_back(&row);
        }
    }
    std::sort(items.begin(), items.end(), [](const Json* a, const Json* b) {
        return int_or(*a, "_updated", 0) > int_or(*b, "_updated", 0);
    });
    Json list = Json::array();
    for (const Json* item : items) {
        if (static_cast<int>(list.size()) == list_limit_) {
            break;
        }
        Json copy = *item;
        copy.erase("_updated");
        copy.erase("_claim");
        if (get_int(copy, "runtype") == 0 && get_int(copy, "initial_runtype") > 0) {
            copy["runtype"] = get_int(copy, "initial_runtype") == 2 ? 2 : 1;
        }
        list.push_back(std::move(copy));
    }
    return {200, std::move(list)};
}

ApiReply ApiModel::call(const std::string& method, const std::string& path, Json args) {
    const std::lock_guard guard(mutex_);
    const std::size_t question = std::min(path.find('?'), path.size());
    if (question < path.size()) {
        for (const auto& [name, value] : parse_query(path.substr(question + 1))) {
            args[name] = value;
        }
    }
    const std::string bare = path.substr(0, question);
    if (bare == "migrations" && method == "POST") {
        return create_from(args);
    }
    const std::string prefix = "migrations/";
    if (bare.rfind(prefix, 0) != 0) {
        return {404, {}};
    }
    return route(method, bare.substr(prefix.size()), args);
}

// An unknown id is told in JSON where people ask; runners get a page (as the original) or JSON.
ApiReply ApiModel::not_found(const std::string& method) const {
    if (method != "GET" && !pins_at_unstage_) {
        return {404, {}};
    }
    return {404, {{"status", 404}, {"errors", {"Migration not found."}}}};
}

ApiReply ApiModel::route(const std::string& method, const std::string& rest, const Json& args) {
    if (method == "GET" && rest == "staged") {
        return staged_list();
    }
    if (method == "GET" && rest == "get_file") {
        return read_file(args);
    }
    if (!rest.empty() && rest.find_first_not_of("0123456789") == std::string::npos) {
        const MigrationId id = std::stoll(rest);
        return rows_.contains(id) ? by_id(method, id, args) : not_found(method);
    }
    if (method != "POST") {
        return {404, {}};
    }
    if (rest == "append_to_file") {
        return append(args);
    }
    if (rest == "write_file") {
        return write(args);
    }
    return post(rest, args);
}

ApiReply ApiModel::by_id(const std::string& method, MigrationId id, const Json& args) {
    Json& row = rows_.at(id);
    if (method == "GET") {
        return shown_to_people(row);
    }
    if (method == "PUT" || method == "PATCH") {
        return update(row, args);
    }
    return method == "DELETE" ? destroy(id, args) : ApiReply{404, {}};
}

ApiReply ApiModel::shown_to_people(const Json& row) {
    return {200, {{"migration", shown(row)}, {"available_actions", available_actions(row)}}};
}

ApiReply ApiModel::update(Json& row, const Json& args) {
    bool changed = false;
    for (const char* name :
         {"table_rows_start", "table_rows_end", "table_size_start", "table_size_end",
          "index_size_start", "index_size_end", "work_directory", "copy_percentage", "run_host"}) {
        if (args.contains(name) && row[name] != args[name]) {
            if (!changed) {
                tell(row, "update", static_cast<int>(int_or(row, "status", -1)), args);
            }
            row[name] = args[name];
            changed = true;
        }
    }
    if (changed) {
        row["lock_version"] = int_or(row, "lock_version", 0) + 1;
        row["_updated"] = ++now_;
    }
    return {200, shown(row)};
}

// Without claim_id, and as the original, a repeat is told {} as everybody else.
ApiReply ApiModel::unstage(Json& row, const Json& args) {
    const std::string claim = pins_at_unstage_ ? string_or(args, "claim_id", "") : "";
    const std::string run_host = pins_at_unstage_ ? string_or(args, "run_host", "") : "";
    const std::string pin = string_or(row, "run_host", "");
    if (bool_or(row, "staged", false) && !run_host.empty() && !pin.empty() && pin != run_host) {
        return {200, Json::object()};
    }
    if (!bool_or(row, "staged", false)) {
        const bool repeat = !claim.empty() && string_or(row, "_claim", "") == claim;
        return {200, repeat ? shown(row) : Json::object()};
    }
    tell(row, "unstage", static_cast<int>(int_or(row, "status", -1)), args);
    row["staged"] = false;
    row["_claim"] = claim;
    if (!run_host.empty()) {
        row["run_host"] = run_host;
    }
    row["lock_version"] = int_or(row, "lock_version", 0) + 1;
    row["_updated"] = ++now_;
    return {200, shown(row)};
}

ApiReply ApiModel::post(const std::string& action, const Json& args) {
    const auto found = rows_.find(int_or(args, "id", -1));
    if (found == rows_.end()) {
        return not_found("POST");
    }
    Json& row = found->second;
    const int status = static_cast<int>(int_or(row, "status", -1));
    const auto message = [&] {
        return args.contains("error_message") ? args["error_message"] : Json();
    };
    if (action == "unstage") {
        return unstage(row, args);
    }
    if (action == "next_step") {
        if (is_machine_status(status) && !bool_or(row, "staged", false)) {
            move(row, status + 1, action, args);
        }
    } else if (action == "complete") {
        move(row, 8, action, args);
    } else if (action == "fail") {
        move(row, 10, action, args);
        row["error_message"] = message();
        row["auto_run"] = false;
    } else if (action == "error") {
        if (status == 3) {
            move(row, 13, action, args);
            row["error_message"] = message();
            row["auto_run"] = false;
        }
    } else if (action == "offer") {
        if (status == 3) {
            move(row, 3, action, args);
            stage(row);
        }
    } else if (action == "cancel") {
        if ((status >= 3 && status <= 6) || (status >= 11 && status <= 13)) {
            move(row, 9, action, args);
            stage(row);
        }
    } else if (action == "unpin_run_host") {
        tell(row, action, status, args);
        row["run_host"] = nullptr;
        row["lock_version"] = int_or(row, "lock_version", 0) + 1;
    } else {
        const auto answer = people(action, row, args);
        return answer.value_or(ApiReply{404, {}});
    }
    return {200, shown(row)};
}

ApiReply ApiModel::append(const Json& args) {
    if (int_or(args, "file_type", 0) != 0) {
        return message_reply(400, "File type not appendable");
    }
    const MigrationId id = int_or(args, "migration_id", 0);
    if (!args.contains("contents") || !args["contents"].is_string()) {
        return {500, {}};
    }
    files_[{id, 0}] += args["contents"].get_ref<const std::string&>();
    return {
        200,
        {{"id", 1}, {"migration_id", id}, {"file_type", 0}, {"contents", "Content omitted..."}}};
}

ApiReply ApiModel::write(const Json& args) {
    if (int_or(args, "file_type", 0) != 1) {
        return message_reply(400, "File type not writable");
    }
    const MigrationId id = int_or(args, "migration_id", 0);
    files_[{id, 1}] = string_or(args, "contents", "");
    return {
        200,
        {{"id", 2}, {"migration_id", id}, {"file_type", 1}, {"contents", "Content omitted..."}}};
}

ApiReply ApiModel::read_file(const Json& args) const {
    const auto found = files_.find(
        {int_or(args, "migration_id", 0), static_cast<int>(int_or(args, "file_type", 0))});
    if (found == files_.end()) {
        return message_reply(404, "File not found");
    }
    return {200,
            {{"id", found->first.second + 1},
             {"migration_id", found->first.first},
             {"file_type", found->first.second},
             {"contents", found->second}}};
}

}  // namespace shift::testing
