#pragma once

#include <string>

namespace shift::testing {

// SQLite's file system with something wrong: registered as the default one, so that a SqliteJournal
// uses it without knowing. Counts the calls that change a file (write, truncate, sync, delete, and
// opening a new one).
class FailingVfs {
  public:
    FailingVfs();
    ~FailingVfs();
    FailingVfs(const FailingVfs&) = delete;
    FailingVfs& operator=(const FailingVfs&) = delete;

    // The n-th call from now on fails (1 = the next); `for_good`: and all after it.
    void fail_at(int n, bool for_good);
    void heal();
    // Whether a call has failed since fail_at().
    bool has_failed() const;

    // A power cut: every file in the folder becomes what it was at its last sync; one that was
    // never synced is gone. To be called when no file is open any more.
    void lose_unsynced(const std::string& folder);
};

}  // namespace shift::testing
