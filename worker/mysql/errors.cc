#include "worker/mysql/errors.h"

namespace shift {

Errc errc_of_mysql(unsigned native) {
    switch (native) {
        case 1040:  // too many connections
        case 1053:  // server shutdown in progress
        case 1129:  // host is blocked
        case 1152:  // aborted connection
        case 1203:  // user has too many connections
        case 1205:  // lock wait timeout
        case 1213:  // deadlock
        case 1226:  // user resource limit
        case 1290:  // --read-only and friends: a failover is going on, or never ends; try again
        case 2001:
        case 2002:  // cannot connect (socket)
        case 2003:  // cannot connect (TCP)
        case 2005:  // unknown host
        case 2026:  // TLS connection error
            return Errc::kUnavailable;
        case 1317:  // query execution was interrupted
        case 1927:  // MariaDB: connection was killed
        case 1969:  // MariaDB: max_statement_time exceeded
        case 2006:  // server has gone away
        case 2012:
        case 2013:  // lost connection during query
        case 2027:  // malformed packet
        case 2055:  // lost connection at ...
        case 3024:  // MySQL: max_execution_time exceeded
            return Errc::kDeadline;
        case 1008:  // cannot drop database; it does not exist
        case 1049:  // unknown database
        case 1051:  // unknown table
        case 1146:  // no such table
        case 1360:  // no such trigger
        case 4092:  // MariaDB: unknown view
            return Errc::kNotFound;
        default:
            return Errc::kInvalidArgument;
    }
}

bool is_lost_connection(const Error& error) {
    switch (error.native) {
        case 1053:
        case 1927:
        case 2006:
        case 2012:
        case 2013:
        case 2027:
        case 2055:
            return true;
        default:
            return false;
    }
}

bool is_lock_wait(const Error& error) {
    return error.native == 1205 || error.native == 1213;
}

bool is_interrupted(const Error& error) {
    return error.native == 1317 || error.native == 1969 || error.native == 3024;
}

bool is_access_denied(const Error& error) {
    switch (error.native) {
        case 1044:
        case 1045:
        case 1142:
        case 1143:
        case 1227:
        case 1370:
        case 1698:
        case 3118:  // MySQL: account is locked
        case 4151:  // MariaDB: account is locked
            return true;
        default:
            return false;
    }
}

bool is_algorithm_refused(const Error& error) {
    return error.native == 1845 || error.native == 1846 || error.native == 4092;
}

bool is_transient(const Error& error) {
    switch (error.code) {
        case Errc::kUnavailable:
        case Errc::kDeadline:
        case Errc::kConflict:
        case Errc::kIo:
            return true;
        case Errc::kInvalidArgument:
        case Errc::kNotFound:
        case Errc::kInternal:
            return false;
    }
    return false;
}

}  // namespace shift
