#include "worker/lhm/verifier.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/test_points.h"
#include "worker/lhm/conflicts.h"
#include "worker/lhm/retry.h"
#include "worker/lhm/statements.h"

namespace shift::lhm {
namespace {

constexpr int kRoundsMax = 3;
constexpr std::int64_t kRowsPerRound = 1000;
// A range with more differing rows than rounds can take is repaired for as long as each round finds
// other rows.
constexpr int kRepairsMax = 1000;
constexpr std::size_t kExamplesMax = 5;

}  // namespace

void VerifyResult::add(const VerifyResult& other) {
    ranges += other.ranges;
    rows += other.rows;
    repaired_ranges += other.repaired_ranges;
    repaired_rows += other.repaired_rows;
    examples.insert(examples.end(), other.examples.begin(), other.examples.end());
    examples.resize(std::min(examples.size(), kExamplesMax));
    left_out = other.left_out;
}

Json to_json(const VerifyResult& result) {
    return Json{{"ranges", result.ranges},
                {"rows", result.rows},
                {"repaired_ranges", result.repaired_ranges},
                {"repaired_rows", result.repaired_rows},
                {"examples", result.examples},
                {"not_verified", result.left_out}};
}

std::string describe(const VerifyResult& result) {
    std::string text = fmt::format("verified {} rows in {} ranges", result.rows, result.ranges);
    if (result.repaired_ranges > 0) {
        text += fmt::format("; {} ranges differed in {} rows ({}), were copied again and agree now",
                            result.repaired_ranges, result.repaired_rows,
                            listed(result.examples, kExamplesMax));
    } else {
        text += ", no differences";
    }
    if (!result.left_out.empty()) {
        text += "; not compared: " + listed(result.left_out);
    }
    return text;
}

VerifyResult Verifier::result() const {
    const std::lock_guard lock(mutex_);
    VerifyResult result = result_;
    result.left_out = plan_.left_out;
    return result;
}

Status Verifier::verify(Hand& hand, const Range& range) {
    Tries tries(options_.retry, "Verify", hand.stop, listener_);
    for (;;) {
        hand.throttle.wait(hand.stop);
        if (hand.stop.reason()) {
            return Error{Errc::kUnavailable, "stopped"};
        }
        Status status = Ok{};
        if (auto session = hand.session(); session.ok()) {
            status = once(**session, range);
        } else {
            status = std::move(session).error();
        }
        if (status.ok()) {
            crash_point("lhm-verified");
            hand.ledger.finish(range);
            hand.throttle.rest(hand.stop);
            return status;
        }
        if (is_connection_trouble(status.error()) && !hand.stop.reason()) {
            RETURN_IF_ERROR(hand.reconnect(status.error()));
        } else if (!tries.again(status.error())) {
            return status;
        }
    }
}

Status Verifier::once(Connection& connection, const Range& range) {
    for (int round = 0;; ++round) {
        ASSIGN_OR_RETURN(const bool equal, is_equal(connection, range));
        if (equal) {
            const std::lock_guard lock(mutex_);
            result_.repaired_ranges += round > 0 ? 1 : 0;
            return Ok{};
        }
        if (round >= kRoundsMax) {
            const auto rows = connection.query(different_statement(plan_, range, kExamplesMax));
            std::string keys;
            for (const Row& row : rows.ok() ? *rows : std::vector<Row>{}) {
                keys += (keys.empty() ? "" : ", ") + key_text(plan_.key, key_of(row));
            }
            return Error{
                Errc::kConflict,
                fmt::format("{} and {} differ although the rows were copied again {} times: "
                            "{}",
                            plan_.original_name(), plan_.shadow_name(), round,
                            keys.empty() ? "the rows change all the time" : keys)};
        }
        RETURN_IF_ERROR(repair(connection, range));
    }
}

Result<bool> Verifier::is_equal(Connection& connection, const Range& range) {
    const auto begun = std::chrono::steady_clock::now();
    ASSIGN_OR_RETURN(const Compared compared, compare(connection, range));
    if (!compared.equal) {
        return false;
    }
    size_.took(compared.rows, std::chrono::steady_clock::now() - begun);
    tally_.rows += compared.rows;
    ++tally_.chunks;
    const std::lock_guard lock(mutex_);
    ++result_.ranges;
    result_.rows += compared.rows;
    return true;
}

Result<Verifier::Compared> Verifier::compare(Connection& connection, const Range& range) {
    ASSIGN_OR_RETURN(const auto rows, connection.query(compare_statement(plan_, range)));
    if (rows.empty() || rows[0].size() < 2) {
        return Error{Errc::kInternal, "the comparison gave nothing"};
    }
    Compared compared;
    compared.equal = rows[0][0] == rows[0][1];
    compared.rows = to_int(rows[0][0]);  // up to the slash
    if (compared.equal && !plan_.filter.empty()) {
        ASSIGN_OR_RETURN(const auto missing, connection.query(missing_statement(plan_, range, 1)));
        compared.equal = missing.empty();
    }
    return compared;
}

Status Verifier::repair(Connection& connection, const Range& range) {
    for (int times = 0; times < kRepairsMax; ++times) {
        ASSIGN_OR_RETURN(auto rows,
                         connection.query(different_statement(plan_, range, kRowsPerRound)));
        if (!plan_.filter.empty()) {
            ASSIGN_OR_RETURN(const auto missing,
                             connection.query(missing_statement(plan_, range, kRowsPerRound)));
            rows.insert(rows.end(), missing.begin(), missing.end());
        }
        for (const Row& row : rows) {
            const KeyValue key = key_of(row);
            Status repaired = repair_row(connection, plan_, key);
            if (!repaired.ok()) {
                return is_data_error(repaired.error())
                           ? Status(
                                 Error{Errc::kInvalidArgument,
                                       fmt::format("row {} of {} differs and cannot be copied "
                                                   "again: {}",
                                                   key_text(plan_.key, key), plan_.original_name(),
                                                   connection.server_words()),
                                       repaired.error().native})
                           : repaired;
            }
            const std::lock_guard lock(mutex_);
            ++result_.repaired_rows;
            if (result_.examples.size() < kExamplesMax) {
                result_.examples.push_back(key_text(plan_.key, key));
            }
        }
        if (static_cast<std::int64_t>(rows.size()) < kRowsPerRound) {
            return Ok{};
        }
    }
    return Ok{};
}

}  // namespace shift::lhm
