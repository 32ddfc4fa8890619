# The --plugin that shift-worker gives to a stock pt-online-schema-change (3.0.9 to 3.7.1): saves
# where the copy is after every chunk, and goes on from there after the tool, the worker or the
# machine died. It changes nothing on the server and prints no secret.
#
# Parameters come from the environment, since a plugin cannot add options:
#   SHIFT_OSC_STATE    file to write the state to (see save())
#   SHIFT_OSC_RESUME   file with the state to go on from; absent = a fresh copy
#   SHIFT_OSC_COPY_ID  names this copy in the state
#   SHIFT_OSC_POLL_S   how often the pause file is looked at, seconds (the tool's own 60 otherwise)
#
# A resume keeps the new table and the triggers that an earlier run made, after checking that they
# are the same ones, and starts nibbling at the saved boundary. This is right because the triggers
# work in the server whether or not the tool lives: every row in the new table equals its original
# at every commit, INSERT IGNORE skips only rows that are there, and the boundary is saved after
# the chunk was committed, so it is never ahead of the data.
#
# Refusals print "OSC-PLUGIN resume refused: ..." and exit 41 before anything is changed.
#
# Everything printed is ASCII: "Wide character" warnings are fatal in the tool. `local $@` guards
# every eval: the tool's clean-up takes a leftover $@ for its own failure.

package shift_osc_progress;

# The tool's progress with the rows of earlier runs added. It also never falls silent: the
# original stops reporting once more rows were copied than estimated.
our @ISA = ('Progress');

sub update {
   my ($self, $completed, %args) = @_;
   my $with_earlier = sub {
      my $rows = $completed->() + $self->{shift_earlier_rows};
      return $rows > $self->{jobsize} ? $self->{jobsize} : $rows;
   };
   return $self->SUPER::update($with_earlier, %args);
}

package pt_online_schema_change_plugin;

use strict;
use warnings;
use POSIX ();
no warnings 'once';    # names of the tool, which is compiled elsewhere

my $REFUSED = 41;
my $FORMAT  = 'shift-ptosc-state 1';

sub new {
   my ($class, %args) = @_;
   my $self = bless {
      cxn     => $args{cxn},
      file    => $ENV{SHIFT_OSC_STATE},
      poll    => $ENV{SHIFT_OSC_POLL_S} || 2,
      resume  => undef,
      is_live => $args{execute} ? 1 : 0,
      state   => {
         copy_id => $ENV{SHIFT_OSC_COPY_ID} || '',
         step    => 'start',
         rows    => 0,
         chunks  => 0,
         runs    => 1,
         elapsed => 0,
      },
   }, $class;
   return $self unless $self->{is_live};    # a dry run stays as it is

   die "SHIFT_OSC_STATE is not set\n" unless $self->{file};
   $self->check_tool();
   if ( my $file = $ENV{SHIFT_OSC_RESUME} ) {
      $self->{resume} = $self->read_state($file);
      $self->{state}  = { %{$self->{resume}} };
      $self->{state}->{runs}++;
   }
   $self->wrap_tool();
   return $self;
}

# What is wrapped must be there, else the tool is one that nobody tried.
sub check_tool {
   my ($self) = @_;
   no strict 'refs';
   for my $sub (
      qw(check_orig_table create_new_table create_triggers osc_retry exec_nibble) )
   {
      die "this pt-online-schema-change has no $sub\n"
         unless defined &{"pt_online_schema_change::$sub"};
   }
   for my $sub (qw(_get_bounds boundaries one_nibble nibble_index)) {
      die "this NibbleIterator has no $sub\n" unless defined &{"NibbleIterator::$sub"};
   }
   return;
}

sub refuse {
   my ($self, $why) = @_;
   $why =~ s/[^\x20-\x7e]/?/g;
   print "OSC-PLUGIN resume refused: $why\n";
   exit $REFUSED;
}

sub say_line {
   my ($self, $text) = @_;
   $text =~ s/[^\x20-\x7e]/?/g;
   print "OSC-PLUGIN $text\n";
   return;
}

