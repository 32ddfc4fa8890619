#pragma once

#include <chrono>
#include <string>

#include "supervisor/core/claim.h"
#include "supervisor/core/model.h"

namespace shift {

// May this call be sent now, given the migration as just read back?
struct SendVerdict {
    enum class Kind {
        kSend,
        kAlreadyDone,  // an earlier try did it, its answer was lost
        kSuperseded,   // the migration moved on without us: never sent, looked at anew
    };
    Kind kind = Kind::kSend;
    std::string seen;  // why, for the outbox row and the history
};
// `no_return`: the table is changed, `complete` is owed whatever status is shown (except 8).
SendVerdict judge_send(const OwedCall& call, const Migration& shown, const std::string& run_host,
                       bool no_return);

// What the API's answer to a call that was sent means.
enum class DeliveryVerdict {
    kDelivered,
    kRetry,  // no answer or an HTTP error: read back, then perhaps again
};
DeliveryVerdict judge_delivery(const OwedCall& call, const ApiAnswer& answer);

// The HTTP request of a call. Paths are relative to rest_api.
struct ApiRequest {
    std::string method;
    std::string path;
    Json body;  // null = none
};
// Bodies of append_log and write_state are completed with `contents`, the bytes read at sending.
ApiRequest request_of(const OwedCall& call, const std::string& contents);

// Calls whose body is read from a file at the moment of sending.
bool reads_file(CallKind kind);

// No word from the API itself: no answer at all, or one that a proxy before it or an overloaded
// server gives (404, 408, 429, 502, 503, 504). Such a try says nothing about the call and counts no
// refusal. Whether a migration is gone is told by reading it.
bool api_is_out(const ApiAnswer& answer);

// How often the API may answer a report or state file with an HTTP error before it is dropped with
// a line saying so (Rails answers 500 for good when a log is larger than its database takes).
inline constexpr int kRefusalsMax = 10;
// After so many refusals a message is cut to short ASCII.
inline constexpr int kRefusalsBeforeAscii = 2;

}  // namespace shift
