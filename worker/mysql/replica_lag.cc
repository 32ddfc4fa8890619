#include "worker/mysql/replica_lag.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <mysql.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>

#include "common/ddl.h"
#include "worker/mysql/errors.h"
#include "worker/mysql/inspect.h"

// Happy path: find the replicas, ask each how far behind it is, publish why the copy must wait,
// once a second. Trouble: replicas cannot be found - held until they once were, then the known ones
// go on being watched; a replica cannot be asked - held for as long as that lasts.

namespace shift {
namespace {

constexpr std::chrono::seconds kAskEvery{1};
constexpr std::chrono::seconds kFindEvery{60};
constexpr std::chrono::seconds kFindAgain{5};  // after a failure
constexpr std::chrono::seconds kConnectTimeout{3};
constexpr std::chrono::seconds kAnswerTimeout{5};
constexpr std::size_t kSaidMax = 100;  // remarks an attempt may make
constexpr int kSyntaxError = 1064;

Result<Connection> connect(const MysqlTarget& target) {
    ConnectOptions options;
    options.connect_timeout = kConnectTimeout;
    options.read_timeout = kAnswerTimeout;
    options.write_timeout = kAnswerTimeout;
    return Connection::open(target, options);
}

// The numeric addresses of a name; {} when it has none.
std::vector<std::string> addresses_of(const std::string& name) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    std::vector<std::string> found;
    if (::getaddrinfo(name.c_str(), nullptr, &hints, &list) != 0) {
        return found;
    }
    for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0,
                          NI_NUMERICHOST) == 0) {
            found.emplace_back(text);
        }
    }
    ::freeaddrinfo(list);
    return found;
}

// MySQL 8.4 took the older words away, MariaDB and MySQL 5.7 know only those.
Result<NamedRows> query_either(Connection& server, std::string_view newer, std::string_view older) {
    auto answer = server.query_named(newer);
    if (!answer.ok() && answer.error().native == kSyntaxError) {
        return server.query_named(older);
    }
    return answer;
}

Result<NamedRows> query_status(Connection& replica) {
    return replica.is_mariadb()
               ? query_either(replica, "SHOW ALL SLAVES STATUS", "SHOW SLAVE STATUS")
               : query_either(replica, "SHOW REPLICA STATUS", "SHOW SLAVE STATUS");
}

}  // namespace

ReplicaLag::ReplicaLag(Options options, Remark remark, const Clock& clock)
    : options_(std::move(options)), remark_(std::move(remark)), clock_(clock), thread_([this] {
          run();
          mysql_thread_end();
      }) {}

ReplicaLag::~ReplicaLag() {
    stop();
    thread_.join();
}

void ReplicaLag::stop() {
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    stopped_.notify_all();
}

std::string ReplicaLag::held_because() const {
    const std::lock_guard lock(mutex_);
    return held_;
}

bool ReplicaLag::has_asked() const {
    const std::lock_guard lock(mutex_);
    return has_asked_;
}

bool ReplicaLag::is_stopping() const {
    const std::lock_guard lock(mutex_);
    return is_stopping_;
}

bool ReplicaLag::sleep(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return stopped_.wait_for(lock, time, [this] { return is_stopping_; });
}

void ReplicaLag::run() {
    SteadyTime find_at = clock_.now();
    do {
        if (clock_.now() >= find_at) {
            const bool found = discover();
            find_at = clock_.now() + (found ? kFindEvery : kFindAgain);
            publish();
        }
        for (Replica& replica : replicas_) {
            if (is_stopping()) {
                return;
            }
            replica.reason = ask(replica);
            publish();
        }
        {
            const std::lock_guard lock(mutex_);
            has_asked_ = true;
        }
    } while (!sleep(kAskEvery));
}

bool ReplicaLag::discover() {
    auto found = find();
    if (!found.ok()) {
        const std::string why =
            fmt::format("the replicas cannot be found: {}; recursion_method=none stops the watch",
                        found.error().message);
        remark_once(why, LogLevel::kWarn);
        find_trouble_ = has_found_ ? "" : why;
        return false;
    }
    find_trouble_.clear();
    watch(*found);
    has_found_ = true;
    return true;
}

Result<std::vector<ReplicaAddress>> ReplicaLag::find() {
    ASSIGN_OR_RETURN(Connection primary, connect(options_.primary));
    ASSIGN_OR_RETURN(const auto id, primary.query_value("SELECT @@server_id"));
    source_server_id_ = id.value_or("");
    if (options_.method.table) {
        return find_in_table(*options_.method.table);
    }
    std::vector<std::string> dumping;
    if (options_.method.by_processlist) {
        ASSIGN_OR_RETURN(const auto threads, server_threads(primary));
        for (const ServerThread& thread : threads) {
            if (thread.command.starts_with("Binlog Dump")) {
                dumping.push_back(without_client_port(thread.host));
            }
        }
    }
    std::vector<ReplicaAddress> registered;
    if (options_.method.by_hosts) {
        auto rows = find_registered(primary);
        if (!rows.ok() && (!options_.method.has_both() || primary.lost())) {
            return std::move(rows).error();
        }
        if (rows.ok()) {
            registered = *rows;
        } else {  // the process list tells the hosts; their port is taken for the primary's
            remark_once("replicas are looked for in the process list only: " + rows.error().message,
                        LogLevel::kWarn);
        }
    }
    return merge_replicas(dumping, registered,
                          ReplicaAddress{options_.primary.host, options_.primary.port},
                          addresses_of);
}

