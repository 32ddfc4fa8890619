#include "worker/lhm/triggers.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/ddl.h"
#include "worker/mysql/sha1.h"

namespace shift::lhm {
namespace {

// "`k1` <=> NEW.`a` AND `k2` <=> NEW.`b`" over the copy's columns.
std::string matches(const TriggerSpec& spec, const std::string& row) {
    std::string text;
    for (std::size_t i = 0; i < spec.key.columns.size(); ++i) {
        const KeyColumn& to = spec.copy_key.columns[i];
        const KeyColumn& from = spec.key.columns[i];
        std::string value = row + "." + quote_identifier(from.name);
        if (to.kind == ValueKind::kText && to.collation != from.collation) {
            // Two columns of different collations are not compared at all (1267).
            value = fmt::format("CONVERT({} USING {}) COLLATE {}", value, to.charset, to.collation);
        } else if (to.kind == ValueKind::kEnum) {
            value += "+0";  // its number; text would be compared without the index
        }
        text += fmt::format("{}{} <=> {}", i == 0 ? "" : " AND ", quote_identifier(to.name), value);
    }
    return text;
}

std::string delete_row(const TriggerSpec& spec, const std::string& row) {
    return fmt::format("DELETE FROM {} WHERE {};", qualified_name(spec.database, spec.copy),
                       matches(spec, row));
}

std::string insert_columns(const TriggerSpec& spec) {
    std::string list;
    for (const ColumnPair& pair : spec.map.pairs) {
        list += (list.empty() ? "" : ", ") + quote_identifier(pair.to.name);
    }
    for (const FilledColumn& column : spec.map.filled) {
        list += ", " + quote_identifier(column.name);
    }
    return list;
}

// `prefix`: "NEW." or the table's alias with a dot.
std::string insert_values(const TriggerSpec& spec, const std::string& prefix) {
    std::string list;
    for (const ColumnPair& pair : spec.map.pairs) {
        list += (list.empty() ? "" : ", ") + prefix + quote_identifier(pair.from.name);
    }
    for (const FilledColumn& column : spec.map.filled) {
        list += ", " + column.literal;
    }
    return list;
}

std::string insert_new(const TriggerSpec& spec) {
    return fmt::format("INSERT INTO {} ({}) VALUES ({});", qualified_name(spec.database, spec.copy),
                       insert_columns(spec), insert_values(spec, "NEW."));
}

// The row as the table holds it now.
std::string insert_read(const TriggerSpec& spec, const std::string& row) {
    std::string condition;
    for (const KeyColumn& column : spec.key.columns) {
        const std::string name = quote_identifier(column.name);
        condition += fmt::format("{}o.{} = {}.{}{}", condition.empty() ? "" : " AND ", name, row,
                                 name, column.kind == ValueKind::kEnum ? "+0" : "");
    }
    return fmt::format(
        "INSERT INTO {} ({}) SELECT {} FROM {} o WHERE {};",
        qualified_name(spec.database, spec.copy), insert_columns(spec), insert_values(spec, "o."),
        qualified_name(spec.database, spec.read_table.empty() ? spec.table : spec.read_table),
        condition);
}

bool is_text_type(const TriggerSpec& spec, const std::string& name) {
    const ColumnPair* pair = spec.map.by_original(name);
    return pair == nullptr || !pair->from.collation.empty();
}

// Values are compared byte by byte: in another collation of the copy, 'a' that became 'A' is a
// changed key.
std::string is_unchanged(const TriggerSpec& spec) {
    std::vector<std::string> names = spec.unique_columns;
    for (const KeyColumn& column : spec.key.columns) {
        if (std::find(names.begin(), names.end(), column.name) == names.end()) {
            names.push_back(column.name);
        }
    }
    std::string text;
    for (const std::string& name : names) {
        const std::string quoted = quote_identifier(name);
        text += text.empty() ? "" : " AND ";
        text += is_text_type(spec, name)
                    ? fmt::format("CAST(OLD.{0} AS BINARY) <=> CAST(NEW.{0} AS BINARY)", quoted)
                    : fmt::format("OLD.{0} <=> NEW.{0}", quoted);
    }
    return text;
}

// Both keys are one row where the table's collation says so.
std::string is_one_key(const TriggerSpec& spec) {
    std::string text;
    for (const KeyColumn& column : spec.key.columns) {
        const std::string name = quote_identifier(column.name);
        text += fmt::format("{}OLD.{} <=> NEW.{}", text.empty() ? "" : " AND ", name, name);
    }
    return text;
}

// Inserting first takes no gap lock when the row is new, which it is: a DELETE that finds nothing
// would, and two applications that add rows beside each other would deadlock.
std::string put_new(const TriggerSpec& spec) {
    const std::string insert = insert_new(spec);
    return fmt::format("BEGIN DECLARE EXIT HANDLER FOR 1062 BEGIN {} {} END; {} END;",
                       delete_row(spec, "NEW"), insert, insert);
}

// A row that is not in the copy yet is left to the copy, which waits for our transaction and reads
// what it wrote. With a filter it might never come there.
std::string refresh(const TriggerSpec& spec) {
    if (spec.is_filtered) {
        return put_new(spec);
    }
    std::string list;
    for (const ColumnPair& pair : spec.map.pairs) {
        const bool in_key =
            std::any_of(spec.copy_key.columns.begin(), spec.copy_key.columns.end(),
                        [&pair](const KeyColumn& column) { return column.name == pair.to.name; });
        if (!in_key) {
            list += fmt::format("{}{} = NEW.{}", list.empty() ? "" : ", ",
                                quote_identifier(pair.to.name), quote_identifier(pair.from.name));
        }
    }
    // Nothing but the key: a body needs a statement.
    return list.empty()
               ? "DO 0;"
               : fmt::format("UPDATE {} SET {} WHERE {};", qualified_name(spec.database, spec.copy),
                             list, matches(spec, "NEW"));
}

std::string update_work(const TriggerSpec& spec) {
    return fmt::format("IF {} THEN {} ELSE {} {} {} IF NOT ({}) THEN {} END IF; END IF;",
                       is_unchanged(spec), refresh(spec), delete_row(spec, "OLD"),
                       delete_row(spec, "NEW"), insert_read(spec, "NEW"), is_one_key(spec),
                       insert_read(spec, "OLD"));
}

// The key for people and for a later look: JSON, bytes as hex.
std::string key_for_people(const TriggerSpec& spec, const std::string& row) {
    std::string list;
    for (const KeyColumn& column : spec.key.columns) {
        std::string one = row + "." + quote_identifier(column.name);
        if (column.kind == ValueKind::kText || column.kind == ValueKind::kBinary) {
            one = "HEX(" + one + ")";
        } else if (column.kind == ValueKind::kEnum || column.is_bit) {
            one += "+0";
        } else if (column.kind == ValueKind::kFloat) {
            one += "+0e0";
        }
        list += ", " + one;
    }
    return "CONCAT_WS(','" + list + ")";
}

std::string guarded(const TriggerSpec& spec, const std::string& event, const std::string& row,
                    const std::string& work) {
    if (spec.policy == ConflictPolicy::kFailWrite) {
        return fmt::format("BEGIN /* {} */ {} END", spec.mark, work);
    }
    const std::string other = event == "UPDATE" ? key_for_people(spec, "OLD") : std::string("NULL");
    // A control table that is missing must not fail the application's write either: 1146.
    return fmt::format(
        "BEGIN /* {} */ DECLARE shift_code INT; DECLARE shift_text TEXT; "
        "DECLARE EXIT HANDLER FOR SQLEXCEPTION, 1265 BEGIN "
        "DECLARE CONTINUE HANDLER FOR 1146 BEGIN END; "
        "GET DIAGNOSTICS CONDITION 1 shift_code = MYSQL_ERRNO, shift_text = MESSAGE_TEXT; "
        "INSERT INTO {} (kind, event, code, message, row_key, old_row_key) VALUES "
        "('{}', '{}', shift_code, shift_text, {}, {}); END; {} END",
        spec.mark, qualified_name(spec.database, spec.control), spec.kind, event,
        key_for_people(spec, row), other, work);
}

// The server tells creation times in the session's zone, where an hour of autumn comes twice.
Result<std::vector<Trigger>> triggers_in_utc(Connection& connection, const std::string& database,
                                             const std::string& table) {
    constexpr const char* kUtc = "+00:00";
    ASSIGN_OR_RETURN(const auto zone, connection.query_value("SELECT @@SESSION.time_zone"));
    const auto set_zone = [&connection](const std::string& name) {
        return connection.execute("SET SESSION time_zone=" + connection.quote(name));
    };
    if (zone.value_or(kUtc) == kUtc) {
        return triggers_of(connection, database, table);
    }
    RETURN_IF_ERROR(set_zone(kUtc));
    auto triggers = triggers_of(connection, database, table);
    if (!connection.lost()) {
        RETURN_IF_ERROR(set_zone(*zone));
    }
    return triggers;
}

}  // namespace

std::vector<TriggerText> trigger_texts(const TriggerSpec& spec) {
    return {
        {spec.on_delete, "DELETE", guarded(spec, "DELETE", "OLD", delete_row(spec, "OLD"))},
        {spec.on_update, "UPDATE", guarded(spec, "UPDATE", "NEW", update_work(spec))},
        {spec.on_insert, "INSERT", guarded(spec, "INSERT", "NEW", put_new(spec))},
    };
}

std::string create_statement(const TriggerSpec& spec, const TriggerText& text) {
    return fmt::format("CREATE TRIGGER {} AFTER {} ON {} FOR EACH ROW {}",
                       qualified_name(spec.database, text.name), text.event,
                       qualified_name(spec.database, spec.table), text.body);
}

std::string control_table_statement(const std::string& database, const std::string& control,
                                    const std::string& quoted_comment) {
    return fmt::format(
        "CREATE TABLE {} (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, "
        "at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, kind VARCHAR(16) NOT NULL, "
        "event VARCHAR(16) NULL, code INT NULL, message TEXT NULL, row_key TEXT NULL, "
        "old_row_key TEXT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT={}",
        qualified_name(database, control), quoted_comment);
}

Result<std::vector<TriggerFact>> read_trigger_facts(Connection& connection,
                                                    const std::string& database,
                                                    const std::string& table,
                                                    const std::vector<std::string>& names) {
    ASSIGN_OR_RETURN(const auto triggers, triggers_in_utc(connection, database, table));
    std::vector<TriggerFact> facts;
    for (const Trigger& trigger : triggers) {
        if (std::find(names.begin(), names.end(), trigger.name) != names.end()) {
            facts.push_back({trigger.name, trigger.created, sha1_hex(trigger.body)});
        }
    }
    std::sort(facts.begin(), facts.end(),
              [](const TriggerFact& a, const TriggerFact& b) { return a.name < b.name; });
    return facts;
}

}  // namespace shift::lhm
