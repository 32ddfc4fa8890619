#include "tests/integration/support/api_model.h"

#include <algorithm>
#include <stdexcept>

namespace shift::testing {

namespace {

const std::vector<std::string> kStagedOnly = {"table", "mode", "action", "host", "port"};

HttpReply json_reply(const Json& value) {
    HttpReply reply;
    reply.body = to_line(value);
    return reply;
}

HttpReply html_reply(int status) {
    HttpReply reply;
    reply.status = status;
    reply.content_type = "text/html; charset=utf-8";
    reply.body = "<!DOCTYPE html><html><body><h1>" + std::to_string(status) + "</h1></body></html>";
    return reply;
}

HttpReply message_reply(int status, const char* text) {
    HttpReply reply = json_reply(Json{{"message", text}});
    reply.status = status;
    return reply;
}

bool is_machine_status(int status) {
    return status == 0 || status == 3 || status == 5 || status == 9 || status == 11;
}

bool contains(const std::vector<int>& values, int value) {
    return std::find(values.begin(), values.end(), value) != values.end();
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

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string percent_decode(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out += ' ';
        } else if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                   hex_value(text[i + 2]) >= 0) {
            out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

}  // namespace

std::map<std::string, std::string> parse_query(const std::string& query) {
    std::map<std::string, std::string> out;
    std::size_t at = 0;
    while (at < query.size()) {
        const std::size_t end = std::min(query.find('&', at), query.size());
        const std::string pair = query.substr(at, end - at);
        const std::size_t equals = pair.find('=');
        if (equals != std::string::npos) {
            out[percent_decode(pair.substr(0, equals))] = percent_decode(pair.substr(equals + 1));
        }
        at = end + 1;
    }
    return out;
}

MigrationId ApiModel::create(const Spec& spec) {
    return create_odd(spec, Json::object());
}

MigrationId ApiModel::create_odd(const Spec& spec, const Json& overrides,
                                 const std::vector<std::string>& without) {
    const std::lock_guard guard(mutex_);
    const MigrationId id = next_id_++;
    Json row = {{"id", id},
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
    for (const auto& [name, value] : overrides.items()) {
        row[name] = value;
    }
    for (const std::string& name : without) {
        row.erase(name);
    }
    rows_[id] = std::move(row);
    return id;
}

void ApiModel::prepend_to_staged(const std::string& raw_items) {
    const std::lock_guard guard(mutex_);
    raw_items_ = raw_items;
}

void ApiModel::set_list_limit(int limit) {
    const std::lock_guard guard(mutex_);
    list_limit_ = limit;
}

void ApiModel::pin_at_unstage() {
    const std::lock_guard guard(mutex_);
    pins_at_unstage_ = true;
}

void ApiModel::move(Json& row, int status, const std::string& by) {
    const std::int64_t before = int_or(row, "status", -1);
    row["status"] = status;
    row["lock_version"] = int_or(row, "lock_version", 0) + 1;
    history_[int_or(row, "id", 0)].push_back(std::to_string(before) + ">" + std::to_string(status) +
                                             " " + by);
}

int ApiModel::human(MigrationId id, const std::vector<int>& from, int to, bool stage,
                    const char* by) {
    const std::lock_guard guard(mutex_);
    Json& row = rows_.at(id);
    const int status = static_cast<int>(int_or(row, "status", -1));
    if (!contains(from, status)) {
        throw std::runtime_error(std::string(by) + " migration " + std::to_string(id) +
                                 ": it is in status " + std::to_string(status));
    }
    move(row, to, by);
    if (stage) {
        row["staged"] = true;
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

void ApiModel::set(MigrationId id, const Json& columns) {
    const std::lock_guard guard(mutex_);
    Json& row = rows_.at(id);
    for (const auto& [name, value] : columns.items()) {
        row[name] = value;
    }
    row["lock_version"] = int_or(row, "lock_version", 0) + 1;
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

HttpReply ApiModel::staged_list() const {
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
    std::string body = "[" + raw_items_;
    int listed = 0;
    for (const Json* item : items) {
        if (listed++ == list_limit_) {
            break;
        }
        Json copy = *item;
        copy.erase("_updated");
        copy.erase("_claim");
        body += (body.size() > 1 ? "," : "") + to_line(copy);
    }
    HttpReply reply;
    reply.body = body + "]";
    return reply;
}

HttpReply ApiModel::handle(const HttpRequest& request) {
    const std::lock_guard guard(mutex_);
    const std::string prefix = "/api/v1/migrations";
    if (request.path.rfind(prefix, 0) != 0) {
        return html_reply(404);
    }
    std::string rest = request.path.substr(prefix.size());
    rest.erase(0, rest.empty() ? 0 : 1);
    Json args = Json::object();
    if (!request.body.empty()) {
        Result<Json> parsed = parse_json(request.body);
        if (!parsed.ok() || !parsed->is_object()) {
            return html_reply(400);
        }
        args = std::move(parsed).value();
    }
    for (const auto& [name, value] : parse_query(request.query)) {
        args[name] = value;
    }
    if (request.method == "GET" && rest == "staged") {
        return staged_list();
    }
    if (request.method == "GET" && rest == "get_file") {
        return read_file(request);
    }
    const bool is_number = !rest.empty() && rest.find_first_not_of("0123456789") == rest.npos;
    if (is_number) {
        const auto found = rows_.find(std::stoll(rest));
        if (found == rows_.end()) {
            if (request.method != "GET") {
                return html_reply(404);
            }
            HttpReply reply =
                json_reply(Json{{"status", 404}, {"errors", {"Migration not found."}}});
            reply.status = 404;
            return reply;
        }
        Json& row = found->second;
        if (request.method == "GET") {
            return json_reply(
                Json{{"migration", shown(row)}, {"available_actions", Json::array()}});
        }
        bool changed = false;
        for (const char* name : {"table_rows_start", "table_rows_end", "table_size_start",
                                 "table_size_end", "index_size_start", "index_size_end",
                                 "work_directory", "copy_percentage", "run_host"}) {
            if (args.contains(name) && row[name] != args[name]) {
                row[name] = args[name];
                changed = true;
            }
        }
        if (changed) {
            row["lock_version"] = int_or(row, "lock_version", 0) + 1;
            row["_updated"] = ++now_;
        }
        return json_reply(shown(row));
    }
    if (request.method != "POST") {
        return html_reply(404);
    }
    if (rest == "append_to_file") {
        return append(args);
    }
    if (rest == "write_file") {
        return write(args);
    }
    return post(rest, args);
}

HttpReply ApiModel::post(const std::string& action, const Json& args) {
    const auto found = rows_.find(int_or(args, "id", -1));
    if (found == rows_.end()) {
        return html_reply(404);
    }
    Json& row = found->second;
    const int status = static_cast<int>(int_or(row, "status", -1));
    const bool staged = bool_or(row, "staged", false);
    if (action == "unstage") {
        const std::string claim = pins_at_unstage_ ? string_or(args, "claim_id", "") : "";
        if (!staged) {
            const bool repeat = !claim.empty() && string_or(row, "_claim", "") == claim;
            return json_reply(repeat ? shown(row) : Json::object());
        }
        if (!claim.empty()) {
            row["_claim"] = claim;
            row["run_host"] = string_or(args, "run_host", "");
        }
        row["staged"] = false;
        row["lock_version"] = int_or(row, "lock_version", 0) + 1;
        row["_updated"] = ++now_;
    } else if (action == "next_step") {
        if (is_machine_status(status) && !staged) {
            move(row, status + 1, action);
        }
    } else if (action == "complete") {
        move(row, 8, action);
    } else if (action == "fail") {
        move(row, 10, action);
        row["error_message"] = args.contains("error_message") ? args["error_message"] : Json();
    } else if (action == "error") {
        if (status == 3) {
            move(row, 13, action);
            row["error_message"] = args.contains("error_message") ? args["error_message"] : Json();
        }
    } else if (action == "offer") {
        if (status == 3) {
            move(row, 3, action);
            row["staged"] = true;
        }
    } else if (action == "cancel") {
        if (contains({3, 4, 5, 6, 11, 12, 13}, status)) {
            move(row, 9, action);
            row["staged"] = true;
        }
    } else if (action == "unpin_run_host") {
        row["run_host"] = nullptr;
        row["lock_version"] = int_or(row, "lock_version", 0) + 1;
    } else {
        return html_reply(404);
    }
    return json_reply(shown(row));
}

HttpReply ApiModel::append(const Json& args) {
    if (int_or(args, "file_type", 0) != 0) {
        return message_reply(400, "File type not appendable");
    }
    const MigrationId id = int_or(args, "migration_id", 0);
    if (!args.contains("contents") || !args["contents"].is_string()) {
        return html_reply(500);
    }
    files_[{id, 0}] += args["contents"].get<std::string>();
    return json_reply(Json{
        {"id", 1}, {"migration_id", id}, {"file_type", 0}, {"contents", "Content omitted..."}});
}

HttpReply ApiModel::write(const Json& args) {
    if (int_or(args, "file_type", 0) != 1) {
        return message_reply(400, "File type not writable");
    }
    const MigrationId id = int_or(args, "migration_id", 0);
    files_[{id, 1}] = string_or(args, "contents", "");
    return json_reply(Json{
        {"id", 2}, {"migration_id", id}, {"file_type", 1}, {"contents", "Content omitted..."}});
}

HttpReply ApiModel::read_file(const HttpRequest& request) const {
    auto query = parse_query(request.query);
    const std::string id = query["migration_id"];
    const std::string type = query["file_type"];
    const auto found =
        id.empty() || type.empty() ? files_.end() : files_.find({std::stoll(id), std::stoi(type)});
    if (found == files_.end()) {
        return message_reply(404, "File not found");
    }
    return json_reply(Json{{"id", found->first.second + 1},
                           {"migration_id", found->first.first},
                           {"file_type", found->first.second},
                           {"contents", found->second}});
}

}  // namespace shift::testing