Result<std::vector<ReplicaAddress>> ReplicaLag::find_registered(Connection& primary) {
    ASSIGN_OR_RETURN(const NamedRows answer,
                     primary.is_mariadb()
                         ? primary.query_named("SHOW SLAVE HOSTS")
                         : query_either(primary, "SHOW REPLICAS", "SHOW SLAVE HOSTS"));
    const auto column = [&answer](std::string_view name) {
        return static_cast<std::size_t>(
            std::find(answer.columns.begin(), answer.columns.end(), name) - answer.columns.begin());
    };
    const std::size_t host = column("Host");
    const std::size_t port = column("Port");
    std::vector<ReplicaAddress> found;
    for (const Row& row : answer.rows) {
        if (host >= row.size() || port >= row.size()) {
            return Error{Errc::kInternal, "the list of replicas has no columns Host and Port"};
        }
        const std::string number = row[port].value_or("0");
        ReplicaAddress address{row[host].value_or(""), 0};
        (void)std::from_chars(number.data(), number.data() + number.size(), address.port);
        found.push_back(std::move(address));
    }
    return found;
}

Result<std::vector<ReplicaAddress>> ReplicaLag::find_in_table(const ReplicaTable& table) {
    MysqlTarget target = options_.primary;
    if (!table.host.empty()) {
        target.host = table.host;
    }
    if (table.port > 0) {
        target.port = table.port;
    }
    ASSIGN_OR_RETURN(Connection server, connect(target));
    ASSIGN_OR_RETURN(const auto rows, server.query(fmt::format("SELECT dsn FROM {}.{}",
                                                               quote_identifier(table.database),
                                                               quote_identifier(table.table))));
    std::vector<ReplicaAddress> found;
    for (const Row& row : rows) {
        auto address = parse_replica_dsn(row.at(0).value_or(""), options_.primary.port);
        if (!address) {  // its words may hold a password
            return Error{Errc::kInvalidArgument,
                         fmt::format("{}.{} has a row that is no DSN with a host (h=..,P=..)",
                                     table.database, table.table)};
        }
        found.push_back(*std::move(address));
    }
    return found;
}

void ReplicaLag::watch(const std::vector<ReplicaAddress>& found) {
    const auto is_found = [&found](const Replica& replica) {
        return std::find(found.begin(), found.end(), replica.address) != found.end();
    };
    if (options_.method.table) {
        replicas_.remove_if([&](const Replica& replica) { return !is_found(replica); });
    }
    for (const ReplicaAddress& address : found) {
        const bool is_known =
            std::any_of(replicas_.begin(), replicas_.end(),
                        [&](const Replica& replica) { return replica.address == address; });
        if (!is_known) {
            replicas_.emplace_back().address = address;
            remark_once("watching the lag of replica " + to_text(address), LogLevel::kInfo);
        }
    }
    if (!has_found_ && found.empty()) {
        remark_once("no replicas were found; no lag is watched", LogLevel::kInfo);
    }
}

Result<ReplicaReading> ReplicaLag::read(Replica& replica) {
    const bool is_new = !replica.session;
    if (is_new) {
        MysqlTarget target = options_.primary;
        target.host = replica.address.host;
        target.port = replica.address.port;
        ASSIGN_OR_RETURN(Connection session, connect(target));
        replica.session.emplace(std::move(session));
    }
    auto answer = query_status(*replica.session);
    if (answer.ok()) {
        return read_replica_status(*answer, source_server_id_);
    }
    if (replica.session->lost()) {
        replica.session.reset();
        if (!is_new && !is_stopping()) {
            return read(replica);  // somebody ended an old session: that says nothing
        }
    }
    return std::move(answer).error();
}

std::string ReplicaLag::ask(Replica& replica) {
    const auto reading = read(replica);
    if (!reading.ok()) {
        const std::string& why = reading.error().message;
        if (!replica.session || !is_access_denied(reading.error())) {
            return unreachable_reason(replica.address, why);
        }
        const bool is_mariadb = replica.session->is_mariadb();
        replica.session.reset();  // a right that is granted is one of new sessions
        return no_right_reason(replica.address, is_mariadb, why);
    }
    if (reading->is_replica) {
        replica.was_replica = true;
        return lag_reason(replica.address, *reading, options_.lag_max);
    }
    if (replica.was_replica || options_.method.table) {
        ReplicaReading none;
        none.unknown = replica.was_replica ? "it is no replica any more" : "it is no replica";
        return lag_reason(replica.address, none, options_.lag_max);
    }
    remark_once(fmt::format("{} reads the binary log but is no replica: not waited for",
                            to_text(replica.address)),
                LogLevel::kInfo);
    return "";
}

void ReplicaLag::publish() {
    std::vector<std::string> reasons;
    if (!find_trouble_.empty()) {
        reasons.push_back(find_trouble_);
    }
    for (const Replica& replica : replicas_) {
        if (!replica.reason.empty()) {
            reasons.push_back(replica.reason);
        }
    }
    std::string text = join_reasons(reasons);
    const std::lock_guard lock(mutex_);
    held_ = std::move(text);
}

void ReplicaLag::remark_once(const std::string& text, LogLevel level) {
    if (said_.size() < kSaidMax && said_.insert(text).second) {
        remark_(text, level);
    }
}

}  // namespace shift
