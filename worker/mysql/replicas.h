#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/mysql/connection.h"

// Which replicas a primary has and how far behind they are, told from what servers say. Pure; the
// asking is in replica_lag.h.

namespace shift {

struct ReplicaAddress {
    std::string host;
    int port = 0;
    friend bool operator==(const ReplicaAddress&, const ReplicaAddress&) = default;
};
std::string to_text(const ReplicaAddress& address);  // "10.0.0.2:3306", "[::1]:3306"

// A table whose `dsn` column lists the replicas ("h=10.0.0.2,P=3306" a row).
struct ReplicaTable {
    std::string host;  // "" = on the primary
    int port = 0;      // 0 = the primary's
    std::string database;
    std::string table;
};

// How replicas are found: the words of pt-osc's --recursion-method.
struct WatchMethod {
    bool by_processlist = false;
    bool by_hosts = false;
    std::optional<ReplicaTable> table;
    std::string trouble;  // the text was not understood, and this is the default

    bool watches() const { return by_processlist || by_hosts || table.has_value(); }
    // One of several ways may fail as long as the other works.
    bool has_both() const { return by_processlist && by_hosts; }
};
// "" | "none" | "processlist" | "hosts" | "processlist,hosts" | "dsn=[h=..,P=..,]D=..,t=..".
WatchMethod parse_recursion_method(std::string_view text);

// A row of the table: h and P count, whatever else a DSN holds (user, password) does not.
// nullopt: no host, or a port that is none.
std::optional<ReplicaAddress> parse_replica_dsn(std::string_view dsn, int default_port);

// The host in a process list: "10.0.0.2:41234", "[::1]:41234", "localhost".
std::string without_client_port(std::string_view host);

// The addresses to watch, from both ways of finding them. `dumping` are hosts of Binlog Dump
// threads, which tell no port; `registered` is SHOW REPLICAS, which tells the port but the host
// only where report_host is set. A dumping host that is one of the registered (`resolve`: the
// numeric addresses of a name) is not named twice; else it has the port that nameless rows agree
// on, else the primary's. The primary itself is never among them, and an address of its own machine
// is replaced by the primary's host.
using Resolve = std::function<std::vector<std::string>(const std::string& name)>;
std::vector<ReplicaAddress> merge_replicas(const std::vector<std::string>& dumping,
                                           const std::vector<ReplicaAddress>& registered,
                                           const ReplicaAddress& primary, const Resolve& resolve);

// What a server says of its own replication.
struct ReplicaReading {
    bool is_replica = false;
    std::optional<std::int64_t> behind_s;  // beyond a delay it was told to keep (SQL_Delay)
    std::string unknown;                   // why behind_s is not known
};
// From SHOW ALL SLAVES STATUS, SHOW REPLICA STATUS or SHOW SLAVE STATUS. Of several sources those
// with `source_server_id` count (all when none has it); the worst of them is given.
// A thread that does not run makes the lag unknown, whatever number the server gives: the IO
// thread's stop leaves it at 0.
ReplicaReading read_replica_status(const NamedRows& answer, const std::string& source_server_id);

// Why the copy waits for this replica, for people; "" = it need not.
std::string lag_reason(const ReplicaAddress& replica, const ReplicaReading& reading,
                       std::chrono::seconds lag_max);
std::string unreachable_reason(const ReplicaAddress& replica, const std::string& why);
// Which right the user lacks on the replica. `why` is the server's message.
std::string no_right_reason(const ReplicaAddress& replica, bool is_mariadb, const std::string& why);
// The first three, and how many more.
std::string join_reasons(const std::vector<std::string>& reasons);

}  // namespace shift
