#include "worker/lhm/data_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "common/ddl.h"
#include "common/text.h"
#include "worker/lhm/retry.h"
#include "worker/lhm/statements.h"
#include "worker/mysql/errors.h"

namespace shift::lhm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kRowsPerTrial = 10'000;
constexpr std::size_t kDuplicatesShown = 3;
constexpr std::size_t kValueBytesShown = 40;
constexpr const char* kTrial = "lhm_trial";

std::vector<const ColumnPair*> converted(const Plan& plan) {
    std::vector<const ColumnPair*> pairs;
    for (const ColumnPair& pair : plan.map.pairs) {
        if (!pair.is_same_type() || (pair.from.nullable && !pair.to.nullable)) {
            pairs.push_back(&pair);
        }
    }
    return pairs;
}

std::string column_list(const std::vector<const ColumnPair*>& pairs, const std::string& prefix,
                        bool of_shadow) {
    std::string list;
    for (const ColumnPair* pair : pairs) {
        list += (list.empty() ? "" : ", ") + prefix +
                quote_identifier(of_shadow ? pair->to.name : pair->from.name);
    }
    return list;
}

// One look at the converted columns, range by range.
class Trial {
  public:
    Trial(Connection& connection, const Plan& plan)
        : connection_(connection),
          plan_(plan),
          pairs_(converted(plan)),
          trial_(qualified_name(plan.database, kTrial)) {}

    // false: our user may make no temporary tables.
    Result<bool> open() {
        const Status made = connection_.execute(
            fmt::format("CREATE TEMPORARY TABLE {} ENGINE=InnoDB AS SELECT {} FROM {} LIMIT 0",
                        trial_, column_list(pairs_, "", true), plan_.shadow_name()));
        if (!made.ok() && is_access_denied(made.error())) {
            return false;
        }
        RETURN_IF_ERROR(made);
        return true;
    }

    // nullopt: all rows of the range convert. Else the first one that does not, and why.
    Result<std::optional<Error>> try_range(Range range, std::int64_t rows) {
        Status tried = insert(range);
        if (tried.ok()) {
            RETURN_IF_ERROR(connection_.execute("TRUNCATE TABLE " + trial_));
            return std::optional<Error>();
        }
        if (!is_data_error(tried.error())) {
            return std::move(tried).error();
        }
        std::string why = connection_.server_words();
        while (rows > 1) {
            ASSIGN_OR_RETURN(const auto middle, connection_.query(find_end_statement(
                                                    plan_, range.after, range.up_to, rows / 2)));
            if (middle.empty()) {
                rows /= 2;
                continue;
            }
            Range first = range;
            first.up_to = key_of(middle[0]);
            const Status half = insert(first);
            (half.ok() ? range.after : range.up_to) = first.up_to;
            why = half.ok() ? why : connection_.server_words();
            rows = half.ok() ? rows - rows / 2 : rows / 2;
            RETURN_IF_ERROR(connection_.execute("TRUNCATE TABLE " + trial_));
        }
        ASSIGN_OR_RETURN(const auto key,
                         connection_.query(find_end_statement(plan_, range.after, range.up_to, 1)));
        const std::string where =
            key.empty() ? "a row" : "row " + key_text(plan_.key, key_of(key[0]));
        return std::optional(Error{Errc::kInvalidArgument, where + ": " + why});
    }

  private:
    Status insert(const Range& range) {
        const std::string join = plan_.filter.join.empty() ? "" : " " + plan_.filter.join;
        const std::string rows =
            key_range(plan_.key, range.after, range.up_to, plan_.original_prefix());
        const std::string condition = plan_.filter.where.empty()
                                          ? rows
                                          : fmt::format("({}) AND {}", plan_.filter.where, rows);
        return connection_.execute(fmt::format(
            "INSERT INTO {} ({}) SELECT {} FROM {} FORCE INDEX ({}){} WHERE {}", trial_,
            column_list(pairs_, "", true), column_list(pairs_, plan_.original_prefix(), false),
            plan_.original_name(), quote_identifier(plan_.key.index), join, condition));
    }

    Connection& connection_;
    const Plan& plan_;
    std::vector<const ColumnPair*> pairs_;
    std::string trial_;
};

Result<std::optional<Refusal>> check_conversions(Connection& connection, Plan& plan,
                                                 Clock::time_point deadline,
                                                 const StopRequest& stop) {
    if (converted(plan).empty()) {
        return std::optional<Refusal>();
    }
    Trial trial(connection, plan);
    ASSIGN_OR_RETURN(const bool opened, trial.open());
    if (!opened) {
        plan.notes.emplace_back(
            "our user may make no temporary tables, so values were not looked through: one that "
            "does "
            "not fit stops the copy when it gets there");
        return std::optional<Refusal>();
    }
    Range range;
    std::int64_t rows = 0;
    for (;;) {
        ASSIGN_OR_RETURN(const auto end, connection.query(find_end_statement(
                                             plan, range.after, std::nullopt, kRowsPerTrial)));
        range.up_to = end.empty() ? std::nullopt : std::optional(key_of(end[0]));
        ASSIGN_OR_RETURN(const auto wrong, trial.try_range(range, kRowsPerTrial));
        if (wrong) {
            return std::optional(Refusal{
                "data_does_not_fit",
                fmt::format("a value of {} does not fit the new type: {}; change the values or the "
                            "type first",
                            plan.original_name(), wrong->message)});
        }
        rows += kRowsPerTrial;
        if (!range.up_to) {
            return std::optional<Refusal>();
        }
        range.after = range.up_to;
        if (Clock::now() >= deadline || stop.reason()) {
            plan.notes.push_back(fmt::format(
                "only the first {} rows were looked through for values that do not fit", rows));
            return std::optional<Refusal>();
        }
    }
}

