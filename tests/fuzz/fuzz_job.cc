// job.json, as a worker of any version finds it.

#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "common/job.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto job = shift::parse_job(text);
    if (!job.ok()) {
        return 0;
    }
    CHECK(job->port >= 0 && job->port <= 65535 && job->tries >= 1, "numbers are in their range");
    const std::string written = shift::to_line(shift::to_json(*job));
    const auto back = shift::parse_job(written);
    CHECK(back.ok(), "what was read can be written");
    CHECK(shift::to_line(shift::to_json(*back)) == written, "and is the same");
    return 0;
}
