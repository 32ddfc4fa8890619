#include <fmt/format.h>

#include <algorithm>

#include "common/ddl.h"
#include "worker/mysql/errors.h"
#include "worker/names.h"
#include "worker/steps/preflight.h"
#include "worker/steps/steps.h"

// Grants are not parsed (roles, wildcards and defaults make that guesswork): pt-osc's own user does
// on an empty table of ours what the tool will do, and the server's answers count.

namespace shift {
namespace {

constexpr std::chrono::seconds kStatementTimeout{30};
// With a binary log a trigger takes SUPER besides its own right (MySQL, MariaDB 10.11).
constexpr int kNeedsSuper = 1419;

struct Trial {
    const char* right;
    std::string sql;
};

// DROP first: who may not drop the table must not make it. No row is ever in it, so that what a
// dead attempt left is told from a table of the user's (announce_scratch()).
std::vector<Trial> trials(const std::string& scratch, const std::string& trigger,
                          const std::string& table) {
    return {
        {"DROP", "DROP TABLE IF EXISTS " + scratch},
        {"CREATE",
         fmt::format("CREATE TABLE {} (id INT PRIMARY KEY, n INT) ENGINE=InnoDB", scratch)},
        {"ALTER", fmt::format("ALTER TABLE {} ADD COLUMN m INT", scratch)},
        {"INSERT", fmt::format("INSERT INTO {} (id) SELECT 1 FROM DUAL WHERE FALSE", scratch)},
        {"UPDATE", fmt::format("UPDATE {} SET n = 1", scratch)},
        {"SELECT", fmt::format("SELECT n FROM {}", scratch)},
        {"DELETE", fmt::format("DELETE FROM {}", scratch)},
        {"TRIGGER", fmt::format("CREATE TRIGGER {} AFTER DELETE ON {} FOR EACH ROW SET @shift = 1",
                                trigger, scratch)},
        {"SELECT", fmt::format("SELECT 1 FROM {} LIMIT 0", table)},
    };
}

struct Denials {
    std::vector<std::string> rights;  // in the order of the trials, each once
    std::string words;                // the server's, of the first one
    bool needs_super = false;
};

// A right to triggers on this table alone says nothing about the scratch table.
bool may_have_table_trigger_right(Connection& connection, const std::string& database,
                                  const std::string& table) {
    const auto grants = connection.query("SHOW GRANTS");
    if (!grants.ok()) {
        return true;
    }
    const std::string object = qualified_name(database, table);
    return std::any_of(grants->begin(), grants->end(), [&object](const Row& row) {
        const std::string line = row.empty() ? "" : row[0].value_or("");
        return line.find(" ON " + object) != std::string::npos &&
               line.find("TRIGGER") < line.find(" ON ");
    });
}

// Errors: trouble that goes away by itself, and anything that is no answer about rights.
Result<Denials> try_all(Connection& connection, const Context& context,
                        const std::string& scratch) {
    Denials denied;
    const auto all =
        trials(qualified_name(context.db(), scratch), qualified_name(context.db(), scratch),
               qualified_name(context.db(), context.table));
    for (const Trial& trial : all) {
        const Status status = connection.execute(trial.sql);
        if (status.ok()) {
            continue;
        }
        const bool needs_super = status.error().native == kNeedsSuper;
        if (!needs_super && !is_access_denied(status.error())) {
            return status.error();
        }
        const std::string right = trial.right;
        if (right == "TRIGGER" && !needs_super &&
            may_have_table_trigger_right(connection, context.db(), context.table)) {
            continue;
        }
        denied.needs_super = denied.needs_super || needs_super;
        if (denied.words.empty()) {
            denied.words = status.error().message;
        }
        if (!needs_super &&
            std::find(denied.rights.begin(), denied.rights.end(), right) == denied.rights.end()) {
            denied.rights.push_back(right);
        }
        if (right == "DROP" || right == "CREATE") {
            break;  // the others need the table
        }
    }
    return denied;
}

// 'name'@'host' as GRANT wants it.
std::string account(Connection& connection) {
    const auto user = connection.query_value("SELECT CURRENT_USER()");
    if (!user.ok() || !*user) {
        return "the user";
    }
    const std::size_t at = (*user)->rfind('@');
    return connection.quote((*user)->substr(0, at)) + "@" +
           (at == std::string::npos ? "'%'" : connection.quote((*user)->substr(at + 1)));
}

Verdict refusal(const Context& context, Connection& connection, const Denials& denied) {
    const std::string who = account(connection);
    std::string cure;
    for (const std::string& right : denied.rights) {
        cure += (cure.empty() ? "GRANT " : ", ") + right;
    }
    if (!cure.empty()) {
        cure += fmt::format(" ON {}.* TO {}", quote_identifier(context.db()), who);
    }
    if (denied.needs_super) {
        cure += fmt::format(
            "{}SET GLOBAL log_bin_trust_function_creators=1, or GRANT SUPER ON *.* "
            "TO {}",
            cure.empty() ? "" : "; ", who);
    }
    return failed("missing_privilege",
                  fmt::format("pt-online-schema-change's user {} lacks a right it needs ({}): {}",
                              who, denied.words, cure));
}

}  // namespace

Result<std::optional<Verdict>> check_rights(Context& context) {
    const Job& job = context.job;
    ConnectOptions options;
    options.read_timeout = kStatementTimeout;
    auto tool = Connection::open({job.host, job.port, job.pt_osc_defaults_file}, options);
    if (!tool.ok()) {
        if (is_transient(tool.error())) {
            return std::move(tool).error();
        }
        return std::optional<Verdict>();  // the dry run says it in the tool's words
    }
    RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
    const std::string scratch = scratch_name(job.migration);
    ASSIGN_OR_RETURN(auto taken, announce_scratch(context));
    if (taken) {
        return taken;
    }
    auto denied = try_all(*tool, context, scratch);
    if (tool->lost()) {
        return Error{Errc::kUnavailable, "rights check: the connection was lost"};
    }
    const bool is_made = !denied.ok() || denied->rights.empty() ||
                         (denied->rights.front() != "DROP" && denied->rights.front() != "CREATE");
    if (is_made) {
        RETURN_IF_ERROR(
            tool->execute("DROP TABLE IF EXISTS " + qualified_name(context.db(), scratch)));
    }
    context.reporter.fact("dropped", {{"db", context.db()}, {"table", scratch}});
    if (!denied.ok()) {
        if (is_transient(denied.error())) {
            return std::move(denied).error();
        }
        context.reporter.remark("rights cannot be told: " + denied.error().message);
        return std::optional<Verdict>();
    }
    if (denied->rights.empty() && !denied->needs_super) {
        return std::optional<Verdict>();
    }
    return std::optional(refusal(context, *tool, *denied));
}

}  // namespace shift
