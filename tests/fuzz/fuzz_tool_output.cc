// What pt-online-schema-change prints, line by line, and what its plugin saves.

#include <cstdint>
#include <string>
#include <string_view>

#include "common/check.h"
#include "common/line_framer.h"
#include "worker/osc/copy_state.h"
#include "worker/osc/osc_output.h"
#include "worker/osc/square_state.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace shift;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    LineFramer framer(4096);
    OscSummary summary;
    for (const std::string& line : framer.push(text)) {
        CHECK(line.size() <= 4096, "a line has its limit");
        const OscLine read = parse_osc_line(line);
        CHECK(read.percent >= 0, "a percentage is none below nothing");
        summary.add(read, line);
    }
    (void)summary.reason();
    (void)parse_copy_state(text);
    (void)parse_whole_square_state(text, "app", "t");
    return 0;
}
