#include "supervisor/core/delivery.h"

#include <fmt/format.h>

#include "common/text.h"

namespace shift {
namespace {

SendVerdict verdict(SendVerdict::Kind kind, const Migration& shown) {
    return {kind, fmt::format("status {} ({}), staged {}, run_host '{}'", shown.status,
                              api_status_name(shown.status), shown.staged, shown.run_host)};
}

// The status a transition leads to.
int target_status(const OwedCall& call) {
    switch (call.kind) {
        case CallKind::kNextStep:
            return call.claimed_status + 1;
        case CallKind::kComplete:
            return static_cast<int>(ApiStatus::kCompleted);
        case CallKind::kFail:
            return static_cast<int>(ApiStatus::kFailed);
        case CallKind::kError:
            return static_cast<int>(ApiStatus::kError);
        case CallKind::kOffer:
            return static_cast<int>(ApiStatus::kRunning);
        case CallKind::kAppendLog:
        case CallKind::kWriteState:
        case CallKind::kProgress:
        case CallKind::kUpdate:
        case CallKind::kUnpin:
            break;
    }
    return -1;
}

SendVerdict judge_transition(const OwedCall& call, const Migration& shown,
                             const std::string& run_host, bool no_return) {
    using Kind = SendVerdict::Kind;
    if (call.kind == CallKind::kOffer) {
        if (shown.status == call.claimed_status && shown.staged) {
            return verdict(Kind::kAlreadyDone, shown);
        }
    } else if (shown.status == target_status(call)) {
        return verdict(Kind::kAlreadyDone, shown);
    }
    if (call.kind == CallKind::kComplete && no_return) {
        return verdict(Kind::kSend, shown);
    }
    const bool ours = shown.run_host.empty() || shown.run_host == run_host;
    const bool as_claimed = shown.status == call.claimed_status && !shown.staged;
    return verdict(ours && as_claimed ? Kind::kSend : Kind::kSuperseded, shown);
}

SendVerdict judge_unpin(const OwedCall& call, const Migration& shown, const std::string& run_host) {
    using Kind = SendVerdict::Kind;
    if (shown.run_host.empty()) {
        return verdict(Kind::kAlreadyDone, shown);
    }
    // The next step is unstaged already: another host got it by a stale listing, found it pinned to
    // us and left it to us. Without the pin nobody would serve it.
    const bool offered = string_or(call.body, "after", "") == call_kind_name(CallKind::kOffer);
    const bool awaits_us = !shown.staged && step_of_status(shown.status) &&
                           (offered || shown.status != call.claimed_status);
    return verdict(shown.run_host == run_host && !awaits_us ? Kind::kSend : Kind::kSuperseded,
                   shown);
}

std::string message_of(const OwedCall& call) {
    const std::string message = string_or(call.body, "error_message", "");
    if (call.refusals < kRefusalsBeforeAscii) {
        return clean_error_message(message);
    }
    return clean_error_message(to_ascii(message), 1'000);
}

}  // namespace

SendVerdict judge_send(const OwedCall& call, const Migration& shown, const std::string& run_host,
                       bool no_return) {
    using Kind = SendVerdict::Kind;
    if (is_transition(call.kind)) {
        return judge_transition(call, shown, run_host, no_return);
    }
    if (call.kind == CallKind::kUnpin) {
        return judge_unpin(call, shown, run_host);
    }
    // A late unpin of our older claim took the pin of this one away. Nobody else can have claimed
    // it while it stayed unstaged in the claimed status, so the hand-on goes on as its transition
    // may.
    const bool as_claimed = shown.status == call.claimed_status && !shown.staged;
    const bool hands_on = call.kind == CallKind::kWriteState && call.lane == Lane::kHandOn;
    if (hands_on && shown.run_host.empty() && as_claimed) {
        return verdict(Kind::kSend, shown);
    }
    return verdict(shown.run_host == run_host ? Kind::kSend : Kind::kSuperseded, shown);
}

DeliveryVerdict judge_delivery(const OwedCall& call, const ApiAnswer& answer) {
    if (!answer.good() || !answer.body.is_object()) {
        return DeliveryVerdict::kRetry;
    }
    const char* id_key = reads_file(call.kind) ? "migration_id" : "id";
    return get_int(answer.body, id_key) == call.migration ? DeliveryVerdict::kDelivered
                                                          : DeliveryVerdict::kRetry;
}

bool api_is_out(const ApiAnswer& answer) {
    switch (answer.status) {
        case 0:
        case 404:
        case 408:
        case 429:
        case 502:
        case 503:
        case 504:
            return true;
        default:
            return false;
    }
}

ApiRequest request_of(const OwedCall& call, const std::string& contents) {
    const std::string id = std::to_string(call.migration);
    const auto post = [&](const char* endpoint) {
        return ApiRequest{"POST", std::string("migrations/") + endpoint, Json{{"id", id}}};
    };
    // file_type 0 is the log, 1 the state file (shift-api: append_to_file, write_file).
    const auto file = [&](const char* endpoint, const char* type) {
        return ApiRequest{
            "POST", std::string("migrations/") + endpoint,
            Json{{"migration_id", id}, {"file_type", type}, {"contents", clean_utf8(contents)}}};
    };
    switch (call.kind) {
        case CallKind::kAppendLog:
            return file("append_to_file", "0");
        case CallKind::kWriteState:
            return file("write_file", "1");
        case CallKind::kProgress:
        case CallKind::kUpdate: {
            Json body = call.body;
            body["id"] = id;
            return {"PUT", "migrations/" + id, std::move(body)};
        }
        case CallKind::kUnpin:
            return post("unpin_run_host");
        case CallKind::kNextStep:
            return post("next_step");
        case CallKind::kComplete:
            return post("complete");
        case CallKind::kOffer:
            return post("offer");
        case CallKind::kFail:
        case CallKind::kError: {
            ApiRequest request = post(call_kind_name(call.kind));
            request.body["error_message"] = message_of(call);
            return request;
        }
    }
    return {};
}

bool reads_file(CallKind kind) {
    return kind == CallKind::kAppendLog || kind == CallKind::kWriteState;
}

}  // namespace shift
