#pragma once

#include "supervisor/core/conclusion.h"
#include "supervisor/process/workers.h"
#include "supervisor/registry.h"
#include "supervisor/upstream/upstream.h"

namespace shift {

// The outbox: what is owed to the API and its delivery (docs/design.md, "Telling the API"). Two
// lanes a migration: reports (log, state file, progress, statistics) while it is ours, and the
// hand-on lane (state file, transition, unpin), in order, read before every send.
class Courier {
  public:
    Courier(Registry& registry, Upstream& upstream, Workers& workers)
        : registry_(registry), upstream_(upstream), workers_(workers) {}

    // While a worker runs: log lines, state file and percent that are due become owed.
    void gather_reports(Entry& entry, Workers& workers);
    // Statistics a worker measured.
    void take_stats(Entry& entry, const Json& event);
    // Everything owed at the end of a step, in order.
    void owe_hand_on(Entry& entry, const Conclusion& conclusion, Workers& workers);
    // Log lines not owed yet.
    void owe_log(Entry& entry);
    // What waits in a back-off is tried again at once.
    void deliver_now(Entry& entry);
    // Delivers what is due; called every tick for every entry.
    void advance(Entry& entry);

  private:
    void owe(Entry& entry, Lane lane, CallKind kind, Json body);
    void owe_progress(Entry& entry, int percent);
    OwedCall* first_due(Entry& entry, Lane lane);
    bool hand_on_may_start(Entry& entry);
    bool& in_flight(Entry& entry, Lane lane);
    void deliver(Entry& entry, OwedCall& call);
    void read_then_send(Entry& entry, OwedCall& call);
    void send(Entry& entry, std::int64_t call_id);
    void on_sent(Entry& entry, std::int64_t call_id, const ApiAnswer& answer);
    void retry_later(Entry& entry, OwedCall& call, const ApiAnswer& answer);
    void give_up_report(Entry& entry, OwedCall& call);
    void end_call(Entry& entry, OwedCall& call, CallState state, const std::string& answer);
    void superseded(Entry& entry, OwedCall& call, const std::string& seen, bool unpins);
    void done(Entry& entry, OwedCall& call, const std::string& answer);
    void settle(Entry& entry);

    Registry& registry_;
    Upstream& upstream_;
    Workers& workers_;
};

}  // namespace shift
