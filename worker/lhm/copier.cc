#include "worker/lhm/copier.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "common/test_points.h"
#include "worker/lhm/retry.h"
#include "worker/lhm/statements.h"
#include "worker/mysql/lock_holders.h"

namespace shift::lhm {
namespace {

// Lock waits of one chunk in a row before people are told who holds the locks.
constexpr int kTellLocksAfter = 8;
// So few rows are waited for when they are locked: who needs one of those that we have by then
// waits as long. Fewer would be gentler, and never get done where the application locks all the
// time.
constexpr std::int64_t kRowsToWaitFor = 32;
// After a lock in the way so many chunks are fenced.
constexpr int kContendedChunks = 100;
constexpr int kFenceTries = 50;
constexpr std::chrono::milliseconds kFencePause{2};
constexpr std::size_t kWarningKindsMax = 50;
// What says nothing about a row's values: that it is there already, and that the statement is not
// safe for statement-based replication.
constexpr std::array<std::string_view, 2> kHarmless = {"1062", "1592"};

Error row_error(const Plan& plan, const KeyValue& key, const std::string& why, int native) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("row {} of {} cannot be copied: {}", key_text(plan.key, key),
                             plan.original_name(), why),
                 native};
}

// "Data truncated for column 'a'": told once, not once a row.
std::string without_row_number(const std::string& message) {
    const std::size_t at = message.rfind(" at row ");
    return at == std::string::npos ? message : message.substr(0, at);
}

}  // namespace

Result<std::optional<KeyValue>> find_range_end(Hand& hand, const Plan& plan,
                                               const RetryOptions& retry, Listener& listener,
                                               const std::optional<KeyValue>& after,
                                               const std::optional<KeyValue>& up_to,
                                               std::int64_t rows) {
    Tries tries(retry, "boundary", hand.stop, listener);
    for (;;) {
        Result<std::vector<Row>> answer = Error{};
        auto session = hand.session();
        if (session.ok()) {
            answer = (*session)->query(find_end_statement(plan, after, up_to, rows));
        } else {
            answer = std::move(session).error();
        }
        if (answer.ok()) {
            return answer->empty() ? std::optional<KeyValue>()
                                   : std::optional(key_of((*answer)[0]));
        }
        if (is_connection_trouble(answer.error())) {
            RETURN_IF_ERROR(hand.reconnect(answer.error()));
        } else if (!tries.again(answer.error())) {
            return std::move(answer).error();
        }
    }
}

Copier::Copier(const Plan& plan, const Options& options, ChunkSize& size, CrewTally& tally,
               Listener& listener)
    : plan_(plan), options_(options), size_(size), tally_(tally), listener_(listener) {
    if (!options.allow_loss) {
        losses_ = value_losses(plan.map, plan.original_prefix(), plan.shadow_prefix());
    }
}

Status Copier::copy(Hand& hand, const Range& range) {
    Range rest = range;
    Tries tries(options_.retry, "Chunk", hand.stop, listener_);
    LockTrouble locks;
    while (!hand.stop.reason()) {
        hand.throttle.wait(hand.stop);
        Range chunk = rest;
        const std::int64_t rows = locks.rows(rows_wanted());
        if (rest.rows == 0 || rest.rows > rows) {  // not measured, or chunks became smaller
            ASSIGN_OR_RETURN(auto end, find_range_end(hand, plan_, options_.retry, listener_,
                                                      rest.after, rest.up_to, rows));
            chunk.up_to = end ? std::move(end) : rest.up_to;
        }
        crash_point("lhm-chunk");
        Result<Chunk> copied = Error{};
        const bool waits = rows <= kRowsToWaitFor;
        if (auto session = hand.session(); !session.ok()) {
            copied = std::move(session).error();
        } else if (Status ready = set_patience(hand, waits); !ready.ok()) {
            copied = std::move(ready).error();
        } else {
            copied = copy_chunk(hand, chunk, waits);
        }
        if (!copied.ok()) {
            RETURN_IF_ERROR(after_failure(hand, copied.error(), tries, locks));
            continue;
        }
        crash_point("lhm-chunk-copied");
        locks.succeeded();
        tally_.rows += copied->rows;
        ++tally_.chunks;
        size_.took(copied->rows, copied->time);
        if (chunk.up_to == rest.up_to) {
            hand.ledger.finish(range);
            hand.throttle.rest(hand.stop);
            return Ok{};
        }
        hand.ledger.advance(range, *chunk.up_to);
        rest.after = chunk.up_to;
        rest.rows = 0;
        hand.throttle.rest(hand.stop);
    }
    return Error{Errc::kUnavailable, "stopped"};
}

std::int64_t Copier::rows_wanted() const {
    const bool is_shorter = contended_chunks_ > 0 && options_.chunk.target.count() > 0;
    return std::max<std::int64_t>(1, is_shorter ? size_.rows() / 2 : size_.rows());
}

