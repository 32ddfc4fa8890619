#include "worker/lock_wait.h"

#include <fmt/format.h>

#include "common/why.h"
#include "worker/mysql/lock_holders.h"

namespace shift {
namespace {

constexpr std::chrono::seconds kLookEvery{2};

}  // namespace

LockWait::~LockWait() {
    if (!told_.empty()) {
        context_.reporter.go_on();
    }
}

void LockWait::look(std::chrono::seconds least) {
    const SteadyTime now = context_.clock.now();
    if (looked_ != SteadyTime{} && now - looked_ < kLookEvery) {
        return;
    }
    looked_ = now;
    auto session = context_.database.look();
    if (!session.ok()) {
        return;
    }
    auto holders =
        table_lock_holders(**session, context_.db(), table_, context_.database.own_threads());
    if (!holders.ok()) {
        return;  // the wait itself is told by the statement's error
    }
    std::erase_if(*holders, [least](const auto& holder) { return holder.for_s < least.count(); });
    if (holders->empty()) {
        return;
    }
    const TableLockHolder& first = holders->front();
    text_ = holders_text(context_.db(), table_, *holders);
    evidence_ = holders_evidence(context_.db(), table_, *holders);
    // The seconds change with every look: what matters is who and what.
    const std::string who = fmt::format("{} {}", first.thread_id, first.statement);
    if (who != told_) {
        told_ = who;
        context_.reporter.log_line("stdout", "shift-worker: waiting: " + text_);
        context_.reporter.wait(Why{WhyCode::kBlockedByLock, text_, evidence_});
    }
}

std::string LockWait::explain(const std::string& message) const {
    return text_.empty() ? message : message + "; " + text_;
}

}  // namespace shift
