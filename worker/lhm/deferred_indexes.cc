#include "worker/lhm/deferred_indexes.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/ddl.h"
#include "common/test_points.h"
#include "common/text.h"
#include "worker/lhm/plan.h"
#include "worker/lhm/shadow.h"
#include "worker/mysql/errors.h"

namespace shift::lhm {
namespace {

// Below, both ways take about a second.
constexpr std::int64_t kBytesWorthIt = std::int64_t{32} * 1024 * 1024;
constexpr const char* kKind = "index";

// The line of an index without its blanks and comma; "" when there is none.
std::string definition_of(std::string_view show_create, const std::string& index) {
    const std::string head = "KEY " + quote_identifier(index) + " ";
    for (const std::string& line : split(show_create, '\n')) {
        std::string_view text = trim(line);
        if (text.starts_with(head)) {
            text.remove_suffix(text.ends_with(',') ? 1 : 0);
            return std::string(text);
        }
    }
    return "";
}

// The AUTO_INCREMENT column must lead some index at any time.
bool leads_counter(const TableShape& shadow, const Index& index) {
    if (index.columns.empty()) {
        return false;
    }
    const Column* first = shadow.column(index.columns.front().name);
    return first != nullptr && first->auto_increment;
}

std::string joined(const std::vector<DeferredIndex>& indexes, const char* verb, bool by_name) {
    std::string text;
    for (const DeferredIndex& index : indexes) {
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", verb,
                            by_name ? quote_identifier(index.name) : index.definition);
    }
    return text;
}

}  // namespace

std::vector<std::string> names_of(const std::vector<DeferredIndex>& indexes) {
    std::vector<std::string> names;
    for (const DeferredIndex& index : indexes) {
        names.push_back(index.name);
    }
    return names;
}

std::vector<DeferredIndex> deferrable_indexes(const TableShape& shadow, std::string_view copy_key) {
    std::vector<DeferredIndex> waiting;
    if (!iequals_ascii(shadow.engine, "InnoDB")) {
        return waiting;
    }
    for (const Index& index : shadow.indexes) {
        if (index.unique || !index.is_tree || iequals_ascii(index.name, copy_key) ||
            leads_counter(shadow, index)) {
            continue;
        }
        std::string definition = definition_of(shadow.definition, index.name);
        if (!definition.empty()) {
            waiting.push_back({index.name, std::move(definition)});
        }
    }
    return waiting;
}

std::string why_not_deferred(DeferIndexes wish, std::int64_t bytes, int replicas) {
    if (wish == DeferIndexes::kYes) {
        return "";
    }
    if (wish == DeferIndexes::kNo) {
        return "told so";
    }
    if (replicas > 0) {
        return fmt::format("{} replica{} would stand still while they are built", replicas,
                           replicas == 1 ? "" : "s");
    }
    return bytes < kBytesWorthIt ? "the table is small" : "";
}

Status set_indexes_aside(Workshop& workshop, Plan& plan, const Options& options) {
    std::vector<DeferredIndex> waiting = deferrable_indexes(plan.shadow, plan.shadow_key.key.index);
    if (waiting.empty()) {
        return Ok{};
    }
    ASSIGN_OR_RETURN(Connection * look, workshop.database.look());
    ASSIGN_OR_RETURN(const auto replicas,
                     look->query_value("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE "
                                       "COMMAND LIKE 'Binlog Dump%'"));
    if (const std::string why =
            why_not_deferred(options.defer_indexes, plan.bytes, static_cast<int>(to_int(replicas)));
        !why.empty()) {
        plan.index_note = "kept in step during the copy: " + why;
        return Ok{};
    }
    ASSIGN_OR_RETURN(Connection * locked, workshop.database.locked());
    std::string rows;
    for (const DeferredIndex& index : waiting) {
        rows += fmt::format("{}('{}', {}, {})", rows.empty() ? "" : ", ", kKind,
                            locked->quote(index.name), locked->quote(index.definition));
    }
    RETURN_IF_ERROR(
        locked->execute(fmt::format("INSERT INTO {} (kind, row_key, message) VALUES {}",
                                    qualified_name(plan.database, plan.names.control), rows)));
    crash_point("lhm-indexes-aside");
    const std::string alter = "ALTER TABLE " + plan.shadow_name() + " ";
    const std::string drop = alter + joined(waiting, "DROP KEY", true);
    RETURN_IF_ERROR(locked->execute(drop));
    // On the empty table the statement shows whether the server can do it online.
    const std::string add = alter + joined(waiting, "ADD", false);
    if (const Status online = locked->execute(add + ", ALGORITHM=INPLACE, LOCK=NONE");
        !online.ok()) {
        if (is_transient(online.error())) {
            return online;
        }
        plan.index_note = "kept in step during the copy: the server cannot add them online";
        RETURN_IF_ERROR(locked->execute(add));
        return locked->execute(fmt::format("DELETE FROM {} WHERE kind = '{}'",
                                           qualified_name(plan.database, plan.names.control),
                                           kKind));
    }
    RETURN_IF_ERROR(locked->execute(drop));
    plan.deferred = std::move(waiting);
    return Ok{};
}

Result<std::vector<DeferredIndex>> read_deferred(Connection& connection, const Plan& plan) {
    std::vector<DeferredIndex> waiting;
    auto rows = connection.query(
        fmt::format("SELECT row_key, message FROM {} WHERE kind = '{}' ORDER BY id",
                    qualified_name(plan.database, plan.names.control), kKind));
    if (!rows.ok()) {
        constexpr int kNoSuchTable = 1146;
        return rows.error().native == kNoSuchTable ? Result<std::vector<DeferredIndex>>(waiting)
                                                   : std::move(rows).error();
    }
    for (const Row& row : *rows) {
        waiting.push_back({row[0].value_or(""), row[1].value_or("")});
    }
    return waiting;
}

std::string without_indexes(std::string_view show_create,
                            const std::vector<DeferredIndex>& indexes) {
    if (indexes.empty()) {
        return std::string(show_create);
    }
    std::string rest;
    for (const std::string& line : split(show_create, '\n')) {
        // The last line in the brackets has no comma, whichever it is.
        std::string_view text = line;
        text.remove_suffix(text.ends_with(',') ? 1 : 0);
        const bool waits =
            std::any_of(indexes.begin(), indexes.end(),
                        [&](const DeferredIndex& index) { return trim(text) == index.definition; });
        if (!waits) {
            rest += std::string(text) + "\n";
        }
    }
    return rest;
}

}  // namespace shift::lhm