// The original's expression for one column of a unique key of the shadow; "" when all rows have the
// same value there; nullopt when it cannot be said.
std::optional<std::string> key_expression(const Plan& plan, const IndexColumn& part) {
    for (const ColumnPair& pair : plan.map.pairs) {
        if (!iequals_ascii(pair.to.name, part.name)) {
            continue;
        }
        std::string text = plan.original_prefix() + quote_identifier(pair.from.name);
        if (pair.from.collation != pair.to.collation) {
            if (pair.to.collation.empty() || pair.from.collation.empty()) {
                return std::nullopt;
            }
            text = fmt::format("CONVERT({} USING {}) COLLATE {}", text, pair.to.charset,
                               pair.to.collation);
        }
        return part.is_prefix ? fmt::format("LEFT({}, {})", text, part.prefix) : text;
    }
    const bool is_filled =
        std::any_of(plan.map.filled.begin(), plan.map.filled.end(),
                    [&part](const FilledColumn& column) { return column.name == part.name; });
    const Column* column = plan.shadow.column(part.name);
    if (is_filled ||
        (column != nullptr && !column->auto_increment && !column->generated && !column->nullable)) {
        return "";
    }
    return std::nullopt;
}

std::string row_text(const Row& row) {
    std::string text;
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
        const std::string value = row[i] ? clean_utf8(*row[i]) : "NULL";
        text += fmt::format("{}{}", i == 0 ? "" : ", ", utf8_prefix(value, kValueBytesShown));
    }
    return fmt::format("({}) {} times", text, row.back().value_or("?"));
}

Result<std::optional<Refusal>> check_duplicates(Connection& connection, Plan& plan,
                                                const Index& index) {
    std::string list;
    std::string condition = plan.filter.where.empty() ? "TRUE" : "(" + plan.filter.where + ")";
    for (const IndexColumn& part : index.columns) {
        const auto expression = key_expression(plan, part);
        if (!expression) {
            return std::optional<Refusal>();  // NULLs and generated values: the copy finds them
        }
        if (!expression->empty()) {
            list += (list.empty() ? "" : ", ") + *expression;
            condition += fmt::format(" AND {} IS NOT NULL", *expression);
        }
    }
    const std::string join = plan.filter.join.empty() ? "" : " " + plan.filter.join;
    const std::string group = list.empty() ? "" : fmt::format(" GROUP BY {}", list);
    auto found = connection.query(fmt::format(
        "SELECT {}{}COUNT(*) FROM {}{} WHERE {}{} HAVING COUNT(*) > 1 LIMIT {}", list,
        list.empty() ? "" : ", ", plan.original_name(), join, condition, group, kDuplicatesShown));
    if (!found.ok()) {
        if (connection.lost()) {
            return std::move(found).error();
        }
        plan.notes.push_back(
            fmt::format("duplicates under {} were not looked for ({}): the copy "
                        "finds them",
                        index.name, found.error().message));
        return std::optional<Refusal>();
    }
    std::vector<std::string> rows;
    for (const Row& row : *found) {
        rows.push_back(row_text(row));
    }
    if (rows.empty()) {
        return std::optional<Refusal>();
    }
    return std::optional(Refusal{
        "duplicates", fmt::format("the unique key {} would refuse rows of {}: {}; remove the "
                                  "duplicates first",
                                  index.name, plan.original_name(), listed(rows))});
}

}  // namespace

Result<std::optional<Refusal>> check_data(Sessions& sessions, Plan& plan, const Options& options,
                                          StopRequest& stop) {
    if (options.data_check_max.count() == 0) {
        return std::optional<Refusal>();
    }
    const auto deadline = Clock::now() + options.data_check_max;
    ASSIGN_OR_RETURN(
        Connection connection,
        sessions.open("data check", options.data_check_max + std::chrono::seconds(60)));
    ASSIGN_OR_RETURN(auto refused, check_conversions(connection, plan, deadline, stop));
    if (refused) {
        return refused;
    }
    const auto limit_s = options.data_check_max.count();
    (void)connection
        .execute(plan.flavour.is_mariadb
                     ? fmt::format("SET SESSION max_statement_time={}", limit_s)
                     : fmt::format("SET SESSION max_execution_time={}", limit_s * 1000))
        .ok();
    for (const Index& index : plan.stricter) {
        ASSIGN_OR_RETURN(refused, check_duplicates(connection, plan, index));
        if (refused) {
            return refused;
        }
    }
    return std::optional<Refusal>();
}

}  // namespace shift::lhm
