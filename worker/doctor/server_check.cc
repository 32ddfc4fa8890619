#include "worker/doctor/server_check.h"

#include <fmt/format.h>
#include <mysql.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <thread>

#include "common/ddl.h"
#include "common/file.h"
#include "common/host_port.h"
#include "worker/doctor/credentials.h"
#include "worker/doctor/rights_check.h"
#include "worker/mysql/errors.h"
#include "worker/mysql/inspect.h"

namespace shift {
namespace {

constexpr std::size_t kAtATime = 8;
constexpr std::chrono::seconds kReadTimeout{15};
constexpr double kClockOff_s = 5;

const std::vector<std::string> kDirectRights = {"SELECT", "CREATE", "ALTER", "DROP", "INDEX"};
// What the worker itself does around a copy: RENAME takes INSERT and CREATE of the new names, DROP
// TRIGGER takes TRIGGER.
const std::vector<std::string> kSwapRights = {"SELECT", "INSERT", "CREATE",
                                              "ALTER",  "DROP",   "TRIGGER"};
const std::vector<std::string> kCopyRights = {"SELECT", "INSERT", "UPDATE", "DELETE",
                                              "CREATE", "ALTER",  "DROP",   "TRIGGER"};
// For some changes it holds both tables while it looks for the last time.
const std::vector<std::string> kLhmRights = {"SELECT", "INSERT", "UPDATE",  "DELETE",     "CREATE",
                                             "ALTER",  "DROP",   "TRIGGER", "LOCK TABLES"};

using Tell = std::function<void(const char* check, const char* level, const std::string& text,
                                const std::string& fix)>;

// What is asked of one server.
class ServerCheck {
  public:
    ServerCheck(const Config& config, const ServerToCheck& server, std::string worker_file,
                std::string tool_file, Tell tell)
        : config_(config),
          server_(server),
          worker_file_(std::move(worker_file)),
          tool_file_(std::move(tool_file)),
          tell_(std::move(tell)) {}

    void run() {
        auto session = connect("connect", worker_file_);
        if (!session) {
            return;
        }
        session_ = &*session;
        read_variables();
        check_version();
        check_writable();
        check_binlog();
        check_durability();
        check_rights("rights-direct", "direct", *session_, kDirectRights);
        if (tool_file_ == worker_file_) {
            check_rights("rights-copy", "pt-osc", *session_, kCopyRights);
        } else {
            check_rights("rights-swap", "swap and clean-up", *session_, kSwapRights);
            if (auto tool = connect("connect-pt-osc", tool_file_)) {
                check_rights("rights-copy", "pt-osc", *tool, kCopyRights);
            }
        }
        check_rights("rights-lhm", "lhm", *session_, kLhmRights, config_.engine == "lhm");
        check_process_right();
        check_trash();
        check_lock_lists();
        check_replicas();
        check_clock();
    }

  private:
    void ok(const char* check, const std::string& text) { tell_(check, "ok", text, ""); }
    void warn(const char* check, const std::string& text, const std::string& fix) {
        tell_(check, "warn", text, fix);
    }
    void fail(const char* check, const std::string& text, const std::string& fix) {
        tell_(check, "fail", text, fix);
    }

    std::optional<Connection> connect(const char* check, const std::string& file) {
        ConnectOptions options;
        options.read_timeout = kReadTimeout;
        auto session = Connection::open({server_.host, server_.port, file}, options);
        if (!session.ok()) {
            fail(check, session.error().message,
                 is_access_denied(session.error())
                     ? "see mysql_user and mysql_password (or mysql_defaults_file), and that the "
                       "user may connect from this host"
                     : "see that the server runs and that this host reaches it");
            return std::nullopt;
        }
        const auto cipher = session->query("SHOW SESSION STATUS LIKE 'Ssl_cipher'");
        const bool encrypted =
            cipher.ok() && !cipher->empty() && !(*cipher)[0][1].value_or("").empty();
        const auto user = session->query_value("SELECT USER()");
        ok(check, fmt::format("as {}, {}", user.ok() ? user->value_or("?") : "?",
                              encrypted ? "encrypted" : "not encrypted"));
        return *std::move(session);
    }

    void read_variables() {
        const auto rows = session_->query(
            "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin','binlog_format',"
            "'log_bin_trust_function_creators','sync_binlog','innodb_flush_log_at_trx_commit')");
        if (rows.ok()) {
            for (const Row& row : *rows) {
                variables_[row[0].value_or("")] = row[1].value_or("");
            }
        }
    }
    std::string variable(const std::string& name) const {
        const auto found = variables_.find(name);
        return found == variables_.end() ? "" : found->second;
    }

