#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/event_log.h"
#include "common/migration.h"
#include "common/process_identity.h"
#include "common/why.h"

namespace shift {

// Where a migration stands between the API and its worker. docs/states.md tells each one's meaning,
// exits and what a crash in it means; the text forms are what the journal holds.
enum class ClaimState {
    kSeen,        // known, not claimed by us
    kClaiming,    // intent journaled, unstage on its way
    kUncertain,   // unstage sent, result unknown
    kTakingOver,  // an operator took it from the host it is pinned to; our pin is not confirmed yet
    kContesting,  // seen unstaged and unpinned; our pin is written, waiting who wins
    kPinning,     // claimed; our run_host is not confirmed yet
    kFetching,    // pinned; reading the API's copy of the state file
    kWaiting,     // ready to start: waits for a slot, a back-off or an older attempt to end
    kRunning,     // an attempt of this claim is alive
    kDeciding,    // only a person can tell what happened; waits for `final-insert`
    kDelivering,  // the step is over; calls are owed to the API
    kHandedOn,    // everything told; the next move is the API's
    kLetGo,       // somebody else's, or gone
};
const char* claim_state_name(ClaimState state);
std::optional<ClaimState> parse_claim_state(const std::string& name);
// Every state with work for us in it.
bool is_open(ClaimState state);

// Row of table `migration`.
struct MigrationRecord {
    MigrationId id = 0;
    Migration seen;  // last payload of `staged` (or of the claim), after re-deriving
    ClaimState state = ClaimState::kSeen;
    std::int64_t claim = 0;  // running number of our claims of this migration
    std::string claim_id;    // random; a repeat of the same unstage carries the same one
    std::int64_t listed_lock_version = 0;  // lock_version the claim was decided on
    std::optional<Step> step;              // the step of the current claim
    int tries = 0;                 // attempts of this claim's step that ended without a verdict
    std::int64_t attempt = 0;      // latest attempt, 0 = none
    bool no_return = false;        // the swap or direct DDL has happened (point of no return)
    bool release = false;          // hand a claimed run back unstarted or stopped (drain)
    std::uint64_t log_offset = 0;  // bytes of ptosc-output.log already turned into owed calls
    std::string state_hash;        // fingerprint of the state file last queued
    WallTime next_try{};           // back-off end; epoch = at once
    std::string reason;            // why it waits, for people
    std::optional<WhyCode> why;    // the same as a code
    WallTime since{};              // entry into `state`
    WallTime first_seen{};
};

// What a running worker last said.
struct Progress {
    std::optional<double> percent;
    std::optional<std::int64_t> rows;
    std::optional<std::int64_t> rows_total;
    std::optional<double> rows_per_s;
    std::optional<std::int64_t> eta_s;
    std::string phase;
    std::string throttle;       // "" = not throttled
    std::string throttle_code;  // replica-lag load paused other
};

// Row of table `attempt`.
struct AttemptRecord {
    std::int64_t id = 0;
    MigrationId migration = 0;
    std::int64_t claim = 0;
    Step step = Step::kPrepare;
    std::string engine;
    int tries = 1;
    bool ended = false;
    ProcessIdentity worker;
    ProcessIdentity engine_process;
    std::int64_t last_seq = 0;
    Progress progress;
    WallTime started{};
    WallTime ended_at{};
    std::optional<Outcome> outcome;  // of an ended attempt; nullopt = it died without one
    std::string reason;
    std::string message;
};

// Calls we owe the API. Reports may be dropped when they no longer matter; the hand-on lane (state
// file, transition, unpin) is delivered in order and never silently dropped.
enum class Lane { kReport, kHandOn };
enum class CallKind {
    kAppendLog,   // body {path, from, to}: the bytes are read when sent
    kWriteState,  // body {path}
    kProgress,    // PUT copy_percentage; coalesced
    kUpdate,      // PUT of table statistics
    kUnpin,
    kNextStep,
    kComplete,
    kFail,
    kError,
    kOffer,
};
const char* lane_name(Lane lane);
const char* call_kind_name(CallKind kind);
std::optional<Lane> parse_lane(const std::string& name);
std::optional<CallKind> parse_call_kind(const std::string& name);
bool is_transition(CallKind kind);

enum class CallState { kPending, kDone, kSuperseded, kDead };
const char* call_state_name(CallState state);

// Row of table `outbox`.
struct OwedCall {
    std::int64_t id = 0;  // 0 until stored
    MigrationId migration = 0;
    std::int64_t claim = 0;
    int claimed_status = 0;  // API status the claim was made in
    Lane lane = Lane::kReport;
    CallKind kind = CallKind::kProgress;
    Json body = Json::object();
    int tries = 0;
    int refusals = 0;  // tries answered by an HTTP error (not by silence)
    WallTime created{};
    WallTime next_try{};
    std::string last_answer;
    CallState state = CallState::kPending;
};

// Row of table `event`: the history, never updated.
struct EventRecord {
    WallTime at{};
    MigrationId migration = 0;  // 0 = the daemon itself
    std::int64_t claim = 0;
    std::int64_t attempt = 0;
    std::string source;  // supervisor | worker | api | operator
    std::string kind;
    Json detail = Json::object();
};

}  // namespace shift
