#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

struct st_mysql;

namespace shift {

// Where a server is and which option file ([client] group: user, password, ssl-ca ...) opens it.
struct MysqlTarget {
    std::string host;  // "" = what the option file says
    int port = 3306;   // 0 = what the option file says
    std::string defaults_file;
    // Of a person at a terminal; "" = what the option file says.
    std::string socket = {};  // goes before host and port
    std::string user = {};
    std::string password = {};
    // Read what the mysql client reads (/etc/my.cnf, ~/.my.cnf) when no option file is given.
    bool usual_files = false;
    // A comment that ends every statement ("/*maintenance:lhm*/"): proxies route by it, people find
    // us in the process list by it.
    std::string tag = {};
};

std::string to_text(const MysqlTarget& target);  // "db1:3306", for people

struct ConnectOptions {
    std::chrono::seconds connect_timeout{5};
    // How long one statement may take. A vanished host is noticed in about a minute all the same:
    // TCP keepalive is set on the socket.
    std::chrono::seconds read_timeout{60};
    std::chrono::seconds write_timeout{60};
};

using Row = std::vector<std::optional<std::string>>;
// A whole number of an answer; 0 for NULL and for what is none.
std::int64_t to_int(const std::optional<std::string>& value);

// An answer whose columns differ from server to server (SHOW ... STATUS) and are asked for by name.
struct NamedRows {
    std::vector<std::string> columns;
    std::vector<Row> rows;
};

// One server session over the MySQL C API. Never reconnects by itself: a session that is gone takes
// its locks and settings with it, and the caller must know. After a lost connection lost() is true
// and every call fails.
//
// Session settings: lock waits of 1 s, wait_timeout 120 s, utf8mb4, an sql_mode of ours (backslash
// escapes, backtick quoting). User statements run between use_server_sql_mode() and
// use_own_sql_mode().
class Connection {
  public:
    // Errors: as errc_of_mysql(); messages never contain the password.
    // Blocks: up to connect_timeout, then up to read_timeout.
    static Result<Connection> open(const MysqlTarget& target, const ConnectOptions& options = {});

    // Runs one statement and drops what it returns.
    Status execute(std::string_view sql);
    Result<std::vector<Row>> query(std::string_view sql);
    Result<NamedRows> query_named(std::string_view sql);
    // The first column of the first row; nullopt when there is no row or it is NULL.
    Result<std::optional<std::string>> query_value(std::string_view sql);

    // Of the last statement.
    std::uint64_t affected_rows() const;
    unsigned warning_count() const;
    // The server's own words of the last failure, with its number: without the statement.
    const std::string& server_words() const { return server_words_; }

    Status ping();
    Status use_database(const std::string& database);
    Status use_server_sql_mode();
    Status use_own_sql_mode();

    // 'text' as a string literal of this session.
    std::string quote(std::string_view text) const;
    std::uint64_t thread_id() const { return thread_id_; }
    const std::string& server_version() const { return version_; }  // VERSION()
    // The server compares names without case (lower_case_table_names != 0).
    bool folds_case() const { return folds_case_; }
    bool is_mariadb() const { return is_mariadb_; }
    bool lost() const { return lost_; }
    SteadyTime last_used() const { return last_used_; }

  private:
    struct Closer {
        void operator()(st_mysql* handle) const noexcept;
    };
    explicit Connection(st_mysql* handle) : handle_(handle) {}
    Status prepare_session();
    Error last_error(std::string_view doing);

    std::unique_ptr<st_mysql, Closer> handle_;
    std::uint64_t thread_id_ = 0;
    std::string tag_;
    std::string version_;
    std::string server_words_;
    bool folds_case_ = false;
    bool is_mariadb_ = false;
    bool lost_ = false;
    SteadyTime last_used_{};
};

}  // namespace shift
