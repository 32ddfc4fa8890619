#include "worker/steps/preflight.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/ddl.h"
#include "common/text.h"
#include "worker/final_insert.h"
#include "worker/leftovers.h"
#include "worker/mysql/alter_words.h"
#include "worker/mysql/errors.h"
#include "worker/names.h"
#include "worker/osc/chunk_key.h"
#include "worker/osc/osc_run.h"
#include "worker/steps/steps.h"

namespace shift {
namespace {

// How long one duplicate check may read before it is left to the row count after the copy.
constexpr int kDuplicateCheckS = 60;

constexpr std::size_t kDuplicatesShown = 3;
constexpr std::size_t kValueBytesShown = 40;

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) {
        text += (text.empty() ? "" : ", ") + word;
    }
    return text;
}

// ('a', 5) of all values but the last, short and printable.
std::string row_text(const Row& row) {
    std::string text;
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
        const std::string value = row[i] ? clean_utf8(*row[i]) : "NULL";
        text += fmt::format("{}{}{}", i == 0 ? "" : ", ", utf8_prefix(value, kValueBytesShown),
                            value.size() > kValueBytesShown ? "..." : "");
    }
    return "(" + text + ")";
}

// Tried on pt-online-schema-change 3.2.1: other names work, also spaces, commas, dots and reserved
// words; a backtick works in the name of a table but not of a column.
std::optional<std::string> oddity(const std::string& name, std::string_view marks) {
    if (!is_plain_ascii(name)) {
        return "not plain ASCII";
    }
    const std::size_t at = name.find_first_of(marks);
    return at == std::string::npos ? std::nullopt
                                   : std::optional(fmt::format("it holds {}", name[at]));
}

Result<std::optional<Verdict>> check_names(Context& context) {
    const auto refuse = [](const std::string& name, const std::string& why) {
        return std::optional(failed(
            "unsupported_name",
            fmt::format("pt-online-schema-change cannot work on the name {} ({}): run it as a "
                        "short (direct) migration",
                        name, why)));
    };
    for (const std::string& name : {context.db(), context.table}) {
        if (const auto why = oddity(name, "\\%'")) {
            return refuse(name, *why);
        }
    }
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto columns, column_names(*look, context.db(), context.table));
    for (const std::string& column : columns) {
        if (column.find('`') != std::string::npos) {
            return refuse(column, "it holds a backtick");
        }
    }
    return std::optional<Verdict>();
}

Result<std::optional<Verdict>> check_triggers(Context& context) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    const std::vector<std::string> shadows = shadow_candidates(context);
    ASSIGN_OR_RETURN(const auto foreign, users_triggers(context));
    if (!foreign.empty()) {
        return std::optional(failed(
            "has_triggers",
            fmt::format("table {} has triggers of its own ({}): pt-online-schema-change would lose "
                        "them; drop them first, or run it as a short (direct) migration",
                        context.table_text(), joined(foreign))));
    }
    // The names are made of schema and table with "_" for everything odd, so another table's run
    // may own them.
    ASSIGN_OR_RETURN(
        const auto named,
        triggers_named(*look, context.db(), osc_trigger_names(context.db(), context.table)));
    for (const Trigger& trigger : named) {
        const bool ours = std::any_of(shadows.begin(), shadows.end(), [&](const auto& shadow) {
            return names_shadow(trigger.body, context.db(), shadow);
        });
        if (!ours) {
            return std::optional(
                failed("trigger_name_taken",
                       fmt::format("a trigger {} exists on table {} and is not of this migration: "
                                   "wait until the other change is done, or drop it",
                                   trigger.name, trigger.table)));
        }
    }
    return std::optional<Verdict>();
}

Result<std::optional<Verdict>> check_keys(Context& context) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto to_us, foreign_keys_to(*look, context.db(), context.table));
    if (!to_us.empty()) {
        return std::optional(failed(
            "referenced_by_foreign_keys",
            fmt::format("table {} is referenced by foreign keys ({}): swapping it would leave them "
                        "pointing at the old table; drop them first, or run it as a short (direct) "
                        "migration",
                        context.table_text(), joined(to_us))));
    }
    ASSIGN_OR_RETURN(const bool identified, has_row_identity(*look, context.db(), context.table));
    if (!identified) {
        return std::optional(failed(
            "no_unique_key",
            fmt::format(
                "table {} has no PRIMARY KEY and no unique key without NULLs, which "
                "pt-online-schema-change needs: add one, or run it as a short (direct) migration",
                context.table_text())));
    }
    return std::optional<Verdict>();
}

