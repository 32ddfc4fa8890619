#include "tests/integration/support/programs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <stdexcept>

#include "common/text.h"
#include "tests/integration/support/child_process.h"
#include "tests/integration/support/temp_dir.h"

namespace shift::testing {
namespace {

// What the tool says when the worker asks what it is, kept for as long as this program runs: perl
// needs half a second of processor time for it, and each wrapper is a tool nobody has seen before.
const std::string& answer(const std::string& tool, const std::string& question) {
    static std::map<std::string, std::string> known;
    std::string& text = known[tool + " " + question];
    if (text.empty()) {
        text = run_tool({tool, "--config", "/dev/null", question}).out;
    }
    return text;
}

// A script that runs `execute` (shell) for --execute, and else the tool as it is.
void spit_wrapper(const std::string& path, const std::string& folder, const std::string& tool,
                  const std::string& execute) {
    spit(folder + "/pt-osc.version", answer(tool, "--version"));
    spit(folder + "/pt-osc.help", answer(tool, "--help"));
    spit(path,
         fmt::format(R"(#!/bin/sh
case "$*" in
*" --execute "*) exec {execute} ;;
"--config /dev/null --version") exec cat {folder}/pt-osc.version ;;
"--config /dev/null --help") exec cat {folder}/pt-osc.help ;;
esac
exec {tool} "$@"
)",
                     fmt::arg("execute", execute), fmt::arg("folder", folder),
                     fmt::arg("tool", tool)),
         0755);
}

}  // namespace

std::string cache_folder() {
    if (const char* given = std::getenv("SHIFT_TEST_CACHE"); given != nullptr) {
        return given;
    }
    return "/tmp/shift-tests-" + std::to_string(::geteuid());
}

std::string program(const std::string& name) {
    if (const char* folder = std::getenv("SHIFT_BIN_DIR"); folder != nullptr) {
        return std::string(folder) + "/" + name;
    }
    static const std::map<std::string, std::string> kFolders = {
        {"shift-supervisord", "supervisor"},
        {"shift-supervisord-next", "tests/next"},
        {"shift-worker", "worker"},
        {"shift-supervisorctl", "ctl"},
        {"shift-api", "api"},
        {"shift-lhm", "worker/lhm/cli"}};
    return std::string(SHIFT_BUILD_ROOT) + "/" + kFolders.at(name) + "/" + name;
}

std::string libfaketime() {
    for (const auto& folder : std::filesystem::directory_iterator("/usr/lib")) {
        const auto library = folder.path() / "faketime/libfaketime.so.1";
        if (std::filesystem::exists(library)) {
            return library;
        }
    }
    throw std::runtime_error("no libfaketime.so.1 below /usr/lib");
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

namespace {

void spit_gate(const std::string& folder) {
    // Wraps the tool's own function before its main program runs; a signal ends the wait as it ends
    // the tool's own sleeps.
    spit(folder + "/Gate.pm", R"(package Gate;
use POSIX ();
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
            my $held = POSIX::SigSet->new;  # our plugin holds a stop until the chunk is saved
            POSIX::sigpending($held);
            $stop = 1 if $held->ismember(POSIX::SIGTERM());
        }
        return $result;
    };
}
1;
)");
}

}  // namespace

std::string small_step_pt_osc(const std::string& folder, int chunk_rows, double pause_s,
                              const std::string& tool) {
    spit_gate(folder);
    const std::string path = folder + "/pt-osc-small-steps";
    const std::string pause = pause_s > 0 ? fmt::format(" --sleep {}", pause_s) : "";
    spit_wrapper(path, folder, tool,
                 fmt::format(R"(perl -I{} -MGate {} "$@" --chunk-size {} --chunk-time 0{})", folder,
                             tool, chunk_rows, pause));
    return path;
}

void forget_plugins(const std::string& folder) {
    std::string help;
    for (const std::string& line : split(slurp(folder + "/pt-osc.help"), '\n')) {
        help += line.find("--plugin") == std::string::npos ? line + "\n" : "";
    }
    spit(folder + "/pt-osc.help", help);
}

std::string small_step_square_pt_osc(const std::string& folder, int chunk_rows) {
    spit_gate(folder);
    const std::string tool = std::string(SHIFT_SOURCE_ROOT) + "/tests/stand_ins/square_pt_osc.pl";
    const std::string path = folder + "/pt-osc-square";
    // The stand-in executes the installed tool, which inherits the module by the environment.
    spit_wrapper(path, folder, tool,
                 fmt::format(R"(env PERL5OPT='-I{} -MGate' {} "$@" --chunk-size {} --chunk-time 0)",
                             folder, tool, chunk_rows));
    return path;
}

std::string stoppable_pt_osc(const std::string& folder) {
    // Loaded before the tool's main program, so our plugin wraps what stands here already. Prints
    // nothing: the worker reads the tool's output.
    spit(folder + "/Stages.pm", R"(package Stages;
use strict;
use warnings;
no warnings qw(once redefine);
use DBI;
use POSIX ();
my $folder = ')" + folder + R"(';
my ($triggers, $chunks) = (0, 0);

sub point {
    my ($name) = @_;
    open my $wanted, '<', "$folder/stop-at" or return;
    my $at = <$wanted>;
    close $wanted;
    return unless defined $at && $at eq $name;
    my $go_on = 0;
    my $handler = $SIG{TERM};
    local $SIG{TERM} = sub { $go_on = 1; $handler->(@_) if ref $handler; };
    open my $reached, '>', "$folder/reached.new" or die;
    print {$reached} $name;
    close $reached;
    rename "$folder/reached.new", "$folder/reached";
    until ($go_on) {
        select(undef, undef, undef, 0.02);
        my $held = POSIX::SigSet->new;  # our plugin holds a stop until the chunk is saved
        POSIX::sigpending($held);
        $go_on = 1 if $held->ismember(POSIX::SIGTERM());
    }
    return;
}

INIT {
    my $do = \&DBI::db::do;
    *DBI::db::do = sub {
        my $sql = $_[1];
        my $what = $sql =~ /^CREATE TABLE / ? ['create', 'created']
            : $sql =~ /^ALTER TABLE / ? ['alter', 'altered']
            : $sql =~ /^CREATE TRIGGER / ? ['trigger', 'trigger' . ++$triggers]
            : undef;
        point($what->[0]) if $what;
        my $result = $do->(@_);
        point($what->[1]) if $what;
        return $result;
    };
    my $create_triggers = \&pt_online_schema_change::create_triggers;
    *pt_online_schema_change::create_triggers = sub {
        my @names = $create_triggers->(@_);
        point('triggers');
        return @names;
    };
    my $exec_nibble = \&pt_online_schema_change::exec_nibble;
    *pt_online_schema_change::exec_nibble = sub {
        point("noted$chunks");
        my $time = $exec_nibble->(@_);
        point('chunk' . ++$chunks);
        return $time;
    };
    my $next = \&NibbleIterator::next;
    *NibbleIterator::next = sub {
        my $more = $next->(@_);
        point('last') unless $more;
        return $more;
    };
}
END { point('exit'); }
1;
)");
    const std::string path = folder + "/pt-osc-stoppable";
    spit_wrapper(path, folder, pt_osc(),
                 fmt::format(R"(perl -I{} -MStages {} "$@" --chunk-size 200 --chunk-time 0)",
                             folder, pt_osc()));
    return path;
}

}  // namespace shift::testing
