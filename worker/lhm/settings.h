#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "worker/lhm/options.h"

namespace shift::lhm {

// One thing that can be set: "--chunk-time 100" on a command line, "chunk_time: 100" in a plan
// file, "lhm_chunk_time: 100" in a supervisor's configuration.
struct Setting {
    const char* name;      // with dashes
    const char* argument;  // "SECONDS"; "" = a flag
    const char* help;
    const char* group;  // heading in --help
};
// In the order of --help.
const std::vector<Setting>& settings();

// The raw words, by name with dashes; several values of one are joined by commas in order.
using SettingValues = std::map<std::string, std::string, std::less<>>;

// Errors: kInvalidArgument - no such setting (the nearest is named), or a value it does not take.
Status apply_setting(std::string_view name, const std::string& value, Options& options);
Status apply_settings(const SettingValues& values, Options& options);

}  // namespace shift::lhm
