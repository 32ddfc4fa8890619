#include "tests/integration/support/supervisor_process.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "common/control_protocol.h"
#include "tests/integration/support/mariadb_server.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/temp_dir.h"

namespace shift::testing {

std::string yaml_quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) {
        out += c;
        if (c == '\'') {
            out += c;
        }
    }
    return out + "'";
}

SupervisorProcess::SupervisorProcess(const std::string& folder, const std::string& rest_api,
                                     const std::map<std::string, std::string>& settings)
    : folder_(folder), config_file_(folder + "/config.yaml") {
    settings_ = {
        {"rest_api", yaml_quoted(rest_api)},
        {"mysql_user", MariadbServer::user()},
        {"mysql_password", yaml_quoted(MariadbServer::password())},
        {"log_dir", log_dir()},
        {"pt_osc_path", pt_osc()},
        {"pending_drops_db", "pending_drops"},
        {"enable_trash", "true"},
        {"log_sync_interval", "0.5"},
        {"state_sync_interval", "0.5"},
        {"stop_file_path", stop_file()},
        {"state_dir", state_dir()},
        {"run_host", "host-a"},
        {"control_socket", socket()},
        {"rest_timeout", "3"},
        {"poll_interval", "0.2-0.4"},
        {"claim_grace", "2"},
        {"recheck_interval", "2"},
        {"report_flush_timeout", "3"},
        {"retry_backoff_min", "0.2"},
        {"retry_backoff_max", "1"},
        {"max_running_per_host", "2"},
        {"worker_path", program("shift-worker")},
        {"log_level", "debug"},
    };
    for (const auto& [key, value] : settings) {
        settings_[key] = value;
    }
    write_config();
    share_tool_cache();
}

SupervisorProcess::~SupervisorProcess() {
    process_.kill9();
    kill_workers();
}

void SupervisorProcess::write_config() const {
    std::string text;
    for (const auto& [key, value] : settings_) {
        if (!value.empty()) {
            text += key + ": " + value + "\n";
        }
    }
    spit(config_file_, text, 0600);
}

void SupervisorProcess::set(const std::string& key, const std::string& value) {
    settings_[key] = value;
    write_config();
}

void SupervisorProcess::set_environment(const std::string& name, const std::string& value) {
    environment_[name] = value;
}

// One answer of the installed pt-osc for all state folders: asking costs perl a second.
void SupervisorProcess::share_tool_cache() const {
    const std::string shared = cache_folder() + "/pt-osc";
    std::filesystem::create_directories(shared);
    if (std::filesystem::create_directory(state_dir())) {
        // As the daemon makes it.
        ::chmod(state_dir().c_str(), 0750);
        std::filesystem::create_directory_symlink(shared, state_dir() + "/cache");
    }
}

void SupervisorProcess::start(bool ready) {
    SpawnOptions options;
    options.argv = {program(program_), "--config", config_file_};
    options.env = environment_;
    options.output = log_file();
    process_.start(options);
    if (!ready) {
        return;
    }
    const bool up = poll_until([this] { return !process_.running() || !status().is_null(); });
    if (!up || !process_.running()) {
        throw std::runtime_error("shift-supervisord does not answer:\n" + logs());
    }
}

void SupervisorProcess::restart() {
    terminate();
    start();
}

Result<Json> SupervisorProcess::control(const std::string& command, const Json& args) const {
    return control_call(socket(), command, args, 5000);
}

Json SupervisorProcess::status() const {
    const Result<Json> answer = control("status", Json::object());
    return answer.ok() ? *answer : Json();
}

Json SupervisorProcess::migration(std::int64_t id) const {
    const Json all = status();
    if (all.is_object() && all.contains("migrations")) {
        for (const Json& one : all["migrations"]) {
            if (int_or(one, "id", 0) == id) {
                return one;
            }
        }
    }
    return {};
}

std::vector<std::vector<std::string>> SupervisorProcess::journal_rows(
    const std::string& sql) const {
    std::vector<std::vector<std::string>> out;
    sqlite3* db = nullptr;
    if (sqlite3_open_v2(journal().c_str(), &db, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK) {
        const std::string why = sqlite3_errmsg(db);
        sqlite3_close(db);
        throw std::runtime_error("open " + journal() + ": " + why);
    }
    sqlite3_busy_timeout(db, 5000);
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) {
        const std::string why = sqlite3_errmsg(db);
        sqlite3_close(db);
        throw std::runtime_error(sql + ": " + why);
    }
    while (sqlite3_step(statement) == SQLITE_ROW) {
        std::vector<std::string> row;
        for (int i = 0; i < sqlite3_column_count(statement); ++i) {
            const auto* text = sqlite3_column_text(statement, i);
            row.emplace_back(text == nullptr ? "" : reinterpret_cast<const char*>(text));
        }
        out.push_back(std::move(row));
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return out;
}

std::vector<std::string> SupervisorProcess::attempts() const {
    std::vector<std::pair<long, std::string>> found;
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator(state_dir() + "/attempts", error)) {
        const std::string name = entry.path().filename();
        found.emplace_back(std::strtol(name.c_str(), nullptr, 10), entry.path().string());
    }
    std::sort(found.begin(), found.end());
    std::vector<std::string> out;
    for (const auto& [number, path] : found) {
        out.push_back(path);
    }
    return out;
}

std::vector<pid_t> SupervisorProcess::workers() const {
    std::vector<pid_t> out;
    for (const pid_t pid : processes_mentioning(state_dir())) {
        if (pid != process_.pid()) {
            out.push_back(pid);
        }
    }
    return out;
}

void SupervisorProcess::kill_workers() const {
    poll_until(
        [this] {
            const std::vector<pid_t> left = workers();
            for (const pid_t pid : left) {
                ::kill(pid, SIGKILL);
            }
            return left.empty();
        },
        seconds{10});
}

std::string SupervisorProcess::logs() const {
    std::string text = "--- " + config_file_ + "\n" + tail_file(config_file_, 60);
    text += "--- " + log_file() + "\n" + tail_file(log_file(), 120);
    const std::vector<std::string> all = attempts();
    const std::size_t first = all.size() > 4 ? all.size() - 4 : 0;
    for (std::size_t i = first; i < all.size(); ++i) {
        for (const char* name : {"job.json", "events.jsonl", "worker.log"}) {
            text += "--- " + all[i] + "/" + name + "\n" + tail_file(all[i] + "/" + name, 40);
        }
    }
    std::error_code error;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(folder_ + "/log", error)) {
        if (entry.path().filename() == "ptosc-output.log") {
            text += "--- " + entry.path().string() + "\n" + tail_file(entry.path().string(), 30);
        }
    }
    return text;
}

}  // namespace shift::testing