Status Copier::set_patience(Hand& hand, bool waits) {
    const int seconds = waits ? 1 : plan_.flavour.row_lock_wait_s();
    if (hand.row_lock_wait_s == seconds) {
        return Ok{};
    }
    RETURN_IF_ERROR(
        hand.connection->execute(fmt::format("SET SESSION innodb_lock_wait_timeout={}", seconds)));
    hand.row_lock_wait_s = seconds;
    return Ok{};
}

Result<Copier::Chunk> Copier::copy_chunk(Hand& hand, const Range& range, bool waits) {
    Connection& connection = *hand.connection;
    std::unique_lock turn(turn_, std::defer_lock);
    const bool is_contended = contended_chunks_ > 0 && contended_chunks_-- > 0;
    if (is_contended) {
        take(turn);  // rows that somebody wants are not locked while another chunk is inserted
        if (!waits) {
            put_fence(hand, range);
        }
    }
    const auto begun = std::chrono::steady_clock::now();
    RETURN_IF_ERROR(connection.execute("START TRANSACTION"));
    auto chunk = insert_chunk(connection, range, waits, turn);
    if (chunk.ok()) {
        if (turn.owns_lock()) {
            turn.unlock();
        }
        RETURN_IF_ERROR(connection.execute("COMMIT"));
        chunk->time = std::chrono::steady_clock::now() - begun;
        return chunk;
    }
    if (!connection.lost()) {
        (void)connection.execute("ROLLBACK").ok();
    }
    // Still in turn: what looks for the row inserts, too.
    Error error = std::move(chunk).error();
    return is_data_error(error) ? with_row(connection, range, std::move(error)) : error;
}

// The chunk's last row before the chunk: an application's REPEATABLE READ transaction that changes
// a row behind it locks the gap it finds in the shadow, and with nothing there that gap begins at
// the rows that were copied last, where the chunk's would go. Now it begins at the fence. One row
// is in before the next transaction locks the gap; a chunk would not be. What goes wrong here is
// the chunk's to tell.
void Copier::put_fence(Hand& hand, const Range& range) {
    if (!options_.fences || !range.up_to || !plan_.filter.empty()) {
        return;
    }
    const std::string sql = copy_row_statement(plan_, *range.up_to);
    for (int i = 0; i < kFenceTries && !hand.stop.reason(); ++i) {
        const Status put = hand.connection->execute(sql);
        if (put.ok() || hand.connection->lost() || !is_lock_trouble(put.error())) {
            return;
        }
        hand.stop.wait_for(kFencePause);
    }
}

void Copier::take(Turn& turn) {
    if (plan_.copies_in_turns && !turn.owns_lock()) {
        turn.lock();
    }
}

Result<Copier::Chunk> Copier::insert_chunk(Connection& connection, const Range& range, bool waits,
                                           Turn& turn) {
    Chunk chunk;
    ASSIGN_OR_RETURN(const auto count,
                     connection.query_value(lock_range_statement(plan_, range, waits)));
    chunk.rows = to_int(count);
    if (chunk.rows == 0) {
        return chunk;
    }
    take(turn);
    RETURN_IF_ERROR(connection.execute(copy_range_statement(plan_, range)));
    chunk.inserted = static_cast<std::int64_t>(connection.affected_rows());
    if (const unsigned warnings = connection.warning_count(); warnings > 0) {
        RETURN_IF_ERROR(check_warnings(connection, warnings, range));
    }
    // ON DUPLICATE KEY UPDATE takes any unique key: was it the row itself, or another one?
    if (!plan_.stricter.empty() && chunk.inserted < chunk.rows) {
        RETURN_IF_ERROR(check_missing(connection, range));
    }
    if (!losses_.empty()) {
        RETURN_IF_ERROR(check_losses(connection, range));
    }
    return chunk;
}

// The rows are locked: both tables hold the same writes.
Status Copier::check_losses(Connection& connection, const Range& range) {
    const std::string rows =
        key_range(plan_.key, range.after, range.up_to, plan_.original_prefix());
    ASSIGN_OR_RETURN(
        const auto changed,
        connection.query(both_rows_statement(
            plan_, key_select(plan_.key, plan_.original_prefix()) + ", " + loss_select(losses_),
            rows + " AND " + loss_condition(losses_), 1)));
    if (changed.empty()) {
        return Ok{};
    }
    const std::size_t columns = plan_.key.columns.size();
    const Row& row = changed[0];
    const auto behind_key = row.begin() + static_cast<std::ptrdiff_t>(columns);
    return row_error(plan_, key_of(Row(row.begin(), behind_key)),
                     loss_text(losses_, row, columns) + "; put it right, or allow it by allow-loss",
                     0);
}

