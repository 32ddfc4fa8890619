#include "supervisor/retention.h"

#include <chrono>

namespace shift {
namespace {

constexpr std::chrono::hours kEvery{1};
constexpr std::chrono::hours kDay{24};
// A report that was delivered says nothing that the log and the events do not.
constexpr std::chrono::hours kReportsKept{24};
constexpr int kUntouchedFactor = 4;
constexpr int kRowsPerTick = 500;
constexpr int kMigrationsPerPass = 1000;

Expiry expiry_of(const Config& config, WallTime now) {
    Expiry expiry;
    expiry.reports_before = now - kReportsKept;
    if (config.journal_retention_days > 0) {
        expiry.over_before = now - kDay * config.journal_retention_days;
        expiry.untouched_before = now - kDay * config.journal_retention_days * kUntouchedFactor;
    }
    return expiry;
}

}  // namespace

void Retention::reset() {
    due_ = {};
    is_pruning_ = false;
    expired_.clear();
}

void Retention::tick() {
    if (registry_.clock().now() >= due_) {
        due_ = registry_.clock().now() + kEvery;
        begin();
    }
    if (is_pruning_) {
        const Expiry expiry = expiry_of(registry_.config(), registry_.clock().wall());
        is_pruning_ = registry_.prune(expiry, kRowsPerTick);
    } else if (!expired_.empty()) {
        forget_one();
    }
}

void Retention::begin() {
    const Config& config = registry_.config();
    const WallTime now = registry_.clock().wall();
    is_pruning_ = true;
    forgotten_ = 0;
    const auto ids = registry_.expired(expiry_of(config, now), kMigrationsPerPass);
    expired_.assign(ids.begin(), ids.end());
    if (config.attempts_retention_days > 0) {
        const WallTime before = now - kDay * config.attempts_retention_days;
        workers_.discard_old_attempts(before);
        workers_.find_old_files(before, [this](const std::vector<MigrationId>& found) {
            discard_files_of_finished(found);
        });
    }
}

void Retention::forget_one() {
    const MigrationId id = expired_.front();
    // One that came back meanwhile is looked at again in the next pass.
    const bool may_go = registry_.find(id) == nullptr;
    if (may_go && registry_.forget(id, kRowsPerTick)) {
        return;
    }
    expired_.pop_front();
    if (may_go) {
        ++forgotten_;
        // Nobody knows afterwards that the files were a finished migration's.
        if (registry_.config().attempts_retention_days > 0) {
            workers_.discard_files(id);
        }
    }
    if (expired_.empty()) {
        registry_.log().info("retention", {{"migrations", forgotten_}});
    }
}

void Retention::discard_files_of_finished(const std::vector<MigrationId>& ids) {
    for (const MigrationId id : ids) {
        const auto record = registry_.find_record(id);
        const bool is_finished = record.ok() && record->state == ClaimState::kHandedOn &&
                                 is_final_status(record->seen.status);
        if (is_finished && registry_.failure().empty()) {
            workers_.discard_files(id);
        }
    }
}

}  // namespace shift
