// The configuration file.

#include <cstdint>
#include <string>

#include "common/check.h"
#include "common/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto config = shift::parse_config(text, "fuzz.yaml");
    if (!config.ok()) {
        CHECK(config.error().message.rfind("fuzz.yaml", 0) == 0, "an error names the file");
        return 0;
    }
    CHECK(!config->rest_api.empty() && !config->state_dir.empty(), "what must be there is");
    CHECK(config->poll_interval_min <= config->poll_interval_max, "ranges rise");
    CHECK(shift::not_reloadable(*config, *config).empty(), "nothing differs from itself");
    return 0;
}
