#include "api/mysql_target.h"

#include <fmt/format.h>
#include <mysql.h>

#include <optional>
#include <utility>

namespace shift::api {
namespace {

constexpr unsigned kConnectSeconds = 2;
constexpr unsigned kQuerySeconds = 5;
constexpr std::chrono::seconds kKnownFor{5};
constexpr std::size_t kKnownMax = 1000;

using TextRow = std::vector<std::string>;  // NULL is ""

// One connection, closed when it goes.
class Connection {
  public:
    static Result<Connection> open(const Cluster& cluster);
    ~Connection() {
        if (handle_ != nullptr) {
            mysql_close(handle_);
        }
    }
    Connection(Connection&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Connection& operator=(Connection&&) = delete;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Result<std::vector<TextRow>> query(const std::string& sql);
    std::string quote(const std::string& text);

  private:
    explicit Connection(MYSQL* handle) : handle_(handle) {}
    Error failure(const std::string& what) const {
        return Error{Errc::kUnavailable, fmt::format("{}: {}", what, mysql_error(handle_)),
                     static_cast<int>(mysql_errno(handle_))};
    }
    MYSQL* handle_;
};

Result<Connection> Connection::open(const Cluster& cluster) {
    Connection connection(mysql_init(nullptr));
    MYSQL* const handle = connection.handle_;
    if (handle == nullptr) {
        return Error{Errc::kUnavailable, "mysql_init failed"};
    }
    const unsigned protocol = MYSQL_PROTOCOL_TCP;
    mysql_options(handle, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options(handle, MYSQL_OPT_CONNECT_TIMEOUT, &kConnectSeconds);
    mysql_options(handle, MYSQL_OPT_READ_TIMEOUT, &kQuerySeconds);
    mysql_options(handle, MYSQL_OPT_WRITE_TIMEOUT, &kQuerySeconds);
    mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (!cluster.mysql_defaults_file.empty()) {
        mysql_options(handle, MYSQL_READ_DEFAULT_FILE, cluster.mysql_defaults_file.c_str());
        mysql_options(handle, MYSQL_READ_DEFAULT_GROUP, "client");
    }
    const char* user = cluster.user.empty() ? nullptr : cluster.user.c_str();
    const char* password = cluster.password.empty() ? nullptr : cluster.password.c_str();
    if (mysql_real_connect(handle, cluster.rw_host.c_str(), user, password, nullptr,
                           static_cast<unsigned>(cluster.port), nullptr, 0) == nullptr) {
        return connection.failure(fmt::format("Problem establishing mysql connection to {}:{}",
                                              cluster.rw_host, cluster.port));
    }
    return connection;
}

Result<std::vector<TextRow>> Connection::query(const std::string& sql) {
    if (mysql_real_query(handle_, sql.data(), sql.size()) != 0) {
        return failure("query");
    }
    const std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> result(
        mysql_store_result(handle_), &mysql_free_result);
    if (result == nullptr) {
        return failure("query");
    }
    const unsigned columns = mysql_num_fields(result.get());
    std::vector<TextRow> rows;
    while (MYSQL_ROW row = mysql_fetch_row(result.get())) {
        const unsigned long* lengths = mysql_fetch_lengths(result.get());
        TextRow& texts = rows.emplace_back();
        for (unsigned i = 0; i < columns; ++i) {
            texts.push_back(row[i] == nullptr ? std::string() : std::string(row[i], lengths[i]));
        }
    }
    return rows;
}

std::string Connection::quote(const std::string& text) {
    std::string escaped(text.size() * 2 + 1, '\0');
    escaped.resize(mysql_real_escape_string(handle_, escaped.data(), text.data(), text.size()));
    return "'" + escaped + "'";
}

// MySQL 5.6 and 5.7 without avoid_temporal_upgrade rebuild tables with old temporal columns on any
// ALTER; no other server has the variable in that sense.
Result<bool> avoids_temporal_upgrade(Connection& connection) {
    ASSIGN_OR_RETURN(const auto version, connection.query("SELECT VERSION()"));
    const std::string text = version.empty() ? "" : version[0][0];
    if (!text.starts_with("5.6.") && !text.starts_with("5.7.")) {
        return true;
    }
    const auto value = connection.query("SELECT @@avoid_temporal_upgrade");
    return !value.ok() || value->empty() || (*value)[0][0] == "1";
}

Result<DdlTargetFacts> ask(const Cluster& cluster, const std::string& database,
                           const std::string& table) {
    ASSIGN_OR_RETURN(Connection connection, Connection::open(cluster));
    const std::string schema = connection.quote(database);
    const std::string name = connection.quote(table);
    const auto count = [&](const char* view, const char* prefix) -> Result<bool> {
        ASSIGN_OR_RETURN(const auto rows, connection.query(fmt::format(
                                              "SELECT COUNT(*) FROM information_schema.{} WHERE "
                                              "{}table_schema = {} AND {}table_name = {}",
                                              view, prefix, schema, prefix, name)));
        return !rows.empty() && rows[0][0] != "0";
    };
    DdlTargetFacts facts;
    ASSIGN_OR_RETURN(facts.table_exists, count("tables", ""));
    ASSIGN_OR_RETURN(facts.view_exists, count("views", ""));
    ASSIGN_OR_RETURN(facts.referenced, count("key_column_usage", "referenced_"));
    ASSIGN_OR_RETURN(
        const auto columns,
        connection.query(fmt::format("SELECT column_name, column_type FROM "
                                     "information_schema.columns WHERE table_schema = {} AND "
                                     "table_name = {} ORDER BY ordinal_position",
                                     schema, name)));
    facts.column_list.emplace();
    for (const TextRow& row : columns) {
        facts.column_list->push_back({row[0], row[1]});
    }
    ASSIGN_OR_RETURN(
        const auto keys,
        connection.query(fmt::format("SELECT DISTINCT constraint_name FROM "
                                     "information_schema.key_column_usage WHERE table_schema = {} "
                                     "AND table_name = {} AND referenced_table_schema IS NOT NULL",
                                     schema, name)));
    facts.foreign_key_names.emplace();
    for (const TextRow& row : keys) {
        facts.foreign_key_names->push_back(row[0]);
    }
    ASSIGN_OR_RETURN(facts.avoids_temporal_upgrade, avoids_temporal_upgrade(connection));
    return facts;
}

// One migration's target: asks when it is first asked.
class MysqlTarget final : public DdlTarget {
  public:
    MysqlTarget(MysqlTargets& targets, const Cluster& cluster, std::string database)
        : targets_(targets), cluster_(cluster), database_(std::move(database)) {}

    Result<std::optional<bool>> exists(Mode mode, const TableName& name) const override {
        ASSIGN_OR_RETURN(const DdlTargetFacts facts, facts_of(name));
        return facts.exists(mode, name);
    }
    Result<std::optional<std::vector<Column>>> columns(const TableName& name) const override {
        ASSIGN_OR_RETURN(const DdlTargetFacts facts, facts_of(name));
        return facts.columns(name);
    }
    Result<std::optional<bool>> is_referenced(const TableName& name) const override {
        ASSIGN_OR_RETURN(const DdlTargetFacts facts, facts_of(name));
        return facts.is_referenced(name);
    }
    Result<std::optional<std::vector<std::string>>> foreign_keys(
        const TableName& name) const override {
        ASSIGN_OR_RETURN(const DdlTargetFacts facts, facts_of(name));
        return facts.foreign_keys(name);
    }
    Result<std::optional<bool>> avoid_temporal_upgrade() const override {
        return std::optional<bool>(avoids_);
    }

  private:
    // A table of another database than the migration's own counts as missing, as in the original:
    // whoever approves reads the migration's database.
    Result<DdlTargetFacts> facts_of(const TableName& name) const {
        DdlTargetFacts facts;
        if (name.database && *name.database != database_) {
            facts.table_exists = false;
            facts.view_exists = false;
            return facts;
        }
        ASSIGN_OR_RETURN(facts, targets_.facts(cluster_, database_, name.name));
        avoids_ = facts.avoids_temporal_upgrade;
        return facts;
    }

    MysqlTargets& targets_;
    const Cluster& cluster_;
    const std::string database_;
    mutable std::optional<bool> avoids_;  // learnt with the table, which is always asked first
};

}  // namespace

MysqlTargets::MysqlTargets(const Clock& clock, bool cut_shard_suffix)
    : clock_(clock), cut_shard_suffix_(cut_shard_suffix) {
    mysql_library_init(0, nullptr, nullptr);  // not thread-safe, so before any thread connects
}

std::unique_ptr<DdlTarget> MysqlTargets::target(const Cluster& cluster,
                                                const std::string& database) {
    if (!cluster.check_target) {
        return nullptr;
    }
    const std::size_t suffix = cut_shard_suffix_ ? database.find("__") : std::string::npos;
    return std::make_unique<MysqlTarget>(*this, cluster, database.substr(0, suffix));
}

Result<DdlTargetFacts> MysqlTargets::facts(const Cluster& cluster, const std::string& database,
                                           const std::string& table) {
    const std::vector<std::string> key = {cluster.name, database, table};
    {
        const std::lock_guard lock(mutex_);
        const auto known = known_.find(key);
        if (known != known_.end() && clock_.now() - known->second.learnt < kKnownFor) {
            return known->second.facts;
        }
    }
    Result<DdlTargetFacts> facts = ask(cluster, database, table);
    const std::lock_guard lock(mutex_);
    if (known_.size() >= kKnownMax) {
        known_.clear();
    }
    known_.insert_or_assign(key, Known{clock_.now(), facts});
    return facts;
}

std::vector<std::string> MysqlTargets::databases(const Cluster& cluster) {
    std::vector<std::string> names;
    if (!cluster.check_target) {
        return names;
    }
    auto connection = Connection::open(cluster);
    if (!connection.ok()) {
        return names;
    }
    const auto rows = connection->query("SHOW DATABASES");
    if (!rows.ok()) {
        return names;
    }
    for (const TextRow& row : *rows) {
        if (row[0] != "information_schema" && row[0] != "performance_schema" && row[0] != "mysql" &&
            row[0] != "sys") {
            names.push_back(row[0]);
        }
    }
    return names;
}

}  // namespace shift::api
