#include "worker/mysql/lock_holders.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "common/text.h"

namespace shift {
namespace {

constexpr std::size_t kStatementBytesMax = 120;
constexpr std::size_t kHoldersTold = 5;
// INNODB_TRX tells the machine's local time, whatever the session's time zone.
constexpr const char* kTransactionAge =
    "TIMESTAMPDIFF(SECOND, x.trx_started, CONVERT_TZ(NOW(), @@session.time_zone, 'SYSTEM'))";

std::string number_list(const std::vector<std::uint64_t>& numbers) {
    return numbers.empty() ? "0" : fmt::format("{}", fmt::join(numbers, ","));
}

bool is_name_character(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
           static_cast<unsigned char>(c) >= 0x80;
}

std::int64_t number_of(const std::optional<std::string>& text) {
    return text ? std::strtoll(text->c_str(), nullptr, 10) : 0;
}

// Threads that the server says hold a lock on the table; nullopt when it does not tell.
// Source: MariaDB "METADATA_LOCK_INFO Plugin"; MySQL 8.0 manual, "The metadata_locks Table" (also
// MariaDB 10.5 and later), which needs the instrument wait/lock/metadata/sql/mdl: without it the
// table is there and empty, but for the lock that this very query needs.
std::optional<std::vector<std::uint64_t>> listed_holders(Connection& connection,
                                                         const std::string& database,
                                                         const std::string& table) {
    const std::string schema = connection.quote(database);
    const std::string name = connection.quote(table);
    const std::string queries[] = {
        fmt::format("SELECT THREAD_ID FROM information_schema.METADATA_LOCK_INFO "
                    "WHERE TABLE_SCHEMA={} AND TABLE_NAME={}",
                    schema, name),
        fmt::format("SELECT t.PROCESSLIST_ID FROM performance_schema.metadata_locks l "
                    "JOIN performance_schema.threads t ON t.THREAD_ID=l.OWNER_THREAD_ID "
                    "WHERE l.OBJECT_TYPE='TABLE' AND l.OBJECT_SCHEMA={} AND l.OBJECT_NAME={} "
                    "AND l.LOCK_STATUS='GRANTED'",
                    schema, name)};
    for (const std::string& query : queries) {
        const auto rows = connection.query(query);
        if (!rows.ok() || rows->empty()) {
            continue;
        }
        std::vector<std::uint64_t> threads;
        for (const Row& row : *rows) {
            threads.push_back(static_cast<std::uint64_t>(number_of(row[0])));
        }
        return threads;
    }
    return std::nullopt;
}

// Whether a statement has this word in it: "t" is not in "FROM orders_t WHERE total".
bool mentions_table(std::string_view statement, std::string_view table) {
    const auto is_edge = [&](std::size_t at) {
        return at >= statement.size() || !is_name_character(statement[at]);
    };
    for (std::size_t at = statement.find(table); at != std::string_view::npos;
         at = statement.find(table, at + 1)) {
        if ((at == 0 || is_edge(at - 1)) && is_edge(at + table.size())) {
            return true;
        }
    }
    return false;
}

// The last statement of an idle session, where the server keeps it.
std::string last_statement(Connection& connection, std::uint64_t thread_id) {
    const auto text = connection.query_value(
        fmt::format("SELECT s.SQL_TEXT FROM performance_schema.events_statements_current s "
                    "JOIN performance_schema.threads t USING (THREAD_ID) "
                    "WHERE t.PROCESSLIST_ID={} ORDER BY s.EVENT_ID DESC LIMIT 1",
                    thread_id));
    return text.ok() ? text->value_or("") : "";
}

// Columns: thread, user, host, command, seconds of the statement, statement, seconds of the
// transaction (NULL without one).
std::string sessions_query(const std::string& condition) {
    return fmt::format(
        "SELECT p.ID, p.USER, p.HOST, p.COMMAND, p.TIME, p.INFO, {} "
        "FROM information_schema.PROCESSLIST p "
        "LEFT JOIN information_schema.INNODB_TRX x ON x.trx_mysql_thread_id=p.ID WHERE {}",
        kTransactionAge, condition);
}

TableLockHolder holder_of(const Row& row, bool is_certain) {
    TableLockHolder holder;
    holder.thread_id = static_cast<std::uint64_t>(number_of(row[0]));
    holder.user = row[1].value_or("");
    holder.host = row[2].value_or("");
    holder.is_idle = row[3].value_or("") == "Sleep";
    holder.for_s = std::max(number_of(row[4]), number_of(row[6]));
    holder.statement = row[5].value_or("");
    holder.is_certain = is_certain;
    return holder;
}

}  // namespace

Result<std::vector<TableLockHolder>> table_lock_holders(Connection& connection,
                                                        const std::string& database,
                                                        const std::string& table,
                                                        const std::vector<std::uint64_t>& own) {
    const auto listed = listed_holders(connection, database, table);
    const std::string condition =
        listed ? fmt::format("p.ID IN ({})", number_list(*listed))
               : std::string(
                     "(p.INFO IS NOT NULL OR x.trx_started IS NOT NULL) AND "
                     "COALESCE(p.STATE,'')<>'Waiting for table metadata lock'");
    ASSIGN_OR_RETURN(
        const auto rows,
        connection.query(sessions_query(fmt::format("{} AND p.ID NOT IN ({},{})", condition,
                                                    number_list(own), connection.thread_id()))));
    std::vector<TableLockHolder> holders;
    for (const Row& row : rows) {
        TableLockHolder holder = holder_of(row, listed.has_value());
        if (!listed && !holder.is_idle && !mentions_table(holder.statement, table)) {
            continue;
        }
        if (holder.statement.empty()) {
            holder.statement = last_statement(connection, holder.thread_id);
        }
        holder.statement = masked_statement(holder.statement, kStatementBytesMax);
        holders.push_back(std::move(holder));
    }
    std::stable_sort(holders.begin(), holders.end(),
                     [](const auto& a, const auto& b) { return a.for_s > b.for_s; });
    return holders;
}

Result<std::vector<TableLockHolder>> open_transactions(Connection& connection,
                                                       std::chrono::seconds age_min,
                                                       const std::vector<std::uint64_t>& own) {
    ASSIGN_OR_RETURN(
        const auto rows,
        connection.query(sessions_query(fmt::format(
            "{} >= {} AND p.ID NOT IN ({},{}) ORDER BY x.trx_started LIMIT {}", kTransactionAge,
            age_min.count(), number_list(own), connection.thread_id(), kHoldersTold))));
    std::vector<TableLockHolder> holders;
    for (const Row& row : rows) {
        TableLockHolder holder = holder_of(row, false);
        if (holder.statement.empty()) {
            holder.statement = last_statement(connection, holder.thread_id);
        }
        holder.statement = masked_statement(holder.statement, kStatementBytesMax);
        holders.push_back(std::move(holder));
    }
    return holders;
}

std::string holders_text(const std::string& database, const std::string& table,
                         const std::vector<TableLockHolder>& holders) {
    if (holders.empty()) {
        return "";
    }
    const std::size_t others = holders.size() - 1;
    return fmt::format("table {}.{}: its lock is {}held by {}{}", database, table,
                       holders.front().is_certain ? "" : "probably ", to_text(holders.front()),
                       others == 0 ? "" : fmt::format(", and {} more", others));
}

Json holders_evidence(const std::string& database, const std::string& table,
                      const std::vector<TableLockHolder>& holders) {
    if (holders.empty()) {
        return Json::object();
    }
    Json evidence = {{"table", database + "." + table}, {"holders", Json::array()}};
    for (std::size_t i = 0; i < std::min(holders.size(), kHoldersTold); ++i) {
        const TableLockHolder& holder = holders[i];
        evidence["holders"].push_back({{"thread", holder.thread_id},
                                       {"user", holder.user},
                                       {"host", holder.host},
                                       {"statement", holder.statement},
                                       {"for_s", holder.for_s},
                                       {"idle", holder.is_idle},
                                       {"certain", holder.is_certain}});
    }
    return evidence;
}

std::string to_text(const TableLockHolder& holder) {
    std::string text =
        fmt::format("thread {} ({}@{}), {} for {} s", holder.thread_id, holder.user, holder.host,
                    holder.is_idle ? "idle in a transaction" : "busy", holder.for_s);
    if (!holder.statement.empty()) {
        text += (holder.is_idle ? ", last statement: " : ": ") + holder.statement;
    }
    return text;
}

std::string masked_statement(std::string_view sql, std::size_t bytes_max) {
    std::string out;
    for (std::size_t at = 0; at < sql.size() && out.size() <= bytes_max;) {
        const char c = sql[at];
        if (c == '\'' || c == '"') {
            for (++at; at < sql.size() && sql[at] != c; ++at) {
                at += sql[at] == '\\' ? 1 : 0;
            }
            ++at;
            out += '?';
        } else if (c == '`') {
            const std::size_t end = sql.find('`', at + 1);
            const std::size_t size = end == std::string_view::npos ? sql.size() : end - at + 1;
            out += sql.substr(at, size);
            at += size;
        } else if (is_name_character(c)) {
            const std::size_t begin = at;
            while (at < sql.size() && is_name_character(sql[at])) {
                ++at;
            }
            const bool is_number = std::isdigit(static_cast<unsigned char>(c)) != 0;
            out += is_number ? "?" : std::string(sql.substr(begin, at - begin));
        } else {
            const bool is_space = std::isspace(static_cast<unsigned char>(c)) != 0;
            if (!is_space) {
                out += c;
            } else if (!out.empty() && out.back() != ' ') {
                out += ' ';
            }
            ++at;
        }
    }
    const std::string clean = clean_utf8(out);
    return clean.size() <= bytes_max ? clean : std::string(utf8_prefix(clean, bytes_max)) + "...";
}

}  // namespace shift
