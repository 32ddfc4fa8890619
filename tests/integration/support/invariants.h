#pragma once

#include <string>
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
    explicit Invariants(Scenario& scenario) : s_(scenario) {}

    static void make_bystanders(Db& db);

    // While it runs; as often as possible.
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
    void add(const std::string& text);
    void look_at_api(MigrationId id);
    void look_at_tables(const End& end);
    void look_at_journal();
    void look_at_attempts();
    void look_at_server(const End& end);
    void look_at_processes();

    Scenario& s_;
    std::vector<std::string> found_;
};

}  // namespace shift::testing
