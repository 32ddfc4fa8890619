#include "worker/lhm/leftovers.h"

#include <fmt/format.h>

#include <algorithm>

namespace shift::lhm {
namespace {

constexpr std::string_view kMark = "shift-lhm ";
constexpr std::size_t kIdDigits = 16;

Result<std::optional<std::string>> comment_of(Connection& connection, const std::string& database,
                                              const std::string& table) {
    ASSIGN_OR_RETURN(const auto facts, table_facts(connection, database, table));
    if (!facts) {
        return std::optional<std::string>();
    }
    ASSIGN_OR_RETURN(const auto comment,
                     connection.query_value(
                         fmt::format("SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE "
                                     "TABLE_SCHEMA={} AND TABLE_NAME={}",
                                     connection.quote(database), connection.quote(facts->name))));
    return std::optional(comment.value_or(""));
}

}  // namespace

std::optional<std::string> copy_id_in(std::string_view text) {
    const std::size_t at = text.find(kMark);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view id = text.substr(at + kMark.size(), kIdDigits);
    if (id.size() != kIdDigits ||
        id.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
        return std::nullopt;
    }
    return std::string(id);
}

std::string control_mark(const std::string& copy_id, const std::string& owner,
                         const std::string& table) {
    return fmt::format("{}{} by {} of {}", kMark, copy_id, owner, table);
}

std::optional<ControlMark> parse_control_mark(std::string_view comment) {
    constexpr std::string_view kBy = " by ";
    constexpr std::string_view kOf = " of ";
    const auto id = copy_id_in(comment);
    const std::size_t by = comment.find(kBy);
    const std::size_t of = by == std::string_view::npos ? by : comment.find(kOf, by + kBy.size());
    if (!id || !comment.starts_with(kMark) || of == std::string_view::npos) {
        return std::nullopt;
    }
    const std::size_t owner = by + kBy.size();
    return ControlMark{*id, std::string(comment.substr(owner, of - owner)),
                       std::string(comment.substr(of + kOf.size()))};
}

Result<Leftovers> find_leftovers(Connection& connection, const std::string& database,
                                 const std::string& table) {
    Leftovers left;
    const Names names = names_for(table);
    ASSIGN_OR_RETURN(const auto mark, comment_of(connection, database, names.control));
    if (mark) {
        const auto id = copy_id_in(*mark);
        left.control = id.has_value();
        left.copy_id = id.value_or("");
        if (const auto parsed = parse_control_mark(*mark)) {
            left.owner = parsed->owner;
        }
        if (!id) {
            left.foreign.push_back("table " + names.control);
        }
    }
    std::vector<std::string> wanted = names.triggers();
    for (const std::string& name : names.back_triggers()) {
        wanted.push_back(name);
    }
    ASSIGN_OR_RETURN(const auto triggers, triggers_named(connection, database, wanted));
    for (const Trigger& trigger : triggers) {
        if (copy_id_in(trigger.body)) {
            left.triggers.push_back(trigger);
        } else {
            left.foreign.push_back("trigger " + trigger.name);
        }
    }
    for (const auto& [name, flag] : {std::pair(&names.shadow, &left.shadow),
                                     std::pair(&names.placeholder, &left.placeholder)}) {
        ASSIGN_OR_RETURN(const auto facts, table_facts(connection, database, *name));
        if (!facts) {
            continue;
        }
        if (facts->is_view || !left.any_ours()) {
            left.foreign.push_back("table " + *name);
        } else {
            *flag = true;
        }
    }
    return left;
}

}  // namespace shift::lhm
