#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/job.h"
#include "supervisor/core/delivery.h"
#include "tests/fakes/api_model.h"
#include "tests/fakes/memory_journal.h"
#include "tests/sim/random.h"

namespace shift::sim {

class Host;
class World;

// What must hold at every moment and at the end. A violation is a line that begins with the name of
// its invariant:
//   workers   never two workers or engines of one migration, on whatever hosts
//   intent    nothing is done outside that the journal does not hold as intended
//   api       every transition in legal order, at most once, and true when it is told
//   pinned    what is pinned elsewhere is not touched
//   early     nothing is owed that hands a migration on while its attempt lives
//   outcome   every attempt has exactly one end, and it is what its worker said
//   wins      a cancel or pause wins before the table is changed, the change wins after
//   table     a table is changed once, its final insert runs once, nothing of ours is left
//   state     a copy's state goes with the migration
//   journal   folded anew, the journal gives what is in memory
//   log       the API's log has every line, in order
//   stuck     when nothing goes wrong any more, everything comes to its end
class Checks {
  public:
    explicit Checks(World& world) : world_(world) {}

    void violation(const std::string& invariant, const std::string& text);
    const std::vector<std::string>& found() const { return found_; }

    void on_spawn(const Host& host, const Job& job);
    // Returns the outbox row that the call serves, 0 = none.
    std::int64_t on_call(const Host& host, const ApiRequest& request);
    void on_stop(const Host& host, std::int64_t attempt, const char* kind);
    void on_close(const Host& host, std::int64_t attempt);
    void before_commit(const Host& host, const JournalBatch& batch);
    void after_turn(Host& host);

    // Who makes the API do what it does next; null host = people.
    struct Caller {
        const Host* host = nullptr;
        std::int64_t call = 0;
        bool late = false;  // its answer is not waited for any more
    };
    void on_api_change(const testing::ApiModel::Change& change);
    Caller caller;

    // A worker said `failed`: the migration may end so.
    void worker_failed(MigrationId id) { failed_.insert(id); }
    // The state of its copy may be on the dead host alone.
    bool was_taken_over(MigrationId id) const { return taken_over_.contains(id); }

    // Whether every migration has come to its end and nobody has anything left to do.
    bool all_is_done() const;
    void at_end();

  private:
    void check_owed(const Host& host, const OwedCall& call);
    void check_attempt(const Host& host, const AttemptRecord& attempt);
    void check_transition(const Host& host, const testing::ApiModel::Change& change);
    bool crosses_takeover(const Host& host, MigrationId id, Millis trusted) const;
    void note_pin(MigrationId id, const testing::ApiModel::Change& change);
    void check_fold(Host& host);
    void check_end_of(MigrationId id);
    void check_logs();
    std::string why_not_done(MigrationId id) const;

    World& world_;
    std::vector<std::string> found_;
    std::map<std::pair<const Host*, std::int64_t>, AttemptRecord> ended_;
    std::set<std::pair<const Host*, std::int64_t>> stops_;    // committed stop_asked, by attempt
    std::set<std::pair<const Host*, std::int64_t>> orphans_;  // committed orphan_engine
    // How often it had been staged when the call of this outbox row was done first.
    std::map<std::pair<const Host*, std::int64_t>, int> executed_;
    std::map<MigrationId, int> stagings_;
    std::set<std::pair<const Host*, std::int64_t>> late_;
    struct Pin {
        std::string host;
        std::string before;  // whose it was
        Millis since{0};
    };
    std::map<MigrationId, Pin> pins_;
    std::map<MigrationId, const Host*> claimants_;  // whose unstage was done last
    std::set<MigrationId> failed_;
    std::set<MigrationId> taken_over_;
    std::set<MigrationId> raced_;  // taken over from a host that was back and at work by then
    std::set<MigrationId> log_dropped_;
};

}  // namespace shift::sim
