#pragma once

#include <chrono>
#include <string>

#include "common/clock.h"
#include "worker/context.h"

namespace shift {

// While a statement of ours does not get its table's lock: finds out who holds it and tells the
// supervisor (`waiting` event), so that people can act. Looks at most every two seconds and tells
// what changed.
class LockWait {
  public:
    LockWait(Context& context, std::string table) : context_(context), table_(std::move(table)) {}
    // Tells that the wait is over.
    ~LockWait();
    LockWait(const LockWait&) = delete;
    LockWait& operator=(const LockWait&) = delete;

    // To be called after each lock wait. Holders younger than `least` are nobody's fault yet.
    void look(std::chrono::seconds least = std::chrono::seconds(0));

    // "held by thread 12 (app@10.0.0.5), idle in ..."; "" when nobody was found.
    const std::string& text() const { return text_; }
    // The holders for programs; {} when nobody was found.
    const Json& evidence() const { return evidence_; }
    // `message` with the holder behind it.
    std::string explain(const std::string& message) const;

  private:
    Context& context_;
    std::string table_;
    SteadyTime looked_{};
    std::string text_;
    std::string told_;
    Json evidence_ = Json::object();
};

}  // namespace shift
