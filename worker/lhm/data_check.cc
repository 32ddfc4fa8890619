#include "worker/lhm/data_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "common/ddl.h"
#include "common/text.h"
#include "worker/lhm/loss.h"
#include "worker/lhm/retry.h"
#include "worker/lhm/statements.h"
#include "worker/mysql/inspect.h"

namespace shift::lhm {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::int64_t kRowsPerTrial = 5000;
constexpr std::int64_t kBytesPerTrial = 8 << 20;
constexpr std::int64_t kChangesLookedAt = 100;
constexpr int kTriesMax = 5;
constexpr std::size_t kDuplicatesShown = 3;
constexpr std::size_t kValueBytesShown = 40;

using MaybeRefused = Result<std::optional<Refusal>>;

// MariaDB's JSON is a text with a CHECK; a new column of it holds the same in all rows.
bool is_added_json(const Plan& plan, const std::string& line) {
    const auto& added = plan.map.added;
    return line.find(" CHECK (json_valid(") != std::string::npos &&
           std::any_of(added.begin(), added.end(), [&line](const std::string& name) {
               return line.starts_with("  " + quote_identifier(name) + " ");
           });
}

// Whether the new table may refuse values for more than what all rows have in common: columns of
// other types, and what is new of its CHECKs, generated columns and partitions.
bool may_refuse_values(const Plan& plan) {
    const auto& pairs = plan.map.pairs;
    if (!std::all_of(pairs.begin(), pairs.end(),
                     [](const ColumnPair& pair) { return pair.always_fits(); })) {
        return true;
    }
    const auto known = split(plan.original.definition, '\n');
    for (const std::string& line : split(plan.shadow.definition, '\n')) {
        const bool is_new = std::find(known.begin(), known.end(), line) == known.end();
        for (const char* word : {"CHECK (", "GENERATED ALWAYS AS", "PARTITION "}) {
            if (is_new && line.find(word) != std::string::npos && !is_added_json(plan, line)) {
                return true;
            }
        }
    }
    return false;
}

// Rows are put into the shadow, which is empty yet, by the copy's own statement, and rolled back:
// the new table itself judges them.
class Trial {
  public:
    Trial(Connection& connection, const Plan& plan, const Options& options, bool rolls_back)
        : connection_(connection), plan_(plan), rolls_back_(rolls_back) {
        if (!options.allow_loss) {
            losses_ = value_losses(plan.map, plan.original_prefix(), plan.shadow_prefix());
        }
        changed_ = loss_condition(losses_);
    }

    MaybeRefused try_range(const Range& range, std::int64_t rows) {
        const Status put = put_in(try_range_statement(plan_, range));
        std::string why = put.ok() ? "" : connection_.server_words();
        std::vector<Row> changed;
        if (put.ok() && !changed_.empty()) {
            ASSIGN_OR_RETURN(changed, connection_.query(both_rows_statement(
                                          plan_, key_select(plan_.key, plan_.original_prefix()),
                                          in_range(range) + " AND " + changed_, kChangesLookedAt)));
        }
        RETURN_IF_ERROR(take_out());
        if (!put.ok()) {
            return is_data_error(put.error()) ? name_row(range, rows, std::move(why))
                                              : MaybeRefused(put.error());
        }
        for (const Row& row : changed) {
            ASSIGN_OR_RETURN(auto refused, look_at_change(key_of(row)));
            if (refused) {
                return refused;
            }
        }
        return std::optional<Refusal>();
    }

    // Numbers that the rows of the trial took are given back.
    Status reset_counter() {
        const auto& columns = plan_.shadow.columns;
        if (std::none_of(columns.begin(), columns.end(),
                         [](const Column& column) { return column.auto_increment; })) {
            return Ok{};
        }
        return connection_.execute(
            fmt::format("ALTER TABLE {} AUTO_INCREMENT = {}", plan_.shadow_name(),
                        std::max<std::uint64_t>(plan_.shadow.auto_increment, 1)));
    }

  private:
    std::string in_range(const Range& range) const {
        return key_range(plan_.key, range.after, range.up_to, plan_.original_prefix());
    }

    Status put_in(const std::string& statement) {
        RETURN_IF_ERROR(connection_.execute("START TRANSACTION"));
        return connection_.execute(statement);
    }

    Status take_out() {
        return connection_.execute(rolls_back_ ? "ROLLBACK"
                                               : "TRUNCATE TABLE " + plan_.shadow_name());
    }

