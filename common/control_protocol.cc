#include "common/control_protocol.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "common/line_call.h"
#include "common/text.h"

namespace shift {
namespace {

constexpr std::pair<ControlRefusal, const char*> kRefusals[] = {
    {ControlRefusal::kRefused, "refused"},
    {ControlRefusal::kPermission, "permission"},
    {ControlRefusal::kBusy, "busy"},
};

const char* refusal_name(ControlRefusal refusal) {
    for (const auto& [value, name] : kRefusals) {
        if (value == refusal) {
            return name;
        }
    }
    return "refused";
}

Error error_of_refusal(const Json& answer) {
    const std::string message = string_or(answer, "error", "refused without a reason");
    const std::string code = string_or(answer, "code", "refused");
    if (code == refusal_name(ControlRefusal::kPermission)) {
        return Error{Errc::kInvalidArgument, message, EPERM};
    }
    const bool busy = code == refusal_name(ControlRefusal::kBusy);
    return Error{busy ? Errc::kConflict : Errc::kInvalidArgument, message};
}

}  // namespace

const std::vector<ControlCommand>& control_commands() {
    static const std::vector<ControlCommand> commands = {
        {"status", ControlAccess::kRead, 1},        {"version", ControlAccess::kRead, 1},
        {"drain", ControlAccess::kWrite, 1},        {"undrain", ControlAccess::kWrite, 1},
        {"events", ControlAccess::kRead, 2},        {"history", ControlAccess::kRead, 2},
        {"why", ControlAccess::kRead, 2},           {"retry", ControlAccess::kWrite, 2},
        {"final-insert", ControlAccess::kWrite, 2}, {"takeover", ControlAccess::kWrite, 2},
    };
    return commands;
}

const ControlCommand* find_control_command(std::string_view name) {
    for (const ControlCommand& command : control_commands()) {
        if (name == command.name) {
            return &command;
        }
    }
    return nullptr;
}

Result<ControlRequest> parse_control_request(std::string_view line) {
    auto json = parse_json(line);
    if (!json.ok() || !json->is_object()) {
        return Error{Errc::kInvalidArgument, "request is not a JSON object"};
    }
    const std::int64_t protocol = int_or(*json, "protocol", 0);
    if (protocol > kControlProtocol) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("protocol {} is newer than {}; use the tools of the daemon's "
                                 "version",
                                 protocol, kControlProtocol)};
    }
    ControlRequest request;
    request.command = string_or(*json, "command", "");
    if (request.command.empty()) {
        return Error{Errc::kInvalidArgument, "request names no command"};
    }
    if (const auto args = json->find("args"); args != json->end() && !args->is_null()) {
        if (!args->is_object()) {
            return Error{Errc::kInvalidArgument, "args is not a JSON object"};
        }
        request.args = *args;
    }
    request.as = utf8_prefix(string_or(*json, "as", ""), kControlAsBytesMax);
    for (char& c : request.as) {
        c = static_cast<unsigned char>(c) < ' ' || c == '\x7F' ? ' ' : c;
    }
    return request;
}

std::string control_request(const std::string& command, const Json& args, const std::string& as) {
    const ControlCommand* known = find_control_command(command);
    Json request = {{"protocol", known == nullptr ? kControlProtocol : known->since},
                    {"command", command},
                    {"args", args}};
    if (!as.empty()) {
        request["as"] = as;
    }
    return to_line(request) + '\n';
}

std::string control_ok(Json data) {
    // No initializer list: it would copy what may be the status of hundreds of migrations.
    Json answer = {{"protocol", kControlProtocol}, {"ok", true}};
    answer["data"] = std::move(data);
    return to_line(answer) + '\n';
}

std::string control_error(const std::string& message, ControlRefusal refusal) {
    return to_line(Json{{"protocol", kControlProtocol},
                        {"ok", false},
                        {"error", message},
                        {"code", refusal_name(refusal)}}) +
           '\n';
}

Result<Json> control_call(const std::string& path, const std::string& command, const Json& args,
                          int timeout_ms, const std::string& as) {
    ASSIGN_OR_RETURN(const std::vector<std::string> lines,
                     line_call(path, control_request(command, args, as), 1, timeout_ms));
    auto answer = parse_json(lines.front());
    const auto ok = answer.ok() ? get_bool(*answer, "ok") : std::nullopt;
    if (!ok) {
        return Error{Errc::kDeadline,
                     fmt::format("{}: {}", path,
                                 answer.ok() ? "the answer is not one of this protocol"
                                             : answer.error().message)};
    }
    if (!*ok) {
        return error_of_refusal(*answer);
    }
    const auto data = answer->find("data");
    return data == answer->end() ? Json() : std::move(*data);
}

}  // namespace shift
