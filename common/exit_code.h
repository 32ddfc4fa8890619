#pragma once

namespace shift {

// The one table of exit codes of every binary of this project (documented in the man pages).
enum ExitCode : int {
    kExitOk = 0,
    kExitFailed = 1,        // refused, or failed for a reason that was printed
    kExitUsage = 64,        // command line
    kExitUnavailable = 69,  // the daemon (or the API) cannot be reached
    kExitInternal = 70,     // a bug
    kExitJournal = 74,      // journal or other local input/output
    kExitTryAgain = 75,     // a deadline passed; trying again may help
    kExitPermission = 77,   // not allowed
    kExitConfig = 78,       // configuration (systemd does not restart on this)
};

}  // namespace shift
