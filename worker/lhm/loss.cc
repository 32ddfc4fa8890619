#include "worker/lhm/loss.h"

#include <fmt/format.h>

#include "common/ddl.h"
#include "common/text.h"
#include "worker/lhm/column_types.h"

namespace shift::lhm {
namespace {

constexpr int kValueShown = 40;  // characters

std::string as_decimal(const std::string& value) {
    return fmt::format("CAST({} AS DECIMAL(65,30))", value);
}

std::string number_changes(const Column& from, const Column& to, const std::string& original,
                           const std::string& shadow) {
    if (is_listed(from)) {
        return fmt::format("CONVERT({} USING utf8mb4) <> CONVERT({} USING utf8mb4)", original,
                           shadow);
    }
    if (is_inexact(from) && is_exact(to)) {
        // 0.1 is no FLOAT; what is nearest to it becomes the DECIMAL 0.1 again.
        return fmt::format("ABS({0} + 0e0 - ({1} + 0e0)) > ABS({1} + 0e0) * {2}", shadow, original,
                           from.data_type == "float" ? "1e-6" : "1e-14");
    }
    if (is_inexact(from)) {
        return fmt::format("{} + 0e0 <> {} + 0e0", shadow, original);
    }
    return is_exact(from) || is_text(from)
               ? fmt::format("{} <> {}", as_decimal(shadow), as_decimal(original))
               : "";
}

// "" when it never changes, or cannot be said.
std::string changes(const ColumnPair& pair, const std::string& original,
                    const std::string& shadow) {
    const Column& from = pair.from;
    const Column& to = pair.to;
    if (pair.keeps_values()) {
        return "";
    }
    if (is_number(to)) {
        return number_changes(from, to, original, shadow);
    }
    if (is_time(from) && is_time(to)) {
        return fmt::format("{} <> {}", shadow, original);
    }
    const bool was_text = is_text(from) || is_listed(from);
    if (was_text && (is_text(to) || is_listed(to))) {
        return fmt::format("CAST(CONVERT({} USING {}) AS BINARY) <> CAST({} AS BINARY)", original,
                           to.charset, shadow);
    }
    const bool will_be_bytes = is_text(to) || is_listed(to) || is_bytes(to);
    return (was_text || is_bytes(from)) && will_be_bytes
               ? fmt::format("CAST({} AS BINARY) <> CAST({} AS BINARY)", original, shadow)
               : "";
}

}  // namespace

std::vector<ValueLoss> value_losses(const ColumnMap& map, const std::string& original,
                                    const std::string& shadow) {
    std::vector<ValueLoss> losses;
    for (const ColumnPair& pair : map.pairs) {
        const std::string from = original + quote_identifier(pair.from.name);
        const std::string to = shadow + quote_identifier(pair.to.name);
        if (std::string condition = changes(pair, from, to); !condition.empty()) {
            losses.push_back({pair.from.name, std::move(condition), from, to});
        }
    }
    return losses;
}

std::string loss_condition(const std::vector<ValueLoss>& losses) {
    std::string text;
    for (const ValueLoss& loss : losses) {
        text += (text.empty() ? "(" : " OR (") + loss.condition + ")";
    }
    return text.empty() ? "" : "(" + text + ")";
}

std::string loss_select(const std::vector<ValueLoss>& losses) {
    std::string list;
    for (const ValueLoss& loss : losses) {
        list += fmt::format("{}{}, LEFT({}, {}), LEFT({}, {})", list.empty() ? "" : ", ",
                            loss.condition, loss.original, kValueShown, loss.shadow, kValueShown);
    }
    return list;
}

std::string loss_text(const std::vector<ValueLoss>& losses, const Row& row, std::size_t first) {
    for (const ValueLoss& loss : losses) {
        if (row.at(first).value_or("0") != "0") {
            return fmt::format("{} '{}' would become '{}'", loss.column,
                               clean_utf8(row.at(first + 1).value_or("NULL")),
                               clean_utf8(row.at(first + 2).value_or("NULL")));
        }
        first += 3;
    }
    return "";
}

}  // namespace shift::lhm
