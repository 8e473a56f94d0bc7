# Writes until it is refused, then makes empty files until it is, says how many megabytes and files that were, and removes
# them; the argument says how many megabytes, and thousands of files, are enough.

my ($most) = @ARGV; my $in = "/tmp/sandpiper-fill$$"; mkdir $in or die;
  open my $file, '>', "$in/file" or die; my ($written, $made) = (0, 0);
  for (1 .. $most) { my $sent = syswrite $file, "x" x 1048576; last unless $sent; $written += $sent }
  close $file; unlink "$in/file";
  for (1 .. $most * 1000) { open my $one, '>', "$in/$_" or last; $made++ }
  print int($written / 1048576), ' ', $made; unlink "$in/$_" for 1 .. $made; rmdir $in