Status Copier::check_missing(Connection& connection, const Range& range) {
    ASSIGN_OR_RETURN(const auto rows, connection.query(missing_statement(plan_, range, 1)));
    if (rows.empty()) {
        return Ok{};
    }
    const KeyValue key = key_of(rows[0]);
    // The server's own words, which name the value and the key.
    const Status again = connection.execute(copy_row_statement(plan_, key));
    return again.ok() ? row_error(plan_, key, "it was left out", 0)
                      : row_error(plan_, key, connection.server_words(), again.error().native);
}

Status Copier::check_warnings(Connection& connection, unsigned count, const Range& range) {
    ASSIGN_OR_RETURN(const auto rows, connection.query("SHOW WARNINGS"));
    std::string first;
    std::int64_t told = 0;
    for (const Row& row : rows) {
        // Notes count: MariaDB gives no more when it rounds a DECIMAL or cuts blanks.
        const std::string code = row[1].value_or("");
        if (std::find(kHarmless.begin(), kHarmless.end(), code) != kHarmless.end()) {
            continue;
        }
        const std::string text =
            fmt::format("{} ({})", without_row_number(row[2].value_or("")), code);
        first = first.empty() ? text : first;
        const std::lock_guard lock(mutex_);
        if (warned_.size() < kWarningKindsMax && ++warned_[text] == 1 && ++told > 0) {
            listener_.remark("Unexpected warning found for inserted row: " + text, LogLevel::kWarn);
        }
    }
    if (rows.size() < count) {
        listener_.remark(
            fmt::format("the server gave {} warnings and showed {}", count, rows.size()),
            LogLevel::kWarn);
    }
    if (options_.fail_on_warnings && !first.empty()) {
        return Error{
            Errc::kInvalidArgument,
            fmt::format("Unexpected warning found for inserted row: {}, in the rows behind "
                        "{}",
                        first, range.after ? key_text(plan_.key, *range.after) : "the first")};
    }
    return Ok{};
}

Status Copier::after_failure(Hand& hand, const Error& error, Tries& tries, LockTrouble& locks) {
    if (hand.stop.reason()) {
        return error;
    }
    if (is_connection_trouble(error)) {
        return hand.reconnect(error);
    }
    if (is_too_large_for_binlog(error)) {
        if (Status smaller = size_.back_off(); !smaller.ok()) {
            return std::move(smaller).error().within(error.message);
        }
        listener_.remark(
            fmt::format("the binary log's cache is too small for the chunk: {} rows from "
                        "here on",
                        size_.rows()),
            LogLevel::kWarn);
        return Ok{};
    }
    if (is_lock_trouble(error) && !options_.retry.count_lock_waits) {
        locks.failed();
        contended_chunks_ = kContendedChunks;
        if (locks.in_a_row == kTellLocksAfter && hand.connection) {
            tell_holders(hand);
        }
        hand.stop.wait_for(lock_pause(locks.in_a_row));
        return Ok{};
    }
    return tries.again(error) ? Status(Ok{}) : Status(error);
}

void Copier::tell_holders(Hand& hand) {
    const auto holders = open_transactions(*hand.connection, std::chrono::seconds(1),
                                           hand.sessions.database().own_threads());
    std::string text;
    if (holders.ok()) {
        for (const TableLockHolder& holder : *holders) {
            text += (text.empty() ? ": perhaps by " : ", ") + to_text(holder);
        }
    }
    listener_.remark("rows of a chunk are locked by others" + text, LogLevel::kWarn);
}

Error Copier::with_row(Connection& connection, const Range& range, Error error) {
    const auto counted = connection.query_value(lock_range_statement(plan_, range, true));
    std::int64_t rows = counted.ok() ? to_int(*counted) : 0;
    Range half = range;  // halved until one row is left that does not go
    while (rows > 1) {
        const auto middle =
            connection.query(find_end_statement(plan_, half.after, half.up_to, rows / 2));
        if (!middle.ok() || middle->empty()) {
            return error;
        }
        Range first = half;
        first.up_to = key_of((*middle)[0]);
        (void)connection.execute("START TRANSACTION").ok();
        const Status tried = connection.execute(copy_range_statement(plan_, first));
        (void)connection.execute("ROLLBACK").ok();
        if (!tried.ok() && !is_data_error(tried.error())) {
            return error;
        }
        (tried.ok() ? half.after : half.up_to) = first.up_to;
        rows = tried.ok() ? rows - rows / 2 : rows / 2;
    }
    const auto key = connection.query(find_end_statement(plan_, half.after, half.up_to, 1));
    if (!key.ok() || key->empty()) {
        return error;
    }
    const Status tried = connection.execute(copy_row_statement(plan_, key_of((*key)[0])));
    return row_error(plan_, key_of((*key)[0]),
                     tried.ok() ? error.message : connection.server_words(), error.native);
}

}  // namespace shift::lhm
