#include "worker/final_insert.h"

#include <fmt/format.h>

#include <cctype>

#include "common/ddl.h"
#include "common/test_points.h"
#include "common/text.h"
#include "worker/mysql/errors.h"

// Happy path: intent, XA START, the statement, XA END, XA PREPARE, fact "prepared", XA COMMIT, fact
// "committed". A crash before PREPARE rolls back by itself; after it XA RECOVER shows the
// transaction and the next attempt commits it; a "prepared" fact without a transaction to recover
// means that COMMIT happened and only its fact is missing.

namespace shift {
namespace {

void skip_space(std::string_view text, std::size_t& at) {
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0) {
        ++at;
    }
}

bool take_word(std::string_view text, std::size_t& at, std::string_view word) {
    skip_space(text, at);
    if (!iequals_ascii(text.substr(at, word.size()), word)) {
        return false;
    }
    at += word.size();
    return true;
}

std::string take_name(std::string_view text, std::size_t& at) {
    skip_space(text, at);
    if (at < text.size() && text[at] == '`') {
        return read_quoted_identifier(text, at);
    }
    std::string name;
    while (at < text.size()) {
        const auto c = static_cast<unsigned char>(text[at]);
        if (std::isalnum(c) == 0 && c != '_' && c != '$' && c < 0x80) {
            break;
        }
        name.push_back(text[at++]);
    }
    return name;
}

std::string xid_of(const Context& context) {
    return fmt::format("shift-{}", context.job.migration);
}

Verdict changed_but(const std::string& reason, const std::string& message) {
    return failed(reason, "table WAS changed: " + message);
}

// Only a person can look into the table and say: final-insert ID --done or --run-again.
Verdict unknown_result(const Context& context) {
    Verdict verdict{Outcome::kUndecided, "final_insert_unknown",
                    "the table is changed, but whether its final insert happened is not known: " +
                        context.job.final_insert,
                    0};
    verdict.evidence = {{"statement", context.job.final_insert}};
    context.reporter.remark(
        fmt::format("{}; look, then: shift-supervisorctl final-insert {} --done or --run-again",
                    verdict.message, context.job.migration),
        LogLevel::kError);
    return verdict;
}

// Trouble that another attempt of this step may not meet: it finds the table changed and goes on
// here.
Verdict try_again(const Error& error) {
    return retry(is_lock_wait(error) ? "lock_wait" : "database_unavailable",
                 "final insert (the table is changed already): " + error.message);
}

Result<bool> is_prepared(Connection& connection, const std::string& xid) {
    ASSIGN_OR_RETURN(const auto rows, connection.query("XA RECOVER"));
    for (const Row& row : rows) {
        if (row.size() >= 4 && row[3].value_or("") == xid) {
            return true;
        }
    }
    return false;
}

Status send_statement(Context& context, Connection& connection) {
    RETURN_IF_ERROR(connection.use_server_sql_mode());
    Status status = connection.execute(context.job.final_insert);
    if (!connection.lost()) {
        (void)connection.use_own_sql_mode().ok();
    }
    return status;
}

Status commit_prepared(Context& context, Connection& connection) {
    if (!planted_bug("xa-left")) {
        RETURN_IF_ERROR(
            connection.execute(fmt::format("XA COMMIT {}", connection.quote(xid_of(context)))));
    }
    if (planted_bug("final-insert-twice")) {
        RETURN_IF_ERROR(send_statement(context, connection));
    }
    context.reporter.fact("final_insert", {{"xid", xid_of(context)}, {"state", "committed"}});
    context.reporter.remark("final insert done");
    return Ok{};
}

void roll_back(Connection& connection, const std::string& xid) {
    if (!connection.lost()) {
        (void)connection.execute(fmt::format("XA END {}", connection.quote(xid))).ok();
        (void)connection.execute(fmt::format("XA ROLLBACK {}", connection.quote(xid))).ok();
    }
}

// The statement inside a prepared XA transaction. Errors leave nothing behind, except a lost
// connection: then the next attempt asks XA RECOVER.
Status prepare_insert(Context& context, Connection& connection) {
    const std::string xid = xid_of(context);
    const std::string quoted = connection.quote(xid);
    RETURN_IF_ERROR(connection.use_server_sql_mode());
    RETURN_IF_ERROR(connection.execute("XA START " + quoted));
    // sql_mode cannot be changed inside XA on some servers, so it is set around it.
    if (Status status = connection.execute(context.job.final_insert); !status.ok()) {
        roll_back(connection, xid);
        return status;
    }
    RETURN_IF_ERROR(connection.execute("XA END " + quoted));
    if (Status status = connection.execute("XA PREPARE " + quoted); !status.ok()) {
        if (!connection.lost()) {
            (void)connection.execute("XA ROLLBACK " + quoted).ok();
        }
        return status;
    }
    context.reporter.fact("final_insert", {{"xid", xid}, {"state", "prepared"}});
    return Ok{};
}

std::optional<Verdict> insert_with_xa(Context& context, Connection& connection) {
    const std::string xid = xid_of(context);
    if (const Status said = context.reporter.intent("final_insert", {{"xid", xid}, {"mode", "xa"}});
        !said.ok()) {
        return try_again(said.error());
    }
    const Status status = patiently(
        context.stop, [&context] { return context.stop.is_urgent(); },
        [&] { return prepare_insert(context, connection); });
    if (!connection.lost()) {
        (void)connection.use_own_sql_mode().ok();
    }
    if (!status.ok()) {
        if (is_transient(status.error())) {
            return try_again(status.error());
        }
        context.reporter.fact("final_insert", {{"xid", xid}, {"state", "not_done"}});
        return changed_but("final_insert_failed", "final insert failed: " + status.error().message);
    }
    if (const Status committed = commit_prepared(context, connection); !committed.ok()) {
        return try_again(committed.error());
    }
    return std::nullopt;
}

std::optional<Verdict> insert_plainly(Context& context, Connection& connection) {
    if (const Status said =
            context.reporter.intent("final_insert", {{"xid", ""}, {"mode", "plain"}});
        !said.ok()) {
        return try_again(said.error());
    }
    const Status status = patiently(
        context.stop, [&context] { return context.stop.is_urgent(); },
        [&] { return send_statement(context, connection); });
    if (status.ok()) {
        context.reporter.fact("final_insert", {{"state", "committed"}});
        context.reporter.remark("final insert done");
        return std::nullopt;
    }
    if (status.error().code == Errc::kDeadline) {
        return unknown_result(context);
    }
    context.reporter.fact("final_insert", {{"state", "not_done"}});
    if (is_transient(status.error())) {
        return try_again(status.error());
    }
    return changed_but("final_insert_failed", "final insert failed: " + status.error().message);
}

}  // namespace

