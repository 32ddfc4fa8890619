#pragma once

#include <cstdint>
#include <string>

#include "common/config.h"
#include "common/json.h"
#include "common/result.h"

namespace shift {

// `shift-worker --who-holds`: whether a worker of any host works on a table, for
// `shift-supervisorctl takeover`. The database lock (worker/mysql/lock.h) is the proof.
struct TableHoldQuery {
    std::string host;
    int port = 3306;
    std::string database;
    std::string table;
    std::uint64_t kill = 0;  // 0 = only look; else the thread whose session is to be ended
};

// {"held":false} or {"held":true,"thread":812,"user":"shift","client":"10.0.0.7:5123",
// "command":"Sleep","time_s":3}, and in either case "copying": the threads of our user that run a
// statement of an engine on the table now: [{"thread","client","time_s"}].
// With `kill`: ends that session if it is the holder or one of "copying", nobody else's, waits up
// to 30 s until it is gone, and looks again. "killed" tells whether it was one of them.
// Errors: as errc_of_mysql(); kIo - the credentials cannot be laid down.
Result<Json> who_holds_table(const Config& config, const TableHoldQuery& query);

}  // namespace shift
