#pragma once

#include <optional>
#include <string>

#include "common/why.h"
#include "supervisor/core/model.h"

namespace shift {

// What is known about one migration at a moment. Pointers are never null unless said so.
struct WhyFacts {
    const MigrationRecord* record = nullptr;
    const AttemptRecord* attempt = nullptr;  // that lives; null = none
    const Progress* progress = nullptr;
    std::optional<Why> worker_waits;  // what the living worker says it waits for
    Json last_evidence;               // what the last attempt's end rested on
    std::string stop_reason;          // "" = its attempt was not asked to stop
    int owed = 0;
    const OwedCall* refused_call = nullptr;  // tried and not taken yet; null = none
    bool draining = false;
    bool api_reachable = true;
    std::string api_error;
    std::string journal_failure;  // "" = it works
    WallTime now{};
};

Why judge_why(const WhyFacts& facts);

}  // namespace shift
