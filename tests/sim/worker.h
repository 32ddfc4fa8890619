#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/job.h"
#include "common/state_file.h"
#include "supervisor/process/workers.h"
#include "tests/sim/database.h"
#include "tests/sim/script.h"

namespace shift::sim {

class Host;
class World;

// One attempt: its folder, its worker process and its engine. Does what the real worker does at the
// same boundaries (intent, effect, fact), against the simulated database, and dies where it is
// told to.
class Worker {
  public:
    Worker(World& world, Host& host, Job job, std::string api_state);
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    void start();

    const Job& job() const { return job_; }
    const ProcessIdentity& identity() const { return identity_; }
    const ProcessIdentity& engine_identity() const { return engine_.identity; }
    bool is_alive() const { return alive_ != nullptr; }
    bool engine_is_alive() const { return engine_.alive != nullptr; }
    Workers::Life life() const;
    // The readable lines of events.jsonl.
    const std::vector<Json>& events() const { return events_; }
    // What it said at its end; nullopt = nothing.
    std::optional<Outcome> said() const;

    void ask_to_stop(const std::string& reason);
    void signal(const ProcessIdentity& process, int signo);
    void close() { closed_ = true; }

    void die();
    void engine_dies();
    // The host loses power: both processes, and lines that were not fsynced.
    void power_off();

  private:
    struct Verdict {
        Outcome outcome = Outcome::kRetry;
        std::string reason = {};
        std::string message = {};
    };
    struct History {  // what Job::history says
        bool shadow = false;
        bool ddl = false;
        bool ddl_happened = false;
        bool no_return = false;
        bool insert_intended = false;
        bool insert_prepared = false;
        bool insert_done = false;
    };
    struct Engine {
        ProcessIdentity identity;
        std::shared_ptr<const bool> alive;
        Script<int> script;
        bool terminated = false;
        bool stubborn = false;
        bool reached_end = false;
    };
    using Maybe = std::optional<Verdict>;  // nullopt: go on

    Script<int> live();
    Script<Verdict> step();
    Script<Verdict> prepare();
    Script<Verdict> copy();
    Script<Verdict> direct();
    Script<Verdict> rename();
    Script<Verdict> cancel();
    Script<Verdict> pause();
    Script<Verdict> watch_engine();
    Script<Verdict> finish_copy();
    Script<Verdict> finish_changed();
    Script<Verdict> finish_late();
    Script<Maybe> final_insert();
    Script<Maybe> plain_insert();
    Script<Maybe> take_lock();
    Script<Maybe> end_old_statement(bool kill);
    Script<bool> stop_engine();
    Script<int> run_engine();
    Sleep point();  // a boundary: time passes, and the process may die
    Sleep sleep(Millis time);
    Sleep engine_sleep(Millis time);

    void load_state(const std::string& api_state);
    void fold_history();
    bool is_urgent() const { return stop_ == "cancel" || stop_ == "shutdown"; }
    bool has_lock() const;
    Database::Change& change();
    static Verdict retry(std::string reason, std::string message);
    void say(const char* kind, Json fields);
    void log_line(const std::string& text);
    void save_state(const std::string& step);
    void start_engine();
    bool drop_ours();
    void leave(bool may_be_noticed_late);

    World& world_;
    Host& host_;
    Job job_;
    History history_;
    std::optional<StateFile> state_;
    ProcessIdentity identity_;
    std::int64_t connection_;
    Engine engine_;
    std::shared_ptr<const bool> alive_;
    Script<int> script_;
    std::vector<Json> events_;
    std::size_t fsynced_ = 0;
    std::int64_t log_lines_ = 0;
    std::string stop_;  // reason it was asked to stop; "" = it was not
    bool deaf_ = false;
    bool closed_ = false;
};

}  // namespace shift::sim
