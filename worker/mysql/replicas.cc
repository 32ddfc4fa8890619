#include "worker/mysql/replicas.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "common/text.h"

namespace shift {
namespace {

constexpr std::size_t kReasonsMax = 3;
constexpr int kPortMax = 65535;
constexpr const char* kStopsTheWatch = "recursion_method=none stops the watch";

std::optional<int> parse_port(std::string_view text) {
    int port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port <= 0 || port > kPortMax) {
        return std::nullopt;
    }
    return port;
}

// The parts of a DSN by their letter. Commas with a backslash before them belong to a value.
// nullopt: something is not letter=value.
std::optional<std::map<char, std::string>> dsn_parts(std::string_view dsn) {
    std::map<char, std::string> parts;
    std::string part;
    const auto take = [&parts, &part] {
        const std::string_view whole = trim(part);
        const bool is_right = whole.size() >= 2 && whole[1] == '=';
        if (is_right) {
            parts[whole[0]] = whole.substr(2);
        }
        const bool is_empty = whole.empty();
        part.clear();
        return is_right || is_empty;
    };
    for (std::size_t i = 0; i < dsn.size(); ++i) {
        if (dsn[i] == '\\' && i + 1 < dsn.size() && dsn[i + 1] == ',') {
            part.push_back(dsn[++i]);
        } else if (dsn[i] != ',') {
            part.push_back(dsn[i]);
        } else if (!take()) {
            return std::nullopt;
        }
    }
    if (!take()) {
        return std::nullopt;
    }
    return parts;
}

std::string unquoted(std::string name) {
    if (name.size() >= 2 && name.front() == '`' && name.back() == '`') {
        return name.substr(1, name.size() - 2);
    }
    return name;
}

std::optional<ReplicaTable> parse_table(std::string_view dsn) {
    auto parts = dsn_parts(dsn);
    if (!parts) {
        return std::nullopt;
    }
    ReplicaTable table;
    table.host = (*parts)['h'];
    table.database = unquoted((*parts)['D']);
    table.table = (*parts)['t'];
    if (const std::size_t dot = table.table.find('.');
        table.database.empty() && dot != std::string::npos) {
        table.database = unquoted(table.table.substr(0, dot));
        table.table.erase(0, dot + 1);
    }
    table.table = unquoted(table.table);
    if (const std::string port = (*parts)['P']; !port.empty()) {
        const auto number = parse_port(port);
        if (!number) {
            return std::nullopt;
        }
        table.port = *number;
    }
    if (table.database.empty() || table.table.empty()) {
        return std::nullopt;
    }
    return table;
}

WatchMethod default_method(std::string trouble = "") {
    WatchMethod method;
    method.by_processlist = true;
    method.by_hosts = true;
    method.trouble = std::move(trouble);
    return method;
}

bool is_own_machine(const std::string& host) {
    return iequals_ascii(host, "localhost") || host == "::1" || host.starts_with("127.");
}

// Column by the first of its names that the server knows.
class Columns {
  public:
    explicit Columns(const NamedRows& answer) : answer_(answer) {}
    std::optional<std::string> value(const Row& row,
                                     std::initializer_list<std::string_view> names) const {
        for (const std::string_view name : names) {
            for (std::size_t i = 0; i < answer_.columns.size() && i < row.size(); ++i) {
                if (iequals_ascii(answer_.columns[i], name)) {
                    return row[i];
                }
            }
        }
        return std::nullopt;
    }

