#include "worker/lhm_job/listener.h"

#include "worker/lhm/checkpoint.h"
#include "worker/state.h"

namespace shift {

Status LhmListener::intent(const std::string& what, const Json& fields) {
    if (what == "swap") {
        context_.history.swap =
            History::Swap{string_or(fields, "shadow", ""), string_or(fields, "old", "")};
    }
    return context_.reporter.intent(what, fields);
}

void LhmListener::fact(const std::string& what, const Json& fields) {
    context_.reporter.fact(what, fields);
}

void LhmListener::no_return(const std::string& what) {
    context_.reporter.no_return(what);
    context_.history.no_return = true;
}

void LhmListener::phase(const std::string& name) {
    context_.reporter.phase(name);
}

void LhmListener::remark(const std::string& text, LogLevel level) {
    context_.reporter.remark(text, level);
}

void LhmListener::waits_for_lock(const std::string& text, const Json& evidence) {
    context_.reporter.log_line("stdout", "shift-worker: waiting: " + text);
    context_.reporter.wait(Why{WhyCode::kBlockedByLock, text, evidence});
}

void LhmListener::goes_on() {
    context_.reporter.go_on();
}

void LhmListener::progress(const lhm::Progress& progress) {
    if (progress.percent < 100 && !pace_.is_due(context_.clock.now())) {
        return;
    }
    Progress told;
    told.percent = progress.percent;
    told.rows = progress.rows;
    told.rows_total = progress.rows_total;
    told.rows_per_s = progress.rows_per_s;
    told.eta_s = progress.eta_s;
    told.phase = progress.phase;
    told.throttle = progress.throttle;
    told.throttle_code = progress.throttle_code;
    context_.reporter.progress(told);
}

Status LhmListener::save(const lhm::Checkpoint& checkpoint) {
    StateFile state = lhm::to_state_file(checkpoint);
    // The original's own reader wants a boundary; ours is in the ledger.
    save_state(context_, std::move(state));
    return Ok{};
}

}  // namespace shift
