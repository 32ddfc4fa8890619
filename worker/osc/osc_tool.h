#pragma once

#include <string>
#include <string_view>

#include "common/json.h"
#include "common/result.h"

namespace shift {

// How we work with one pt-online-schema-change.
enum class OscFlavour {
    kStock,     // with our plugin: state after every chunk, resume
    kBasic,     // stock without what the plugin needs: right, but a copy that stops starts over
    kSquare,    // Square's patch (--save-state --load-state --exit-at): its own state file
    kUnusable,  // does not answer, or lacks what leaves table and triggers in place
};
const char* flavour_name(OscFlavour flavour);  // "stock" "basic" "square" "unusable"
// For people: what it means for a copy that is interrupted.
const char* flavour_meaning(OscFlavour flavour);

// One installed tool. Told by features and not by numbers: the tag v3.3.0 says 3.2.1, and two
// programs call themselves 3.5.7.
struct OscTool {
    std::string path;
    std::string version;             // "3.2.1", "" when it does not say
    bool has_keep_options = false;   // --no-swap-tables --no-drop-new-table --no-drop-triggers
    bool has_plugin = false;         // --plugin
    bool has_pause_file = false;     // --pause-file, from 2.2.20 on
    bool has_native_resume = false;  // --history --resume, 3.6 and later; not used by us
    bool has_square_patch = false;
    std::string trouble;  // its own words when it cannot run (a missing perl module)

    // `wanted` is the configured pt_osc_flavour: auto, stock or square.
    OscFlavour flavour(const std::string& wanted) const;
};

// From the output of `--config /dev/null --version` and `--config /dev/null --help`. Exit statuses
// say nothing (2.2 exits with 1 after --version). Pure.
OscTool parse_osc_tool(std::string_view version_output, std::string_view help_output);

Json to_json(const OscTool& tool);

// Asks the tool at `path` (absolute), about 0.2 s, no server needed. The answer is kept in
// `cache_dir` ("" = not kept) for as long as the file has the same size and time of change.
// `scratch_dir` takes the tool's output for a moment. Main thread only.
// Errors: kIo.
Result<OscTool> detect_osc_tool(const std::string& path, const std::string& scratch_dir,
                                const std::string& cache_dir, int engine_lock_fd = -1);

}  // namespace shift
