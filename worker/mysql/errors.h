#pragma once

#include "common/result.h"

namespace shift {

// What a MySQL error number means to a caller. The number itself stays in Error::native.
//   kUnavailable  cannot connect, lock wait, deadlock, too many connections, shutdown: nothing was
//                 done, the same statement may be sent again later.
//   kDeadline     the connection broke after sending, or the statement was interrupted: the effect
//                 is unknown; look before sending it again.
//   kNotFound     no such table, database or trigger.
//   kInvalidArgument  everything else: access denied, syntax, constraint ...; nothing was done.
Errc errc_of_mysql(unsigned native);

bool is_lost_connection(const Error& error);  // the session is gone, the effect unknown
bool is_lock_wait(const Error& error);        // 1205, 1213
bool is_interrupted(const Error& error);      // 1317, 1969, 3024: KILL QUERY or a statement timeout
bool is_access_denied(const Error& error);
// Trouble that goes away by itself: retry the step, do not fail the migration.
bool is_transient(const Error& error);
// An ALTER cannot be done by the ALGORITHM, or under the LOCK, that it asks for: 1845, 1846, and
// MySQL's 4092, its limit of instant changes (in MariaDB an unknown view, which no ALTER TABLE
// meets).
bool is_algorithm_refused(const Error& error);

}  // namespace shift
