#include "worker/lhm/statements.h"

#include <fmt/format.h>

#include "common/ddl.h"
#include "worker/lhm/checksum.h"

namespace shift::lhm {
namespace {

std::string force_index(const std::string& index) {
    return "FORCE INDEX (" + quote_identifier(index) + ")";
}

std::string plain_source(const Plan& plan) {
    return plan.original_name() + " " + force_index(plan.key.index);
}

// With the filter's join behind it.
std::string source(const Plan& plan) {
    return plan.filter.join.empty() ? plain_source(plan)
                                    : plain_source(plan) + " " + plan.filter.join;
}

std::string range_of(const Plan& plan, const Range& range) {
    return key_range(plan.key, range.after, range.up_to, plan.original_prefix());
}

std::string filtered(const Plan& plan, const std::string& condition) {
    return plan.filter.where.empty() ? condition
                                     : fmt::format("({}) AND {}", plan.filter.where, condition);
}

std::string target_columns(const Plan& plan) {
    std::string list;
    for (const ColumnPair& pair : plan.map.pairs) {
        list += (list.empty() ? "" : ", ") + quote_identifier(pair.to.name);
    }
    for (const FilledColumn& column : plan.map.filled) {
        list += ", " + quote_identifier(column.name);
    }
    return list;
}

std::string source_columns(const Plan& plan) {
    std::string list;
    for (const ColumnPair& pair : plan.map.pairs) {
        list +=
            (list.empty() ? "" : ", ") + plan.original_prefix() + quote_identifier(pair.from.name);
    }
    for (const FilledColumn& column : plan.map.filled) {
        list += ", " + column.literal;
    }
    return list;
}

std::string insert_select(const Plan& plan) {
    return fmt::format("INSERT INTO {} ({}) SELECT {} FROM ", plan.shadow_name(),
                       target_columns(plan), source_columns(plan));
}

std::string insert_range(const Plan& plan, const Range& range, const std::string& locking) {
    // INSERT IGNORE would also silence data that does not fit.
    const std::string same =
        plan.shadow_prefix() + quote_identifier(plan.shadow_key.key.columns[0].name);
    return fmt::format("{}{} WHERE {}{} ON DUPLICATE KEY UPDATE {} = {}", insert_select(plan),
                       source(plan), filtered(plan, range_of(plan, range)), locking, same, same);
}

// A column of the original's key as the shadow's key column is compared with it.
std::string as_shadow(const KeyColumn& from, const KeyColumn& to, const std::string& value) {
    if (to.kind == ValueKind::kText && to.collation != from.collation) {
        return fmt::format("CONVERT({} USING {}) COLLATE {}", value, to.charset, to.collation);
    }
    return to.kind == ValueKind::kEnum ? value + "+0" : value;
}

// Joins the shadow to the original by the key.
std::string is_counterpart(const Plan& plan) {
    std::string text;
    for (std::size_t i = 0; i < plan.key.columns.size(); ++i) {
        const KeyColumn& from = plan.key.columns[i];
        const KeyColumn& to = plan.shadow_key.key.columns[i];
        const std::string value = plan.original_prefix() + quote_identifier(from.name);
        const std::string other = plan.shadow_prefix() + quote_identifier(to.name);
        text += fmt::format("{}{} = {}", text.empty() ? "" : " AND ", other,
                            as_shadow(from, to, value));
        if (to.kind == ValueKind::kText && to.collation != from.collation) {
            text += fmt::format(" AND CAST({} AS BINARY) = CAST(CONVERT({} USING {}) AS BINARY)",
                                other, value, to.charset);
        }
    }
    return text;
}

// The shadow's key read as a key of the original.
std::string shadow_key_select(const Plan& plan) {
    CopyKey key = plan.shadow_key.key;
    std::string list;
    for (std::size_t i = 0; i < key.columns.size(); ++i) {
        const KeyColumn& from = plan.key.columns[i];
        const KeyColumn& to = key.columns[i];
        CopyKey one;
        one.columns.push_back(to);
        std::string text = key_select(one, plan.shadow_prefix());
        if (to.kind == ValueKind::kText && to.charset != from.charset) {
            text = fmt::format("HEX(CONVERT({}{} USING {}))", plan.shadow_prefix(),
                               quote_identifier(to.name), from.charset);
        }
        list += (list.empty() ? "" : ", ") + text;
    }
    return list;
}

std::string shadow_null(const Plan& plan) {
    return plan.shadow_prefix() + quote_identifier(plan.shadow_key.key.columns[0].name) +
           " IS NULL";
}

std::string original_null(const Plan& plan) {
    return plan.original_prefix() + quote_identifier(plan.key.columns[0].name) + " IS NULL";
}

std::string shadow_range(const Plan& plan, const Range& range) {
    return key_range(plan.shadow_key.key, range.after, range.up_to, plan.shadow_prefix());
}

RowHash hash_of(const Plan& plan) {
    return row_hash(plan.map, plan.key, plan.original_prefix(), plan.shadow_prefix());
}

std::string exists_counterpart(const Plan& plan) {
    return fmt::format("EXISTS (SELECT 1 FROM {} {} WHERE {})", plan.shadow_name(),
                       force_index(plan.shadow_key.key.index), is_counterpart(plan));
}

// Rows of the original that must be in the shadow: all, or with a filter those that are there.
std::string compared(const Plan& plan, const Range& range) {
    const std::string rows = range_of(plan, range);
    return plan.filter.empty() ? rows : rows + " AND " + exists_counterpart(plan);
}

}  // namespace

std::string find_end_statement(const Plan& plan, const std::optional<KeyValue>& after,
                               const std::optional<KeyValue>& up_to, std::int64_t rows) {
    return fmt::format("SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT 1 OFFSET {}",
                       key_select(plan.key, plan.original_prefix()), plain_source(plan),
                       key_range(plan.key, after, up_to, plan.original_prefix()),
                       key_order(plan.key, plan.original_prefix()), rows > 0 ? rows - 1 : 0);
}

std::string last_statement(const Plan& plan, const std::string& condition) {
    std::string order;
    for (const KeyColumn& column : plan.key.columns) {
        order += fmt::format("{}{}{}{}", order.empty() ? "" : ", ", plan.original_prefix(),
                             quote_identifier(column.name), column.descending ? "" : " DESC");
    }
    return fmt::format("SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT 1",
                       key_select(plan.key, plan.original_prefix()), plain_source(plan), condition,
                       order);
}

std::string lock_range_statement(const Plan& plan, const Range& range, bool waits) {
    return fmt::format(
        "SELECT COUNT(*) FROM {} WHERE {} {}", plain_source(plan), range_of(plan, range),
        waits ? plan.flavour.share_lock_patient() : plan.flavour.share_lock_nowait());
}

std::string copy_range_statement(const Plan& plan, const Range& range) {
    return insert_range(plan, range, " " + plan.flavour.share_lock_nowait());
}

std::string try_range_statement(const Plan& plan, const Range& range) {
    return insert_range(plan, range, "");
}

std::string both_rows_statement(const Plan& plan, const std::string& what,
                                const std::string& condition, std::int64_t rows_max) {
    return fmt::format("SELECT {} FROM {} STRAIGHT_JOIN {} {} ON {} WHERE {} LIMIT {}", what,
                       plain_source(plan), plan.shadow_name(),
                       force_index(plan.shadow_key.key.index), is_counterpart(plan), condition,
                       rows_max);
}

std::string missing_statement(const Plan& plan, const Range& range, std::int64_t rows_max) {
    return fmt::format("SELECT {} FROM {} LEFT JOIN {} ON {} WHERE {} AND {} LIMIT {}",
                       key_select(plan.key, plan.original_prefix()), source(plan),
                       plan.shadow_name(), is_counterpart(plan),
                       filtered(plan, range_of(plan, range)), shadow_null(plan), rows_max);
}

std::string compare_statement(const Plan& plan, const Range& range) {
    const RowHash hash = hash_of(plan);
    const std::string original = fmt::format("SELECT {} FROM {} WHERE {}", aggregate(hash.original),
                                             plain_source(plan), compared(plan, range));
    if (plan.shadow_key.same_order) {
        return fmt::format("SELECT ({}), (SELECT {} FROM {} {} WHERE {})", original,
                           aggregate(hash.shadow), plan.shadow_name(),
                           force_index(plan.shadow_key.key.index), shadow_range(plan, range));
    }
    // The range is another set of rows in the shadow's order: the counterparts are looked up.
    return fmt::format("SELECT ({}), (SELECT {} FROM {} JOIN {} ON {} WHERE {})", original,
                       aggregate(hash.shadow), plain_source(plan), plan.shadow_name(),
                       is_counterpart(plan), range_of(plan, range));
}

std::string different_statement(const Plan& plan, const Range& range, std::int64_t rows_max) {
    const RowHash hash = hash_of(plan);
    std::string differing = fmt::format("{} <> {}", hash.original, hash.shadow);
    if (plan.filter.empty()) {
        differing = fmt::format("({} OR {})", shadow_null(plan), differing);
    }
    const std::string mine = fmt::format(
        "SELECT {} FROM {} LEFT JOIN {} ON {} WHERE {} AND {} LIMIT {}",
        key_select(plan.key, plan.original_prefix()), plain_source(plan), plan.shadow_name(),
        is_counterpart(plan), range_of(plan, range), differing, rows_max);
    const std::string rows = plan.shadow_key.same_order ? shadow_range(plan, range) : "TRUE";
    const std::string theirs =
        fmt::format("SELECT {} FROM {} LEFT JOIN {} ON {} WHERE {} AND {} LIMIT {}",
                    shadow_key_select(plan), plan.shadow_name(), plan.original_name(),
                    is_counterpart(plan), rows, original_null(plan), rows_max);
    return fmt::format("({}) UNION ALL ({})", mine, theirs);
}

std::string equal_row_statement(const Plan& plan, const KeyValue& key) {
    const RowHash hash = hash_of(plan);
    return fmt::format("SELECT COUNT(*) FROM {} JOIN {} ON {} WHERE {} AND {} = {}",
                       plain_source(plan), plan.shadow_name(), is_counterpart(plan),
                       key_is(plan.key, key, plan.original_prefix()), hash.original, hash.shadow);
}

std::string count_statement(const Plan& plan) {
    return fmt::format("SELECT (SELECT COUNT(*) FROM {}), (SELECT COUNT(*) FROM {})",
                       plan.original_name(), plan.shadow_name());
}

std::string lock_row_statement(const Plan& plan, const KeyValue& key) {
    return fmt::format("SELECT COUNT(*) FROM {} WHERE {} {}", plain_source(plan),
                       key_is(plan.key, key, plan.original_prefix()),
                       plan.flavour.share_lock_patient());
}

std::string remove_row_statement(const Plan& plan, const KeyValue& key) {
    std::string condition;
    for (std::size_t i = 0; i < plan.key.columns.size(); ++i) {
        const KeyColumn& from = plan.key.columns[i];
        const KeyColumn& to = plan.shadow_key.key.columns[i];
        const std::string literal = key_literal(from, key[i]);
        condition +=
            fmt::format("{}{} = {}", condition.empty() ? "" : " AND ", quote_identifier(to.name),
                        to.kind == ValueKind::kText ? as_shadow(from, to, literal) : literal);
    }
    return fmt::format("DELETE FROM {} WHERE {}", plan.shadow_name(), condition);
}

std::string copy_row_statement(const Plan& plan, const KeyValue& key) {
    return fmt::format("{}{} WHERE {} {}", insert_select(plan), plain_source(plan),
                       key_is(plan.key, key, plan.original_prefix()),
                       plan.flavour.share_lock_nowait());
}

}  // namespace shift::lhm
