#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/config.h"
#include "api/params.h"
#include "api/store.h"
#include "api/target.h"
#include "common/clock.h"
#include "common/ddl.h"
#include "common/log.h"

namespace shift::api {

// What an endpoint answers: a status and a JSON body.
struct Answer {
    int status = 200;
    Json body;
};

// The endpoints, each a function from parameters to an answer, and the scheduler's work. Knows
// nothing of HTTP. Any thread may call any function.
class Service {
  public:
    Service(const ApiConfig& config, Store& store, Targets& targets, const Clock& clock,
            const Logger& log)
        : config_(config), store_(store), targets_(targets), clock_(clock), log_(log) {}

    // -- for runners: the migration bare, also when nothing was changed
    Answer staged();
    // GET migrations?run_host=HOST, an addition to the original's protocol: what that host is to do
    // or was doing, as `staged` shows it. For taking over from a host that is gone.
    Answer of_run_host(const Params& params);
    Answer unstage(const Params& params);
    Answer next_step(const Params& params);
    Answer update(const Params& params);
    Answer complete(const Params& params);
    Answer cancel(const Params& params);
    Answer fail(const Params& params);
    Answer error(const Params& params);
    Answer offer(const Params& params);
    Answer unpin_run_host(const Params& params);
    Answer append_to_file(const Params& params);
    Answer write_file(const Params& params);
    Answer get_file(const Params& params);

    // -- for people: {"migration": ..., "available_actions": [...]}
    Answer show(const Params& params);
    Answer create(const Params& params);
    Answer approve(const Params& params);
    Answer unapprove(const Params& params);
    Answer start(const Params& params);
    Answer enqueue(const Params& params);
    Answer dequeue(const Params& params);
    Answer pause(const Params& params);
    Answer rename(const Params& params);
    Answer resume(const Params& params);
    Answer cancel_cli(const Params& params);
    Answer destroy(const Params& params);

    // -- others
    Answer health();
    Answer parse(const Params& params);
    Answer databases(const Params& params);
    Answer list(const Params& params);    // for the web page, newest first
    Answer events(const Params& params);  // of one migration, newest first
    Answer clusters();
    std::optional<std::string> file_text(const Params& params);

    // One round of the scheduler: per cluster starts the first enqueued migration and renames the
    // first copied one that has auto_run.
    void run_scheduler();

  private:
    using Actions = std::vector<std::string>;

    Answer change_for_runner(const Params& params, const char* what, const Store::Step& step);
    Answer change_for_person(const Params& params, const char* what, const std::string& action,
                             const Store::Step& step);
    Answer shown(const MigrationRow& row) const;
    Answer refused(const Params& params, const std::string& action, const MigrationRow& row,
                   bool maxed_out) const;
    // The DDL compared with its target, if the cluster says so.
    Result<ParsedDdl> parse_checked(const MigrationRow& row);
    // Ids of running migrations in the cluster that do not count for the parallel limit.
    std::set<std::int64_t> uncounted_in(const std::string& cluster);
    struct Start {
        std::optional<Store::Changed> changed;
        bool maxed_out = false;
    };
    Result<Start> try_start(const MigrationRow& row, LockVersion lock_version,
                            std::optional<bool> auto_run);
    std::optional<Json> staged_item(const MigrationRow& row);
    std::vector<std::string> check_new(const Params& params, MigrationRow& row);
    Status apply_update(const Params& params, MigrationRow& row) const;
    std::string seconds_now() const;

    const ApiConfig& config_;
    Store& store_;
    Targets& targets_;
    const Clock& clock_;
    const Logger& log_;
};

}  // namespace shift::api
