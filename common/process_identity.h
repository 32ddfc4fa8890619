#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "common/json.h"

namespace shift {

// What makes a pid mean one process for ever: its start time (clock ticks since boot, field 22 of
// /proc/PID/stat) and the boot. A bare pid is never signalled.
struct ProcessIdentity {
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;
    std::string boot_id;

    bool operator==(const ProcessIdentity&) const = default;
};

// nullopt-like: pid 0 when there is no such process.
ProcessIdentity identify_process(pid_t pid);
ProcessIdentity identify_self();
// The very same process is alive (and not a zombie).
bool is_alive(const ProcessIdentity& identity);
// Sends `signo` to exactly this process; false when it is gone. Uses a pidfd so that a reused pid
// is never hit (Linux 5.3+).
bool signal_process(const ProcessIdentity& identity, int signo);

Json to_json(const ProcessIdentity& identity);
ProcessIdentity parse_process_identity(const Json& value);

}  // namespace shift
