#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/integration/support/child_process.h"
#include "tests/integration/support/temp_dir.h"

struct st_mysql;

namespace shift::testing {

struct SqlError : std::runtime_error {
    SqlError(unsigned number_in, const std::string& what)
        : std::runtime_error(what), number(number_in) {}
    unsigned number;
};

// The server's error numbers that an application meets beside a migration.
inline constexpr unsigned kDuplicateKey = 1062;
inline constexpr unsigned kLockWaitTimeout = 1205;
inline constexpr unsigned kDeadlock = 1213;

using Cell = std::optional<std::string>;
using Row = std::vector<Cell>;

// One client connection. Everything that fails throws SqlError, which fails the test that asked.
class Db {
  public:
    struct Target {
        std::string socket = {};  // or host and port
        std::string host = {};
        int port = 0;
        std::string user = {};
        std::string password = {};
        std::string database = {};
    };
    explicit Db(const Target& target);
    ~Db();
    Db(Db&& other) noexcept;
    Db& operator=(Db&& other) noexcept;
    Db(const Db&) = delete;
    Db& operator=(const Db&) = delete;

    void execute(const std::string& sql);
    // The error number of a statement that is meant to fail, 0 when it succeeds.
    unsigned try_execute(const std::string& sql);
    std::vector<Row> rows(const std::string& sql);
    // First column of the first row; "" for NULL. Throws when there is no row.
    std::string scalar(const std::string& sql);
    std::int64_t integer(const std::string& sql);
    // First column of every row.
    std::vector<std::string> column(const std::string& sql);
    std::uint64_t affected_rows() const;
    std::uint64_t thread_id() const;
    std::string escape(const std::string& text) const;

    // Facts tests look at. `database` and `table` are plain names, not quoted.
    std::vector<std::string> tables(const std::string& database);    // sorted, views too
    std::vector<std::string> triggers(const std::string& database);  // sorted
    std::vector<std::string> columns(const std::string& database, const std::string& table);
    bool table_exists(const std::string& database, const std::string& table);
    std::string show_create(const std::string& database, const std::string& table);
    // Row count and an order-independent hash over `column_list` (SQL; empty = all columns) of
    // all rows: equal text = equal content.
    std::string checksum(const std::string& database, const std::string& table,
                         const std::string& column_list = "");

  private:
    st_mysql* handle_ = nullptr;
};

std::string quote_name(const std::string& name);

struct MariadbOptions {
    std::vector<std::string> arguments = {};  // added to mariadbd's command line
    bool durable = false;  // commits survive kill9(): for tests that kill the server
};

// A mariadbd of its own in a temporary folder: loopback port, own socket, row binary log, small
// buffers. The data folder is a copy of a template that is made once and kept (SHIFT_TEST_CACHE).
// Users: root over the socket without a password; user() with password() over TCP, all rights.
class MariadbServer {
  public:
    explicit MariadbServer(MariadbOptions options = {});
    ~MariadbServer();
    MariadbServer(const MariadbServer&) = delete;
    MariadbServer& operator=(const MariadbServer&) = delete;

    int port() const { return port_; }
    std::string host() const { return "127.0.0.1"; }
    std::string socket() const { return dir_ / "sock"; }
    std::string error_log() const { return dir_ / "error.log"; }
    pid_t pid() const { return process_.pid(); }
    static std::string user() { return "shift"; }
    static std::string api_user() { return "shift_api"; }  // what shift-api looks at tables with
    // The planted secret: wherever this text turns up besides the files meant for it is a leak.
    static std::string password() { return "s3cr3t-pl4nted-pw"; }

    // Same port, same data.
    void start();
    void stop();  // orderly
    void kill9();
    void restart();
    void freeze();  // SIGSTOP: connections hang instead of failing
    void thaw();

    Db connect(const std::string& database = "");      // as root, over the socket
    Db connect_tcp(const std::string& database = "");  // as user(), as the product does
    // Drops every database that is not the server's own, so that tests can share one server.
    void reset();

  private:
    std::vector<std::string> arguments() const;
    void make_users();

    TempDir dir_;
    MariadbOptions options_;
    int port_ = 0;
    ChildProcess process_;
};

// The server that the tests of one executable share; started when first asked for.
MariadbServer& shared_server();
// Stops it; also done at exit.
void stop_shared_server();

}  // namespace shift::testing
