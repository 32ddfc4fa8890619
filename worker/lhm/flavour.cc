#include "worker/lhm/flavour.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace shift::lhm {
namespace {

// SHOW WARNINGS shows no more than this, so it must exceed what a chunk may give.
constexpr int kWarningsMax = 65535;

}  // namespace

std::string ServerFlavour::share_lock() const {
    return !is_mariadb && version >= 80000 ? "FOR SHARE" : "LOCK IN SHARE MODE";
}

std::string ServerFlavour::share_lock_nowait() const {
    const bool has_nowait = is_mariadb ? version >= 100300 : version >= 80000;
    return share_lock() + (has_nowait ? " NOWAIT" : "");
}

std::string ServerFlavour::share_lock_patient() const {
    return share_lock() + (is_mariadb && version >= 100300 ? " WAIT 1" : "");
}

bool ServerFlavour::renames_columns() const {
    return is_mariadb ? version >= 100502 : version >= 80000;
}

bool ServerFlavour::renames_locked_tables() const {
    return !is_mariadb && version >= 80013;
}

ServerFlavour parse_flavour(const std::string& version) {
    ServerFlavour flavour;
    flavour.is_mariadb = version.find("MariaDB") != std::string::npos;
    std::string_view text = version;
    // What MariaDB tells old replication clients: "5.5.5-10.11.19-MariaDB".
    if (constexpr std::string_view kMask = "5.5.5-";
        flavour.is_mariadb && text.starts_with(kMask)) {
        text.remove_prefix(kMask.size());
    }
    std::array<int, 3> parts{};
    for (int& part : parts) {
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), part);
        if (error != std::errc{}) {
            break;
        }
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        if (text.empty() || text[0] != '.') {
            break;
        }
        text.remove_prefix(1);
    }
    flavour.version = parts[0] * 10000 + parts[1] * 100 + parts[2];
    return flavour;
}

ServerFlavour flavour_of(const Connection& connection) {
    return parse_flavour(connection.server_version());
}

Status prepare_session(Connection& connection) {
    RETURN_IF_ERROR(connection.execute(
        fmt::format("SET SESSION sql_mode='{}', time_zone='+00:00', max_error_count={}",
                    kEngineSqlMode, kWarningsMax)));
    ASSIGN_OR_RETURN(
        const auto logs_statements,
        connection.query_value("SELECT @@log_bin = 1 AND @@binlog_format='STATEMENT'"));
    RETURN_IF_ERROR(connection.execute(
        fmt::format("SET SESSION TRANSACTION ISOLATION LEVEL {}",
                    logs_statements.value_or("0") == "1" ? "REPEATABLE READ" : "READ COMMITTED")));
    return Ok{};
}

Status restore_session(Connection& connection) {
    RETURN_IF_ERROR(connection.use_own_sql_mode());
    // Source: MySQL 8.0 and MariaDB 10.11 manuals; the other name is unknown to each.
    return connection.execute(
        fmt::format("SET SESSION time_zone=DEFAULT, max_error_count=DEFAULT, {}=DEFAULT",
                    connection.is_mariadb() ? "tx_isolation" : "transaction_isolation"));
}

}  // namespace shift::lhm
