#pragma once

#include <string>
#include <string_view>

namespace shift {

// 40 lower-case hex digits, as the server's SHA1() gives them. Tells texts apart; no secrecy.
std::string sha1_hex(std::string_view bytes);

}  // namespace shift