    // Halves the range until one row is left that does not fit.
    MaybeRefused name_row(Range range, std::int64_t rows, std::string why) {
        while (rows > 1) {
            ASSIGN_OR_RETURN(const auto middle, connection_.query(find_end_statement(
                                                    plan_, range.after, range.up_to, rows / 2)));
            if (middle.empty()) {
                rows /= 2;
                continue;
            }
            Range first = range;
            first.up_to = key_of(middle[0]);
            const Status half = put_in(try_range_statement(plan_, first));
            (half.ok() ? range.after : range.up_to) = first.up_to;
            why = half.ok() ? why : connection_.server_words();
            rows = half.ok() ? rows - rows / 2 : rows / 2;
            RETURN_IF_ERROR(take_out());
        }
        ASSIGN_OR_RETURN(const auto key,
                         connection_.query(find_end_statement(plan_, range.after, range.up_to, 1)));
        return std::optional(Refusal{
            "data_does_not_fit",
            fmt::format("the new table refuses a row of {}: {}: {}; change the values or "
                        "the new table first",
                        plan_.original_name(),
                        key.empty() ? "a row" : "row " + key_text(plan_.key, key_of(key[0])),
                        why)});
    }

    // The row may have been written between the two statements: it is locked and looked at again.
    MaybeRefused look_at_change(const KeyValue& key) {
        RETURN_IF_ERROR(connection_.execute("START TRANSACTION"));
        Status copied = connection_.execute(lock_row_statement(plan_, key));
        if (copied.ok()) {
            copied = connection_.execute(copy_row_statement(plan_, key));
        }
        auto row = copied.ok() ? connection_.query(both_rows_statement(
                                     plan_, loss_select(losses_),
                                     key_is(plan_.key, key, plan_.original_prefix()), 1))
                               : Result<std::vector<Row>>(copied.error());
        if (!connection_.lost()) {
            RETURN_IF_ERROR(take_out());
        }
        RETURN_IF_ERROR(row);
        const std::string change = row->empty() ? "" : loss_text(losses_, (*row)[0], 0);
        if (!change.empty()) {
            return std::optional(Refusal{
                "loses_values",
                fmt::format("the change would alter values of {}: row {}: {}; change the type or "
                            "the values first, or allow it by allow-loss",
                            plan_.original_name(), key_text(plan_.key, key), change)});
        }
        return std::optional<Refusal>();
    }

    Connection& connection_;
    const Plan& plan_;
    const bool rolls_back_;
    std::vector<ValueLoss> losses_;
    std::string changed_;  // "" = no values may change
};

// As many rows as a small transaction takes.
std::int64_t rows_of_trial(const Plan& plan) {
    const std::int64_t row_bytes = plan.rows > 0 ? plan.bytes / plan.rows : 0;
    return std::clamp<std::int64_t>(kBytesPerTrial / std::max<std::int64_t>(row_bytes, 1), 1,
                                    kRowsPerTrial);
}

// The first rows always; all of them when the new table may refuse some.
MaybeRefused try_rows(Connection& connection, Plan& plan, Trial& trial,
                      SteadyClock::time_point deadline, StopRequest& stop) {
    const bool looks_at_all = may_refuse_values(plan);
    std::int64_t size = rows_of_trial(plan);
    std::int64_t looked_at = 0;
    int tries = 0;
    for (Range range;;) {
        ASSIGN_OR_RETURN(const auto end, connection.query(find_end_statement(plan, range.after,
                                                                             std::nullopt, size)));
        range.up_to = end.empty() ? std::nullopt : std::optional(key_of(end[0]));
        auto tried = trial.try_range(range, size);
        if (!tried.ok() && is_too_large_for_binlog(tried.error()) && size > 1) {
            size /= 2;
            continue;
        }
        if (!tried.ok() && is_lock_trouble(tried.error()) && ++tries < kTriesMax) {
            stop.wait_for(lock_pause(tries));
            continue;
        }
        if (!tried.ok() || *tried) {
            return tried;
        }
        looked_at += size;
        tries = 0;
        if (!range.up_to || !looks_at_all) {
            return std::optional<Refusal>();
        }
        range.after = range.up_to;
        if (SteadyClock::now() >= deadline || stop.reason()) {
            plan.notes.push_back(
                fmt::format("only the first {} rows were looked through for values that do not fit",
                            looked_at));
            return std::optional<Refusal>();
        }
    }
}

MaybeRefused check_values(Connection& connection, Plan& plan, const Options& options,
                          SteadyClock::time_point deadline, StopRequest& stop) {
    ASSIGN_OR_RETURN(const bool rolls_back, is_transactional(connection, plan.shadow.engine));
    Trial trial(connection, plan, options, rolls_back);
    auto refused = try_rows(connection, plan, trial, deadline, stop);
    if (refused.ok() && !*refused) {
        RETURN_IF_ERROR(trial.reset_counter());
    }
    return refused;
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
    const auto deadline = SteadyClock::now() + options.data_check_max;
    ASSIGN_OR_RETURN(
        Connection connection,
        sessions.open("data check", options.data_check_max + std::chrono::seconds(60)));
    ASSIGN_OR_RETURN(auto refused, check_values(connection, plan, options, deadline, stop));
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