// Tried with 3.2.1 on MariaDB 10.11: cascades fire no triggers, but the copy has the same foreign
// keys (a name gets or loses underscores), so both tables change together - until the ALTER drops
// or changes such a key, and then the copy is silently wrong.
Result<std::optional<Verdict>> check_cascades(Context& context) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto cascading,
                     cascading_foreign_keys_of(*look, context.db(), context.table));
    if (cascading.empty()) {
        return std::optional<Verdict>();
    }
    return std::optional(failed(
        "cascading_foreign_key",
        fmt::format("rows of table {} change with those of other tables through foreign keys ({}), "
                    "which triggers do not see, so a copy cannot be kept in step safely: drop them "
                    "first, or run it as a short (direct) migration",
                    context.table_text(), joined(cascading))));
}

Result<std::optional<Verdict>> check_chunk_key(Context& context) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto keys, unique_keys(*look, context.db(), context.table));
    const UniqueKey* key = chunk_key(keys);
    if (key == nullptr) {
        return std::optional<Verdict>();  // check_keys() has spoken
    }
    ASSIGN_OR_RETURN(const OscPlan plan, make_osc_plan(context));
    if (auto trouble = chunk_key_trouble(*key, look->is_mariadb(), plan.tool.version)) {
        return std::optional(failed(
            trouble->reason, fmt::format("table {}: {}", context.table_text(), trouble->message)));
    }
    return std::optional<Verdict>();
}

// Triggers do not fire for rows that replication brings, and a server that refuses writes refuses
// the copy. While a failover is going on it may end, so a run waits instead of failing.
Result<std::optional<Verdict>> check_server(Context& context) {
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    const std::string server = fmt::format("{}:{}", context.job.host, context.job.port);
    ASSIGN_OR_RETURN(const std::string variable, read_only_variable(*look));
    if (!variable.empty()) {
        const std::string why = fmt::format(
            "server {} takes no writes ({} is on): file the migration for the server "
            "that does",
            server, variable);
        return std::optional(context.job.step == Step::kPrepare ? failed("read_only", why)
                                                                : retry("read_only", why));
    }
    ASSIGN_OR_RETURN(const std::string source, silent_replication_source(*look));
    if (source.empty()) {
        return std::optional<Verdict>();
    }
    return std::optional(failed(
        "is_replica",
        fmt::format("server {} is a replica of {}, and triggers do not fire for replicated rows: "
                    "file the migration for its source, or stop the replication first",
                    server, source)));
}

Result<std::optional<Verdict>> check_renames(Context& context) {
    ASSIGN_OR_RETURN(const OscPlan plan, make_osc_plan(context));
    if (renames_table(plan.alter)) {
        return std::optional(failed("rename_table",
                                    "pt-online-schema-change cannot rename a table: run it as a "
                                    "short (direct) migration"));
    }
    if (!renames_column(plan.alter)) {
        return std::optional<Verdict>();
    }
    const std::string& version = plan.tool.version;
    if (version_is_below(version, 3, 7, 1)) {
        return std::optional(failed(
            "rename_column",
            fmt::format("RENAME COLUMN loses the column's data with pt-online-schema-change {} "
                        "(right from 3.7.1 on): write CHANGE COLUMN old new definition instead",
                        version.empty() ? "of unknown version" : version)));
    }
    return std::optional<Verdict>();
}

}  // namespace

Result<std::optional<Verdict>> preflight_copy(Context& context, const TableFacts& facts) {
    if (facts.engine != "InnoDB") {
        return std::optional(failed(
            "not_innodb",
            fmt::format("table {} is {}, not InnoDB: its copy cannot be kept in step safely; "
                        "run it as a short (direct) migration",
                        context.table_text(), facts.engine)));
    }
    for (const auto check : {check_server, check_names, check_triggers, check_keys, check_cascades,
                             check_chunk_key, check_renames}) {
        ASSIGN_OR_RETURN(auto refused, check(context));
        if (refused) {
            return refused;
        }
    }
    return std::optional<Verdict>();
}

