#pragma once

#include <functional>

#include "supervisor/core/claim.h"
#include "supervisor/core/delivery.h"

namespace shift {

// The shift API as the supervisor sees it: asynchronous calls, one answer each.
class Upstream {
  public:
    using Done = std::function<void(ApiAnswer)>;
    virtual ~Upstream() = default;

    // Never blocks and never calls `done` before it returns. Every call ends: with an answer, or
    // after rest_timeout with status 0.
    virtual void call(ApiRequest request, Done done) = 0;
};

}  // namespace shift
