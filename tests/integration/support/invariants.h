#pragma once

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/support/scenario.h"

namespace shift::testing {

// What must hold whatever was killed. One migration of table app.t (Writers::make_table) with its
// bystanders: a table and a trigger of a user's that are named as ours would be.
//
// Each violation is a line that begins with the name of its invariant:
//   workers       never two workers, or two engines, on one table
//   api           every transition at most once and in order, none lost
//   content       the table holds what the writers wrote
//   leftover      no trigger, shadow table or scratch table of ours after a final state
//   users         nothing of the user's is dropped
//   journal       integrity_check and v_inconsistent find nothing
//   outcome       every attempt has exactly one end
//   insert        the final insert ran exactly once, or not at all
//   index         no index twice
//   xa            no prepared transaction is left
//   lock          the database lock is free
//   process       no worker, engine or zombie is left
class Invariants {
  public:
    explicit Invariants(Scenario& scenario) : s_(scenario), hosts_{&scenario.supervisor()} {}

    static void make_bystanders(Db& db);

    // A further host, whose processes are looked at too.
    void also(SupervisorProcess& other) { hosts_.push_back(&other); }

    // How long the end may take to become quiet: processes ending, locks of cut sessions.
    // Stretched.
    void set_patience(milliseconds patience) { patience_ = patience; }

    // While it runs; as often as possible. Two workers at one table of one host: across hosts a
    // worker may start beside another, and finds the table's lock held. Two engines at one table
    // of one host; of two hosts for longer than a worker takes to end one that lost its lock.
    void look();
    // What look() has found by now.
    const std::vector<std::string>& seen() const { return found_; }

    // At rest, in a final state. `changed`: the ALTER has happened. `kept`: tables of app that are
    // to be there besides the bystanders.
    struct End {
        MigrationId id = 0;
        bool changed = true;
        std::vector<std::string> kept = {"t", "versions"};
        bool with_content = true;
    };
    std::vector<std::string> violations(const End& end);

  private:
    // A worker or an engine.
    struct Acting {
        pid_t pid = 0;
        std::string command = {};
        std::string table = {};
        const SupervisorProcess* host = nullptr;
        bool is_stopped = false;
    };

    void add(const std::string& text);
    void look_for_two(const std::vector<Acting>& all);
    bool may_be(const Acting& one, const Acting& other);
    void look_at_api(MigrationId id);
    void look_at_tables(const End& end);
    void look_at_journal();
    void look_at_attempts();
    void look_at_server(const End& end);
    void look_at_processes();

    Scenario& s_;
    std::vector<SupervisorProcess*> hosts_;
    std::map<std::pair<pid_t, pid_t>, std::chrono::steady_clock::time_point> beside_;
    std::vector<std::string> found_;
    milliseconds patience_ = seconds{10};
};

}  // namespace shift::testing
