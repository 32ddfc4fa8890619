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
int run_status(const Session& session, const StatusOptions& options);

struct DrainOptions {
    bool wait = false;
    bool keep = false;
    std::optional<double> timeout_s;
};
int run_drain(const Session& session, const DrainOptions& options);
int run_undrain(const Session& session);
int run_version(const Session& session);

}  // namespace shift::ctl
