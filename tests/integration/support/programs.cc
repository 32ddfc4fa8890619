#include "tests/integration/support/programs.h"

#include <unistd.h>

#include <cstdlib>
#include <map>
#include <stdexcept>

#include "common/text.h"
#include "tests/integration/support/temp_dir.h"

namespace shift::testing {

std::string program(const std::string& name) {
    if (const char* folder = std::getenv("SHIFT_BIN_DIR"); folder != nullptr) {
        return std::string(folder) + "/" + name;
    }
    static const std::map<std::string, std::string> kFolders = {{"shift-supervisord", "supervisor"},
                                                                {"shift-worker", "worker"},
                                                                {"shift-supervisorctl", "ctl"},
                                                                {"shift-api", "api"},
                                                                {"shift-lhm", "lhm"}};
    return std::string(SHIFT_BUILD_ROOT) + "/" + kFolders.at(name) + "/" + name;
}

std::string pt_osc() {
    if (const char* given = std::getenv("PT_OSC"); given != nullptr) {
        return given;
    }
    const char* path = std::getenv("PATH");
    for (const std::string& folder : split(path == nullptr ? "/usr/bin" : path, ':')) {
        const std::string candidate = folder + "/pt-online-schema-change";
        if (::access(candidate.c_str(), X_OK) == 0) {
            return candidate;
        }
    }
    throw std::runtime_error("pt-online-schema-change is not installed (percona-toolkit)");
}

std::string small_step_pt_osc(const std::string& folder, int chunk_rows, double pause_s) {
    const std::string path = folder + "/pt-osc-small-steps";
    std::string text = "#!/bin/sh\ncase \" $* \" in\n*\" --execute \"*) exec " + pt_osc() +
                       " \"$@\" --chunk-size " + std::to_string(chunk_rows) + " --chunk-time 0";
    if (pause_s > 0) {
        text += " --sleep " + std::to_string(pause_s);
    }
    text += " ;;\nesac\nexec " + pt_osc() + " \"$@\"\n";
    spit(path, text, 0755);
    return path;
}

}  // namespace shift::testing
