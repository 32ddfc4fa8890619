#include "supervisor/watched_upstream.h"

#include <utility>

#include "supervisor/core/delivery.h"

namespace shift {
void WatchedUpstream::call(ApiRequest request, Done done) {
    inner_.call(std::move(request),
                [this, done = std::move(done), begin = clock_.now()](ApiAnswer answer) {
                    metrics_.api_seconds.observe(clock_.now() - begin);
                    // Here "no such thing" is a word of the API.
                    const bool out =
                        api_is_out(answer) && !answer.no_such_migration() && !answer.no_such_file();
                    if (!out) {
                        last_ok_ = clock_.wall();
                    } else {
                        last_failure_ = clock_.wall();
                        last_error_ = answer.brief();
                    }
                    ++metrics_.api_calls[out ? "unreachable" : answer.good() ? "ok" : "refused"];
                    done(std::move(answer));
                });
}

Json WatchedUpstream::status() const {
    return {{"reachable", is_reachable()},
            {"last_ok", time_or_null(last_ok_)},
            {"last_error", last_error_.empty() ? Json() : Json(last_error_)},
            {"last_error_at", time_or_null(last_failure_)}};
}

}  // namespace shift