    void check_version() {
        const std::string version = session_->server_version();
        int major = 0;
        int minor = 0;
        (void)std::sscanf(version.c_str(), "%d.%d", &major, &minor);
        const std::pair<int, int> number{major, minor};
        const auto oldest =
            session_->is_mariadb() ? std::pair<int, int>{10, 3} : std::pair<int, int>{5, 7};
        if (number < oldest) {
            warn("version", version + ": older than what this was tried with",
                 fmt::format("upgrade the server to {}.{} or later", oldest.first, oldest.second));
        } else {
            ok("version", version + (session_->is_mariadb() ? "" : " (MySQL)"));
        }
    }

    void check_writable() {
        const auto variable = read_only_variable(*session_);
        const auto source = silent_replication_source(*session_);
        if (variable.ok() && !variable->empty()) {
            fail("writable", *variable + " is on: this is a replica, or was one",
                 "point the cluster at its primary");
        } else if (source.ok() && !source->empty()) {
            fail("writable",
                 fmt::format("it replicates from {} in row format, for which no triggers fire here",
                             *source),
                 "run migrations on the primary");
        } else {
            ok("writable", "takes writes");
        }
    }

    void check_binlog() {
        if (variable("log_bin") != "ON") {
            ok("binlog", "off");
            return;
        }
        const std::string format = "on, " + variable("binlog_format");
        const auto grants = read_grants(*session_);
        const bool may = variable("log_bin_trust_function_creators") == "ON" ||
                         (grants.ok() && grants->global.contains("SUPER"));
        if (may) {
            ok("binlog", format + "; triggers may be made");
            return;
        }
        fail("binlog",
             format + ": making a trigger takes SUPER, which the user has not been granted",
             "SET GLOBAL log_bin_trust_function_creators=1 (and in the server's option file)");
    }

    void check_durability() {
        const std::string flush = variable("innodb_flush_log_at_trx_commit");
        const std::string sync = variable("sync_binlog");
        const bool log_off = variable("log_bin") != "ON";
        if (flush == "1" && (log_off || sync == "1")) {
            ok("durability", "commits survive a crash of the server");
            return;
        }
        warn("durability",
             fmt::format("innodb_flush_log_at_trx_commit={}, sync_binlog={}: after a crash of the "
                         "server a copy begins at the first row again",
                         flush, sync),
             "set both to 1 where that must not happen");
    }

    // `is_used`: else a migration may choose it one day.
    void check_rights(const char* check, const char* engine, Connection& session,
                      const std::vector<std::string>& wanted, bool is_used = true) {
        const auto grants = read_grants(session);
        if (!grants.ok()) {
            warn(check, grants.error().message,
                 "prepare tries the rights out; what is missing is said there");
            return;
        }
        std::vector<std::string> databases = server_.databases;
        if (databases.empty()) {
            databases.emplace_back();
        }
        for (const std::string& database : databases) {
            const auto missing = grants->missing(wanted, database);
            const std::string where = database.empty() ? "*.*" : quote_identifier(database) + ".*";
            if (missing.empty()) {
                ok(check, fmt::format("{}: all on {}", engine, where));
                continue;
            }
            const std::string list = fmt::format("{}", fmt::join(missing, ", "));
            const std::string fix =
                fmt::format("GRANT {} ON {} TO {}", list, where, grants->account);
            // Without a known database, rights on the right ones may be there all the same.
            if (grants->has_roles || database.empty()) {
                warn(check,
                     fmt::format("{}: the grants do not show {} on {}{}", engine, list, where,
                                 grants->has_roles ? " (roles are not looked into)" : ""),
                     fix + ", if prepare says so");
            } else if (!is_used) {
                warn(check,
                     fmt::format("{}: {} lacks {} on {}", engine, grants->account, list, where),
                     fix + ", before a migration chooses this engine");
            } else {
                fail(check,
                     fmt::format("{}: {} lacks {} on {}", engine, grants->account, list, where),
                     fix);
            }
        }
    }

    void check_process_right() {
        const auto grants = read_grants(*session_);
        if (grants.ok() && !grants->missing({"PROCESS"}, "").empty()) {
            warn("process",
                 "without PROCESS only our own sessions are seen: replicas are not found by "
                 "processlist, and who holds a lock is not told",
                 fmt::format("GRANT PROCESS ON *.* TO {}", grants->account));
        } else {
            ok("process", "other sessions are seen");
        }
    }

    void check_trash() {
        if (!config_.enable_trash || config_.pending_drops_db.empty()) {
            ok("trash", config_.enable_trash ? "old tables stay in their own database"
                                             : "old tables are dropped");
            return;
        }
        const auto exists = database_exists(*session_, config_.pending_drops_db);
        if (exists.ok() && *exists) {
            ok("trash", "old tables go to " + config_.pending_drops_db);
        } else {
            fail("trash",
                 fmt::format("pending_drops_db {} does not exist (or is not seen)",
                             config_.pending_drops_db),
                 fmt::format("CREATE DATABASE {}", quote_identifier(config_.pending_drops_db)));
        }
    }