# ---------------------------------------------------------------------------------------------
# The state: one "key value" a line, between the format line and "end".

# undef: "n"; else "b" or "u" (the text had Perl's utf8 mark) and its bytes in hex. Keys hold
# commas, quotes, newlines and bytes that are no text at all.
sub encode_value {
   my ($value) = @_;
   return 'n' unless defined $value;
   my $kind = utf8::is_utf8($value) ? 'u' : 'b';
   utf8::encode($value) if $kind eq 'u';
   return $kind . unpack('H*', $value);
}

sub decode_value {
   my ($text) = @_;
   return undef if $text eq 'n';
   my $value = pack('H*', substr($text, 1));
   utf8::decode($value) if substr($text, 0, 1) eq 'u';
   return $value;
}

sub read_state {
   my ($self, $file) = @_;
   open my $handle, '<', $file or $self->refuse("cannot read the state: $!");
   my @lines = <$handle>;
   close $handle;
   chomp @lines;
   my $first = shift @lines;
   my $last  = pop @lines;
   $self->refuse('the state is not complete')
      unless defined $first && $first eq $FORMAT && defined $last && $last eq 'end';
   my %state = ( triggers => [] );
   for my $line (@lines) {
      my ($key, $value) = split / /, $line, 2;
      if ( $key eq 'trigger' ) {
         my ($name, $created, $body) = split / /, $value;
         push @{$state{triggers}}, { name => pack('H*', $name), created => $created, body => $body };
      }
      elsif ( $key eq 'row' ) {
         $state{row} = [ map { decode_value($_) } split / /, $value ];
      }
      elsif ( $key eq 'key' || $key eq 'table' ) {
         $state{$key} = decode_value($value);
      }
      else {
         $state{$key} = $value;
      }
   }
   $self->refuse("nothing can be resumed from step '" . ($state{step} || '') . "'")
      unless ($state{step} || '') =~ m/^(?:triggers|copy|copied)$/;
   return \%state;
}

# Written beside and renamed, so a reader sees one whole state or the one before. Not fsynced: on
# a busy disk that would hold up every chunk, and a state that a power cut takes is no loss, since
# the worker's own state file (fsynced, seconds older) has all of it. A state that cannot be saved
# is said once; the older one is still safe to go on from.
sub save {
   my ($self) = @_;
   my $state = $self->{state};
   my @lines = ($FORMAT);
   for my $key (
      qw(copy_id step rows chunks runs chunk_size one_nibble estimate orig_ddl new_ddl) )
   {
      push @lines, "$key $state->{$key}" if defined $state->{$key};
   }
   push @lines, sprintf('elapsed %.1f', $self->elapsed());
   push @lines, "pid $$", "tool " . ($self->tool_version() || '?');
   push @lines, 'table ' . encode_value($state->{table}) if defined $state->{table};
   for my $trigger ( @{$state->{triggers} || []} ) {
      push @lines, join ' ', 'trigger', unpack('H*', $trigger->{name}), $trigger->{created},
         $trigger->{body};
   }
   push @lines, 'key ' . encode_value($state->{key}) if defined $state->{key};
   push @lines, join ' ', 'row', map { encode_value($_) } @{$state->{row}} if $state->{row};
   push @lines, 'end';

   my $temp = "$self->{file}.tmp$$";
   local $@;
   my $saved = eval {
      open my $handle, '>', $temp or die "$temp: $!\n";
      print {$handle} map { "$_\n" } @lines or die "$temp: $!\n";
      close $handle or die "$temp: $!\n";
      rename $temp, $self->{file} or die "$self->{file}: $!\n";
      1;
   };
   if ( !$saved && !$self->{warned}++ ) {
      my $why = $@;
      $why =~ s/[^\x20-\x7e]/?/g;
      print STDERR "OSC-PLUGIN cannot save state: $why\n";
   }
   return;
}

