#!/usr/bin/perl
# STAND-IN for Square's patched pt-online-schema-change (percona-toolkit 2.2.14 with --save-state,
# --load-state and --exit-at), which Debian 12 cannot install. It speaks the patch's options and
# writes a state file of its shape, on top of the installed stock tool and our own plugin. What is
# tried with it holds for the flags and the file's shape alone, not for the patch itself.
#
# As the patch: the state file is truncated and written anew after every chunk; --load-state brings
# back the options it was saved with, whatever the command line says.
use strict;
use warnings;
use FindBin;

my (%ours, @theirs);
while ( @ARGV ) {
   my $word = shift @ARGV;
   if ( $word =~ m/^--(save-state|load-state|exit-at)$/ ) {
      $ours{$1} = shift @ARGV;
   }
   else {
      push @theirs, $word;
   }
}
my $tool = 'pt-online-schema-change';

if ( grep { $_ eq '--help' } @theirs ) {
   system $tool, @theirs;
   print "  --exit-at=s          Stop at this step\n",
         "  --load-state=s       Go on from this file\n",
         "  --save-state=s       Save the state to this file\n";
   exit 0;
}
exec $tool, @theirs unless $ours{'save-state'};

$ENV{SHIFT_OSC_STATE}   = "$ours{'save-state'}.stand-in";
$ENV{SHIFT_OSC_COPY_ID} = 'a1';
$ENV{SQUARE_SAVE}       = $ours{'save-state'};
if ( my $file = $ours{'load-state'} ) {
   open my $in, '<', $file or die "$file: $!\n";
   my $yaml = do { local $/; <$in> };
   die "$file is empty or non-existent\n" unless $yaml;
   my ($hex) = $yaml =~ m/^stand_in: ([0-9a-f]+)$/m or die "$file: not a state file\n";
   $ENV{SHIFT_OSC_RESUME} = "$file.stand-in";
   open my $out, '>', $ENV{SHIFT_OSC_RESUME} or die "$ENV{SHIFT_OSC_RESUME}: $!\n";
   print {$out} pack('H*', $hex);
   close $out or die "$ENV{SHIFT_OSC_RESUME}: $!\n";
   my ($load) = $yaml =~ m/critical-load:.*?value:\s*\n\s+- (\S+)/s;
   for my $i ( 0 .. $#theirs - 1 ) {
      $theirs[$i + 1] = $load if $theirs[$i] eq '--critical-load' && defined $load;
   }
}
for my $i ( 0 .. $#theirs - 1 ) {
   $ENV{SQUARE_CRITICAL} = $theirs[$i + 1] if $theirs[$i] eq '--critical-load';
   $ENV{SQUARE_LAG}      = $theirs[$i + 1] if $theirs[$i] eq '--max-lag';
}
exec $tool, @theirs, '--plugin', "$FindBin::RealBin/square_plugin.pl";
