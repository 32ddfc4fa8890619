#include "common/host_port.h"

#include <fmt/format.h>

#include <charconv>

namespace shift {
namespace {

constexpr int kPortMax = 65535;

}  // namespace

Result<HostPort> parse_host_port(std::string_view text) {
    const Error wrong{Errc::kInvalidArgument, fmt::format("'{}' is not HOST:PORT", text)};
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return wrong;
    }
    HostPort address;
    const char* end_of_text = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + colon + 1, end_of_text, address.port);
    if (error != std::errc{} || end != end_of_text || address.port < 0 || address.port > kPortMax) {
        return wrong;
    }
    std::string_view host = text.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return wrong;  // an IPv6 address without brackets: its last part is no port
    }
    address.host = host;
    return address;
}

}  // namespace shift
