#pragma once

#include <string>

#include "common/result.h"
#include "worker/mysql/connection.h"

namespace shift::lhm {

// The one place where MariaDB and the versions of MySQL differ for this engine. Only MariaDB 10.11
// is run by our tests; the others are from their manuals and from trials noted at each member.
struct ServerFlavour {
    bool is_mariadb = false;
    int version = 0;  // 101119 for 10.11.19, 80404 for 8.4.4

    // Ends a locking read that shares. NOWAIT: MariaDB 10.3, MySQL 8.0.
    std::string share_lock() const;
    std::string share_lock_nowait() const;
    // The same waiting for a second at most, in a session that does not wait otherwise.
    std::string share_lock_patient() const;
    // Seconds a session of the copy waits for row locks: none on MariaDB (10.3); MySQL allows 1 at
    // the least.
    int row_lock_wait_s() const { return is_mariadb && version >= 100300 ? 0 : 1; }
    // ALTER TABLE ... RENAME COLUMN: MariaDB 10.5.2, MySQL 8.0.
    bool renames_columns() const;
    // RENAME TABLE works while the session holds the tables by LOCK TABLES (MySQL 8.0.13; on
    // MariaDB it is error 1192).
    bool renames_locked_tables() const;
    // UPDATE IGNORE of a row whose new unique value is taken fires AFTER UPDATE although the row
    // stays as it was (MariaDB 10.11; MySQL 9.7 does not).
    bool fires_for_ignored_updates() const { return is_mariadb; }
};

ServerFlavour flavour_of(const Connection& connection);
ServerFlavour parse_flavour(const std::string& version);  // VERSION(); pure

// Statements of the engine run in sessions made by this: strict (a value that does not fit is an
// error, not a warning), zero ids stay zero, UTC (a TIMESTAMP boundary read in local time is
// ambiguous once a year), READ COMMITTED (row locks only; REPEATABLE READ where the binary log is
// written as statements, which READ COMMITTED forbids).
Status prepare_session(Connection& connection);
// Back to what the server gives every session, for statements of people.
Status restore_session(Connection& connection);
// Triggers keep the sql_mode of the session that made them, whatever the application's is.
inline constexpr const char* kEngineSqlMode =
    "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION";

}  // namespace shift::lhm
