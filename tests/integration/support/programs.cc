#include "tests/integration/support/programs.h"

#include <fmt/format.h>
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

std::string small_step_pt_osc(const std::string& folder, int chunk_rows, double pause_s,
                              const std::string& tool) {
    // Wraps the tool's own function before its main program runs; a signal ends the wait as it ends
    // the tool's own sleeps.
    spit(folder + "/Gate.pm", R"(package Gate;
INIT {
    no strict 'refs';
    no warnings 'redefine';
    my $stop = 0;
    my $handler = $SIG{TERM};
    $SIG{TERM} = sub { $stop = 1; $handler->(@_) if ref $handler; };
    my $original = \&{"pt_online_schema_change::exec_nibble"};
    *{"pt_online_schema_change::exec_nibble"} = sub {
        my $result = $original->(@_);
        while (!$stop && -e ')" + folder +
                                  R"(/gate') {
            select(undef, undef, undef, 0.02);
        }
        return $result;
    };
}
1;
)");
    const std::string path = folder + "/pt-osc-small-steps";
    const std::string pause = pause_s > 0 ? fmt::format(" --sleep {}", pause_s) : "";
    spit(path,
         fmt::format("#!/bin/sh\ncase \" $* \" in\n*\" --execute \"*) exec perl -I{0} -MGate {1} "
                     "\"$@\" --chunk-size {2} --chunk-time 0{3} ;;\nesac\nexec {1} \"$@\"\n",
                     folder, tool, chunk_rows, pause),
         0755);
    return path;
}

}  // namespace shift::testing
