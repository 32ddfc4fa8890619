#include "common/control_protocol.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "common/text.h"
#include "common/unique_fd.h"

namespace shift {
namespace {

using std::chrono::steady_clock;

Error unavailable(const std::string& path, int error) {
    return Error{Errc::kUnavailable, fmt::format("{}: {}", path, std::strerror(error)), error};
}

Error no_answer(const std::string& path, const std::string& why) {
    return Error{Errc::kDeadline, fmt::format("{}: {}", path, why)};
}

// Waits for `events` on `fd`; false when the deadline passed.
bool wait_for(int fd, short events, steady_clock::time_point deadline) {
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
        if (left.count() <= 0) {
            return false;
        }
        pollfd entry{fd, events, 0};
        const int ready = ::poll(&entry, 1, static_cast<int>(left.count()));
        if (ready > 0) {
            return true;
        }
        if (ready < 0 && errno != EINTR) {
            return false;
        }
    }
}

Result<UniqueFd> connect_to(const std::string& path, steady_clock::time_point deadline) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("socket '{}': a path of 1 to {} bytes is needed", path,
                                 sizeof address.sun_path - 1)};
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) {
        return Error{Errc::kIo, fmt::format("socket: {}", std::strerror(errno)), errno};
    }
    // EAGAIN is the answer of a unix socket whose queue is full: the daemon lives but is busy.
    while (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        if (errno != EAGAIN && errno != EINTR) {
            return unavailable(path, errno);
        }
        constexpr int kPauseMs = 20;
        (void)::poll(nullptr, 0, kPauseMs);
        if (steady_clock::now() >= deadline) {
            return unavailable(path, EAGAIN);
        }
    }
    return fd;
}

Status send_all(int fd, std::string_view bytes, const std::string& path,
                steady_clock::time_point deadline) {
    while (!bytes.empty()) {
        const ssize_t put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (put >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(put));
        } else if (errno == EAGAIN) {
            if (!wait_for(fd, POLLOUT, deadline)) {
                return no_answer(path, "the daemon does not read the request");
            }
        } else if (errno != EINTR) {
            return no_answer(path, std::strerror(errno));
        }
    }
    return Ok{};
}

Result<std::string> read_line(int fd, const std::string& path, steady_clock::time_point deadline) {
    std::string text;
    for (;;) {
        if (!wait_for(fd, POLLIN, deadline)) {
            return no_answer(path, "no answer in time");
        }
        char buffer[64 * 1024];
        const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (got < 0) {
            return no_answer(path, std::strerror(errno));
        }
        if (got == 0) {
            return no_answer(path, "the daemon closed the connection without an answer");
        }
        text.append(buffer, static_cast<std::size_t>(got));
        if (const std::size_t newline = text.find('\n', 0); newline != std::string::npos) {
            text.resize(newline);
            return text;
        }
        if (text.size() > kControlLineBytesMax) {
            return no_answer(path, "the answer is too long");
        }
    }
}

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

std::string control_ok(const Json& data) {
    return to_line(Json{{"protocol", kControlProtocol}, {"ok", true}, {"data", data}}) + '\n';
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
    const auto deadline = steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    ASSIGN_OR_RETURN(const UniqueFd fd, connect_to(path, deadline));
    RETURN_IF_ERROR(send_all(fd.get(), control_request(command, args, as), path, deadline));
    ASSIGN_OR_RETURN(const std::string line, read_line(fd.get(), path, deadline));
    auto answer = parse_json(line);
    if (!answer.ok()) {
        return no_answer(path, answer.error().message);
    }
    const auto ok = get_bool(*answer, "ok");
    if (!ok) {
        return no_answer(path, "the answer is not one of this protocol");
    }
    if (!*ok) {
        return error_of_refusal(*answer);
    }
    const auto data = answer->find("data");
    return data == answer->end() ? Json() : *data;
}

}  // namespace shift
