#pragma once

#include <string>

#include "common/json.h"
#include "common/result.h"

namespace shift {

// The control socket: one JSON object a line, each way. Request {"protocol":1,"command":"status",
// "args":{}}; answer {"protocol":1,"ok":true,"data":{}} or {"protocol":1,"ok":false,"error":"..."}.
// Version history: 1 - status, drain, undrain, version.
inline constexpr int kControlProtocol = 1;
inline constexpr std::size_t kControlLineBytesMax = 16 * 1024 * 1024;
inline constexpr std::size_t kControlRequestBytesMax = 64 * 1024;

// Commands. `status` answers
//   {"version","pid","run_host","state":"running|draining|journal failed","since",
//    "api":{"url","reachable":bool,"last_ok","last_error"},
//    "drain":{"active":bool,"by":"command|stop file","keep":bool,"owed":n},
//    "migrations":[{"id","cluster","host","port","database","table","status","status_name","step",
//       "state","phase","percent","rows","rows_total","rows_per_s","eta_s","throttle","since",
//       "attempt","engine","worker_pid","engine_pid","owed","error","next_try","log_file"}]}
// Unknown values are null; clients must accept members they do not know.
// Each of the three gives the whole line with its newline.
std::string control_request(const std::string& command, const Json& args);
std::string control_ok(const Json& data);
std::string control_error(const std::string& message);

// One request over the unix socket at `path`, blocking.
// Errors: kUnavailable - no daemon listens there; kDeadline - no answer within timeout_ms;
// kInvalidArgument - the daemon refused, with its reason.
Result<Json> control_call(const std::string& path, const std::string& command, const Json& args,
                          int timeout_ms);

}  // namespace shift
