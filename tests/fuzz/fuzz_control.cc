// A line on the control socket, from anybody who may connect.

#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "common/control_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view line(reinterpret_cast<const char*>(data), size);
    const auto request = shift::parse_control_request(line);
    if (!request.ok()) {
        CHECK(!request.error().message.empty(), "a refusal says why");
        return 0;
    }
    CHECK(!request->command.empty() && request->args.is_object(), "what was taken is whole");
    CHECK(request->as.size() <= shift::kControlAsBytesMax, "a name is short");
    const std::string again = shift::control_request(request->command, request->args, request->as);
    CHECK(again.find('\n') == again.size() - 1, "a request is one line");
    const auto back = shift::parse_control_request(again);
    CHECK(back.ok() && back->command == request->command && back->args == request->args,
          "what was taken can be said again");
    return 0;
}
