#include "worker/lhm/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/ddl.h"

namespace shift::lhm {
namespace {

std::string size_text(std::int64_t bytes) {
    constexpr double kMiB = 1024.0 * 1024.0;
    const double mib = static_cast<double>(bytes) / kMiB;
    return mib < 1024 ? fmt::format("{:.1f} MiB", mib) : fmt::format("{:.1f} GiB", mib / 1024);
}

std::vector<std::string> conversions(const Plan& plan) {
    std::vector<std::string> texts;
    for (const ColumnPair& pair : plan.map.pairs) {
        if (!pair.is_same_type()) {
            const bool collation = pair.from.column_type == pair.to.column_type;
            texts.push_back(fmt::format("{}: {} to {}", pair.from.name,
                                        collation ? pair.from.collation : pair.from.column_type,
                                        collation ? pair.to.collation : pair.to.column_type));
        }
    }
    return texts;
}

std::vector<std::string> renames(const Plan& plan) {
    std::vector<std::string> texts;
    for (const ColumnPair& pair : plan.map.pairs) {
        if (pair.from.name != pair.to.name) {
            texts.push_back(fmt::format("{} to {}", pair.from.name, pair.to.name));
        }
    }
    return texts;
}

std::string chunk_text(const Plan& plan, const Options& options) {
    std::string text =
        fmt::format("{} connection{}{}, chunks of ", plan.threads, plan.threads == 1 ? "" : "s",
                    plan.copies_in_turns ? " in turns" : "");
    text += options.chunk.target.count() > 0
                ? fmt::format("about {} ms", options.chunk.target.count())
                : fmt::format("{} rows", options.chunk.rows);
    if (options.throttle.delay.count() > 0) {
        text += fmt::format(", {} ms pause after each", options.throttle.delay.count());
    }
    return text;
}

std::string throttle_text(const Options& options) {
    const ThrottleOptions& throttle = options.throttle;
    std::vector<std::string> parts;
    if (throttle.watch_replicas) {
        parts.push_back(fmt::format("replica lag above {} s", throttle.lag_max.count()));
    }
    if (throttle.threads_running_max) {
        parts.push_back(fmt::format("more than {} threads running", *throttle.threads_running_max));
    }
    for (const LoadLimit& limit : throttle.max_load) {
        parts.push_back(fmt::format("{} above {}", limit.variable, limit.value_max));
    }
    if (!throttle.query.empty()) {
        parts.emplace_back("the query says so");
    }
    if (!throttle.http.empty()) {
        parts.emplace_back(throttle.http + " does not answer 200");
    }
    if (!throttle.file.empty()) {
        parts.emplace_back(throttle.file + " exists");
    }
    std::string text;
    for (const std::string& part : parts) {
        text += (text.empty() ? "" : ", ") + part;
    }
    return text.empty() ? "never" : text;
}

std::string swap_text(const Plan& plan, const Options& options) {
    std::string text = fmt::format(
        "{}{}, lock waits of 1 s", options.swap.locked ? "under LOCK TABLES" : "atomic RENAME",
        options.swap.archive.empty() ? " to lhma_<time>_" + plan.table : "");
    if (options.swap.rollback_window.count() > 0) {
        text += fmt::format(", then {} s in which it can be reverted",
                            options.swap.rollback_window.count());
    }
    return text;
}

}  // namespace

std::string Plan::original_name() const {
    return qualified_name(database, table);
}

std::string Plan::shadow_name() const {
    return qualified_name(database, names.shadow);
}

TriggerSpec Plan::triggers(ConflictPolicy policy) const {
    TriggerSpec spec;
    spec.database = database;
    spec.table = table;
    spec.copy = names.shadow;
    spec.control = names.control;
    spec.on_delete = names.on_delete;
    spec.on_update = names.on_update;
    spec.on_insert = names.on_insert;
    spec.mark = mark();
    spec.key = key;
    spec.copy_key = shadow_key.key;
    spec.map = map;
    spec.policy = policy;
    spec.kind = note_kind;
    spec.is_filtered = is_partial;
    if (flavour.fires_for_ignored_updates()) {
        for (const Index& index : original.indexes) {
            for (const IndexColumn& column : index.columns) {
                const bool is_new =
                    std::find(spec.unique_columns.begin(), spec.unique_columns.end(),
                              column.name) == spec.unique_columns.end();
                if (index.unique && is_new) {
                    spec.unique_columns.push_back(column.name);
                }
            }
        }
    }
    return spec;
}

std::string listed(const std::vector<std::string>& words, std::size_t shown_max) {
    std::string text;
    for (std::size_t i = 0; i < words.size() && i < shown_max; ++i) {
        text += (i == 0 ? "" : ", ") + words[i];
    }
    if (words.size() > shown_max) {
        text += fmt::format(" and {} more", words.size() - shown_max);
    }
    return text;
}

std::string describe(const Plan& plan, const Options& options) {
    std::string text =
        fmt::format("{}.{}: about {} rows, {}, on {} ({})\n", plan.database, plan.table, plan.rows,
                    size_text(plan.bytes), plan.server.id, plan.server.version);
    const auto line = [&text](const char* head, const std::string& rest) {
        if (!rest.empty()) {
            text += fmt::format("  {:<12}{}\n", head, rest);
        }
    };
    for (const ChangeStatement& statement : plan.statements) {
        line("statement", statement.sql);
    }
    line("tables", plan.names.shadow + ", " + plan.names.control);
    line("renamed", listed(renames(plan)));
    line("converted", listed(conversions(plan)));
    line("dropped", listed(plan.map.dropped));
    std::vector<std::string> added = plan.map.added;
    for (const FilledColumn& column : plan.map.filled) {
        added.push_back(fmt::format("{} = {}", column.name, column.literal));
    }
    line("new", listed(added));
    line("filter", plan.filter.empty() ? ""
                                       : fmt::format("{}{}{}", plan.filter.join,
                                                     plan.filter.where.empty() ? "" : " WHERE ",
                                                     plan.filter.where));
    if (!plan.instant.empty()) {
        line("way", fmt::format("the server changes the definition alone (ALGORITHM={}): no row is "
                                "copied, no old table is kept",
                                plan.instant));
        return text;
    }
    line("way", fmt::format("rows are copied: {}", plan.instant_note));
    line("copy key", plan.key.text());
    line("triggers", listed(plan.names.triggers()));
    line("columns", fmt::format("{} copied", plan.map.pairs.size()));
    line("copy", chunk_text(plan, options));
    line("indexes", plan.deferred.empty()
                        ? plan.index_note
                        : listed(names_of(plan.deferred)) + ": built after the copy");
    line("waits for", throttle_text(options));
    line("verify", !options.verify ? "off"
                   : plan.left_out.empty()
                       ? "checksums of all copied columns"
                       : "checksums of all copied columns but " + listed(plan.left_out));
    line("swap", swap_text(plan, options));
    for (const std::string& note : plan.notes) {
        line("note", note);
    }
    return text;
}

Json to_json(const Plan& plan, const Options& options) {
    Json statements = Json::array();
    for (const ChangeStatement& statement : plan.statements) {
        statements.push_back(statement.sql);
    }
    return Json{{"database", plan.database},
                {"table", plan.table},
                {"rows", plan.rows},
                {"bytes", plan.bytes},
                {"server", plan.server.id},
                {"server_version", plan.server.version},
                {"statements", std::move(statements)},
                {"instant", plan.instant},
                {"why_copied", plan.instant_note},
                {"copy_key", plan.key.text()},
                {"shadow", plan.names.shadow},
                {"control", plan.names.control},
                {"triggers", plan.names.triggers()},
                {"renamed", renames(plan)},
                {"converted", conversions(plan)},
                {"dropped", plan.map.dropped},
                {"added", plan.map.added},
                {"threads", plan.threads},
                {"copies_in_turns", plan.copies_in_turns},
                {"deferred_indexes", names_of(plan.deferred)},
                {"verify", options.verify},
                {"not_verified", plan.left_out},
                {"notes", plan.notes}};
}

}  // namespace shift::lhm
