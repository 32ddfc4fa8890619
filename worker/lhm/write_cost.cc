#include "worker/lhm/write_cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "common/ddl.h"
#include "worker/lhm/retry.h"
#include "worker/lhm/statements.h"
#include "worker/mysql/inspect.h"

namespace shift::lhm {
namespace {

constexpr int kTimes = 15;

bool has_new_counter(const Plan& plan) {
    return std::any_of(plan.map.added.begin(), plan.map.added.end(), [&](const std::string& name) {
        const Column* column = plan.shadow.column(name);
        return column != nullptr && column->auto_increment;
    });
}

}  // namespace

Result<std::optional<std::chrono::microseconds>> measure_write(Connection& connection,
                                                               const Plan& plan) {
    using Micros = std::chrono::microseconds;
    ASSIGN_OR_RETURN(const auto rows,
                     connection.query(find_end_statement(plan, std::nullopt, std::nullopt, 1)));
    if (rows.empty()) {
        return std::optional<Micros>();
    }
    const KeyValue key = key_of(rows[0]);
    const std::string column = quote_identifier(plan.key.columns[0].name);
    const std::string sql =
        fmt::format("UPDATE {} SET {} = {} WHERE {}", plan.original_name(), column, column,
                    key_is(plan.key, key, plan.original_prefix()));
    // The row is in the shadow, as after the copy: else the trigger would find none to change.
    // Where there is no rollback it would stay there, and a new counter does not go back.
    ASSIGN_OR_RETURN(const bool rolls_back, is_transactional(connection, plan.shadow.engine));
    const std::string copy =
        rolls_back && !has_new_counter(plan) ? copy_row_statement(plan, key) : "DO 0";
    // First, and for good: a shared lock that is raised later may cost the application a deadlock.
    const std::string lock =
        fmt::format("SELECT COUNT(*) FROM {} WHERE {} FOR UPDATE", plan.original_name(),
                    key_is(plan.key, key, plan.original_prefix()));
    std::vector<Micros> times;
    for (int i = 0; i < kTimes; ++i) {
        RETURN_IF_ERROR(connection.execute("START TRANSACTION"));
        Status written = connection.execute(lock);
        if (written.ok()) {
            written = connection.execute(copy);
        }
        const auto begun = std::chrono::steady_clock::now();
        if (written.ok()) {
            written = connection.execute(sql);
        }
        times.push_back(
            std::chrono::duration_cast<Micros>(std::chrono::steady_clock::now() - begun));
        if (!connection.lost()) {
            (void)connection.execute("ROLLBACK").ok();
        }
        if (!written.ok()) {
            // A row that the shadow refuses is named by the copy.
            return is_lock_trouble(written.error()) || is_data_error(written.error())
                       ? Result<std::optional<Micros>>(std::optional<Micros>())
                       : Result<std::optional<Micros>>(written.error());
        }
    }
    std::nth_element(times.begin(), times.begin() + kTimes / 2, times.end());
    return std::optional(times[kTimes / 2]);
}

}  // namespace shift::lhm