sub elapsed {
   my ($self) = @_;
   my $before = $self->{resume} ? ($self->{resume}->{elapsed} || 0) : 0;
   return $before + ($self->{copy_begun} ? time - $self->{copy_begun} : 0);
}

sub tool_version {
   return $pt_online_schema_change::VERSION;
}

# ---------------------------------------------------------------------------------------------
# What the server says about the two tables and the triggers.

# SHA-1 by the server, of the text as it gave it, without the counter that writers move.
sub definition {
   my ($self, $tbl) = @_;
   my $dbh = $self->{cxn}->dbh();
   # The session's mode may change quotes and options; the worker looks without any such mode.
   my ($mode) = $dbh->selectrow_array('SELECT @@SESSION.sql_mode');
   $dbh->do(q{SET SESSION sql_mode = ''});
   my (undef, $text) = $dbh->selectrow_array('SHOW CREATE TABLE ' . $tbl->{name});
   $dbh->do('SET SESSION sql_mode = ?', undef, $mode);
   my $options = rindex $text, "\n)";
   my $tail = substr $text, $options < 0 ? 0 : $options, length $text, '';
   $tail =~ s/ AUTO_INCREMENT=[0-9]+//;
   my ($hash) = $dbh->selectrow_array('SELECT SHA1(?)', undef, $text . $tail);
   return $hash;
}

# The creation time tells a trigger that was dropped and made again from one that never went.
sub triggers_of {
   my ($self, $tbl) = @_;
   my $rows = $self->{cxn}->dbh()->selectall_arrayref(
      'SELECT TRIGGER_NAME, UNIX_TIMESTAMP(CREATED), SHA1(ACTION_STATEMENT)'
         . ' FROM INFORMATION_SCHEMA.TRIGGERS'
         . ' WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ? ORDER BY TRIGGER_NAME',
      undef, $tbl->{db}, $tbl->{tbl} );
   my @triggers;
   for my $row (@$rows) {
      my ($name, $created, $body) = @$row;
      utf8::encode($name) if utf8::is_utf8($name);
      push @triggers, { name => $name, created => defined $created ? $created : 0, body => $body };
   }
   return \@triggers;
}

sub trigger_text {
   my ($triggers) = @_;
   return join ',', sort map {"$_->{name}/$_->{created}/$_->{body}"} @$triggers;
}

# Also done by the worker, under the database lock; this closes the gap until the tool is here.
sub verify {
   my ($self, $orig_tbl) = @_;
   my $state = $self->{resume};
   my $quoter = $self->{Quoter};
   my %new_tbl = (
      db   => $orig_tbl->{db},
      tbl  => $state->{table},
      name => $quoter->quote($orig_tbl->{db}, $state->{table}),
   );
   local $@;
   my $new_ddl = eval { $self->definition( \%new_tbl ) };
   $self->refuse('the new table is not there') unless $new_ddl;
   $self->refuse('the new table was changed') if $new_ddl ne ($state->{new_ddl} || '');
   $self->refuse('the original table was changed')
      if $self->definition($orig_tbl) ne ($state->{orig_ddl} || '');
   $self->refuse('the triggers are not those of the copy')
      if trigger_text($self->triggers_of($orig_tbl)) ne trigger_text($state->{triggers});
   $self->{new_tbl} = \%new_tbl;
   return;
}

# ---------------------------------------------------------------------------------------------
# The tool's own subs, wrapped. They are called through their globs, so this works at run time.

