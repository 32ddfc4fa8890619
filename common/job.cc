#include "common/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace shift {
namespace {

Error not_a_job(const std::string& why) {
    return Error{Errc::kInvalidArgument, "job: " + why};
}

// A name of an enumeration; the default stays when the member is missing.
template <typename E>
Status read_name(const Json& object, const char* key, std::optional<E> (*parse)(const std::string&),
                 E& value) {
    const auto name = get_string(object, key);
    if (!name) {
        return Ok{};
    }
    const auto parsed = parse(*name);
    if (!parsed) {
        return not_a_job(fmt::format("{}: unknown value '{}'", key, *name));
    }
    value = *parsed;
    return Ok{};
}

}  // namespace

Json to_json(const Job& job) {
    return Json{
        {"protocol", job.protocol},
        {"migration", job.migration},
        {"claim", job.claim},
        {"attempt", job.attempt},
        {"step", step_name(job.step)},
        {"engine", job.engine},
        {"run_host", job.run_host},
        {"host", job.host},
        {"port", job.port},
        {"database", job.database},
        {"table", job.table},
        {"mode", mode_name(job.mode)},
        {"action", action_name(job.action)},
        {"runtype", runtype_name(job.runtype)},
        {"ddl_statement", job.ddl_statement},
        {"final_insert", job.final_insert},
        {"options", to_json(job.options)},
        {"mysql_defaults_file", job.mysql_defaults_file},
        {"pt_osc_defaults_file", job.pt_osc_defaults_file},
        {"pt_osc_path", job.pt_osc_path},
        {"pt_osc_flavour", job.pt_osc_flavour},
        {"lhm_settings", job.lhm_settings},
        {"cache_dir", job.cache_dir},
        {"enable_trash", job.enable_trash},
        {"pending_drops_db", job.pending_drops_db},
        {"ddl_timeout_s", job.ddl_timeout.count()},
        {"direct_rows_max", job.direct_rows_max},
        {"files_dir", job.files_dir},
        {"tries", job.tries},
        {"history", job.history},
    };
}

Result<Job> parse_job(std::string_view text) {
    auto parsed = parse_json(text);
    if (!parsed.ok()) {
        return std::move(parsed).error().within("job");
    }
    const Json& json = *parsed;
    const auto protocol = get_int(json, "protocol");
    if (!protocol || *protocol < 1) {
        return not_a_job("no protocol number");
    }
    if (*protocol > kWorkerProtocol) {
        return not_a_job(fmt::format("protocol {} is newer than {}, the newest known here",
                                     *protocol, kWorkerProtocol));
    }
    const auto migration = get_int(json, "migration");
    const auto attempt = get_int(json, "attempt");
    const auto step = parse_step(string_or(json, "step", ""));
    if (!migration || !attempt || !step) {
        return not_a_job("migration, attempt or step is missing or unknown");
    }
    Job job;
    job.protocol = static_cast<int>(*protocol);
    job.migration = *migration;
    job.claim = int_or(json, "claim", 0);
    job.attempt = *attempt;
    job.step = *step;
    job.engine = string_or(json, "engine", job.engine);
    job.run_host = string_or(json, "run_host", "");
    job.host = string_or(json, "host", "");
    const std::int64_t port = int_or(json, "port", 0);
    if (port < 0 || port > 65535) {
        return not_a_job(fmt::format("port: {} is out of range", port));
    }
    job.port = static_cast<int>(port);
    job.database = string_or(json, "database", "");
    job.table = string_or(json, "table", "");
    RETURN_IF_ERROR(read_name<Mode>(json, "mode", parse_mode, job.mode));
    RETURN_IF_ERROR(read_name<Action>(json, "action", parse_action, job.action));
    RETURN_IF_ERROR(read_name<Runtype>(json, "runtype", parse_runtype, job.runtype));
    job.ddl_statement = string_or(json, "ddl_statement", "");
    job.final_insert = string_or(json, "final_insert", "");
    if (const auto options = json.find("options"); options != json.end()) {
        auto read = parse_custom_options(to_line(*options));
        if (!read.ok()) {
            return std::move(read).error().within("job");
        }
        job.options = *std::move(read);
    }
    job.mysql_defaults_file = string_or(json, "mysql_defaults_file", "");
    job.pt_osc_defaults_file = string_or(json, "pt_osc_defaults_file", "");
    job.pt_osc_path = string_or(json, "pt_osc_path", "");
    job.pt_osc_flavour = string_or(json, "pt_osc_flavour", "auto");
    if (const auto settings = json.find("lhm_settings"); settings != json.end()) {
        for (const auto& [name, value] : settings->items()) {
            if (value.is_string()) {
                job.lhm_settings[name] = value.get<std::string>();
            }
        }
    }
    job.cache_dir = string_or(json, "cache_dir", "");
    job.enable_trash = bool_or(json, "enable_trash", job.enable_trash);
    job.pending_drops_db = string_or(json, "pending_drops_db", "");
    job.ddl_timeout = std::chrono::seconds(int_or(json, "ddl_timeout_s", job.ddl_timeout.count()));
    job.direct_rows_max = int_or(json, "direct_rows_max", 0);
    job.files_dir = string_or(json, "files_dir", "");
    const std::int64_t tries = int_or(json, "tries", 1);
    job.tries = static_cast<int>(std::clamp<std::int64_t>(tries, 1, INT32_MAX));
    if (const auto history = json.find("history"); history != json.end()) {
        if (!history->is_array()) {
            return not_a_job("history: not a list");
        }
        job.history = *history;
    }
    return job;
}

}  // namespace shift
