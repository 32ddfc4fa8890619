#include "supervisor/core/claim.h"

#include <fmt/format.h>

#include "common/ddl.h"
#include "common/text.h"

namespace shift {

std::string ApiAnswer::brief() const {
    if (status == 0) {
        return fmt::format("no answer: {}", error);
    }
    return error.empty() ? fmt::format("{}", status) : fmt::format("{} {}", status, error);
}

bool ApiAnswer::no_such_migration() const {
    if (status != 404 || !body.is_object()) {
        return false;
    }
    const auto errors = body.find("errors");
    return errors != body.end() && *errors == Json{"Migration not found."};
}

bool ApiAnswer::no_such_file() const {
    return status == 404 && string_or(body, "message", "") == "File not found";
}

UnstageVerdict judge_unstage(const ApiAnswer& answer, MigrationId id, bool earlier_unknown) {
    if (answer.status == 0) {
        return answer.sent || earlier_unknown ? UnstageVerdict::kUnknown : UnstageVerdict::kRefused;
    }
    constexpr int kRequestTimeout = 408;  // by a proxy that may have passed it on
    if (answer.status >= 400 && answer.status < 500 && answer.status != kRequestTimeout) {
        return earlier_unknown ? UnstageVerdict::kLost : UnstageVerdict::kRefused;
    }
    if (!answer.good() || !answer.body.is_object()) {
        return UnstageVerdict::kUnknown;
    }
    if (answer.body.empty()) {
        return earlier_unknown ? UnstageVerdict::kLost : UnstageVerdict::kTaken;
    }
    return get_int(answer.body, "id") == id ? UnstageVerdict::kClaimed : UnstageVerdict::kUnknown;
}

ClaimVerdict judge_claim(const Migration& shown, const std::string& run_host) {
    if (shown.staged) {
        return ClaimVerdict::kStillStaged;
    }
    if (!step_of_status(shown.status)) {
        return ClaimVerdict::kMovedOn;
    }
    // Not judged by the listing: people may have staged another step before our unstage arrived.
    if (shown.run_host.empty()) {
        return ClaimVerdict::kNobodys;
    }
    return shown.run_host == run_host ? ClaimVerdict::kOurs : ClaimVerdict::kTheirs;
}

PinVerdict judge_pin(const Migration& shown, const MigrationRecord& record,
                     const std::string& run_host) {
    if (shown.staged || shown.status != record.seen.status) {
        return PinVerdict::kRestaged;
    }
    if (shown.run_host.empty()) {
        return PinVerdict::kNotYet;
    }
    return shown.run_host == run_host ? PinVerdict::kConfirmed : PinVerdict::kTheirs;
}

HoldVerdict judge_hold(const Migration& shown, const MigrationRecord& record,
                       const std::string& run_host) {
    const bool ours = shown.run_host == run_host;
    if (!ours && !shown.run_host.empty()) {
        return HoldVerdict::kTheirs;
    }
    if (record.no_return) {  // the table is changed: that is told whatever people did meanwhile
        return HoldVerdict::kOurs;
    }
    if (shown.staged) {
        return HoldVerdict::kStaged;
    }
    if (shown.status != record.seen.status) {
        return HoldVerdict::kTheirs;
    }
    return ours ? HoldVerdict::kOurs : HoldVerdict::kUnpinned;
}

TakeoverVerdict judge_takeover(const Migration& shown, const MigrationRecord& record,
                               const std::string& run_host) {
    if (!step_of_status(shown.status)) {
        return TakeoverVerdict::kNotOurs;
    }
    if (shown.run_host == run_host) {
        return shown.staged ? TakeoverVerdict::kOursStaged : TakeoverVerdict::kOurs;
    }
    // The order may be old when it comes to this (we died, the API was away). Whatever its host or
    // people have done since raised lock_version.
    const bool as_ordered =
        shown.run_host == record.seen.run_host && shown.lock_version == record.listed_lock_version;
    return as_ordered ? TakeoverVerdict::kPinIt : TakeoverVerdict::kNotOurs;
}

Migration payload_of_claim(const Migration& listed, const Migration& answer) {
    Migration payload = listed;
    payload.status = answer.status;
    payload.staged = answer.staged;
    payload.lock_version = answer.lock_version;
    payload.run_host = answer.run_host;
    const bool as_listed =
        answer.status == listed.status && answer.lock_version == listed.lock_version + 1;
    const bool listing_is_whole = !listed.table.empty() && !listed.ddl_statement.empty();
    if (as_listed && listing_is_whole) {
        // The worker works on the table of the statement, so that is the one to show.
        if (auto parsed = parse_ddl(payload.ddl_statement); parsed.ok()) {
            payload.table = parsed->table;
        }
        return payload;
    }
    payload.database = answer.database;
    payload.final_insert = answer.final_insert;
    payload.custom_options = answer.custom_options;
    if (auto parsed = parse_ddl(answer.ddl_statement); parsed.ok()) {
        payload.ddl_statement = parsed->statement;
        payload.table = parsed->table;
        payload.mode = parsed->mode;
        payload.action = parsed->action;
        if (answer.runtype != Runtype::kUndecided) {
            payload.runtype = answer.runtype;
        }
    }
    return payload;
}

bool is_cancelled_by_us(const MigrationRecord& record) {
    return record.state == ClaimState::kHandedOn && record.step == Step::kCancel &&
           record.seen.status == static_cast<int>(ApiStatus::kCanceled);
}

bool may_move_again(const MigrationRecord& record) {
    const bool closed = record.state == ClaimState::kHandedOn || record.state == ClaimState::kLetGo;
    const bool final = record.seen.status == static_cast<int>(ApiStatus::kCompleted) ||
                       record.seen.status == static_cast<int>(ApiStatus::kFailed);
    return closed && !final && !is_cancelled_by_us(record);
}

bool needs_state_file(const MigrationRecord& record) {
    if (!record.step || *record.step == Step::kPrepare) {
        return false;
    }
    return *record.step != Step::kRun || is_copy(record.seen, Step::kRun);
}

std::string waits_for_slot(const SlotView& slots, bool copy, Step step) {
    if (copy) {
        if (slots.copies >= slots.copies_max) {
            return fmt::format("waiting for slot: {} of max_workers {} copies run", slots.copies,
                               slots.copies_max);
        }
        if (slots.copies_on_host >= slots.copies_on_host_max) {
            return fmt::format(
                "waiting for slot: {} of max_running_per_host {} copies run on its database host",
                slots.copies_on_host, slots.copies_on_host_max);
        }
        return "";
    }
    const bool limited = step != Step::kPause && step != Step::kCancel;
    if (limited && slots.short_steps >= slots.short_steps_max) {
        return fmt::format("waiting for slot: {} of max_short_steps {} steps run",
                           slots.short_steps, slots.short_steps_max);
    }
    return "";
}

}  // namespace shift
