#include "api/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <utility>

#include "common/text.h"

namespace shift::api {
namespace {

// The original looks at the 5 newest staged migrations, drops what it cannot hand out, and lists 2.
constexpr int kStagedLookedAt = 5;
constexpr std::size_t kStagedListed = 2;
constexpr std::int64_t kInt32Max = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kInt64Max = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kStringBytesMax = 255 * 4;       // the original's varchar(255), in UTF-8
constexpr std::size_t kErrorMessageBytesMax = 65'535;  // its TEXT column
constexpr int kListMax = 500;

Answer not_found() {
    return {404, {{"status", 404}, {"errors", {"Migration not found."}}}};
}

Answer bad_request(const std::string& message) {
    return {400, {{"status", 400}, {"errors", {message}}, {"message", message}}};
}

Answer broken(const Logger& log, const Error& error) {
    log.error("store_failed", {{"text", error.message}});
    return {500, {{"status", 500}, {"errors", {error.message}}}};
}

bool is_blank(const std::optional<std::string>& text) {
    return !text || trim(*text).empty();
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

// The lock_version a person sent, for comparing with the row's: null and "" never match.
LockVersion lock_version_of(const Params& params) {
    const auto number = params.integer("lock_version", kInt64Max);
    return number.ok() ? *number : std::nullopt;
}

// Too long an error message would be refused by the original, and its migration would seem to run
// for ever: it is cut.
std::optional<std::string> error_message_of(const Params& params) {
    auto message = params.text("error_message");
    if (message) {
        *message = std::string(utf8_prefix(*message, kErrorMessageBytesMax));
    }
    return message;
}

bool creates_or_drops(const MigrationRow& row) {
    const auto parsed = parse_ddl(row.ddl_statement);
    return parsed.ok() && parsed->action != Action::kAlter;
}

Json to_json(const FileInfo& file, Json contents) {
    return {{"id", file.id},
            {"migration_id", file.migration_id},
            {"file_type", file.file_type},
            {"created_at", file.created_at},
            {"updated_at", file.updated_at},
            {"contents", std::move(contents)}};
}

// A number, or a text that is one from end to end.
std::optional<double> numeric(const Json& value) {
    if (value.is_number()) {
        return value.get<double>();
    }
    if (!value.is_string()) {
        return std::nullopt;
    }
    const std::string text(trim(value.get_ref<const std::string&>()));
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

// /\A(INSERT\s+INTO\s+)[^;]+\Z/i
bool is_final_insert(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\n\r\f\v";
    const auto skip_word = [&text, kBlanks](std::string_view word) {
        if (!iequals_ascii(text.substr(0, word.size()), word)) {
            return false;
        }
        text.remove_prefix(word.size());
        const std::size_t rest = text.find_first_not_of(kBlanks);
        if (rest == 0 || rest == std::string_view::npos) {
            return false;
        }
        text.remove_prefix(rest);
        return true;
    };
    return skip_word("INSERT") && skip_word("INTO") && text.find(';') == std::string_view::npos;
}

// Messages about the parameters of `create`, grouped by attribute in the order in which each
// attribute first failed, as the original lists them.
class FormErrors {
  public:
    void add(const std::string& attribute, const std::string& message) {
        const auto group = std::find_if(groups_.begin(), groups_.end(), [&](const auto& known) {
            return known.first == attribute;
        });
        if (group == groups_.end()) {
            groups_.push_back({attribute, {message}});
        } else {
            group->second.push_back(message);
        }
    }
    void blank(const std::string& attribute) { add(attribute, attribute + " can't be blank."); }

    std::vector<std::string> messages() const {
        std::vector<std::string> all;
        for (const auto& [attribute, group] : groups_) {
            all.insert(all.end(), group.begin(), group.end());
        }
        return all;
    }

  private:
    std::vector<std::pair<std::string, std::vector<std::string>>> groups_;
};

void check_positive(FormErrors& errors, const std::string& attribute, const Json& value) {
    const auto number = numeric(value);
    if (!number) {
        errors.add(attribute, attribute + " is not a number.");
    } else if (!(*number > 0)) {
        errors.add(attribute, attribute + " must be greater than 0.");
    }
}

// The runtype that `staged` shows: what was approved, else what the parser thinks.
std::int64_t effective_runtype(const MigrationRow& row, const Result<ParsedDdl>& parsed) {
    if (row.runtype != 0 || !parsed.ok()) {
        return row.runtype;
    }
    const bool is_short = parsed->run == DdlRun::kShort;
    return static_cast<std::int64_t>(is_short ? DdlRun::kShort : DdlRun::kLong);
}

int api_number(Mode mode) {
    return mode == Mode::kView ? 1 : 0;
}
int api_number(Action action) {
    switch (action) {
        case Action::kCreate:
            return 0;
        case Action::kDrop:
            return 1;
        case Action::kAlter:
            return 2;
    }
    return 2;
}

}  // namespace

std::string Service::seconds_now() const {
    return iso_time(std::chrono::time_point_cast<std::chrono::seconds>(clock_.wall()));
}

Result<ParsedDdl> Service::parse_checked(const MigrationRow& row) {
    const Cluster* cluster = config_.find_cluster(row.cluster_name);
    if (cluster == nullptr) {
        return Error{Errc::kNotFound, fmt::format("cluster {} is not declared", row.cluster_name)};
    }
    const std::unique_ptr<DdlTarget> target = targets_.target(*cluster, row.database);
    return parse_ddl(row.ddl_statement, target.get());
}

// -- for runners ----------------------------------------------------------------------------------

std::optional<Json> Service::staged_item(const MigrationRow& row) {
    const Cluster* cluster = config_.find_cluster(row.cluster_name);
    if (cluster == nullptr || cluster->rw_host.empty() || cluster->port == 0) {
        return std::nullopt;
    }
    const auto parsed = parse_checked(row);
    if (!parsed.ok() && row.status != static_cast<std::int64_t>(ApiStatus::kCanceled)) {
        return std::nullopt;  // a cancellation is listed in any case: it needs no target
    }
    Json item = api::to_json(row);
    item["runtype"] = effective_runtype(row, parsed);
    item["host"] = cluster->rw_host;
    item["port"] = cluster->port;
    if (parsed.ok()) {
        item["ddl_statement"] = parsed->statement;
        item["table"] = parsed->table;
        item["mode"] = api_number(parsed->mode);
        item["action"] = api_number(parsed->action);
    } else {
        item["ddl_statement"] = "";
        item["table"] = "";
        item["mode"] = nullptr;
        item["action"] = nullptr;
        if (!row.error_message) {
            item["error_message"] = parsed.error().message;
        }
    }
    return item;
}

Answer Service::staged() {
    const auto rows = store_.staged(kStagedLookedAt);
    if (!rows.ok()) {
        return broken(log_, rows.error());
    }
    Json list = Json::array();
    for (const MigrationRow& row : *rows) {
        if (list.size() == kStagedListed) {
            break;
        }
        if (auto item = staged_item(row)) {
            list.push_back(std::move(*item));
        }
    }
    return {200, std::move(list)};
}

Answer Service::of_run_host(const Params& params) {
    const auto rows = store_.of_run_host(params.text("run_host").value_or(""));
    if (!rows.ok()) {
        return broken(log_, rows.error());
    }
    Json list = Json::array();
    for (const MigrationRow& row : *rows) {
        auto item = staged_item(row);
        if (!item) {  // its table may be swapped already, or its server down
            item = api::to_json(row);
            if (const Cluster* cluster = config_.find_cluster(row.cluster_name)) {
                (*item)["host"] = cluster->rw_host;
                (*item)["port"] = cluster->port;
            }
        }
        list.push_back(std::move(*item));
    }
    return {200, std::move(list)};
}

Answer Service::change_for_runner(const Params& params, const char* what, const Store::Step& step) {
    const auto changed = store_.change(params.to_i("id").value_or(0), what, step);
    if (!changed.ok()) {
        return broken(log_, changed.error());
    }
    return *changed ? Answer{200, api::to_json((*changed)->row)} : not_found();
}

Answer Service::unstage(const Params& params) {
    Claim claim{params.text("claim_id"), params.text("run_host")};
    if (is_blank(claim.run_host)) {
        claim.run_host.reset();
    }
    if (is_blank(claim.claim_id)) {
        claim.claim_id.reset();
    }
    const auto changed =
        store_.change(params.to_i("id").value_or(0), "unstage",
                      [&](MigrationRow& row) { return api::unstage(row, claim, seconds_now()); });
    if (!changed.ok()) {
        return broken(log_, changed.error());
    }
    if (!*changed) {
        return not_found();
    }
    const bool ours = (*changed)->changed || is_repeated_claim((*changed)->row, claim);
    return {200, ours ? api::to_json((*changed)->row) : Json::object()};
}

Answer Service::next_step(const Params& params) {
    return change_for_runner(params, "next_step", &api::next_step);
}

Status Service::apply_update(const Params& params, MigrationRow& row) const {
    const auto set_number = [&params](const char* key, std::optional<std::int64_t>& field,
                                      std::int64_t maximum) -> Status {
        if (params.has(key)) {
            ASSIGN_OR_RETURN(field, params.integer(key, maximum));
        }
        return Ok{};
    };
    const auto set_text = [&params](const char* key, std::optional<std::string>& field) -> Status {
        if (params.has(key)) {
            field = params.text(key);
            if (field && field->size() > kStringBytesMax) {
                return Error{Errc::kInvalidArgument, fmt::format("{} is too long", key)};
            }
        }
        return Ok{};
    };
    RETURN_IF_ERROR(set_number("table_rows_start", row.table_rows_start, kInt64Max));
    RETURN_IF_ERROR(set_number("table_rows_end", row.table_rows_end, kInt64Max));
    RETURN_IF_ERROR(set_number("table_size_start", row.table_size_start, kInt64Max));
    RETURN_IF_ERROR(set_number("table_size_end", row.table_size_end, kInt64Max));
    RETURN_IF_ERROR(set_number("index_size_start", row.index_size_start, kInt64Max));
    RETURN_IF_ERROR(set_number("index_size_end", row.index_size_end, kInt64Max));
    RETURN_IF_ERROR(set_number("copy_percentage", row.copy_percentage, kInt32Max));
    RETURN_IF_ERROR(set_text("work_directory", row.work_directory));
    return set_text("run_host", row.run_host);
}

Answer Service::update(const Params& params) {
    Status refused = Ok{};
    const auto changed =
        store_.change(params.to_i("id").value_or(0), "update", [&](MigrationRow& row) {
            MigrationRow updated = row;
            refused = apply_update(params, updated);
            if (!refused.ok() || updated == row) {
                return false;
            }
            row = std::move(updated);
            row.updated_at = seconds_now();
            ++row.lock_version;
            return true;
        });
    if (!changed.ok()) {
        return broken(log_, changed.error());
    }
    if (!*changed) {
        return not_found();
    }
    return refused.ok() ? Answer{200, api::to_json((*changed)->row)}
                        : bad_request(refused.error().message);
}

Answer Service::complete(const Params& params) {
    return change_for_runner(params, "complete",
                             [&](MigrationRow& row) { return api::complete(row, seconds_now()); });
}

Answer Service::cancel(const Params& params) {
    return change_for_runner(params, "cancel", &api::cancel);
}

Answer Service::fail(const Params& params) {
    return change_for_runner(params, "fail", [&](MigrationRow& row) {
        return api::fail(row, error_message_of(params));
    });
}

Answer Service::error(const Params& params) {
    return change_for_runner(params, "error", [&](MigrationRow& row) {
        return api::error(row, error_message_of(params));
    });
}

Answer Service::offer(const Params& params) {
    return change_for_runner(params, "offer", &api::offer);
}

Answer Service::unpin_run_host(const Params& params) {
    return change_for_runner(params, "unpin_run_host", &api::unpin_run_host);
}

// -- files ----------------------------------------------------------------------------------------

Answer Service::append_to_file(const Params& params) {
    if (params.to_i("file_type").value_or(0) != static_cast<int>(FileType::kLog)) {
        return {400, {{"message", "File type not appendable"}}};
    }
    const auto contents = params.text("contents");
    if (!contents) {
        return {400, {{"message", "contents is missing"}}};
    }
    const auto file =
        store_.append(params.to_i("migration_id").value_or(0), FileType::kLog, *contents);
    return file.ok() ? Answer{200, to_json(*file, "Content omitted...")}
                     : broken(log_, file.error());
}

Answer Service::write_file(const Params& params) {
    if (params.to_i("file_type").value_or(0) != static_cast<int>(FileType::kState)) {
        return {400, {{"message", "File type not writable"}}};
    }
    const auto contents = params.text("contents");
    const auto file =
        store_.write(params.to_i("migration_id").value_or(0), FileType::kState, contents);
    return file.ok() ? Answer{200, to_json(*file, "Content omitted...")}
                     : broken(log_, file.error());
}

Answer Service::get_file(const Params& params) {
    const std::int64_t type = params.to_i("file_type").value_or(0);
    const bool known =
        type == static_cast<int>(FileType::kLog) || type == static_cast<int>(FileType::kState);
    const auto file =
        store_.read(params.to_i("migration_id").value_or(0), known ? static_cast<int>(type) : -1);
    if (!file.ok()) {
        return broken(log_, file.error());
    }
    if (!*file) {
        return {404, {{"message", "File not found"}}};
    }
    const auto& contents = (*file)->contents;
    return {200, to_json((*file)->info, contents ? Json(*contents) : Json(nullptr))};
}

std::optional<std::string> Service::file_text(const Params& params) {
    const Answer answer = get_file(params);
    return answer.status == 200 ? std::optional(string_or(answer.body, "contents", ""))
                                : std::nullopt;
}

// -- for people -----------------------------------------------------------------------------------

Answer Service::shown(const MigrationRow& row) const {
    return {200,
            {{"migration", api::to_json(row)},
             {"available_actions", available_actions(row, creates_or_drops(row))}}};
}

Answer Service::refused(const Params& params, const std::string& action, const MigrationRow& row,
                        bool maxed_out) const {
    Json errors = Json::array();
    if (!contains(available_actions(row, creates_or_drops(row)), action)) {
        errors.push_back("Invalid action.");
    }
    if (params.to_i("lock_version").value_or(0) != row.lock_version) {
        errors.push_back("Incorrect lock_version supplied.");
    }
    if (maxed_out) {
        errors.push_back(
            fmt::format("Can't start migration because you are already running the maximum # of "
                        "migrations per cluster ({}).",
                        config_.parallel_limit));
    }
    return {400, {{"status", 400}, {"errors", std::move(errors)}}};
}

Answer Service::change_for_person(const Params& params, const char* what, const std::string& action,
                                  const Store::Step& step) {
    const auto changed = store_.change(params.to_i("id").value_or(0), what, [&](MigrationRow& row) {
        return contains(available_actions(row, creates_or_drops(row)), action) && step(row);
    });
    if (!changed.ok()) {
        return broken(log_, changed.error());
    }
    if (!*changed) {
        return not_found();
    }
    const MigrationRow& row = (*changed)->row;
    return (*changed)->changed ? shown(row) : refused(params, action, row, false);
}

Answer Service::show(const Params& params) {
    const auto row = store_.find(params.to_i("id").value_or(0));
    if (!row.ok()) {
        return broken(log_, row.error());
    }
    return *row ? shown(**row) : not_found();
}

// Fills `row` from the parameters; what is wrong with them comes back as messages.
std::vector<std::string> Service::check_new(const Params& params, MigrationRow& row) {
    FormErrors errors;
    const auto cluster_name = params.text("cluster_name");
    const auto database = params.text("database");
    const auto ddl_statement = params.text("ddl_statement");
    const auto pr_url = params.text("pr_url");
    if (is_blank(cluster_name)) {
        errors.blank("Cluster name");
    }
    if (is_blank(database)) {
        errors.blank("Database");
    }
    if (is_blank(ddl_statement)) {
        errors.blank("Ddl statement");
    }
    if (is_blank(pr_url)) {
        errors.blank("Pr url");
    }
    const auto option = [&params](const char* name, Json fallback) {
        return params.has(name) ? params.value(name) : std::move(fallback);
    };
    const Json threads = option("max_threads_running", 200);
    const Json lag = option("max_replication_lag", 1);
    check_positive(errors, "Max threads running", threads);
    check_positive(errors, "Max replication lag", lag);
    if (!database || database->empty() || database->find(';') != std::string::npos) {
        errors.add("Database", "Database is invalid.");
    }
    if (pr_url && iequals_ascii(trim(*pr_url).substr(0, 11), "javascript:")) {
        errors.add("Pr url", "Pr url is invalid.");
    }

    row.cluster_name = cluster_name.value_or("");
    row.database = database.value_or("");
    row.ddl_statement = ddl_statement.value_or("");
    row.pr_url = pr_url.value_or("");
    row.final_insert = params.text("final_insert");
    const bool known_cluster = config_.find_cluster(row.cluster_name) != nullptr;
    if (!ddl_statement) {
        errors.add("", "DDL statement is nil.");
    } else if (known_cluster) {
        const auto parsed = parse_checked(row);
        if (parsed.ok()) {
            row.initial_runtype = static_cast<std::int64_t>(parsed->run);
        } else if (parsed.error().code == Errc::kInvalidArgument) {
            errors.add(
                "", fmt::format("DDL statement is invalid (error: {}).", parsed.error().message));
        } else {
            errors.add("", fmt::format("Connection error ({}).", parsed.error().message));
        }
    }
    if (!is_blank(row.final_insert) && !is_final_insert(*row.final_insert)) {
        errors.add("Final insert", "Final insert is invalid.");
    }
    if (!known_cluster) {
        errors.add("Cluster name", "Cluster name is not included in the list.");
    }
    const auto requestor = params.text("requestor");
    if (!requestor) {
        errors.blank("Requestor");
    }
    row.requestor = requestor.value_or("");

    Json options = {{"max_threads_running", threads},
                    {"max_replication_lag", lag},
                    {"config_path", option("config_path", nullptr)},
                    {"recursion_method", option("recursion_method", nullptr)}};
    if (!is_blank(params.text("engine"))) {
        options["engine"] = *params.text("engine");
    }
    if (params.flag("allow_loss").value_or(false)) {
        options["allow_loss"] = true;
    }
    row.custom_options = to_line(options);
    return errors.messages();
}

Answer Service::create(const Params& params) {
    MigrationRow row;
    const std::vector<std::string> errors = check_new(params, row);
    const auto meta_request = params.integer("meta_request_id", kInt32Max);
    if (!meta_request.ok()) {
        return bad_request(meta_request.error().message);
    }
    if (!errors.empty()) {
        return {400, {{"status", 400}, {"errors", errors}}};
    }
    row.meta_request_id = *meta_request;
    row.created_at = seconds_now();
    row.updated_at = row.created_at;
    const auto inserted = store_.insert(std::move(row));
    return inserted.ok() ? shown(*inserted) : broken(log_, inserted.error());
}

Answer Service::approve(const Params& params) {
    static const std::map<std::string, DdlRun> kRuntypes = {
        {"long", DdlRun::kLong},
        {"short", DdlRun::kShort},
        {"nocheckalter", DdlRun::kNoCheckAlter}};
    const std::string name = params.text("runtype").value_or("");
    const auto runtype = kRuntypes.find(name);
    return change_for_person(params, "approve", "approve_" + name, [&](MigrationRow& row) {
        return runtype != kRuntypes.end() &&
               api::approve(row, lock_version_of(params),
                            static_cast<std::int64_t>(runtype->second), params.text("approver"),
                            seconds_now());
    });
}

Answer Service::unapprove(const Params& params) {
    return change_for_person(params, "unapprove", "unapprove", [&](MigrationRow& row) {
        return api::unapprove(row, lock_version_of(params));
    });
}

// CREATE and DROP set no triggers and copy nothing: they are not counted.
std::set<std::int64_t> Service::uncounted_in(const std::string& cluster) {
    std::set<std::int64_t> ids;
    const auto running = store_.running_in_cluster(cluster);
    if (running.ok()) {
        for (const MigrationRow& row : *running) {
            if (creates_or_drops(row)) {
                ids.insert(row.id);
            }
        }
    }
    return ids;
}

// The count of running migrations and the start are one transaction, so two simultaneous starts
// cannot both pass the limit. What began to run after `uncounted` was made counts.
Result<Service::Start> Service::try_start(const MigrationRow& row, LockVersion lock_version,
                                          std::optional<bool> auto_run) {
    const bool limited = !creates_or_drops(row);
    const std::set<std::int64_t> uncounted =
        limited ? uncounted_in(row.cluster_name) : std::set<std::int64_t>();
    Start result;
    ASSIGN_OR_RETURN(
        result.changed,
        store_.change_among_running(
            row.id, "start", [&](MigrationRow& fresh, const std::vector<MigrationRow>& running) {
                const auto others =
                    std::count_if(running.begin(), running.end(), [&](const MigrationRow& other) {
                        return other.id != fresh.id && !uncounted.contains(other.id);
                    });
                const bool offered = auto_run == true ||  // the scheduler starts what is enqueued
                                     contains(available_actions(fresh, !limited), "start");
                result.maxed_out = limited && others >= config_.parallel_limit;
                return offered && !result.maxed_out &&
                       api::start(fresh, lock_version, auto_run, seconds_now());
            }));
    return result;
}

Answer Service::start(const Params& params) {
    const auto row = store_.find(params.to_i("id").value_or(0));
    if (!row.ok()) {
        return broken(log_, row.error());
    }
    if (!*row) {
        return not_found();
    }
    if (!contains(available_actions(**row, creates_or_drops(**row)), "start")) {
        return refused(params, "start", **row, false);
    }
    const auto started = try_start(**row, lock_version_of(params), params.flag("auto_run"));
    if (!started.ok()) {
        return broken(log_, started.error());
    }
    if (!started->changed) {
        return not_found();
    }
    return started->changed->changed
               ? shown(started->changed->row)
               : refused(params, "start", started->changed->row, started->maxed_out);
}

Answer Service::enqueue(const Params& params) {
    return change_for_person(params, "enqueue", "enqueue", [&](MigrationRow& row) {
        return api::enqueue(row, lock_version_of(params));
    });
}

Answer Service::dequeue(const Params& params) {
    return change_for_person(params, "dequeue", "dequeue", [&](MigrationRow& row) {
        return api::dequeue(row, lock_version_of(params));
    });
}

Answer Service::pause(const Params& params) {
    return change_for_person(params, "pause", "pause", &api::pause);
}

Answer Service::rename(const Params& params) {
    return change_for_person(params, "rename", "rename", [&](MigrationRow& row) {
        return api::rename(row, lock_version_of(params));
    });
}

Answer Service::resume(const Params& params) {
    return change_for_person(params, "resume", "resume", [&](MigrationRow& row) {
        return api::resume(row, lock_version_of(params), params.flag("auto_run"));
    });
}

Answer Service::cancel_cli(const Params& params) {
    return change_for_person(params, "cancel", "cancel", &api::cancel);
}

Answer Service::destroy(const Params& params) {
    const auto removed = store_.remove(params.to_i("id").value_or(0), [&](const MigrationRow& row) {
        return may_delete(row, lock_version_of(params));
    });
    if (!removed.ok()) {
        return broken(log_, removed.error());
    }
    if (!*removed) {
        return not_found();
    }
    return (*removed)->changed ? Answer{200, Json::object()}
                               : refused(params, "delete", (*removed)->row, false);
}

// -- others ---------------------------------------------------------------------------------------

Answer Service::health() {
    const Status status = store_.ping();
    return status.ok() ? Answer{200, {{"status", "ok"}}}
                       : Answer{500, {{"status", "critical"}, {"message", status.error().message}}};
}

Answer Service::parse(const Params& params) {
    const auto parsed = parse_ddl(params.text("msg").value_or(""));
    if (!parsed.ok()) {
        return {200, {{"respond", nullptr}, {"error", parsed.error().message}}};
    }
    return {200,
            {{"respond",
              {{"stm", parsed->statement},
               {"run", ddl_run_name(parsed->run)},
               {"table", parsed->table},
               {"mode", mode_name(parsed->mode)},
               {"action", action_name(parsed->action)}}},
             {"error", nullptr}}};
}

Answer Service::databases(const Params& params) {
    const Cluster* cluster = config_.find_cluster(params.text("cluster").value_or(""));
    const auto names =
        cluster == nullptr ? std::vector<std::string>() : targets_.databases(*cluster);
    return {200, {{"databases", names}}};
}

Answer Service::list(const Params& params) {
    const auto limit = std::clamp<std::int64_t>(params.to_i("limit").value_or(100), 1, kListMax);
    const auto rows =
        store_.recent(static_cast<int>(limit), params.to_i("below").value_or(kInt64Max));
    if (!rows.ok()) {
        return broken(log_, rows.error());
    }
    Json items = Json::array();
    for (const MigrationRow& row : *rows) {
        Json item = shown(row).body;
        item["description"] = status_description(row.status);
        item["label"] = status_label(row.status);
        items.push_back(std::move(item));
    }
    return {200, {{"migrations", std::move(items)}, {"environment", config_.environment}}};
}

Answer Service::events(const Params& params) {
    const auto found = store_.events(params.to_i("id").value_or(0), kListMax);
    if (!found.ok()) {
        return broken(log_, found.error());
    }
    Json items = Json::array();
    for (const MigrationEvent& event : *found) {
        items.push_back({{"at", event.at},
                         {"what", event.what},
                         {"from", status_description(event.from_status)},
                         {"to", status_description(event.to_status)},
                         {"lock_version", event.lock_version}});
    }
    return {200, {{"events", std::move(items)}}};
}

Answer Service::clusters() {
    Json names = Json::array();
    for (const Cluster& cluster : config_.clusters) {
        names.push_back(cluster.name);
    }
    return {200, {{"clusters", std::move(names)}}};
}

void Service::run_scheduler() {
    const auto enqueued =
        store_.first_with_auto_run(static_cast<std::int64_t>(ApiStatus::kEnqueued));
    const auto copied =
        store_.first_with_auto_run(static_cast<std::int64_t>(ApiStatus::kAwaitingRename));
    if (!enqueued.ok() || !copied.ok()) {
        (void)broken(log_, enqueued.ok() ? copied.error() : enqueued.error());
        return;
    }
    for (const MigrationRow& row : *enqueued) {
        const auto started = try_start(row, row.lock_version, true);
        if (started.ok() && started->changed && started->changed->changed) {
            log_.info("scheduler_started", {{"migration", row.id}});
        }
    }
    for (const MigrationRow& row : *copied) {
        const auto renamed = store_.change(row.id, "rename", [&row](MigrationRow& fresh) {
            return api::rename(fresh, row.lock_version);
        });
        if (renamed.ok() && *renamed && (*renamed)->changed) {
            log_.info("scheduler_renamed", {{"migration", row.id}});
        }
    }
}

}  // namespace shift::api
