#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace shift {

// The control socket: one JSON object a line, each way. docs/control-protocol.md is its manual.
// Request {"protocol":1,"command":"status","args":{}}; answer {"protocol":2,"ok":true,"data":{}} or
// {"protocol":2,"ok":false,"error":"...","code":"refused"}.
// Version history: 1 - status, drain, undrain, version; 2 - events, history, why, retry,
// final-insert, takeover; `code` of a refusal.
// A request carries the version its command came with, so that a newer client gets on with an older
// daemon for as long as it asks for nothing new.
inline constexpr int kControlProtocol = 2;
inline constexpr std::size_t kControlLineBytesMax = 16 * 1024 * 1024;
inline constexpr std::size_t kControlRequestBytesMax = 64 * 1024;

enum class ControlAccess { kRead, kWrite };
struct ControlCommand {
    const char* name;
    ControlAccess access;
    int since;  // protocol version
};
const std::vector<ControlCommand>& control_commands();
const ControlCommand* find_control_command(std::string_view name);

// Who asks. `uid` is the kernel's word; `as` is what the client says of itself (the user behind
// sudo), at most kControlAsBytesMax bytes of one line.
struct ControlCaller {
    std::int64_t uid = 0;
    std::string as;
};
inline constexpr std::size_t kControlAsBytesMax = 64;

struct ControlRequest {
    std::string command;
    Json args = Json::object();
    std::string as;
};
// One line of a client, not trusted. Errors: kInvalidArgument - no JSON object, a newer protocol,
// no command, or `args` that is no object.
Result<ControlRequest> parse_control_request(std::string_view line);

// Why a request was refused, for programs.
enum class ControlRefusal {
    kRefused,     // the command cannot be done (now)
    kPermission,  // not by this user
    kBusy,        // too many clients or requests; nothing was done
};

// Each of the three gives the whole line with its newline.
std::string control_request(const std::string& command, const Json& args,
                            const std::string& as = "");
std::string control_ok(Json data);
std::string control_error(const std::string& message,
                          ControlRefusal refusal = ControlRefusal::kRefused);

// One request over the unix socket at `path`, blocking.
// Errors: kUnavailable - no daemon listens there; kDeadline - no answer within timeout_ms;
// kConflict - the daemon is too busy to take the request; kInvalidArgument - it refused, with its
// reason (native EPERM: not by this user).
Result<Json> control_call(const std::string& path, const std::string& command, const Json& args,
                          int timeout_ms, const std::string& as = "");

}  // namespace shift
