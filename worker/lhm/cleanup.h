#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "worker/lhm/shadow.h"
#include "worker/mysql/connection.h"

// What migrations left on a server: archives of finished ones, and tables and triggers of those
// that were stopped or died.

namespace shift::lhm {

struct Remains {
    enum class Kind { kArchive, kMigration, kUnknown };
    enum class State {
        kDone,        // an archive, or what an ended rollback window left
        kStopped,     // nobody works at it; it may be resumed, or waits for its switch
        kRunning,     // somebody holds its database lock
        kSupervised,  // shift-supervisor's; its own cancel removes it
        kWindow,      // swapped; its rollback window is open
        kUnproved,    // only the name is ours
    };
    Kind kind = Kind::kUnknown;
    State state = State::kUnproved;
    std::string database;
    std::string table;  // of the migration; of an archive its own name
    std::optional<WallTime> archived;
    std::string archive;                // of one that was swapped with a rollback window
    std::vector<std::string> tables;    // to be dropped
    std::vector<std::string> triggers;  // to be dropped, before the tables
    bool is_wanted = false;             // the scope says that this may go
    std::string why;                    // for people: why it stays
    bool is_removable() const {
        return is_wanted && (state == State::kDone || state == State::kStopped);
    }
};

struct CleanupScope {
    std::string database;           // "" = all of them
    std::string table;              // "" = all
    std::optional<WallTime> until;  // only archives made at or before it, and nothing else
};
// What is wanted: a copy that can go on only when its table is named; an archive, which nothing but
// its name tells to be one, when its database is named or it is old enough.
// Errors: as errc_of_mysql().
Result<std::vector<Remains>> find_remains(Connection& connection, const CleanupScope& scope,
                                          WallTime now);

// Removes one of them under its database lock, after a second look at what it is.
// `sets_aside`: a shadow is renamed to lhma_.._failed instead of dropped, which is done in no time.
// Errors: kConflict - it is being worked at.
Status remove_remains(Workshop& workshop, const Remains& remains, bool sets_aside, WallTime now);

}  // namespace shift::lhm