  private:
    const NamedRows& answer_;
};

std::optional<std::int64_t> to_number(const std::optional<std::string>& text) {
    std::int64_t number = 0;
    if (!text) {
        return std::nullopt;
    }
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    return error == std::errc() && end != text->data() ? std::optional(number) : std::nullopt;
}

// One source of a replica.
ReplicaReading read_source(const Columns& columns, const Row& row) {
    ReplicaReading reading;
    reading.is_replica = true;
    const std::string io =
        columns.value(row, {"Replica_IO_Running", "Slave_IO_Running"}).value_or("");
    const std::string sql =
        columns.value(row, {"Replica_SQL_Running", "Slave_SQL_Running"}).value_or("");
    const std::string name = columns.value(row, {"Channel_Name", "Connection_name"}).value_or("");
    const std::string which = name.empty() ? "" : fmt::format(" of '{}'", name);
    if (iequals_ascii(io, "no") || iequals_ascii(sql, "no")) {
        const std::string error = columns.value(row, {"Last_Error"}).value_or("").empty()
                                      ? columns.value(row, {"Last_IO_Error"}).value_or("")
                                      : columns.value(row, {"Last_Error"}).value_or("");
        reading.unknown = fmt::format("replication{} is stopped{}", which,
                                      error.empty() ? "" : ": " + clean_error_message(error, 200));
        return reading;
    }
    if (!io.empty() && !iequals_ascii(io, "yes")) {
        reading.unknown = fmt::format("replication{} is not connected to its source", which);
        return reading;
    }
    reading.behind_s =
        to_number(columns.value(row, {"Seconds_Behind_Source", "Seconds_Behind_Master"}));
    if (!reading.behind_s) {
        reading.unknown = fmt::format("replication{} does not tell", which);
        return reading;
    }
    const std::int64_t delay = to_number(columns.value(row, {"SQL_Delay"})).value_or(0);
    reading.behind_s = std::max<std::int64_t>(0, *reading.behind_s - delay);
    return reading;
}

bool is_worse(const ReplicaReading& a, const ReplicaReading& b) {
    if (!a.behind_s || !b.behind_s) {
        return !a.behind_s && b.behind_s;
    }
    return *a.behind_s > *b.behind_s;
}

void add_once(std::vector<ReplicaAddress>& found, ReplicaAddress address) {
    if (std::find(found.begin(), found.end(), address) == found.end()) {
        found.push_back(std::move(address));
    }
}

// The ports of a dumping host that no registered row names.
std::vector<int> ports_of_nameless(const std::set<int>& nameless, std::size_t hosts, int fallback) {
    if (nameless.empty() || (nameless.size() > 1 && hosts > 1)) {
        return {fallback};
    }
    return {nameless.begin(), nameless.end()};
}

}  // namespace

std::string to_text(const ReplicaAddress& address) {
    return address.host.find(':') == std::string::npos
               ? fmt::format("{}:{}", address.host, address.port)
               : fmt::format("[{}]:{}", address.host, address.port);
}

WatchMethod parse_recursion_method(std::string_view text) {
    const std::string_view given = trim(text);
    if (given.empty()) {
        return default_method();
    }
    if (to_lower_ascii(given.substr(0, 4)) == "dsn=") {
        WatchMethod method;
        method.table = parse_table(given.substr(4));
        return method.table ? method
                            : default_method(fmt::format("recursion_method {}: a table is meant "
                                                         "by dsn=D=database,t=table",
                                                         given));
    }
    WatchMethod method;
    bool is_none = false;
    for (const std::string& part : split(given, ',')) {
        const std::string word = to_lower_ascii(trim(part));
        if (word == "processlist") {
            method.by_processlist = true;
        } else if (word == "hosts") {
            method.by_hosts = true;
        } else if (word == "none") {
            is_none = true;
        } else {
            return default_method(fmt::format(
                "recursion_method {}: known are processlist, hosts, none and dsn=D=..,t=..",
                given));
        }
    }
    if (is_none && method.watches()) {
        return default_method(fmt::format("recursion_method {}: none stands alone", given));
    }
    return method;
}

std::optional<ReplicaAddress> parse_replica_dsn(std::string_view dsn, int default_port) {
    auto parts = dsn_parts(dsn);
    if (!parts || (*parts)['h'].empty()) {
        return std::nullopt;
    }
    ReplicaAddress address{(*parts)['h'], default_port};
    if (const std::string port = (*parts)['P']; !port.empty()) {
        const auto number = parse_port(port);
        if (!number) {
            return std::nullopt;
        }
        address.port = *number;
    }
    return address;
}

