#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/json.h"
#include "worker/mysql/inspect.h"

namespace shift {

// What earlier attempts of this migration said they would do or did: Job::history folded into the
// questions a step asks. Pure. Unknown events and members are skipped.
struct History {
    struct Session {
        std::uint64_t thread_id = 0;
        ServerIdentity server;
        std::string user;
    };
    struct Table {
        std::string database;
        std::string table;
        friend bool operator==(const Table&, const Table&) = default;
    };
    struct Swap {
        std::string shadow;
        std::string old;
    };
    struct Ddl {
        std::string statement;
        std::string before_hash;  // "" = the table did not exist
        Table trash;              // where a DROP moves the table; empty when it is dropped
        bool happened = false;    // a fact says so
    };
    struct FinalInsert {
        bool intended = false;
        bool plain = false;     // sent without XA: an unknown result stays unknown
        bool prepared = false;  // XA PREPARE is known to have happened
        bool done = false;
    };

    std::vector<Session> sessions;
    std::vector<Table> shadows;  // intents not yet followed by a `dropped` fact
    std::vector<Table> scratch;
    std::optional<Swap> swap;    // the last one intended
    std::optional<Ddl> ddl;      // the last one intended
    std::optional<Table> trash;  // the last one intended (after a swap)
    bool copied = false;         // of the latest shadow
    bool no_return = false;
    FinalInsert final_insert;

    bool intended_shadow(const std::string& database, const std::string& table) const;
};

History fold_history(const Json& events);

}  // namespace shift
