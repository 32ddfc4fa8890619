#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/json.h"

namespace shift {

// `shift-worker --check`: what `shift-supervisorctl doctor` wants to know of database servers. The
// worker is the one program that opens them, with the credentials it works with.

struct ServerToCheck {
    std::string host;
    int port = 3306;
    std::vector<std::string> databases;  // where migrations are; empty = only global rights count
};
// "HOST:PORT", "HOST:PORT/db,db", "[::1]:3306". Errors: kInvalidArgument.
Result<ServerToCheck> parse_server_to_check(const std::string& text);

// Looks at every server, several at a time, changing nothing. Calls `tell` with one finding after
// the other, from one thread at a time:
//   {"server":"db1:3306","check":"connect","level":"ok|warn|fail","text":"...","fix":"..."}
// Blocks: about ten seconds a server that does not answer.
// Errors: kIo - the credentials cannot be laid down.
Status check_servers(const Config& config, const std::vector<ServerToCheck>& servers,
                     const std::function<void(const Json& finding)>& tell);

}  // namespace shift