std::string without_client_port(std::string_view host) {
    const std::size_t colon = host.rfind(':');
    if (colon != std::string_view::npos && parse_port(host.substr(colon + 1))) {
        host = host.substr(0, colon);
    }
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    return std::string(host);
}

std::vector<ReplicaAddress> merge_replicas(const std::vector<std::string>& dumping,
                                           const std::vector<ReplicaAddress>& registered,
                                           const ReplicaAddress& primary, const Resolve& resolve) {
    const auto seen_from_here = [&primary](const std::string& host) {
        return is_own_machine(host) ? primary.host : host;
    };
    std::vector<ReplicaAddress> found;
    std::set<std::string> covered;  // hosts that registered rows name, and their addresses
    std::set<int> nameless;
    for (const ReplicaAddress& row : registered) {
        const int port = row.port > 0 ? row.port : primary.port;
        if (row.host.empty()) {
            nameless.insert(port);
            continue;
        }
        const std::string host = seen_from_here(row.host);
        covered.insert(to_lower_ascii(host));
        for (std::string& address : resolve(host)) {
            covered.insert(std::move(address));
        }
        add_once(found, {host, port});
    }
    std::set<std::string> open;
    for (const std::string& dumper : dumping) {
        const std::string host = seen_from_here(dumper);
        if (covered.find(to_lower_ascii(host)) != covered.end()) {
            continue;
        }
        const auto addresses = resolve(host);
        if (std::none_of(addresses.begin(), addresses.end(), [&covered](const auto& address) {
                return covered.find(address) != covered.end();
            })) {
            open.insert(host);
        }
    }
    for (const std::string& host : open) {
        for (const int port : ports_of_nameless(nameless, open.size(), primary.port)) {
            add_once(found, {host, port});
        }
    }
    std::erase(found, primary);
    return found;
}

ReplicaReading read_replica_status(const NamedRows& answer, const std::string& source_server_id) {
    const Columns columns(answer);
    const auto is_ours = [&](const Row& row) {
        return columns.value(row, {"Source_Server_Id", "Master_Server_Id"}) == source_server_id;
    };
    const bool filters = std::any_of(answer.rows.begin(), answer.rows.end(), is_ours);
    ReplicaReading worst;
    for (const Row& row : answer.rows) {
        if (filters && !is_ours(row)) {
            continue;
        }
        const ReplicaReading one = read_source(columns, row);
        if (!worst.is_replica || is_worse(one, worst)) {
            worst = one;
        }
    }
    return worst;
}

std::string lag_reason(const ReplicaAddress& replica, const ReplicaReading& reading,
                       std::chrono::seconds lag_max) {
    if (!reading.behind_s) {
        return fmt::format("replica {}: lag unknown ({})", to_text(replica), reading.unknown);
    }
    if (*reading.behind_s <= lag_max.count()) {
        return "";
    }
    return fmt::format("replica {} is {} s behind (max_replication_lag {})", to_text(replica),
                       *reading.behind_s, lag_max.count());
}

std::string unreachable_reason(const ReplicaAddress& replica, const std::string& why) {
    return fmt::format("replica {} cannot be reached: {}; {}", to_text(replica), why,
                       kStopsTheWatch);
}

std::string no_right_reason(const ReplicaAddress& replica, bool is_mariadb,
                            const std::string& why) {
    return fmt::format("replica {}: lag unknown (the user lacks {} there: {}); {}",
                       to_text(replica),
                       is_mariadb ? "SLAVE MONITOR (REPLICATION CLIENT before MariaDB 10.5)"
                                  : "REPLICATION CLIENT",
                       why, kStopsTheWatch);
}

std::string join_reasons(const std::vector<std::string>& reasons) {
    std::string text;
    for (std::size_t i = 0; i < reasons.size() && i < kReasonsMax; ++i) {
        text += (i == 0 ? "" : "; ") + reasons[i];
    }
    if (reasons.size() > kReasonsMax) {
        text += fmt::format("; and {} more", reasons.size() - kReasonsMax);
    }
    return text;
}

}  // namespace shift
