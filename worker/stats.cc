#include "worker/stats.h"

namespace shift {
namespace {

Json or_null(const std::optional<std::int64_t>& value) {
    return value ? Json(*value) : Json(nullptr);
}

}  // namespace

void report_stats(Context& context, const std::string& when, const TableFacts& facts) {
    context.reporter.event(event::kStats, {{"when", when},
                                           {"table_rows", or_null(facts.rows)},
                                           {"table_size", or_null(facts.data_bytes)},
                                           {"index_size", or_null(facts.index_bytes)}});
}

}  // namespace shift
