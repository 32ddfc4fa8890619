#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/result.h"
#include "common/stop_request.h"
#include "worker/lhm/change.h"
#include "worker/lhm/checkpoint.h"
#include "worker/lhm/chunk_size.h"
#include "worker/lhm/crew.h"
#include "worker/lhm/listener.h"
#include "worker/lhm/options.h"
#include "worker/lhm/plan.h"
#include "worker/lhm/sessions.h"
#include "worker/lhm/shadow.h"
#include "worker/lhm/throttle.h"
#include "worker/lhm/verifier.h"
#include "worker/mysql/database.h"

namespace shift::lhm {

// How a piece of work ended.
struct Ending {
    enum class Kind {
        kDone,
        kStopped,  // because a stop was asked for; everything is kept
        kRefused,  // cannot be done; nothing of ours is left
        kBlocked,  // a person must look (a row that does not fit, a changed definition); all is
                   // kept
        kStale,    // what there is on the server is not what the checkpoint tells of; all is kept
    };
    Kind kind = Kind::kDone;
    std::string reason;   // a stable word
    std::string message;  // for people

    static Ending stopped(const StopRequest& stop);
};
// The same, but that another server at the address is no trouble that passes.
Result<Ending> with_wrong_server_told(Result<Ending> ended);

// One migration of one table, from nothing to the swap. Each call takes the database lock, looks at
// what is there and can be called again after a crash at any point. Errors are trouble that goes
// away by itself (a server that cannot be reached, a table that is never free): try again later.
//
// The order of things, and why nothing is lost:
//   triggers are made before the first row is copied, so every later write reaches the shadow
//   inside the application's own transaction; a chunk locks its rows before it copies them, so a
//   row that is being changed is waited for; a row that is in the shadow is the newer one and
//   stays. At any commit the shadow's rows equal their originals, and when each range was copied
//   once, all are there. The verification checks just that, before the swap.
class Engine {
  public:
    struct World {
        Database& database;
        Listener& listener;
        StopRequest& stop;
        const Clock& clock;
    };
    Engine(World world, Change change, Options options);
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Everything that can be found out before a row is copied. plan() tells; nothing is left.
    Result<Ending> dry_run();
    // Up to the swap. `from`: where an earlier run was.
    Result<Ending> copy(const std::optional<Checkpoint>& from);
    // The swap of a copy that is ready, and what follows it: triggers and control table go, the
    // archive stays (or is kept in step for the rollback window).
    Result<Ending> swap(const Checkpoint& from);

    // Within the rollback window: the archive, which the reverse triggers kept in step, is verified
    // and swapped back; the new table is set aside.
    Result<Ending> revert(const Checkpoint& from);
    // The window is over: reverse triggers and control table go.
    Result<Ending> end_window(const Checkpoint& from);

    // Takes away what a dry_run() or copy() of this object had made when trouble ended it before
    // its first row. What is there of anything else stays.
    Status remove_unbegun();

    const Plan& plan() const { return plan_; }
    const Checkpoint& checkpoint() const { return checkpoint_; }

  private:
    friend class Phase;

    Result<Ending> begin_copy(const std::optional<Checkpoint>& from);
    Result<Ending> begin_swap(const Checkpoint& from);
    Status begin();
    Result<Ending> start_anew();
    Result<Ending> get_ready_for_instant();
    Result<std::optional<Ending>> go_on(const Checkpoint& from);
    Status find_bounds();
    Result<std::optional<Ending>> make_measured_triggers();
    Result<Ending> run_to_ready();
    Result<std::optional<Ending>> run_phase(Stage stage);
    Result<std::optional<Ending>> build_indexes();
    Result<std::optional<Ending>> compare_from_the_first();
    Result<std::string> why_compare_again(bool is_long_ago);
    Result<std::optional<Ending>> compare_all();
    Result<std::optional<Ending>> compare_counts();
    Result<std::optional<Ending>> settle_all_conflicts();
    Status save();
    void tell_times() const;

    void adopt(const Checkpoint& from);
    bool has_way_back() const;
    Result<std::optional<Ending>> make_ready_again();
    Result<std::optional<Ending>> prepare_swap();
    Result<std::optional<Ending>> announce_swap();
    Result<Ending> copy_after_all(const std::string& why);
    Status tell_if_emptied();
    Result<std::optional<Ending>> settle_late();
    Result<Ending> after_swap();
    Result<Ending> after_instant();
    Result<Ending> end_swap();

    World world_;
    Change change_;
    Options options_;
    Workshop workshop_;
    Sessions sessions_;
    std::string new_copy_id_;  // of what this object makes
    Plan plan_;
    Checkpoint checkpoint_;
    VerifyResult compared_;  // already, of what checkpoint_.ledger tells of
    struct Times {  // that this run needed
        std::chrono::duration<double> copy{0};
        std::chrono::duration<double> indexes{0};
        std::chrono::duration<double> verify{0};
    };
    Times times_;
};

}  // namespace shift::lhm