    void check_lock_lists() {
        const auto plugin =
            session_->query_value("SELECT 1 FROM information_schema.METADATA_LOCK_INFO LIMIT 1");
        const auto schema = session_->query_value(
            "SELECT 1 FROM performance_schema.setup_instruments WHERE "
            "NAME='wait/lock/metadata/sql/mdl' AND ENABLED='YES'");
        if (plugin.ok() || (schema.ok() && *schema)) {
            ok("locks", "the server tells who holds a table's lock");
            return;
        }
        warn("locks", "the server does not list metadata locks: who blocks a swap is a guess",
             session_->is_mariadb()
                 ? "INSTALL SONAME 'metadata_lock_info'"
                 : "UPDATE performance_schema.setup_instruments SET ENABLED='YES' WHERE "
                   "NAME='wait/lock/metadata/sql/mdl'");
    }

    void check_replicas() {
        const auto dumping = session_->query(
            "SELECT HOST FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'");
        if (!dumping.ok()) {
            warn("replicas", dumping.error().message,
                 "see that the user may read information_schema.PROCESSLIST");
            return;
        }
        std::string hosts;
        for (const Row& row : *dumping) {
            hosts += (hosts.empty() ? "" : ", ") + row[0].value_or("?");
        }
        ok("replicas", hosts.empty() ? "none is connected"
                                     : fmt::format("{} connected: {}", dumping->size(), hosts));
    }

    void check_clock() {
        const auto text = session_->query_value("SELECT UNIX_TIMESTAMP(NOW(6))");
        if (!text.ok() || !*text) {
            return;
        }
        const double there = std::strtod((**text).c_str(), nullptr);
        const double here =
            std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
                .count();
        const double off = there - here;
        if (off > kClockOff_s || off < -kClockOff_s) {
            warn("clock", fmt::format("{:+.0f} s against this host", off),
                 "let both follow the same time servers (chrony, systemd-timesyncd)");
        } else {
            ok("clock", "as this host's");
        }
    }

    const Config& config_;
    const ServerToCheck& server_;
    std::string worker_file_;
    std::string tool_file_;
    Tell tell_;
    Connection* session_ = nullptr;
    std::map<std::string, std::string> variables_;
};

}  // namespace

Result<ServerToCheck> parse_server_to_check(const std::string& text) {
    const Error wrong{Errc::kInvalidArgument,
                      fmt::format("server '{}': write HOST:PORT or HOST:PORT/DATABASE,...", text)};
    ServerToCheck server;
    const std::size_t slash = text.find('/');
    auto parsed = parse_host_port(text.substr(0, slash));
    if (!parsed.ok() || parsed->host.empty() || parsed->port == 0) {
        return wrong;
    }
    server.host = std::move(parsed->host);
    server.port = parsed->port;
    std::string names = slash == std::string::npos ? "" : text.substr(slash + 1);
    while (!names.empty()) {
        const std::size_t comma = names.find(',');
        if (comma != 0) {
            server.databases.push_back(names.substr(0, comma));
        }
        names = comma == std::string::npos ? "" : names.substr(comma + 1);
    }
    return server;
}

Status check_servers(const Config& config, const std::vector<ServerToCheck>& servers,
                     const std::function<void(const Json& finding)>& tell) {
    ASSIGN_OR_RETURN(const Credentials credentials, Credentials::lay_down(config));
    const std::string& worker_file = credentials.file();
    const bool own_for_tool =
        !config.mysql_defaults_file.empty() && path_exists(config.mysql_defaults_file);
    const std::string tool_file = own_for_tool ? config.mysql_defaults_file : worker_file;
    std::mutex mutex;
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
        mysql_thread_init();
        for (std::size_t i = next++; i < servers.size(); i = next++) {
            const ServerToCheck& server = servers[i];
            // Findings of one server stay together.
            std::vector<Json> findings;
            ServerCheck(
                config, server, worker_file, tool_file,
                [&](const char* check, const char* level, const std::string& text,
                    const std::string& fix) {
                    findings.push_back({{"server", fmt::format("{}:{}", server.host, server.port)},
                                        {"check", check},
                                        {"level", level},
                                        {"text", text},
                                        {"fix", fix}});
                })
                .run();
            const std::lock_guard lock(mutex);
            std::for_each(findings.begin(), findings.end(), tell);
        }
        mysql_thread_end();
    };
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < std::min(kAtATime, servers.size()); ++i) {
        threads.emplace_back(work);
    }
    std::for_each(threads.begin(), threads.end(), [](std::thread& thread) { thread.join(); });
    return Ok{};
}

}  // namespace shift
