// statefile.txt as it comes from the API: anybody's text.

#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "common/state_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto state = shift::parse_state_file(text);
    if (!state.ok()) {
        return 0;
    }
    const std::string written = shift::format_state_file(*state);
    const auto back = shift::parse_state_file(written);
    CHECK(back.ok(), "what was read can be written");
    CHECK(shift::format_state_file(*back) == written, "and is the same");
    return 0;
}
