# Part of the stand-in square_pt_osc.pl: our own plugin, and after each of its saves a state file of
# the shape that Square's patch dumps.
use strict;
use warnings;

BEGIN {
   my ($here) = __FILE__ =~ m{^(.*)/};
   require "$here/../../worker/osc/shift_ptosc_plugin.pl";
}

package pt_online_schema_change_plugin;

no warnings 'redefine';
my $save = \&save;
*save = sub {
   my ($self) = @_;
   $save->($self);
   my $state = $self->{state};
   return unless $state->{table};
   my %step = ( new_table => 'create', copied => 'rename' );
   my $row = $state->{row}
      ? "\n" . join( '', map {"  - " . (defined $_ ? $_ : '~') . "\n"} @{$state->{row}} )
      : " ~\n";
   open my $plain, '<', $self->{file} or return;
   my $hex = unpack 'H*', do { local $/; <$plain> };
   my $orig = $self->{orig_tbl};
   # Truncated now, written later: what a reader of the real one meets.
   open my $out, '>', $ENV{SQUARE_SAVE} or return;
   select undef, undef, undef, 0.01;
   print {$out} <<"YAML";
---
db: $orig->{db}
dsn:
  D: $orig->{db}
  t: $orig->{tbl}
mig_tbl: $state->{table}
old_tbl: ~
options: !!perl/hash:OptionParser
  opts:
    critical-load:
      got: 1
      long: critical-load
      type: A
      value:
        - $ENV{SQUARE_CRITICAL}
    max-lag:
      got: 1
      long: max-lag
      type: m
      value: $ENV{SQUARE_LAG}
orig_tbl: $orig->{tbl}
row:$row
stand_in: $hex
step: @{[ $step{$state->{step}} || $state->{step} ]}
tbl_progress: $state->{rows}
YAML
   close $out;
   return;
};

1;
