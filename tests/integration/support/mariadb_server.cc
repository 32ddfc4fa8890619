#include "tests/integration/support/mariadb_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <mysql.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <utility>

#include "common/unique_fd.h"
#include "tests/integration/support/programs.h"

namespace shift::testing {

namespace {

[[noreturn]] void fail(MYSQL* handle, const std::string& doing) {
    throw SqlError(mysql_errno(handle), doing.substr(0, 300) + ": " + mysql_error(handle));
}

std::string server_program() {
    const char* given = std::getenv("MARIADBD");
    if (given != nullptr) {
        return given;
    }
    for (const char* path : {"/usr/sbin/mariadbd", "/usr/libexec/mariadbd"}) {
        if (::access(path, X_OK) == 0) {
            return path;
        }
    }
    return "mariadbd";
}

// A fresh data folder, made once per server version. Several test programs may ask at once.
std::string template_folder() {
    const std::string cache = cache_folder();
    std::filesystem::create_directories(cache);
    const std::string version = run_tool({server_program(), "--no-defaults", "--version"}).out;
    std::string name = "datadir-";
    for (const char c : version) {
        const bool digit = c >= '0' && c <= '9';
        if (digit || (c == '.' && name.size() > 8)) {
            name += c;
        } else if (name.size() > 8) {
            break;
        }
    }
    const std::string ready = cache + "/" + name;
    const UniqueFd lock(::open((cache + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock || ::flock(lock.get(), LOCK_EX) != 0) {
        throw std::runtime_error("cannot lock " + cache + "/lock");
    }
    if (std::filesystem::exists(ready)) {
        return ready;
    }
    const std::string making = ready + ".new";
    std::filesystem::remove_all(making);
    std::vector<std::string> argv = {"mariadb-install-db",
                                     "--no-defaults",
                                     "--datadir=" + making,
                                     "--auth-root-authentication-method=normal",
                                     "--skip-test-db",
                                     "--skip-name-resolve",
                                     "--innodb-log-file-size=8M",
                                     "--innodb-buffer-pool-size=16M"};
    if (::geteuid() == 0) {
        argv.push_back("--user=root");
    }
    const ToolResult made = run_tool(argv, {}, seconds{120});
    if (made.status.code != 0) {
        throw std::runtime_error("mariadb-install-db failed: " + made.out + made.err);
    }
    std::filesystem::rename(making, ready);
    return ready;
}

class SharedServer : public ::testing::Environment {
  public:
    void TearDown() override { server.reset(); }
    std::unique_ptr<MariadbServer> server;
};

// GoogleTest owns and tears down the environment; registered before main() runs.
SharedServer* const kShared =
    static_cast<SharedServer*>(::testing::AddGlobalTestEnvironment(new SharedServer));

}  // namespace

std::string quote_name(const std::string& name) {
    std::string out = "`";
    for (const char c : name) {
        out += c;
        if (c == '`') {
            out += c;
        }
    }
    return out + "`";
}

Db::Db(const Target& target) : handle_(mysql_init(nullptr)) {
    unsigned timeout = 5;
    mysql_options(handle_, MYSQL_OPT_CONNECT_TIMEOUT, &timeout);
    mysql_options(handle_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    const char* host = target.host.empty() ? nullptr : target.host.c_str();
    const char* socket = target.socket.empty() ? nullptr : target.socket.c_str();
    const char* database = target.database.empty() ? nullptr : target.database.c_str();
    if (mysql_real_connect(handle_, host, target.user.c_str(), target.password.c_str(), database,
                           static_cast<unsigned>(target.port), socket, 0) == nullptr) {
        SqlError error(mysql_errno(handle_), std::string("connect: ") + mysql_error(handle_));
        mysql_close(std::exchange(handle_, nullptr));
        throw error;
    }
}

Db::~Db() {
    if (handle_ != nullptr) {
        mysql_close(handle_);
    }
}

Db::Db(Db&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Db& Db::operator=(Db&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
}

void Db::execute(const std::string& sql) {
    if (mysql_real_query(handle_, sql.data(), sql.size()) != 0) {
        fail(handle_, sql);
    }
    if (MYSQL_RES* result = mysql_store_result(handle_); result != nullptr) {
        mysql_free_result(result);
    }
}

unsigned Db::try_execute(const std::string& sql) {
    try {
        execute(sql);
    } catch (const SqlError& error) {
        return error.number;
    }
    return 0;
}

std::vector<Row> Db::rows(const std::string& sql) {
    if (mysql_real_query(handle_, sql.data(), sql.size()) != 0) {
        fail(handle_, sql);
    }
    MYSQL_RES* result = mysql_store_result(handle_);
    if (result == nullptr) {
        if (mysql_errno(handle_) != 0) {
            fail(handle_, sql);
        }
        return {};
    }
    std::vector<Row> out;
    const unsigned width = mysql_num_fields(result);
    while (MYSQL_ROW row = mysql_fetch_row(result)) {
        const unsigned long* lengths = mysql_fetch_lengths(result);
        Row cells;
        for (unsigned i = 0; i < width; ++i) {
            cells.push_back(row[i] == nullptr ? Cell{} : Cell{std::string(row[i], lengths[i])});
        }
        out.push_back(std::move(cells));
    }
    mysql_free_result(result);
    return out;
}

std::string Db::scalar(const std::string& sql) {
    const std::vector<Row> all = rows(sql);
    if (all.empty() || all[0].empty()) {
        throw SqlError(0, "no row: " + sql);
    }
    return all[0][0].value_or("");
}

std::int64_t Db::integer(const std::string& sql) {
    return std::stoll(scalar(sql));
}

std::vector<std::string> Db::column(const std::string& sql) {
    std::vector<std::string> out;
    for (const Row& row : rows(sql)) {
        out.push_back(row[0].value_or(""));
    }
    return out;
}

std::uint64_t Db::affected_rows() const {
    return mysql_affected_rows(handle_);
}

std::uint64_t Db::thread_id() const {
    return mysql_thread_id(handle_);
}

std::string Db::escape(const std::string& text) const {
    std::string out(text.size() * 2 + 1, '\0');
    out.resize(mysql_real_escape_string(handle_, out.data(), text.data(), text.size()));
    return out;
}

std::vector<std::string> Db::tables(const std::string& database) {
    return column("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '" +
                  escape(database) + "' ORDER BY TABLE_NAME");
}

std::vector<std::string> Db::triggers(const std::string& database) {
    return column("SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '" +
                  escape(database) + "' ORDER BY TRIGGER_NAME");
}

std::vector<std::string> Db::columns(const std::string& database, const std::string& table) {
    return column("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '" +
                  escape(database) + "' AND TABLE_NAME = '" + escape(table) +
                  "' ORDER BY ORDINAL_POSITION");
}

bool Db::table_exists(const std::string& database, const std::string& table) {
    return integer("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '" +
                   escape(database) + "' AND TABLE_NAME = '" + escape(table) + "'") > 0;
}

std::string Db::show_create(const std::string& database, const std::string& table) {
    return rows("SHOW CREATE TABLE " + quote_name(database) + "." + quote_name(table))
        .at(0)
        .at(1)
        .value_or("");
}

std::string Db::checksum(const std::string& database, const std::string& table,
                         const std::string& column_list) {
    std::string list = column_list;
    if (list.empty()) {
        for (const std::string& name : columns(database, table)) {
            list += (list.empty() ? "" : ", ") + quote_name(name);
        }
    }
    // NULLs must count: CONCAT_WS alone would skip them.
    return scalar(
        "SELECT CONCAT(COUNT(*), ':', COALESCE(BIT_XOR(CAST(CONV(SUBSTRING(MD5(JSON_ARRAY(" + list +
        ")), 1, 16), 16, 10) AS UNSIGNED)), 0)) FROM " + quote_name(database) + "." +
        quote_name(table));
}

MariadbServer::MariadbServer(MariadbOptions options) : options_(std::move(options)) {
    std::filesystem::copy(template_folder(), dir_ / "data",
                          std::filesystem::copy_options::recursive);
    std::filesystem::create_directories(dir_ / "tmp");
    port_ = free_port();
    start();
    make_users();
}

void MariadbServer::make_users() {
    Db root = connect();
    for (const std::string& name : {user(), api_user()}) {
        for (const char* at : {"127.0.0.1", "localhost"}) {
            const std::string account = "'" + name + "'@'" + at + "'";
            root.execute("CREATE OR REPLACE USER " + account + " IDENTIFIED BY '" + password() +
                         "'");
            root.execute("GRANT ALL PRIVILEGES ON *.* TO " + account + " WITH GRANT OPTION");
        }
    }
}

MariadbServer::~MariadbServer() {
    process_.kill9();
}

std::vector<std::string> MariadbServer::arguments() const {
    std::vector<std::string> argv = {
        server_program(),
        "--no-defaults",
        "--datadir=" + dir_ / "data",
        "--socket=" + socket(),
        "--port=" + std::to_string(port_),
        "--bind-address=127.0.0.1",
        "--pid-file=" + dir_ / "pid",
        "--log-error=" + error_log(),
        "--tmpdir=" + dir_ / "tmp",
        "--server-id=1",
        "--log-bin=binlog",
        "--binlog-format=ROW",
        "--skip-name-resolve",
        "--character-set-server=utf8mb4",
        "--max-connections=100",
        "--innodb-buffer-pool-size=64M",
        "--innodb-log-file-size=8M",
        "--innodb-use-native-aio=0",
        "--performance-schema=OFF",
    };
    if (!options_.durable) {
        argv.push_back("--innodb-flush-log-at-trx-commit=0");
        argv.push_back("--sync-binlog=0");
    } else {
        argv.push_back("--innodb-flush-log-at-trx-commit=1");
        argv.push_back("--sync-binlog=1");
    }
    if (::geteuid() == 0) {
        argv.push_back("--user=root");
    }
    argv.insert(argv.end(), options_.arguments.begin(), options_.arguments.end());
    return argv;
}

void MariadbServer::start() {
    for (int attempt = 0;; ++attempt) {
        SpawnOptions options;
        options.argv = arguments();
        options.output = error_log();
        process_.start(options);
        const bool up = poll_until([this] {
            if (!process_.running()) {
                return true;
            }
            try {
                connect();
                return true;
            } catch (const SqlError&) {
                return false;
            }
        });
        if (up && process_.running()) {
            return;
        }
        const std::string log = tail_file(error_log(), 30);
        process_.kill9();
        // Somebody may have taken the port between free_port() and the server's bind.
        if (attempt == 3 || log.find("Address already in use") == std::string::npos) {
            dir_.keep();
            throw std::runtime_error("mariadbd did not start:\n" + log);
        }
        port_ = free_port();
    }
}

void MariadbServer::stop() {
    if (!process_.terminate()) {
        throw std::runtime_error("mariadbd did not stop");
    }
}

void MariadbServer::kill9() {
    process_.kill9();
}

void MariadbServer::restart() {
    stop();
    start();
}

void MariadbServer::freeze() {
    process_.signal(SIGSTOP);
}

void MariadbServer::thaw() {
    process_.signal(SIGCONT);
}

Db MariadbServer::connect(const std::string& database) {
    return Db({.socket = socket(),
               .host = "",
               .port = 0,
               .user = "root",
               .password = "",
               .database = database});
}

Db MariadbServer::connect_tcp(const std::string& database) {
    return Db({.socket = "",
               .host = host(),
               .port = port_,
               .user = user(),
               .password = password(),
               .database = database});
}

void MariadbServer::reset() {
    if (!process_.running()) {
        start();
    }
    Db root = connect();
    for (const std::string& id : root.column(
             "SELECT ID FROM information_schema.PROCESSLIST WHERE USER <> 'system user' AND "
             "ID <> CONNECTION_ID()")) {
        root.try_execute("KILL " + id);
    }
    for (const Row& row : root.rows("XA RECOVER")) {
        root.try_execute("XA ROLLBACK '" + root.escape(row.at(3).value_or("")) + "'");
    }
    for (const std::string& name : root.column("SHOW DATABASES")) {
        if (name != "mysql" && name != "information_schema" && name != "performance_schema" &&
            name != "sys") {
            root.execute("DROP DATABASE " + quote_name(name));
        }
    }
    root.execute("SET GLOBAL read_only = 0");
    make_users();
}

MariadbServer& shared_server() {
    if (!kShared->server) {
        kShared->server = std::make_unique<MariadbServer>();
    }
    return *kShared->server;
}

void stop_shared_server() {
    kShared->server.reset();
}

}  // namespace shift::testing