sub wrap_tool {
   my ($self) = @_;
   no strict 'refs';
   no warnings 'redefine';

   my $check_orig_table = \&pt_online_schema_change::check_orig_table;
   *pt_online_schema_change::check_orig_table = sub {
      my %args = @_;
      $self->{options}  = $args{OptionParser};
      $self->{Quoter}   = $args{Quoter};
      $self->{orig_tbl} = $args{orig_tbl};
      return $check_orig_table->(@_) unless $self->{resume};
      $self->verify($args{orig_tbl});
      return $self->with_triggers_allowed( $args{OptionParser}, sub { $check_orig_table->(%args) } );
   };

   my $create_new_table = \&pt_online_schema_change::create_new_table;
   *pt_online_schema_change::create_new_table = sub {
      return $create_new_table->(@_) unless $self->{resume};
      $self->say_line('goes on with the new table and the triggers that are there');
      return { %{$self->{new_tbl}} };
   };

   my $create_triggers = \&pt_online_schema_change::create_triggers;
   *pt_online_schema_change::create_triggers = sub {
      return $create_triggers->(@_) unless $self->{resume};
      # Names and clean-up texts are made, nothing is executed: 3.3 and later know `dont`, before
      # that every statement goes through osc_retry.
      no warnings 'redefine';
      local *pt_online_schema_change::osc_retry = sub { return };
      return $create_triggers->( @_, dont => 1 );
   };

   my $get_bounds = \&NibbleIterator::_get_bounds;
   *NibbleIterator::_get_bounds = sub {
      my ($iterator) = @_;
      $get_bounds->(@_);
      $self->start_at_boundary($iterator);
      return;
   };

   my $exec_nibble = \&pt_online_schema_change::exec_nibble;
   *pt_online_schema_change::exec_nibble = sub {
      my %args = @_;
      my $osc_retry = \&pt_online_schema_change::osc_retry;
      no warnings 'redefine';
      local *pt_online_schema_change::osc_retry = sub {
         my %retry = @_;
         my $code = $retry{code};
         return $osc_retry->( %retry, code => sub { return hold_signals_over($code) } );
      };
      my $time = scalar $exec_nibble->(@_);    # dies on failure; one committed statement
      $self->chunk_done( $args{NibbleIterator}, $args{tbl} );
      let_signals_come();
      return $time;
   };
   return;
}

# A stop that comes while a chunk is copied waits until that chunk is saved. (The tool exits in its
# signal handler, which Perl calls as soon as the statement is over: the chunk would be copied and
# not counted.) It waits no longer than it would anyway, since Perl interrupts no statement.
my $STOPS = POSIX::SigSet->new( POSIX::SIGTERM(), POSIX::SIGINT(), POSIX::SIGHUP() );

# The signals stay held when the code is done, and come when it failed: it may be tried for long.
sub hold_signals_over {
   my ($code) = @_;
   POSIX::sigprocmask( POSIX::SIG_BLOCK(), $STOPS );
   my $result;
   return $result if eval { $result = $code->(); 1 };
   my $why = $@;
   let_signals_come();
   die $why;
}

sub let_signals_come {
   POSIX::sigprocmask( POSIX::SIG_UNBLOCK(), $STOPS );
   return;
}

# The tool refuses a table with triggers, unless it is told to preserve them. (That option and
# --no-drop-triggers exclude each other, which was checked before.)
sub with_triggers_allowed {
   my ($self, $options, $code) = @_;
   no warnings 'redefine';
   my ($version) = $self->{cxn}->dbh()->selectrow_array('SELECT VERSION()');
   my $is_old = $version =~ m/^5\.[0-6]\./ && defined &VersionCompare::cmp;
   local *VersionCompare::cmp = sub { return 1 } if $is_old;
   my $before = $options->get('preserve-triggers');
   $options->set('preserve-triggers', 1);
   $code->();
   $options->set('preserve-triggers', $before);
   return;
}

# Which order the boundary counts in.
sub nibble_key {
   my ($iterator) = @_;
   my $sql = $iterator->{sql} || {};
   return join '|', $iterator->nibble_index() || '', @{$sql->{columns} || []}, $sql->{where} || '';
}

