#include "worker/mysql/connection.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <mysql.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "common/ddl.h"
#include "common/test_points.h"
#include "common/text.h"
#include "worker/mysql/errors.h"

namespace shift {
namespace {

// Our statements quote names with backticks and strings with backslash escapes.
constexpr const char* kOwnSqlMode = "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION";
constexpr std::size_t kShownBytesMax = 200;

void set_timeout(MYSQL* handle, mysql_option option, std::chrono::seconds timeout) {
    const auto seconds = static_cast<unsigned int>(timeout.count());
    (void)mysql_options(handle, option, &seconds);
}

// The read timeout must allow the longest DDL, so the kernel is asked to notice a dead peer: probes
// after 20 s of silence, every 10 s, three times. Unix sockets refuse the options, which is fine.
void watch_peer(MYSQL* handle) {
    const int fd = static_cast<int>(mysql_get_socket(handle));
    if (fd < 0) {
        return;
    }
    (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
    const int on = 1;
    const int idle_s = 20;
    const int interval_s = 10;
    const int probes = 3;
    const unsigned user_timeout_ms = 60'000;
    (void)::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms);
}

std::string shown(std::string_view sql) {
    std::string text(sql.substr(0, kShownBytesMax));
    if (sql.size() > kShownBytesMax) {
        text += "...";
    }
    return text;
}

// The first two words of a statement that changes something, for its crash points; else "".
std::string effect_of(std::string_view sql) {
    constexpr std::array<std::string_view, 8> kVerbs = {"ALTER", "CREATE", "DROP", "RENAME",
                                                        "XA",    "INSERT", "KILL", "ANALYZE"};
    const auto word = [&sql] {
        const std::string_view text = trim(sql);
        std::size_t end = 0;
        while (end < text.size() && std::isalpha(static_cast<unsigned char>(text[end])) != 0) {
            ++end;
        }
        sql = text.substr(end);
        return text.substr(0, end);
    };
    const std::string_view verb = word();
    const bool changes = std::any_of(kVerbs.begin(), kVerbs.end(), [verb](std::string_view known) {
        return iequals_ascii(verb, known);
    });
    return changes ? std::string(verb) + " " + std::string(word()) : std::string();
}

// The C API takes what it is not given from the option file.
const char* or_null(const std::string& text) {
    return text.empty() ? nullptr : text.c_str();
}

}  // namespace

std::string to_text(const MysqlTarget& target) {
    if (!target.socket.empty()) {
        return target.socket;
    }
    if (target.host.empty()) {
        return "the server of the option file";
    }
    return fmt::format("{}:{}", target.host, target.port);
}

std::int64_t to_int(const std::optional<std::string>& value) {
    return value ? std::strtoll(value->c_str(), nullptr, 10) : 0;
}

void Connection::Closer::operator()(st_mysql* handle) const noexcept {
    mysql_close(handle);
}

Result<Connection> Connection::open(const MysqlTarget& target, const ConnectOptions& options) {
    MYSQL* handle = mysql_init(nullptr);
    if (handle == nullptr) {
        return Error{Errc::kInternal, "mysql_init: out of memory"};
    }
    Connection connection(handle);
    set_timeout(handle, MYSQL_OPT_CONNECT_TIMEOUT, options.connect_timeout);
    set_timeout(handle, MYSQL_OPT_READ_TIMEOUT, options.read_timeout);
    set_timeout(handle, MYSQL_OPT_WRITE_TIMEOUT, options.write_timeout);
    connection.tag_ = target.tag;
    if (target.socket.empty() && !target.host.empty()) {
        // "localhost" means the port given, as it does to the original, not a socket file.
        const unsigned int protocol = MYSQL_PROTOCOL_TCP;
        (void)mysql_options(handle, MYSQL_OPT_PROTOCOL, &protocol);
    }
    if (!target.defaults_file.empty()) {
        (void)mysql_options(handle, MYSQL_READ_DEFAULT_FILE, target.defaults_file.c_str());
    }
    if (!target.defaults_file.empty() || target.usual_files) {
        (void)mysql_options(handle, MYSQL_READ_DEFAULT_GROUP, "client");
    }
    (void)mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    const std::string where = "connect to " + to_text(target);
    if (mysql_real_connect(
            handle, or_null(target.host), or_null(target.user), or_null(target.password), nullptr,
            static_cast<unsigned int>(target.port), or_null(target.socket), 0) == nullptr) {
        Error error = connection.last_error(where);
        if (is_lost_connection(error)) {
            error.code = Errc::kUnavailable;  // nothing was sent yet but the handshake
        }
        return error;
    }
    watch_peer(handle);
    connection.thread_id_ = mysql_thread_id(handle);
    if (Status status = connection.prepare_session(); !status.ok()) {
        return std::move(status).error().within(where);
    }
    return connection;
}

Status Connection::prepare_session() {
    RETURN_IF_ERROR(
        execute("SET SESSION lock_wait_timeout=1, innodb_lock_wait_timeout=1, wait_timeout=120, "
                "autocommit=1"));
    RETURN_IF_ERROR(use_own_sql_mode());
    ASSIGN_OR_RETURN(const auto facts,
                     query("SELECT @@lower_case_table_names, VERSION(), CONNECTION_ID()"));
    if (facts.empty() || facts[0].size() != 3) {
        return Error{Errc::kInternal, "server did not tell its version"};
    }
    folds_case_ = facts[0][0].value_or("0") != "0";
    version_ = facts[0][1].value_or("");  // a proxy's handshake tells the proxy's
    is_mariadb_ = version_.find("MariaDB") != std::string::npos;
    // The number in the handshake has 32 bits only.
    thread_id_ = std::strtoull(facts[0][2].value_or("0").c_str(), nullptr, 10);
    if (!is_mariadb_) {
        // MySQL 8 caches information_schema statistics for a day; older ones lack the variable.
        (void)execute("SET SESSION information_schema_stats_expiry=0");
    }
    return Ok{};
}

Error Connection::last_error(std::string_view doing) {
    const unsigned native = mysql_errno(handle_.get());
    server_words_ = fmt::format("{} ({})", mysql_error(handle_.get()), native);
    Error error{errc_of_mysql(native), fmt::format("{}: {}", doing, server_words_),
                static_cast<int>(native)};
    if (is_lost_connection(error)) {
        lost_ = true;
    }
    return error;
}

Status Connection::execute(std::string_view sql) {
    ASSIGN_OR_RETURN(const auto rows, query(sql));
    (void)rows;
    return Ok{};
}

Result<std::vector<Row>> Connection::query(std::string_view sql) {
    ASSIGN_OR_RETURN(NamedRows answer, query_named(sql));
    return std::move(answer.rows);
}

Result<NamedRows> Connection::query_named(std::string_view sql) {
    if (lost_) {
        return Error{Errc::kUnavailable, "connection was lost: " + shown(sql), 2006};
    }
    MYSQL* handle = handle_.get();
    const std::string effect = effect_of(sql);
    if (!effect.empty()) {
        crash_point("sql", effect);
    }
    std::string tagged;
    if (!tag_.empty()) {
        tagged = fmt::format("{} {}", sql, tag_);
    }
    const std::string_view sent = tag_.empty() ? sql : std::string_view(tagged);
    if (mysql_real_query(handle, sent.data(), sent.size()) != 0) {
        return last_error(shown(sql));
    }
    if (!effect.empty()) {
        crash_point("sql-done", effect);
    }
    NamedRows answer;
    MYSQL_RES* result = mysql_store_result(handle);
    if (result == nullptr) {
        if (mysql_field_count(handle) != 0 || mysql_errno(handle) != 0) {
            return last_error(shown(sql));
        }
        last_used_ = std::chrono::steady_clock::now();
        return answer;
    }
    const unsigned columns = mysql_num_fields(result);
    const MYSQL_FIELD* fields = mysql_fetch_fields(result);
    for (unsigned i = 0; i < columns; ++i) {
        answer.columns.emplace_back(fields[i].name, fields[i].name_length);
    }
    while (MYSQL_ROW values = mysql_fetch_row(result)) {
        const unsigned long* lengths = mysql_fetch_lengths(result);
        Row& row = answer.rows.emplace_back();
        row.reserve(columns);
        for (unsigned i = 0; i < columns; ++i) {
            row.push_back(values[i] == nullptr
                              ? std::nullopt
                              : std::optional<std::string>(std::in_place, values[i], lengths[i]));
        }
    }
    mysql_free_result(result);
    last_used_ = std::chrono::steady_clock::now();
    return answer;
}

Result<std::optional<std::string>> Connection::query_value(std::string_view sql) {
    ASSIGN_OR_RETURN(const auto rows, query(sql));
    if (rows.empty() || rows[0].empty()) {
        return std::optional<std::string>();
    }
    return rows[0][0];
}

std::uint64_t Connection::affected_rows() const {
    return mysql_affected_rows(handle_.get());
}

unsigned Connection::warning_count() const {
    return mysql_warning_count(handle_.get());
}

Status Connection::ping() {
    if (lost_) {
        return Error{Errc::kUnavailable, "ping: connection was lost", 2006};
    }
    if (mysql_ping(handle_.get()) != 0) {
        Error error = last_error("ping");
        lost_ = true;
        return error;
    }
    last_used_ = std::chrono::steady_clock::now();
    return Ok{};
}

Status Connection::use_database(const std::string& database) {
    return execute("USE " + quote_identifier(database));
}

Status Connection::use_server_sql_mode() {
    return execute("SET SESSION sql_mode=@@GLOBAL.sql_mode");
}

Status Connection::use_own_sql_mode() {
    return execute(fmt::format("SET SESSION sql_mode='{}'", kOwnSqlMode));
}

std::string Connection::quote(std::string_view text) const {
    std::string literal(text.size() * 2 + 1, '\0');
    const unsigned long length =
        mysql_real_escape_string(handle_.get(), literal.data(), text.data(), text.size());
    literal.resize(length);
    return "'" + literal + "'";
}

}  // namespace shift
