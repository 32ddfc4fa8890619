#pragma once

#include <optional>

#include "ctl/session.h"

namespace shift::ctl {

// Verbs that the daemon answers over its control socket. Each gives the exit code.
struct StatusOptions {
    std::optional<MigrationId> id;
    std::optional<double> watch_s;  // redraw at this interval until Ctrl-C
    bool all = false;
};
// Without a daemon its journal is shown, and the exit code is 69 all the same.
int run_status(Session& session, const StatusOptions& options);

struct DrainOptions {
    bool wait = false;
    bool keep = false;
    std::optional<double> timeout_s;
};
int run_drain(const Session& session, const DrainOptions& options);
int run_undrain(const Session& session);

// Clears back-offs and tries: what waits is tried at once.
int run_retry(const Session& session, MigrationId id);

struct FinalInsertOptions {
    MigrationId id = 0;
    bool done = false;
    bool run_again = false;
};
// A person's word on a final insert whose result is not known.
int run_final_insert_decision(const Session& session, const FinalInsertOptions& options);
int run_version(const Session& session);

}  // namespace shift::ctl