Result<std::string> duplicates_text(Context& context) {
    ASSIGN_OR_RETURN(const AlterSpecification alter,
                     alter_specification(context.job.ddl_statement));
    if (!adds_unique_key(alter.specification)) {
        return std::string();
    }
    context.reporter.phase("duplicate check");
    ASSIGN_OR_RETURN(
        Connection look,
        context.database.connect("duplicate check", std::chrono::seconds(kDuplicateCheckS + 30)));
    const bool limits = look.is_mariadb();
    (void)look
        .execute(limits ? fmt::format("SET SESSION max_statement_time={}", kDuplicateCheckS)
                        : fmt::format("SET SESSION max_execution_time={}", kDuplicateCheckS * 1000))
        .ok();
    for (const std::vector<std::string>& columns : added_unique_keys(alter.specification)) {
        std::string not_null;
        for (const std::string& column : columns) {
            not_null += (not_null.empty() ? "" : " AND ") + column + " IS NOT NULL";
        }
        const auto found = look.query(fmt::format(
            "SELECT {0}, COUNT(*) FROM {1} WHERE {2} GROUP BY {0} HAVING COUNT(*) > 1 LIMIT {3}",
            joined(columns), qualified_name(context.db(), context.table), not_null,
            kDuplicatesShown));
        if (!found.ok()) {
            if (look.lost()) {
                return found.error();
            }
            context.reporter.remark(
                fmt::format("duplicates in ({}) not looked for ({}): rows are counted before the "
                            "swap",
                            joined(columns), found.error().message),
                LogLevel::kWarn);
            continue;
        }
        std::string values;
        for (const Row& row : *found) {
            values += fmt::format("{}{} ({} times)", values.empty() ? "" : ", ", row_text(row),
                                  row.back().value_or("?"));
        }
        if (!values.empty()) {
            return fmt::format("rows with equal ({}): {}{}", joined(columns), values,
                               found->size() == kDuplicatesShown ? ", ..." : "");
        }
    }
    return std::string();
}

Result<std::optional<Verdict>> check_duplicates(Context& context) {
    ASSIGN_OR_RETURN(const std::string found, duplicates_text(context));
    if (found.empty()) {
        return std::optional<Verdict>();
    }
    return std::optional(
        failed("duplicates", fmt::format("table {} has {}: the unique key would lose them",
                                         context.table_text(), found)));
}

Result<std::optional<Verdict>> check_final_insert(Context& context) {
    const std::string& statement = context.job.final_insert;
    if (statement.empty()) {
        return std::optional<Verdict>();
    }
    if (!is_final_insert(statement)) {
        return std::optional(
            failed("final_insert", "final insert must be one INSERT INTO without a semicolon"));
    }
    context.reporter.phase("final insert check");
    ASSIGN_OR_RETURN(Connection connection,
                     context.database.connect("final insert check", std::chrono::seconds(60)));
    RETURN_IF_ERROR(connection.use_database(context.db()));
    ASSIGN_OR_RETURN(const bool transactional, insert_is_transactional(context, connection));
    RETURN_IF_ERROR(connection.use_server_sql_mode());
    Status status = Ok{};
    if (transactional) {
        RETURN_IF_ERROR(connection.execute("START TRANSACTION"));
        status = connection.execute(statement);
        (void)connection.execute("ROLLBACK").ok();
    } else {
        // Nothing would undo it, so it is only parsed and resolved.
        status = connection.execute("PREPARE shift_check FROM " + connection.quote(statement));
    }
    if (status.ok()) {
        return std::optional<Verdict>();
    }
    if (is_transient(status.error())) {
        return std::move(status).error().within("final insert check");
    }
    return std::optional(
        failed("final_insert", "final insert does not work: " + status.error().message));
}

Result<std::optional<Verdict>> check_trash_database(Context& context) {
    if (!uses_other_trash_database(context.job)) {
        return std::optional<Verdict>();
    }
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const bool exists, database_exists(*look, trash_database(context.job)));
    if (exists) {
        return std::optional<Verdict>();
    }
    return std::optional(
        failed("no_pending_drops_db",
               fmt::format("pending drops database {} does not exist (or may not be seen by our "
                           "user): create it, or change pending_drops_db",
                           trash_database(context.job))));
}

