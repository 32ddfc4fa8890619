#!/usr/bin/perl
# STAND-IN for pt-online-schema-change 3.2.1 in the middle of a long copy, for the sake of everybody
# around it: it says what the tool says when the tool says it, and saves the state our plugin saves
# after every chunk, but asks no server and copies nothing. A dry run ends well at once, a copy ends
# when it is stopped.
use strict;
use warnings;
use FindBin;
use POSIX       ();
use Time::HiRes ();

my $CHUNK_S    = 0.5;              # the tool's --chunk-time
my $PROGRESS_S = 5;                # --progress time,5, as the worker asks for
my $ROWS       = 20_000_000;
my $COPY_S     = 4 * 3600;

$| = 1;
my $words = join ' ', @ARGV;
for my $question (qw(version help)) {
   next unless $words eq "--config /dev/null --$question";
   open my $said, '<', "$FindBin::RealBin/../data/pt-osc/3.2.1/$question.out" or die "$question: $!\n";
   print <$said>;
   exit 0;
}

my %option;
for my $i ( 0 .. $#ARGV - 1 ) {
   $option{$1} = $ARGV[$i + 1] if $ARGV[$i] =~ m/^--([a-z-]+)$/;
}
my ($db)  = $ARGV[-1] =~ m/\bD=([^,]+)/ or die "DSN without a database\n";
my ($tbl) = $ARGV[-1] =~ m/\bt=([^,]+)/ or die "DSN without a table\n";
my $new = $option{'new-table-name'};

sub now { return POSIX::strftime( '%Y-%m-%dT%H:%M:%S', localtime ) }

print "Operation, tries, wait:\n", map {"  $_\n"} 'analyze_table, 10, 1', 'copy_rows, 10000, 1',
   'create_triggers, 200, 1', 'drop_triggers, 10, 1', 'swap_tables, 10, 1', 'update_foreign_keys, 10, 1';
if ( grep { $_ eq '--dry-run' } @ARGV ) {
   print "Creating new table...\nCreated new table $db.$new OK.\nAltering new table...\n",
      "Altered `$db`.`$new` OK.\nNot creating triggers because this is a dry run.\n",
      "Not copying rows because this is a dry run.\n", now(), " Dropping new table...\n", now(),
      " Dropped new table OK.\nDry run complete.  `$db`.`$tbl` was not altered.\n";
   exit 0;
}

$SIG{TERM} = $SIG{INT} = sub {
   print STDERR "# Exiting on SIGTERM.\n";
   print "Not dropping triggers because the tool was interrupted.  To drop the triggers, execute:\n",
      ( map {"DROP TRIGGER IF EXISTS `$db`.`pt_osc_${db}_${tbl}_$_`\n"} qw(del upd ins) ),
      "`$db`.`$tbl` was not altered.\n";
   exit 1;
};

my ($begun, $chunks, $rows) = (Time::HiRes::time(), 0, 0);

# As the plugin's save(): written beside and renamed.
sub save {
   my ($step) = @_;
   my $file = $ENV{SHIFT_OSC_STATE} or return;
   my $key  = unpack 'H*', $rows;
   my $sha  = '0123456789abcdef' x 2 . '01234567';
   open my $out, '>', "$file.tmp$$" or die "$file: $!\n";
   print {$out} "shift-ptosc-state 1\ncopy_id $ENV{SHIFT_OSC_COPY_ID}\nstep $step\nrows $rows\n",
      "chunks $chunks\nruns 1\nchunk_size 1000\none_nibble 0\nestimate $ROWS\norig_ddl $sha\n",
      "new_ddl $sha\nelapsed ", sprintf( '%.1f', Time::HiRes::time() - $begun ), "\npid $$\n",
      'tool 3.2.1', "\ntable b", unpack( 'H*', $new ), "\n",
      ( map { 'trigger ' . unpack( 'H*', "pt_osc_${db}_${tbl}_$_" ) . " 1700000000.00 $sha\n" }
         qw(del ins upd) ), 'key b', unpack( 'H*', 'PRIMARY|id|' ), "\nrow b$key\nend\n";
   close $out;
   rename "$file.tmp$$", $file or die "$file: $!\n";
   return;
}

print "Altering `$db`.`$tbl`...\nCreating new table...\nCreated new table $db.$new OK.\n",
   "Altering new table...\nAltered `$db`.`$new` OK.\n";
save('create');
print now(), " Creating triggers...\n", now(), " Created triggers OK.\n";
save('triggers');
print now(), " Copying approximately $ROWS rows...\n";
my $told = $begun;
while (1) {
   Time::HiRes::sleep($CHUNK_S);
   my $elapsed = Time::HiRes::time() - $begun;
   $chunks++;
   my $share = $elapsed / $COPY_S;
   $share = 0.99 if $share > 0.99;
   $rows = int $ROWS * $share;
   save('copy');
   next if Time::HiRes::time() - $told < $PROGRESS_S;
   $told += $PROGRESS_S;
   my $left = int $COPY_S - $elapsed;
   printf STDERR "Copying `%s`.`%s`: %3d%% %02d:%02d:%02d remain\n", $db, $tbl, 100 * $share,
      $left / 3600, $left / 60 % 60, $left % 60;
}
