#include "supervisor/core/model.h"

#include <array>
#include <utility>

namespace shift {
namespace {

template <typename E, std::size_t N>
using Names = std::array<std::pair<E, const char*>, N>;

template <typename E, std::size_t N>
const char* name_of(const Names<E, N>& names, E value) {
    for (const auto& [candidate, name] : names) {
        if (candidate == value) {
            return name;
        }
    }
    CHECK(false, "enumerator without a name");
    return "";
}

template <typename E, std::size_t N>
std::optional<E> value_of(const Names<E, N>& names, const std::string& text) {
    for (const auto& [value, name] : names) {
        if (text == name) {
            return value;
        }
    }
    return std::nullopt;
}

constexpr Names<ClaimState, 13> kClaimStates = {{
    {ClaimState::kSeen, "seen"},
    {ClaimState::kClaiming, "claiming"},
    {ClaimState::kUncertain, "uncertain"},
    {ClaimState::kTakingOver, "taking over"},
    {ClaimState::kContesting, "contesting"},
    {ClaimState::kPinning, "pinning"},
    {ClaimState::kFetching, "fetching state"},
    {ClaimState::kWaiting, "waiting"},
    {ClaimState::kRunning, "running"},
    {ClaimState::kDeciding, "needs decision"},
    {ClaimState::kDelivering, "delivering"},
    {ClaimState::kHandedOn, "handed on"},
    {ClaimState::kLetGo, "let go"},
}};
constexpr Names<Lane, 2> kLanes = {{{Lane::kReport, "report"}, {Lane::kHandOn, "hand-on"}}};
constexpr Names<CallKind, 10> kKinds = {{
    {CallKind::kAppendLog, "append_log"},
    {CallKind::kWriteState, "write_state"},
    {CallKind::kProgress, "progress"},
    {CallKind::kUpdate, "update"},
    {CallKind::kUnpin, "unpin_run_host"},
    {CallKind::kNextStep, "next_step"},
    {CallKind::kComplete, "complete"},
    {CallKind::kFail, "fail"},
    {CallKind::kError, "error"},
    {CallKind::kOffer, "offer"},
}};
constexpr Names<CallState, 4> kCallStates = {{
    {CallState::kPending, "pending"},
    {CallState::kDone, "done"},
    {CallState::kSuperseded, "superseded"},
    {CallState::kDead, "dead"},
}};

}  // namespace

const char* claim_state_name(ClaimState state) {
    return name_of(kClaimStates, state);
}
std::optional<ClaimState> parse_claim_state(const std::string& name) {
    return value_of(kClaimStates, name);
}
const char* lane_name(Lane lane) {
    return name_of(kLanes, lane);
}
const char* call_kind_name(CallKind kind) {
    return name_of(kKinds, kind);
}
std::optional<Lane> parse_lane(const std::string& name) {
    return value_of(kLanes, name);
}
std::optional<CallKind> parse_call_kind(const std::string& name) {
    return value_of(kKinds, name);
}
const char* call_state_name(CallState state) {
    return name_of(kCallStates, state);
}

bool is_open(ClaimState state) {
    switch (state) {
        case ClaimState::kClaiming:
        case ClaimState::kUncertain:
        case ClaimState::kTakingOver:
        case ClaimState::kContesting:
        case ClaimState::kPinning:
        case ClaimState::kFetching:
        case ClaimState::kWaiting:
        case ClaimState::kRunning:
        case ClaimState::kDeciding:
        case ClaimState::kDelivering:
            return true;
        case ClaimState::kSeen:
        case ClaimState::kHandedOn:
        case ClaimState::kLetGo:
            return false;
    }
    return false;
}

bool is_transition(CallKind kind) {
    switch (kind) {
        case CallKind::kNextStep:
        case CallKind::kComplete:
        case CallKind::kFail:
        case CallKind::kError:
        case CallKind::kOffer:
            return true;
        case CallKind::kAppendLog:
        case CallKind::kWriteState:
        case CallKind::kProgress:
        case CallKind::kUpdate:
        case CallKind::kUnpin:
            return false;
    }
    return false;
}

}  // namespace shift