Result<std::optional<Verdict>> announce_scratch(Context& context) {
    const std::string scratch = scratch_name(context.job.migration);
    const std::string name = qualified_name(context.db(), scratch);
    ASSIGN_OR_RETURN(Connection * look, context.database.look());
    ASSIGN_OR_RETURN(const auto facts, table_facts(*look, context.db(), scratch));
    const auto& announced = context.history.scratch;
    const bool is_ours =
        std::any_of(announced.begin(), announced.end(), [&](const History::Table& table) {
            return table.database == context.db() && table.table == scratch;
        });
    if (facts && !facts->is_view && !is_ours) {
        ASSIGN_OR_RETURN(const auto rows, look->query("SELECT 1 FROM " + name + " LIMIT 1"));
        if (!rows.empty()) {  // those of another host's attempt are empty
            return std::optional(failed(
                "scratch_name_taken",
                fmt::format("{}.{} has the name that this migration tries things under, and holds "
                            "rows: rename or drop it first",
                            context.db(), scratch)));
        }
    }
    RETURN_IF_ERROR(context.reporter.intent("scratch", {{"db", context.db()}, {"table", scratch}}));
    if (facts) {
        ASSIGN_OR_RETURN(Connection * locked, context.database.locked());
        RETURN_IF_ERROR(locked->execute(
            fmt::format("DROP {} IF EXISTS {}", facts->is_view ? "VIEW" : "TABLE", name)));
    }
    return std::optional<Verdict>();
}

std::optional<Verdict> check_statement(const Job& job) {
    std::optional<std::string> database;
    const auto parsed = parse_ddl(job.ddl_statement);
    if (!parsed.ok() && parsed.error().message.starts_with("can not match: ';")) {
        return failed("semicolon",
                      "the statement holds a semicolon: file one statement and leave it out");
    }
    // A DROP is carried out by table name, so a statement that says more must not pass for one.
    if (job.action == Action::kDrop && (!parsed.ok() || parsed->action != Action::kDrop)) {
        return failed("not_one_drop", parsed.ok()
                                          ? "the statement is not a DROP"
                                          : "cannot run this DROP: " + parsed.error().message);
    }
    if (parsed.ok()) {
        database = parsed->name.database;
    } else if (const auto alter = alter_specification(job.ddl_statement); alter.ok()) {
        database = alter->name.database;
    }
    if (database && *database != job.database) {
        return failed("other_database",
                      fmt::format("the statement names database {}, the migration is for {}",
                                  *database, job.database));
    }
    return std::nullopt;
}

Result<std::optional<Verdict>> check_direct_size(Context& context, const TableFacts& facts) {
    const Job& job = context.job;
    if (job.direct_rows_max <= 0 || facts.rows.value_or(0) <= job.direct_rows_max) {
        return std::optional<Verdict>();
    }
    ASSIGN_OR_RETURN(const AlterSpecification alter, alter_specification(job.ddl_statement));
    if (alter.specification.empty()) {
        return std::optional<Verdict>();
    }
    // An empty table of the same shape tells whether the server can do it without a rebuild.
    RETURN_IF_ERROR(context.database.lock(context.db(), context.table));
    ASSIGN_OR_RETURN(Connection * locked, context.database.locked());
    const std::string scratch = scratch_name(job.migration);
    const std::string name = qualified_name(context.db(), scratch);
    ASSIGN_OR_RETURN(auto taken, announce_scratch(context));
    if (taken) {
        return taken;
    }
    RETURN_IF_ERROR(locked->execute(
        fmt::format("CREATE TABLE {} LIKE {}", name, qualified_name(context.db(), context.table))));
    const Status tried =
        locked->execute(fmt::format("ALTER TABLE {} {}, ALGORITHM={}", name, alter.specification,
                                    locked->is_mariadb() ? "NOCOPY" : "INSTANT"));
    RETURN_IF_ERROR(locked->execute("DROP TABLE " + name));
    context.reporter.fact("dropped", {{"db", context.db()}, {"table", scratch}});
    constexpr int kAlgorithmRefused = 1845;
    constexpr int kAlgorithmRefusedWhy = 1846;
    if (tried.ok() || (tried.error().native != kAlgorithmRefused &&
                       tried.error().native != kAlgorithmRefusedWhy)) {
        return std::optional<Verdict>();  // what else is wrong is said when it is run
    }
    return std::optional(
        failed("too_large",
               fmt::format("table {} has about {} rows and the server would rebuild it: above "
                           "direct_rows_max ({}) only a long run is allowed",
                           context.table_text(), facts.rows.value_or(0), job.direct_rows_max)));
}

}  // namespace shift
