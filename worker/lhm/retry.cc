#include "worker/lhm/retry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "worker/mysql/errors.h"

namespace shift::lhm {
namespace {

constexpr std::chrono::milliseconds kLockPauseMin{10};
constexpr std::chrono::milliseconds kLockPauseMax{1000};

double random_unit() {
    thread_local std::mt19937_64 source(std::random_device{}());
    return std::uniform_real_distribution<double>(0.0, 1.0)(source);
}

}  // namespace

bool is_lock_trouble(const Error& error) {
    constexpr int kNoWait = 3572;
    return is_lock_wait(error) || error.native == kNoWait;
}

bool is_too_large_for_binlog(const Error& error) {
    constexpr int kTransactionCacheFull = 1197;
    constexpr int kStatementCacheFull = 1705;
    return error.native == kTransactionCacheFull || error.native == kStatementCacheFull;
}

bool is_data_error(const Error& error) {
    switch (error.native) {
        case 1048:  // NULL
        case 1062:  // a taken unique value
        case 1169:
        case 1264:  // out of range
        case 1265:  // truncated
        case 1292:  // incorrect value
        case 1300:  // invalid character string
        case 1364:  // no default value
        case 1366:  // incorrect value
        case 1406:  // too long
        case 1411:
        case 1416:  // geometry
        case 1441:  // datetime function: overflow
        case 1452:  // foreign key
        case 1526:  // no partition for the value
        case 1586:  // duplicate entry with key name
        case 1690:  // out of range of an expression
        case 1748:  // not in the given partition set
        case 1977:  // invalid character string (conversion)
        case 3140:  // MySQL: invalid JSON
        case 3819:  // MySQL: CHECK
        case 3854:  // MySQL: cannot convert string
        case 4025:  // MariaDB: CHECK
            return true;
        default:
            return false;
    }
}

bool is_connection_trouble(const Error& error) {
    switch (error.native) {
        case 1040:  // too many connections
        case 1158:  // network errors that the server tells
        case 1159:
        case 1160:
        case 1161:
        case 2001:
        case 2002:
        case 2003:
        case 2005:
        case 2026:
        case 9001:  // ProxySQL: max connect timeout reached
        case 9006:  // ProxySQL: connection is locked to hostgroup
            return true;
        default:
            return is_lost_connection(error);
    }
}

bool is_retriable(const Error& error) {
    constexpr int kReadOnly = 1290;
    constexpr int kChangedSinceRead = 1020;  // MariaDB's innodb_snapshot_isolation
    return is_lock_trouble(error) || is_interrupted(error) || is_connection_trouble(error) ||
           error.native == kReadOnly || error.native == kChangedSinceRead;
}

std::chrono::milliseconds Tries::pause() const {
    const double base = static_cast<double>(options_.base_interval.count());
    const double grown = base * std::pow(options_.multiplier, count_ - 1);
    const double spread = grown * options_.rand_factor;
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(grown - spread + 2 * spread * random_unit()));
}

bool Tries::again(const Error& error) {
    ++count_;
    const auto elapsed = std::chrono::steady_clock::now() - begun_;
    const double elapsed_s = std::chrono::duration<double>(elapsed).count();
    if (!is_retriable(error) || stop_.reason()) {
        return false;
    }
    if (count_ >= options_.tries ||
        (options_.elapsed_max.count() > 0 && elapsed >= options_.elapsed_max)) {
        listener_.remark(fmt::format("[{}] {} - given up after {} tries in {:.1f} seconds", name_,
                                     error.message, count_, elapsed_s),
                         LogLevel::kError);
        return false;
    }
    const auto time = pause();
    listener_.remark(
        fmt::format("[{}] {} - {} tries in {:.1f} seconds and {:.1f} seconds until the next try",
                    name_, error.message, count_, elapsed_s,
                    std::chrono::duration<double>(time).count()),
        LogLevel::kWarn);
    stop_.wait_for(time);
    return !stop_.reason();
}

std::chrono::milliseconds lock_pause(int times) {
    const double longest =
        std::min(static_cast<double>(kLockPauseMax.count()),
                 static_cast<double>(kLockPauseMin.count()) * std::pow(2.0, std::min(times, 10)));
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(longest / 2 + longest / 2 * random_unit()));
}

}  // namespace shift::lhm