sub start_at_boundary {
   my ($self, $iterator) = @_;
   $iterator->{sleep} = $self->{poll};
   my $state = $self->{resume} or return;
   # Without a boundary it copies from the first row into what is there: right, only slower.
   if ( $iterator->one_nibble() || !$state->{row} || !$iterator->{first_lower} ) {
      $self->say_line('copying from the first row');
      return;
   }
   my $key = nibble_key($iterator);
   if ( !defined $state->{key} || $state->{key} ne $key ) {
      $self->say_line('copying from the first row: it goes by another index now');
      return;
   }
   # An existing row: a lower bound behind the last row would make EXPLAIN choose no index.
   my $sth = $iterator->{Cxn}->dbh()->prepare( $iterator->{ub_sql} );
   $sth->execute( @{$state->{row}}, 0 );
   my $rows = $sth->fetchall_arrayref();
   $sth->finish();
   if ( $rows && @$rows ) {
      $iterator->{next_lower} = [ @{$rows->[0]} ];
      $self->say_line("copying from the saved boundary, after $state->{rows} rows");
   }
   else {
      $iterator->{next_lower}         = undef;
      $iterator->{no_more_boundaries} = 1;
      $iterator->{last_upper}
         = $iterator->{Cxn}->dbh()->selectrow_arrayref( $iterator->{last_ub_sql} );
      $self->say_line('no rows at or after the saved boundary');
   }
   return;
}

sub chunk_done {
   my ($self, $iterator, $tbl) = @_;
   my $state = $self->{state};
   $state->{rows} += $tbl->{row_cnt} if ($tbl->{row_cnt} || 0) > 0;
   $state->{chunks}++;
   $state->{one_nibble} = $iterator->one_nibble() ? 1 : 0;
   $state->{chunk_size} = int $tbl->{chunk_size} if $tbl->{chunk_size};
   if ( !$state->{one_nibble} ) {
      $state->{row} = [ @{$iterator->boundaries()->{upper}} ];
      $state->{key} = nibble_key($iterator);
   }
   $self->save();
   return;
}

# ---------------------------------------------------------------------------------------------
# The tool's hooks.

sub step {
   my ($self, $step) = @_;
   $self->{state}->{step} = $step;
   $self->save();
   return;
}

sub init {
   my ($self) = @_;
   $self->step('start') if $self->{is_live} && !$self->{resume};
   return;
}

sub after_create_new_table {
   my ($self, %args) = @_;
   return unless $self->{is_live};
   $self->{new_tbl} = $args{new_tbl};
   return if $self->{resume};
   $self->{state}->{table} = $args{new_tbl}->{tbl};
   $self->step('new_table');
   return;
}

# The ALTER is done already when the new table is an old one: the option is blank for that moment.
sub before_alter_new_table {
   my ($self) = @_;
   return unless $self->{resume};
   $self->{alter} = $self->{options}->get('alter');
   $self->{options}->set('alter', '');
   return;
}

sub after_alter_new_table {
   my ($self) = @_;
   return unless $self->{is_live};
   if ( $self->{resume} ) {
      $self->{options}->set('alter', $self->{alter});
      return;
   }
   $self->{state}->{orig_ddl} = $self->definition( $self->{orig_tbl} );
   $self->{state}->{new_ddl}  = $self->definition( $self->{new_tbl} );
   $self->step('create');
   return;
}

sub after_create_triggers {
   my ($self) = @_;
   return if !$self->{is_live} || $self->{resume};
   $self->{state}->{triggers} = $self->triggers_of( $self->{orig_tbl} );
   $self->step('triggers');
   return;
}

sub before_copy_rows {
   my ($self) = @_;
   return unless $self->{is_live};
   $self->{copy_begun} = time;
   if ( my $progress = $self->{orig_tbl}->{progress} ) {
      bless $progress, 'shift_osc_progress';
      $progress->{shift_earlier_rows} = $self->{state}->{rows};
      $progress->{start} -= $self->{resume}->{elapsed} || 0 if $self->{resume};
      $self->{state}->{estimate} = $progress->{jobsize};
   }
   $self->step('copy');
   return;
}

# The mark of success: the tool's exit status is 0 after some failures.
sub after_copy_rows {
   my ($self) = @_;
   $self->step('copied') if $self->{is_live};
   return;
}

1;
