#include "tests/integration/support/shift_api.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "common/http.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/supervisor_process.h"
#include "tests/integration/support/temp_dir.h"

namespace shift::testing {

ShiftApi::ShiftApi(const std::string& folder, MariadbServer& server)
    : folder_(folder), server_(server), port_(free_port()) {
    std::filesystem::create_directories(folder_);
}

std::string ShiftApi::url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/api/v1/";
}

void ShiftApi::start() {
    const std::string config = folder_ + "/shift-api.yaml";
    const std::string credentials = folder_ + "/client.cnf";
    spit(credentials,
         "[client]\nuser=" + MariadbServer::api_user() + "\npassword=\"" +
             MariadbServer::password() + "\"\n",
         0600);
    std::string text;
    text += "listen: 127.0.0.1\n";
    text += "port: " + std::to_string(port_) + "\n";
    text += "store: " + folder_ + "/shift-api.db\n";
    text += "scheduler_interval: 0.5\n";
    text += "parallel_limit: 10\n";
    text += "clusters:\n";
    text += "  - name: main\n";
    text += "    rw_host: 127.0.0.1\n";
    text += "    port: " + std::to_string(server_.port()) + "\n";
    text += "    mysql_defaults_file: " + credentials + "\n";
    text += "    check_target: true\n";
    spit(config, text, 0600);
    SpawnOptions options;
    options.argv = {program("shift-api"), "--config", config};
    options.output = log_file();
    process_.start(options);
    const std::string probe = "http://127.0.0.1:" + std::to_string(port_) + "/_status";
    const bool up = poll_until([&] {
        if (!process_.running()) {
            return true;
        }
        const auto answer = http_call("GET", probe, Json(), HttpOptions{});
        return answer.ok() && answer->status == 200;
    });
    if (!up || !process_.running()) {
        throw std::runtime_error("shift-api does not answer:\n" + tail_file(log_file(), 40));
    }
}

Json ShiftApi::call(const std::string& method, const std::string& path, const Json& body) {
    const auto answer = http_call(method, join_url(url(), path), body, HttpOptions{});
    if (!answer.ok()) {
        throw std::runtime_error(method + " " + path + ": " + answer.error().message);
    }
    if (answer->status != 200) {
        throw std::runtime_error(method + " " + path + ": " + std::to_string(answer->status) + " " +
                                 answer->body.substr(0, 500));
    }
    Result<Json> parsed = parse_json(answer->body);
    if (!parsed.ok()) {
        throw std::runtime_error(method + " " + path + ": " + parsed.error().message);
    }
    return std::move(parsed).value();
}

MigrationId ShiftApi::create(const std::string& database, const std::string& ddl,
                             const Json& extra) {
    Json body = {{"cluster_name", "main"}, {"database", database},
                 {"ddl_statement", ddl},   {"pr_url", "http://example.org/pr/1"},
                 {"requestor", "dev"},     {"final_insert", ""}};
    body.update(extra);
    return int_or(call("POST", "migrations", body)["migration"], "id", 0);
}

Json ShiftApi::get(MigrationId id) {
    return call("GET", "migrations/" + std::to_string(id))["migration"];
}

bool ShiftApi::offers(MigrationId id, const std::string& action) {
    const Json actions = call("GET", "migrations/" + std::to_string(id))["available_actions"];
    return std::find(actions.begin(), actions.end(), action) != actions.end();
}

int ShiftApi::status(MigrationId id) {
    return static_cast<int>(int_or(get(id), "status", -1));
}

void ShiftApi::act(const std::string& action, MigrationId id, const Json& extra) {
    for (int tries = 0;; ++tries) {
        Json body = {{"id", id}, {"lock_version", get(id)["lock_version"]}};
        body.update(extra);
        try {
            call("POST", "migrations/" + action, body);
            return;
        } catch (const std::runtime_error& error) {
            const std::string why = error.what();
            if (tries == 20 || why.find("lock_version") == std::string::npos) {
                throw;
            }
        }
    }
}

std::string ShiftApi::file(MigrationId id, int file_type) {
    const auto answer =
        http_call("GET",
                  join_url(url(), "migrations/get_file?migration_id=" + std::to_string(id) +
                                      "&file_type=" + std::to_string(file_type)),
                  Json(), HttpOptions{});
    if (!answer.ok() || answer->status != 200) {
        return "";
    }
    const Result<Json> parsed = parse_json(answer->body);
    return parsed.ok() ? string_or(*parsed, "contents", "") : "";
}

}  // namespace shift::testing
