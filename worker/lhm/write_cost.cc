#include "worker/lhm/write_cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "common/ddl.h"
#include "worker/lhm/retry.h"
#include "worker/lhm/statements.h"

namespace shift::lhm {
namespace {

constexpr int kTimes = 15;

}  // namespace

Result<std::optional<std::chrono::microseconds>> measure_write(Connection& connection,
                                                               const Plan& plan) {
    using Micros = std::chrono::microseconds;
    ASSIGN_OR_RETURN(const auto rows,
                     connection.query(find_end_statement(plan, std::nullopt, std::nullopt, 1)));
    if (rows.empty()) {
        return std::optional<Micros>();
    }
    const std::string column = quote_identifier(plan.key.columns[0].name);
    const std::string sql =
        fmt::format("UPDATE {} SET {} = {} WHERE {}", plan.original_name(), column, column,
                    key_is(plan.key, key_of(rows[0]), plan.original_prefix()));
    std::vector<Micros> times;
    for (int i = 0; i < kTimes; ++i) {
        RETURN_IF_ERROR(connection.execute("START TRANSACTION"));
        const auto begun = std::chrono::steady_clock::now();
        const Status written = connection.execute(sql);
        times.push_back(
            std::chrono::duration_cast<Micros>(std::chrono::steady_clock::now() - begun));
        if (!connection.lost()) {
            (void)connection.execute("ROLLBACK").ok();
        }
        if (!written.ok()) {
            return is_lock_trouble(written.error())
                       ? Result<std::optional<Micros>>(std::optional<Micros>())
                       : Result<std::optional<Micros>>(written.error());
        }
    }
    std::nth_element(times.begin(), times.begin() + kTimes / 2, times.end());
    return std::optional(times[kTimes / 2]);
}

}  // namespace shift::lhm
