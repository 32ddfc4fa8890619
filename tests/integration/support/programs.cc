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
    static const std::map<std::string, std::string> kFolders = {
        {"shift-supervisord", "supervisor"},
        {"shift-supervisord-next", "tests/next"},
        {"shift-worker", "worker"},
        {"shift-supervisorctl", "ctl"},
        {"shift-api", "api"},
        {"shift-lhm", "worker/lhm/cli"}};
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

std::string stoppable_pt_osc(const std::string& folder) {
    // Loaded before the tool's main program, so our plugin wraps what stands here already. Prints
    // nothing: the worker reads the tool's output.
    spit(folder + "/Stages.pm", R"(package Stages;
use strict;
use warnings;
no warnings qw(once redefine);
use DBI;
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
    select(undef, undef, undef, 0.02) while !$go_on;
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
    spit(path,
         fmt::format("#!/bin/sh\ncase \" $* \" in\n*\" --execute \"*) exec perl -I{0} -MStages {1} "
                     "\"$@\" --chunk-size 200 --chunk-time 0 ;;\nesac\nexec {1} \"$@\"\n",
                     folder, pt_osc()),
         0755);
    return path;
}

}  // namespace shift::testing
