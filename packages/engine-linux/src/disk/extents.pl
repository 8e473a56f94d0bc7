# Says where in a sparse file there is something: `<from> <bytes>`, a line each. Node.js has no word for it.

my ($file, $seek_data, $seek_hole) = (undef, 3, 4);
open $file, '<', $ARGV[0] or die "$ARGV[0]: $!\n";
for (my $at = 0; defined($at = sysseek $file, $at, $seek_data); ) {
  my $end = sysseek $file, $at, $seek_hole;
  printf "%d %d\n", $at, $end - $at;
  $at = $end;
}
