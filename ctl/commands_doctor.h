#pragma once

#include <string>
#include <vector>

#include "ctl/session.h"

namespace shift::ctl {

struct DoctorOptions {
    std::vector<std::string> servers;  // "HOST:PORT[/DATABASE,...]" beside the known ones
    bool no_servers = false;           // only this host and the API
};
// Looks at everything the daemon needs and says, line by line, OK, WARN or FAIL and what to do.
// The known servers are those of the journal's migrations and host_override. Exit code: that of the
// first FAIL; warnings are none.
int run_doctor(const Session& session, const DoctorOptions& options);

}  // namespace shift::ctl