bool is_final_insert(std::string_view statement) {
    std::size_t at = 0;
    if (!iequals_ascii(statement.substr(0, 6), "INSERT")) {
        return false;
    }
    at = 6;
    const std::size_t first_gap = at;
    skip_space(statement, at);
    if (at == first_gap || !take_word(statement, at, "INTO")) {
        return false;
    }
    const std::size_t second_gap = at;
    skip_space(statement, at);
    return at > second_gap && at < statement.size() &&
           statement.find(';') == std::string_view::npos;
}

std::optional<InsertTarget> insert_target(std::string_view statement) {
    std::size_t at = 0;
    if (!take_word(statement, at, "INSERT") || !take_word(statement, at, "INTO")) {
        return std::nullopt;
    }
    InsertTarget target;
    target.table = take_name(statement, at);
    skip_space(statement, at);
    if (at < statement.size() && statement[at] == '.') {
        ++at;
        target.database = std::exchange(target.table, take_name(statement, at));
    }
    if (target.table.empty()) {
        return std::nullopt;
    }
    return target;
}

Result<bool> insert_is_transactional(Context& context, Connection& connection) {
    const auto target = insert_target(context.job.final_insert);
    if (!target) {
        return false;
    }
    ASSIGN_OR_RETURN(
        const auto facts,
        table_facts(connection, target->database.empty() ? context.db() : target->database,
                    target->table));
    if (!facts || facts->is_view || facts->engine.empty()) {
        return false;  // a view may lead anywhere
    }
    return is_transactional(connection, facts->engine);
}

std::optional<Verdict> run_final_insert(Context& context) {
    if (context.job.final_insert.empty() || context.history.final_insert.done) {
        return std::nullopt;
    }
    context.reporter.phase("final insert");
    auto locked = context.database.locked();
    if (!locked.ok()) {
        return try_again(locked.error());
    }
    Connection& connection = **locked;
    const History::FinalInsert& before = context.history.final_insert;
    if (before.intended && before.plain) {
        return unknown_result(context);
    }
    const Result<bool> recovered = is_prepared(connection, xid_of(context));
    if (!recovered.ok() && is_transient(recovered.error())) {
        return try_again(recovered.error());
    }
    if (recovered.ok() && *recovered) {
        if (!before.prepared) {
            // Its attempt died before it could say so. Should we die after the COMMIT, the next one
            // must not take the transaction for one that never was.
            context.reporter.fact("final_insert",
                                  {{"xid", xid_of(context)}, {"state", "prepared"}});
        }
        if (const Status committed = commit_prepared(context, connection); !committed.ok()) {
            return try_again(committed.error());
        }
        return std::nullopt;
    }
    if (before.prepared) {
        context.reporter.fact("final_insert", {{"xid", xid_of(context)}, {"state", "committed"}});
        return std::nullopt;
    }
    const Result<bool> transactional = insert_is_transactional(context, connection);
    if (!transactional.ok()) {
        return try_again(transactional.error());
    }
    return *transactional && recovered.ok() ? insert_with_xa(context, connection)
                                            : insert_plainly(context, connection);
}

}  // namespace shift
