#include "worker/osc/copy_watch.h"

#include "common/file.h"
#include "worker/osc/copy_start.h"
#include "worker/osc/osc_outcome.h"
#include "worker/osc/square_state.h"
#include "worker/state.h"

namespace shift {
namespace {

// Every second while people watch it begin; a copy of a week must not write a line for each.
constexpr std::chrono::seconds kProgressEvery{1};
constexpr std::chrono::seconds kProgressEveryLater{5};
constexpr std::chrono::minutes kProgressLater{2};
constexpr std::chrono::seconds kStateEvery{2};
// Creating three triggers takes moments, unless somebody holds the table's lock.
constexpr std::chrono::seconds kTriggersLate{5};
constexpr std::chrono::seconds kHolderLeast{3};
constexpr std::size_t kSquareBytesMax = std::size_t{4} * 1024 * 1024;

}  // namespace

CopyWatch::CopyWatch(Context& context, const OscPlan& plan, StateFile state,
                     std::int64_t rows_estimate)
    : context_(context),
      plan_(plan),
      state_(std::move(state)),
      rows_estimate_(rows_estimate),
      progress_(context.clock.now(), rows_estimate),
      begun_(context.clock.now()) {}

void CopyWatch::on_line(const OscLine& line) {
    progress_.add(line, context_.clock.now());
    if (line.kind == OscLineKind::kCreatedTriggers && state_.step == "create") {
        state_.step = "triggers";
        is_dirty_ = true;
        lock_wait_.reset();
        record_facts();
        save();
    } else if (line.kind == OscLineKind::kApproxRows) {
        is_copying_ = true;
        lock_wait_.reset();
        if (const std::string doubt = doubt_of_estimate(line.number, rows_estimate_);
            !doubt.empty()) {
            context_.reporter.remark(doubt, LogLevel::kWarn);
        }
        state_.step = "copy";
        context_.reporter.phase("copy");
        is_dirty_ = true;
    }
}

Status CopyWatch::on_tick() {
    RETURN_IF_ERROR(context_.database.keep_alive());
    const SteadyTime now = context_.clock.now();
    const auto every = now - begun_ < kProgressLater ? kProgressEvery : kProgressEveryLater;
    if (is_copying_ && now - last_progress_ >= every) {
        last_progress_ = now;
        look_at_tool_state(now);
        report(now);
    }
    if (is_dirty_ && now - last_state_ >= kStateEvery) {
        save();
    }
    look_for_locks(now);
    return Ok{};
}

// The tool waits for the lock of its CREATE TRIGGER without a word.
void CopyWatch::look_for_locks(SteadyTime now) {
    if (is_copying_ || state_.step != "create" || now - begun_ < kTriggersLate) {
        return;
    }
    if (!lock_wait_) {
        lock_wait_.emplace(context_, context_.table);
    }
    lock_wait_->look(kHolderLeast);
}

void CopyWatch::begin_at(const OscCopyState& state) {
    progress_.add(state, context_.clock.now());
    report(context_.clock.now());
}

void CopyWatch::settle() {
    look_at_tool_state(context_.clock.now());
    save();
}

void CopyWatch::finish() {
    progress_.finish();
    report(context_.clock.now());
}

void CopyWatch::save() {
    last_state_ = context_.clock.now();
    is_dirty_ = false;
    save_state(context_, state_);
}

std::optional<OscCopyState> CopyWatch::said_by(pid_t pid) const {
    auto saved = read_copy_state(context_.job);
    return saved && saved->copy_id == state_.copy_id && saved->pid == pid ? saved : std::nullopt;
}

void CopyWatch::record_facts() {
    const auto facts = look_at_copy(context_, plan_.shadow);
    if (!facts.ok()) {
        context_.reporter.remark("triggers not looked at: " + facts.error().message,
                                 LogLevel::kWarn);
        return;
    }
    state_.orig_life = facts->orig_life;
    state_.new_life = facts->new_life;
    if (plan_.flavour == OscFlavour::kStock) {
        return;  // the plugin notes the rest, before the first chunk
    }
    OscCopyState state;
    state.copy_id = state_.copy_id;
    state.step = state_.step;
    state.shadow = plan_.shadow;
    state.orig_ddl = facts->orig_ddl;
    state.new_ddl = facts->new_ddl;
    state.triggers = facts->triggers;
    put_copy_state(state_, state);
}

// The last whole file is kept: the tool truncates its own after every chunk.
void CopyWatch::look_at_square(SteadyTime now) {
    const auto text = read_file(plan_.square_save_file, kSquareBytesMax);
    const auto saved =
        text.ok() ? parse_whole_square_state(*text, context_.db(), context_.table) : std::nullopt;
    if (!saved || (saved->row == state_.row && saved->step == square_step_)) {
        return;
    }
    square_step_ = saved->step;
    state_.row = saved->row;
    if (saved->tbl_progress > 0) {
        OscCopyState so_far;  // of all runs: the tool loads the number with the rest
        so_far.rows = saved->tbl_progress;
        so_far.chunks = ++square_saves_;
        progress_.add(so_far, now);
    }
    is_dirty_ = true;
    (void)write_file_atomic(square_good_path(context_.job, state_.copy_id), *text, 0600).ok();
}

void CopyWatch::look_at_tool_state(SteadyTime now) {
    if (plan_.flavour == OscFlavour::kSquare) {
        look_at_square(now);
        return;
    }
    const auto saved = read_copy_state(context_.job);
    if (saved && saved->copy_id == state_.copy_id) {
        progress_.add(*saved, now);
        is_dirty_ = take_copy_state(state_, saved) || is_dirty_;
    }
}

void CopyWatch::report(SteadyTime now) {
    const Progress progress = progress_.at(now);
    if (progress.rows != state_.tbl_progress) {
        state_.tbl_progress = progress.rows;
        is_dirty_ = true;
    }
    context_.reporter.progress(progress);
}

}  // namespace shift
