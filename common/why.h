#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"

namespace shift {

// Why a migration stands where it stands: one code a moment, for `why`, `status`, the journal's
// column `reason_code` and the metrics. docs/troubleshooting.md is this table for people.
enum class WhyCode {
    kRunning,
    kStarting,
    kThrottled,
    kBlockedByLock,
    kTableBusy,
    kDatabaseUnreachable,
    kBackoff,
    kWaitingForSlot,
    kDrained,
    kStopping,
    kClaiming,
    kApiUnreachable,
    kOwed,
    kNeedsDecision,
    kWaitingForPeople,
    kWaitingForRunner,
    kPinnedElsewhere,
    kUnreadable,
    kNotOurs,
    kFinished,
    kJournalFailed,
};

struct WhyEntry {
    WhyCode code;
    const char* name;     // "waiting-for-slot"
    const char* meaning;  // a sentence
    const char* advice;   // what to do; "ID" stands for the migration's number
};
const std::vector<WhyEntry>& why_table();
const WhyEntry& why_entry(WhyCode code);
std::optional<WhyCode> parse_why_code(std::string_view name);

// The code with what it rests on here and now.
struct Why {
    WhyCode code = WhyCode::kRunning;
    std::string text;                // the evidence in words
    Json evidence = Json::object();  // and for programs
};
// {"code","text","evidence","meaning","advice"}, the number of the migration put into the advice.
Json to_json(const Why& why, std::int64_t migration);

}  // namespace shift
